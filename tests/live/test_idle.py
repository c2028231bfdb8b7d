# SPDX-License-Identifier: GPL-2.0-only
"""What runs in the kernel while nothing is refused: docs/PERFORMANCE.md, "What runs when"."""
import glob
import json
import os
import socket
import subprocess

from child import connected, sock
from harness import same
from state import new_port
from tool import KERNEL, OLD, Tracer

CALLS = 50  # so that a call of somebody else's does not count as one of these
STATS = "/proc/sys/kernel/bpf_stats_enabled"


def programs(pid):
    """Ids: those that a process has links to."""
    ids = set()
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with open(path, encoding="ascii") as lines:
            fields = dict(line.rstrip().split(":\t", 1) for line in lines if ":\t" in line)
        if "link_id" in fields:
            ids.add(int(fields["prog_id"]))
    return ids


def runs(ids):
    """{name: how often it has run}"""
    shown = [json.loads(subprocess.run(["bpftool", "-j", "prog", "show", "id", str(i)], check=True,
                                       capture_output=True).stdout) for i in ids]
    return {x["name"]: x.get("run_cnt", 0) for x in shown}


def bound(address, kind=socket.SOCK_STREAM):
    return lambda port=new_port(): sock(address, port, kind).close()


def listening():
    sock("127.0.0.1", new_port(), listen=True).close()


def connecting():
    with sock("127.0.0.1", new_port(), listen=True) as listener:
        port = listener.getsockname()[1]
        with connected("127.0.0.1", port):
            listener.accept()[0].close()


def forked():
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def during(ids, call):
    """The programs that each of some calls runs."""
    before = runs(ids)
    for _ in range(CALLS):
        call()
    after = runs(ids)
    return {name for name, n in after.items() if n - before[name] >= CALLS}


BIND = {"fexit_security_bind", "fexit_inet_bind"}
# From 6.1 on the kernel's conflict test runs for a port that nobody has, too: once for the port, and
# for one address once more for the wildcard's sockets.
TEST = set() if OLD else {"fexit_bind_conflict_5"}
ADDRESS = set() if OLD else {"fexit_addr_any_conflict"}
LISTEN = {"fexit_listen_start_2" if OLD else "fexit_listen_start_1",
          "fexit_bind_conflict_4" if OLD else "fexit_bind_conflict_5"}
CONNECT = {"fexit_security_connect",
           "fexit_hash_connect_5" if KERNEL in ("6.18", "7.2") else "fexit_hash_connect_4"}
CASES = {
    "a socket": (lambda: sock().close(), set()),
    "bind(), TCP": (bound("0.0.0.0"), BIND | TEST),
    "bind(), TCP, one address": (bound("127.0.0.1"), BIND | TEST | ADDRESS),
    "bind(), UDP": (bound("127.0.0.1", socket.SOCK_DGRAM), BIND),
    "bind(), IPv6": (bound("::1", socket.SOCK_DGRAM), {"fexit_security_bind", "fexit_inet6_bind"}),
    "bind() and listen()": (listening, BIND | ADDRESS | LISTEN),
    "all of a connection": (connecting, BIND | ADDRESS | LISTEN | CONNECT | {"fentry_send_fin"}),
    "fork() and exec()": (forked, {"tp_fork_exe", "tp_exec"}),
}


def with_sctp(wanted):
    """inet_bind() and inet6_bind() are hooked where there is the module, for its sockets' sake."""
    if not os.path.exists("/sys/module/sctp"):
        return wanted
    more = {"fexit_inet_bind": "fexit_sctp_bind", "fexit_inet6_bind": "fexit_sctp_bind6"}
    return wanted | {more[name] for name in wanted if name in more}


def count_runs(on):
    with open(STATS, "w", encoding="ascii") as file:
        file.write(str(int(on)))


def check_runs():
    count_runs(True)
    try:
        with Tracer() as tracer:
            tracer.ready()
            ids = programs(tracer.proc.pid)
            ran = {name: during(ids, call) for name, (call, _) in CASES.items()}
            tracer.stop()
    finally:
        count_runs(False)
    for name, (_, wanted) in CASES.items():
        same(name, sorted(ran[name]), sorted(with_sctp(wanted)))


def idle(selected):
    if selected("idle.runs"):
        yield "idle.runs", check_runs
