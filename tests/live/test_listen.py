# SPDX-License-Identifier: GPL-2.0-only
"""listen() that is refused: somebody else listens already."""
from child import Child, Recorded, attempt, sock
from harness import check, contains, same
from state import new_port


def race(address, port, other, spec):
    first = sock(address, port, **spec)
    second = sock(other, port, **spec)
    first.listen()
    yield attempt(second.listen)


def check_race(address, other, **spec):
    port = new_port()
    with Child(race, address, port, other, spec) as child:
        same("result", child.value, "EADDRINUSE")
        line = Recorded.only(child.pid)
    same("syscall", line["syscall"], "listen")
    same("error", line["error"], "EADDRINUSE")
    same("cause", line["cause"], "listen_race")
    same("evidence", line["evidence"], "exact")
    same("local", line["local"], {"address": other, "port": port})
    blocker, = line["blockers"]
    same("state", blocker["state"], "LISTEN")
    same("local", blocker["local"], {"address": address, "port": port})
    same("owners", [x["pid"] for x in blocker["owners"]], [child_pid(line)])
    check("listening" in blocker["rules"], f"rules: {blocker['rules']}")
    check(line["fixes"], "no fixes")
    contains("summary", line["summary"], "listen", str(port))


def child_pid(line):
    return line["process"]["pid"]


def listen(selected):
    rows = {"same": ("127.0.0.1", "127.0.0.1"), "wildcard": ("0.0.0.0", "127.0.0.1"),
            "v6": ("::1", "::1"), "dual": ("::", "0.0.0.0")}
    for name, (one, two) in rows.items():
        if selected(f"listen.race_{name}"):
            Recorded.get()
            yield (f"listen.race_{name}",
                   lambda one=one, two=two: check_race(one, two, reuseaddr=True))
