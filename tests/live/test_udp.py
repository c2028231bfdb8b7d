# SPDX-License-Identifier: GPL-2.0-only
"""UDP, UDP-Lite and MPTCP."""
import itertools
import socket

from child import Child, Recorded, attempt, keep, sock
from harness import Skip, check, contains, same
from state import new_port
from tool import OLD, Started

UDP = socket.SOCK_DGRAM
UDPLITE = 136
MPTCP = 262


def supported(kind, proto):
    try:
        socket.socket(socket.AF_INET, kind, proto).close()
    except OSError as error:
        raise Skip(f"no such protocol: {error}") from error


def meet(first, second, port, kind, proto):
    one = dict(first)
    keep(one.pop("address"), port, kind, 0 if proto == MPTCP else proto, **one)
    yield "there"
    two = dict(second)
    yield attempt(sock, two.pop("address"), port, kind, proto, **two)


def check_udp(first, second, kind=UDP, proto=0, protocol="udp"):
    port = new_port()
    supported(kind, proto)
    with Child(meet, first, second, port, kind, proto) as child:
        same("result", child.go(), "EADDRINUSE")
        line = Recorded.only(child.pid)
        pid = child.pid
    same("syscall", line["syscall"], "bind")
    same("protocol", line["protocol"], protocol)
    same("local", line["local"], {"address": second["address"], "port": port})
    same("family", line["family"], "ipv6" if ":" in second["address"] else "ipv4")
    same("cross_check", line["cross_check"] is not False, True)
    blocker, = line["blockers"]
    same("local of the blocker", blocker["local"], {"address": first["address"], "port": port})
    same("owners", [x["pid"] for x in blocker["owners"]], [pid])
    for key in ("reuseaddr", "reuseport"):
        same(key, (blocker[key], line["socket"][key]),
             (first.get(key, False), second.get(key, False)))
    check(line["fixes"], "no fixes")
    contains("summary", line["summary"], str(port))
    return line


def check_holder(first, second, rules=None):
    line = check_udp(first, second)
    same("cause", line["cause"], "udp_holder")
    if rules:
        same("rules", set(line["blockers"][0]["rules"]), rules)


def check_udplite():
    line = check_udp({"address": "0.0.0.0"}, {"address": "127.0.0.1"}, UDP, UDPLITE, "udplite")
    same("cause", line["cause"], "udp_holder")


def check_mptcp():
    if OLD:
        raise Skip("MPTCP is looked at from 6.1 on")
    line = check_udp({"address": "127.0.0.1", "listen": True}, {"address": "127.0.0.1"},
                     socket.SOCK_STREAM, MPTCP, "tcp")
    same("cause", line["cause"], "listener")


COMBINATIONS = [dict(zip(("reuseaddr", "reuseport"), x))
                for x in itertools.product((False, True), repeat=2)]
ADDRESSES = ("0.0.0.0", "::")


def holders(ports):
    for port, spec in zip(ports, COMBINATIONS):
        keep("0.0.0.0", port, UDP, **spec)
    yield "there"


def check_what_if():
    """Four holders; what each bind would get is what it then gets."""
    ports = [new_port() for _ in COMBINATIONS]
    with Child(holders, ports) as child:
        asked = ",".join(map(str, ports))
        runs = [Started("--proto", "udp", "--port", asked, "--json"),
                Started("--proto", "udp", "--port", asked)]
        as_json, as_text = (x.result() for x in runs)
        same("exit status", (as_json.status, as_text.status), (1, 1))
        same("lines", [x["port"] for x in as_json.lines], ports)
        for line in as_json.lines:
            same("protocol", line["protocol"], "udp")
            same("owners", [x["pid"] for x in line["holders"][0]["owners"]], [child.pid])
            same("what_if", len(line["what_if"]), len(ADDRESSES) * len(COMBINATIONS))
            for row in line["what_if"]:
                got = outcome(row, line["port"])
                same(f"bind {row}", got, row["result"])
                same("cause", row["cause"], None if got == "ok" else "udp_holder")
        contains("text", as_text.out, f"{ports[0]}/udp is taken", "refused", "Why ", "Do ")


def check_crowded():
    """Many in one hash slot: some kernels then let a wildcard pass, and the report says so."""
    port = new_port()
    held = [sock(f"127.0.0.{i}", port, UDP) for i in range(1, 12)]
    try:
        line = Started("--port", port, "--proto", "udp", "-4", "--json").result().only()
        really = outcome({"address": "0.0.0.0", "reuseaddr": False, "reuseport": False}, port)
        wildcard = next(x for x in line["what_if"] if x.get("asked"))
        same("what_if", wildcard["result"], "EADDRINUSE")
        contains(f"note, and bind() says {really}", line["note"], "let a bind to a wildcard pass")
        while len(held) > 5:
            held.pop().close()
        line = Started("--port", port, "--proto", "udp", "-4", "--json").result().only()
        same("note", line["note"], None)
    finally:
        for one in held:
            one.close()


def outcome(row, port):
    try:
        sock(row["address"], port, UDP, reuseaddr=row["reuseaddr"],
             reuseport=row["reuseport"]).close()
    except OSError:
        return "EADDRINUSE"
    return "ok"


def udp(selected):
    four, lo4, six = ({"address": x} for x in ("0.0.0.0", "127.0.0.1", "::"))
    reuse = {"reuseaddr": True}
    rows = {
        "v4": lambda: check_holder(four, lo4),
        "v6": lambda: check_holder({"address": "::1"}, six),
        "dual": lambda: check_holder(lo4, six),
        "dual_back": lambda: check_holder(six, four),
        "blocker_lacks": lambda: check_holder(four, {**four, **reuse},
                                              {"blocker_lacks_reuseaddr"}),
        "binder_lacks": lambda: check_holder({**four, **reuse}, four,
                                             {"binder_lacks_reuseaddr"}),
        "lite": check_udplite, "what_if": check_what_if, "mptcp": check_mptcp,
        "crowded": check_crowded,
    }
    for name, function in rows.items():
        if selected(f"udp.{name}"):
            Recorded.get()
            yield f"udp.{name}", function
