# SPDX-License-Identifier: GPL-2.0-only
"""Filters by who calls, and by protocol."""
import os
import socket

from child import Child, attempt, cgroup_root, sock
from harness import check, same, until
from state import new_port
from tool import Tracer

UDP = socket.SOCK_DGRAM


def caller(address, port, options):
    """Waits, and then is refused: itself, or a grandchild of its own."""
    if "cgroup" in options:
        with open(f"{options['cgroup']}/cgroup.procs", "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))
    if "uid" in options:
        os.setgroups([])
        os.setresuid(options["uid"], options["uid"], options["uid"])
    yield "there"
    if not options.get("fork"):
        kind = UDP if options.get("udp") else socket.SOCK_STREAM
        yield os.getpid(), attempt(sock, address, port, kind)
    here, there = os.pipe()
    if not os.fork():
        parent = os.getpid()
        if not os.fork():
            if options["fork"] == "orphan":
                until(lambda: os.getppid() != parent, "init as the parent")
            result = attempt(sock, address, port)
            os.write(there, f"{os.getpid()} {result}".encode())
            os._exit(0)
        if options["fork"] != "orphan":
            os.wait()
        os._exit(0)
    os.wait()
    pid, result = os.read(here, 100).decode().split()
    yield int(pid), result


def check_start_line():
    """Every filter with its value, and every hook."""
    with Tracer("--follow", "--port", "80,8000-8010", "--pid", os.getpid(), "--comm", "bt x",
                "--uid-filter", 1234, "--proto", "tcp", "-a", "127.0.0.1", "--netns", "self",
                "--cross-check") as tracer:
        start = tracer.ready().lines[0]
    netns = os.stat("/proc/self/ns/net").st_ino
    same("filters", start["filters"], "ports 80, 8000-8010, address 127.0.0.1, protocol tcp, "
         f"netns {netns}, pid {os.getpid()} with descendants, comm bt x, uid 1234")
    last = "tp_btf sched_process_free"
    check(last in start["hooks"], f"the last hook is not named: {start['hooks']}")


def check_filter(make_args, wanted, unwanted, comm=("bt-child", "bt-child")):
    """The unwanted one first: it would have been reported before the wanted one."""
    port = new_port()
    holders = [sock("127.0.0.1", port), sock("127.0.0.1", port, UDP)]
    try:
        with Child(caller, "127.0.0.1", port, unwanted, comm=comm[1]) as other, \
                Child(caller, "127.0.0.1", port, wanted, comm=comm[0]) as mine, \
                Tracer(*make_args(mine.pid)) as tracer:
            tracer.ready()
            same("unwanted", other.go()[1], "EADDRINUSE")
            pid, result = mine.go()
            same("wanted", result, "EADDRINUSE")
            tracer.conflict_of(pid)
            stop = tracer.stop()
            same("pids", [x["process"]["pid"] for x in tracer.conflicts()], [pid])
            same("counters", (stop["delivered"], stop["lost"]), (1, 0))
            check(stop["filtered"] >= 1, f"filtered: {stop}")
            same("seen", stop["seen"], stop["delivered"] + stop["filtered"])
    finally:
        for holder in holders:
            holder.close()


def check_cgroup():
    root = cgroup_root()
    paths = [f"{root}/bt-one", f"{root}/bt-one/below", f"{root}/bt-two"]
    for path in paths:
        os.mkdir(path)
    try:
        check_filter(lambda pid: ("--cgroup", paths[0]), {"cgroup": paths[1]},
                     {"cgroup": paths[2]})
    finally:
        for path in reversed(paths):
            os.rmdir(path)


def more_filters(selected):
    rows = {
        "pid": lambda: check_filter(lambda pid: ("--pid", pid), {}, {}),
        "pid_descendant": lambda: check_filter(lambda pid: ("--pid", pid), {"fork": True}, {}),
        "pid_orphan": lambda: check_filter(lambda pid: ("--pid", pid), {"fork": "orphan"}, {}),
        "comm": lambda: check_filter(lambda pid: ("--comm", "bt-wanted"), {}, {},
                                     ("bt-wanted", "bt-other")),
        "uid": lambda: check_filter(lambda pid: ("--uid-filter", 1234), {"uid": 1234},
                                    {"uid": 1235}),
        "proto": lambda: check_filter(lambda pid: ("--proto", "udp"), {"udp": True}, {}),
        "cgroup": check_cgroup,
        "start_line": check_start_line,
    }
    for name, function in rows.items():
        if selected(f"filter.{name}"):
            yield f"filter.{name}", function
