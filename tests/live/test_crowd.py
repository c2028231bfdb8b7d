# SPDX-License-Identifier: GPL-2.0-only
"""Very many sockets on one port, and sockets that come and go while binds are refused."""
import contextlib
import os
import re
import subprocess

from child import Child, attempt, own_netns, sock
from harness import Skip, check, same
from state import Bind, State, marker, new_port, refused
from tool import PAIR, Shared, Tracer, run

CROWD = 50000
AT_LEAST = 10000  # a time-wait socket lasts a minute, and a busy host is slow to make so many
REFUSED = 60  # of each of two kinds
VRFS = 300
VRF_PORT = 179
LISTENERS = {f"127.0.0.{i}" for i in range(1, 6)}


def check_churn(tracer):
    Shared.get()
    with tracer, State("churn", port=new_port()) as state:
        tracer.ready()
        for _ in range(REFUSED):
            refused("127.0.0.1", state.port)
            refused("0.0.0.0", state.port, reuseaddr=True)
        # what the churning processes themselves are refused is theirs
        def mine(line):
            return line["type"] == "conflict" and line["process"]["pid"] == os.getpid()

        tracer.wait(lambda _: len([x for x in tracer.lines if mine(x)]) +
                    sum(x.get("count", 0) for x in tracer.lines if x["type"] == "lost")
                    >= 2 * REFUSED, "all of them")
        stop = tracer.stop()
        marker()  # the shared run has seen them, too, with the listener still there
        lines = tracer.conflicts(mine)
        check(len(lines) <= 2 * REFUSED <= len(lines) + stop["lost"],
              f"{len(lines)} reports and {stop['lost']} lost of {2 * REFUSED}")
        same("seen", stop["seen"], stop["delivered"] + stop["filtered"] + stop["lost"])
        same("delivered", stop["delivered"], len(tracer.conflicts()))
        check(len(lines) >= 100, f"only {len(lines)} reports")
        raced = sum(line["evidence"] == "raced" for line in lines)
        check(raced <= len(lines) // 10, f"{raced} of {len(lines)} reports are raced")
        for line in lines:
            check_churn_line(line, state)


def check_churn_line(line, state):
    """The listener on 127.0.0.1 is always in the way. With SO_REUSEADDR on both sides other
    listeners may be, too, and nothing else."""
    check(line["cause"] == "listener", f"cause: {line}")
    # A listener's state is not under the bucket's lock: the kernel may have judged by one that the
    # hook, an instant later, no longer saw listening. The report says so.
    if line["evidence"] != "raced":
        check(line["evidence"] in ("exact", "walked"), f"evidence: {line}")
        same("cross_check", line["cross_check"], True if PAIR else None)
    same("states", {x["state"] for x in line["blockers"]}, {"LISTEN"})
    addresses = {x["local"]["address"] for x in line["blockers"]}
    reuseaddr = line["socket"]["reuseaddr"]
    wanted = LISTENERS if reuseaddr else {"127.0.0.1"}
    check("127.0.0.1" in addresses and addresses <= wanted, f"blockers: {line}")
    listener, = [x for x in line["blockers"] if x["local"]["address"] == "127.0.0.1"]
    # its children have inherited it
    owners = {x["pid"]: x["comm"] for x in listener["owners"]}
    same("owner", owners.pop(state.procs[0]["pid"], None), "bt-listener")
    check(set(owners.values()) <= {"bt-churn", "bt-listener"}, f"owners: {owners}")


def churn(selected):
    if selected("crowd.churn"):
        tracer = Tracer("--cross-check")
        yield "crowd.churn", lambda: check_churn(tracer)


def check_hold(others, at, reuseaddr, evidence, total):
    """What the hook looks at with the lock held: what the kernel has, and a record's worth more."""
    port = new_port()
    with contextlib.ExitStack() as stack:
        Shared.get()
        first = stack.enter_context(sock("127.0.0.1", port, reuseaddr=True))
        for _ in range(others):
            stack.enter_context(sock(at, port, reuseaddr=True))
        if reuseaddr:
            first.listen(1)  # and sits behind all others, which could not block
        with Bind(port, address="127.0.0.1", reuseaddr=reuseaddr) as bind:
            same("result", bind.result, "EADDRINUSE")
            line = bind.conflict()
    same("blockers_total", line["blockers_total"], total)
    check(line["evidence"] in evidence, f"evidence: {line['evidence']}")
    check(line["cross_check"] is not False, "the kernel has named another one")


HOLDS = {
    # A record full: all of them, from under the lock.
    "record": lambda: check_hold(63, "127.0.0.1", False, ["exact"], 64),
    # The kernel has stopped at the first one.
    "past_record": lambda: check_hold(300, "127.0.0.1", False, ["walked"], 301),
    # The kernel has gone through all of them.
    "listener_last": lambda: check_hold(300, "127.0.0.1", True, ["exact"], 1),
    # From 6.1 on it has not looked at those of another address.
    "elsewhere": lambda: check_hold(300, "127.0.0.2", False, ["exact", "walked"], 1),
}


def holds(selected):
    for name, test in HOLDS.items():
        if selected(f"hold.{name}"):
            yield f"hold.{name}", test


def listen_in_vrfs():
    """One port, which the default domain has had first, and each of very many VRFs since."""
    own_netns()
    if subprocess.run(["ip", "link", "add", "v", "type", "vrf", "table", "999"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        yield None
        return
    commands = "".join(f"link add v{i} type vrf table {1000 + i}\nlink set v{i} up\n"
                       for i in range(VRFS))
    subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
    held = [sock("127.0.0.1", VRF_PORT, listen=True)]
    for i in range(VRFS):
        held.append(sock("0.0.0.0", VRF_PORT, listen=True, device=f"v{i}"))
    yield [attempt(sock, "0.0.0.0", VRF_PORT),
           attempt(sock, "0.0.0.0", VRF_PORT, device=f"v{VRFS - 1}"),
           attempt(sock, "0.0.0.0", VRF_PORT + 1)]


def check_vrfs():
    """Each domain has a bucket of its own for a port; the oldest is the last of them."""
    with Child(listen_in_vrfs) as child:
        if child.value is None:
            raise Skip("this kernel has no VRFs")
        same("results", child.value, ["EADDRINUSE", "EADDRINUSE", "ok"])
        for device, blocker in ((None, "127.0.0.1"), (f"v{VRFS - 1}", "0.0.0.0")):
            asked = run("--port", VRF_PORT, "-4", "--netns", child.pid, "--json",
                        *(["--device", device] if device else []))
            same(f"exit status, {device}", asked.status, 1)
            port, = asked.lines
            same("holders_total", port["holders_total"], VRFS + 1)
            same("evidence", port["evidence"], "walked")
            same("truncated", port["truncated"], True)
            same("in the default domain", port["bucket"][0]["l3mdev"] == 0, device is None)
            plain = port["what_if"][0]
            same("result", plain["result"], "EADDRINUSE")
            same("blockers_total", plain["blockers_total"], 1)
            first = port["holders"][0]
            same("blocker", (first["local"]["address"], first["device"]), (blocker, device))


def time_waits(port):
    """Those on the port, as the kernel lists them; 50,000 lines are read in a second or so."""
    line = re.compile(rf"^ *\d+: [0-9A-F]+:{port:04X} \S+ 06 ", re.M)
    count = 0
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}", encoding="ascii") as lines:
            count += len(line.findall(lines.read()))
    return count


class Count:
    """How many there are, while some of them may expire: those before are no fewer."""

    def __init__(self, port):
        self.port = port
        self.before = time_waits(port)

    def check(self, what, total):
        """All time-wait sockets of the port, and its listener."""
        after = time_waits(self.port)
        check(max(AT_LEAST, after) <= total - 1 <= self.before,
              f"{what}: {total}, with {self.before} time-wait sockets before and {after} after")


def check_cut(line, count):
    """All have been seen, and what is not shown is said."""
    n = line["holders_total"]
    count.check("holders_total", n)
    same("truncated", line["truncated"], True)
    check(0 < len(line["holders"]) < n, "nothing was cut")
    same("first holder", line["holders"][0]["state"], "LISTEN")


def check_port(state):
    count = Count(state.port)
    result = run("--port", state.port, "--json")
    same("exit status", result.status, 1)
    line = result.only()
    same("evidence", line["evidence"], "walked")
    check_cut(line, count)
    listener = line["holders"][0]
    same("owner", [x["pid"] for x in listener["owners"]], [state.procs[0]["pid"]])
    what_if = {(x["address"], x["reuseaddr"], x["reuseport"]): x for x in line["what_if"]}
    plain, with_reuseaddr = (what_if["0.0.0.0", x, False] for x in (False, True))
    same("cause", (plain["cause"], with_reuseaddr["cause"]), ("listener", "listener"))
    same("blockers", (plain["blockers_total"], with_reuseaddr["blockers_total"]),
         (line["holders_total"], 1))
    same("blocker", with_reuseaddr["blockers"], [0])


def check_live(state, reuseaddr):
    """The time-wait sockets have SO_REUSEADDR: a bind with it meets the listener alone."""
    count = Count(state.port)
    with Bind(state.port, reuseaddr=reuseaddr) as bind:
        same("result", bind.result, "EADDRINUSE")
        line = bind.conflict()
    same("cause", line["cause"], "listener")
    if reuseaddr:
        same("blockers_total", line["blockers_total"], 1)
    else:
        count.check("blockers_total", line["blockers_total"])
    check(line["evidence"] in ("exact", "walked"), f"evidence: {line['evidence']}")
    same("truncated", line["truncated"], not reuseaddr)
    first = line["blockers"][0]
    same("state", first["state"], "LISTEN")
    same("owner", [x["pid"] for x in first["owners"]], [state.procs[0]["pid"]])


def crowd(selected):
    yield "crowd.vrfs", check_vrfs
    if not any(selected(f"crowd.{x}") for x in ("port", "live", "live_plain")):
        return
    Shared.get()
    # A time-wait socket lasts a minute: the first one must still be there when all are looked at.
    with State("crowd", "--count", CROWD, "--reuseaddr", port=new_port(), seconds=240) as state:
        yield "crowd.live", lambda: check_live(state, True)
        yield "crowd.live_plain", lambda: check_live(state, False)
        yield "crowd.port", lambda: check_port(state)
