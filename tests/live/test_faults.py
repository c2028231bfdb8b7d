# SPDX-License-Identifier: GPL-2.0-only
"""Faults of the world around: what bindtrace looks at, or lives on, goes or changes while it runs."""
import contextlib
import datetime
import os
import signal
import socket
import subprocess
import time

from child import LIBC, Child, attempt, ip, sock
from harness import Failure, Skip, check, contains, same, until
from state import State, new_port, new_socket, refused
from test_sctp import meet
from test_wait import is_waiting
from tool import Started, Tracer, run

CLONE_NEWNET = 0x40000000
NAME = "bt-fault"
INSIDE = ["nsenter", f"--net=/run/netns/{NAME}"]
CPU = "/sys/devices/system/cpu/cpu1/online"
CGROUP = "/sys/fs/cgroup/bt-fault"
PINS = "/sys/fs/bpf/bindtrace"
CLOCK_STEP = 3 * 3600
NEAR = 60  # seconds that a guest may stand still
LASTS = (5, 20, 80)  # seconds, of which the first is longer than a start takes, if the host allows
SLEEP_S = 5
BUSY = 40  # refused binds in a row
SHORT_OF_FDS = (4, 6, 8, 10, 14, 20)
SHORT_OF_MEMORY = (2, 6, 12, 24)  # MB


def probe(*tracers):
    """A conflict of our own, which each of them reports, with all in it right."""
    port = new_port()
    with new_socket("127.0.0.8", port, listen=True):
        refused("127.0.0.8", port)
        lines = [tracer.conflict_of(os.getpid(), port) for tracer in tracers]
    for line in lines:
        same("cause", line["cause"], "listener")
        same("evidence", line["evidence"], "exact")
        same("owners", [x["pid"] for x in line["blockers"][0]["owners"]], [os.getpid()])
    return lines[0]


def stop_even(tracer):
    stop = tracer.stop()
    same("seen", stop["seen"], stop["delivered"] + stop["filtered"] + stop["lost"])
    same("lost", stop["lost"], 0)
    same("stderr", tracer.err(), "")
    return stop


def put(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def get(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


@contextlib.contextmanager
def setting(values):
    """Sysctls, and as they were afterwards."""
    paths = {f"/proc/sys/{name.replace('.', '/')}": value for name, value in values.items()}
    before = {path: get(path) for path in paths}
    try:
        for path, value in paths.items():
            put(path, value)
        yield
    finally:
        for path, value in before.items():
            put(path, value)


# ---- modules --------------------------------------------------------------------------------


def need_module(name):
    if subprocess.run(["modprobe", "-q", name], check=False).returncode:
        raise Skip(f"this kernel has no {name}")


def rmmod(name):
    """Its sockets go a moment after their owners."""
    until(lambda: not subprocess.run(["rmmod", name], check=False,
                                     stderr=subprocess.DEVNULL).returncode, f"rmmod {name}")


def check_module():
    """A protocol's module goes under a live run that watches its bind(), and comes again."""
    need_module("sctp")
    if subprocess.run(["rmmod", "sctp"], check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("this kernel never lets go of sctp")  # 5.10
    need_module("sctp")
    with Tracer() as tracer:
        tracer.ready()
        for _ in range(2):
            need_module("sctp")
            port = new_port()
            with Child(meet, "127.0.0.1", port) as child:
                same("result", child.go(), "EADDRINUSE")
                same("protocol", tracer.conflict_of(child.pid, port)["protocol"], "sctp")
            rmmod("sctp")
            probe(tracer)
        stop_even(tracer)


def check_tunnel():
    """A module with a port of its own: the port is free when it has gone, and nothing else is."""
    need_module("vxlan")
    port = new_port()
    bind = ("0.0.0.0", port, socket.SOCK_DGRAM)
    with Tracer() as tracer:
        tracer.ready()
        ip("link", "add", "bt-vx", "type", "vxlan", "id", "7", "dev", "lo", "dstport", str(port))
        ip("link", "set", "bt-vx", "up")
        same("result", attempt(sock, *bind), "EADDRINUSE")
        line = tracer.conflict_of(os.getpid(), port)
        same("roles", {x["role"] for x in line["blockers"]}, {"kernel"})
        same("status", run("--port", port, "--proto", "udp").status, 1)
        ip("link", "del", "bt-vx")
        rmmod("vxlan")
        until(lambda: attempt(lambda: sock(*bind).close()) == "ok", "the port")
        same("status", run("--port", port, "--proto", "udp").status, 0)
        probe(tracer)
        stop_even(tracer)


# ---- network namespaces ---------------------------------------------------------------------


def refuse_and_go(n):
    """In a namespace that goes with this process, before anybody can look into it."""
    pid = os.fork()
    if pid:
        return pid
    try:
        check(not LIBC.unshare(CLONE_NEWNET), "unshare")
        with new_socket("0.0.0.0", 8080, listen=True):
            for _ in range(n):
                refused("0.0.0.0", 8080, reuseaddr=True)
        os._exit(0)
    finally:
        os._exit(1)


def check_netns_gone():
    """What the hook saw is right even where nothing is left to look at."""
    each, many = 5, 12
    with Tracer() as tracer:
        tracer.ready()
        pids = [refuse_and_go(each) for _ in range(many)]
        for pid in pids:
            same("the child's status", os.waitpid(pid, 0)[1], 0)
        probe(tracer)
        lines = tracer.conflicts(lambda x: x["process"]["pid"] in pids)
        same("conflicts", sum(x.get("count", 1) for x in lines), each * many)
        here = os.stat("/proc/self/ns/net").st_ino
        for line in lines:
            same("cause", line["cause"], "listener")
            check(line["netns"] != here, f"another namespace: {line}")
            same("blockers", [x["state"] for x in line["blockers"]], ["LISTEN"])
        stop_even(tracer)


def add_netns():
    ip("netns", "add", NAME)
    ip("-n", NAME, "link", "set", "lo", "up")


def check_netns_deleted():
    """Its name goes while --wait is in it, then all else: the port is free, there as anywhere."""
    add_netns()
    with State("listener", port=new_port(), prefix=INSIDE) as state, \
            Tracer("--netns", NAME) as tracer:
        tracer.ready()
        pid = state.procs[0]["pid"]
        waiting = [Started("--port", state.port, "--netns", x, "--wait", "--json")
                   for x in (NAME, pid)]
        for started in waiting:
            until(lambda s=started: is_waiting(s), "ppoll()")
        ip("netns", "del", NAME)
        line = run("--port", state.port, "--netns", pid, "--json").only()
        same("owners", [x["pid"] for x in line["holders"][0]["owners"]], [pid])
        state.end()
        for result in [x.result() for x in waiting]:
            same("exit status, stderr", (result.status, result.err), (0, ""))
            same("holders", result.only()["holders"], [])
        for args in (NAME, 2):
            result = run("--port", state.port, "--netns", args)
            same("exit status", result.status, 2 if args == NAME else 0)
        same("exit status", run("--port", state.port, "--netns", "all").status, 0)
        stop_even(tracer)


# ---- processors, clocks, sleep --------------------------------------------------------------


def busy_on(cpu):
    port = new_port()
    os.sched_setaffinity(0, {cpu})
    try:
        with new_socket("127.0.0.1", port, listen=True):
            for _ in range(BUSY):
                refused("127.0.0.1", port)
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))


def check_cpu():
    """Counters and scratch memory are kept for each processor, and each counts when it has gone."""
    if not os.path.exists(CPU):
        raise Skip("this kernel cannot take a processor away")
    with Tracer() as tracer:
        tracer.ready()
        busy_on(1)
        put(CPU, "0")
        try:
            probe(tracer)
            busy_on(0)
            same("status", run("--port", new_port()).status, 0)
            with Tracer() as second:  # which begins with one processor, and sees another come
                second.ready()
                put(CPU, "1")
                busy_on(1)
                probe(tracer, second)
                same("seen by the second", stop_even(second)["seen"], BUSY + 1)
        finally:
            put(CPU, "1")
        same("seen", stop_even(tracer)["seen"], 3 * BUSY + 2)


def seconds_of(text):
    whole, fraction = text.removesuffix("Z").split(".")
    when = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return when.timestamp() + float("0." + fraction)


def step_clock(seconds):
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME) + seconds)


def check_now(line):
    now = time.time()
    check(abs(seconds_of(line["time"]) - now) < NEAR, f"it is {now}: {line['time']}")


def took(started, began, at_least):
    result = started.result()
    seconds = time.monotonic() - began
    check(at_least <= seconds < at_least + NEAR, f"it took {seconds} s")
    return result


def start_lasting(port):
    """Two runs that last some seconds, and longer where to start them takes as long."""
    for lasts in LASTS:
        began = time.monotonic()
        runs = (Started("--port", port, f"--wait={lasts}", "--json"),
                Started("--duration", lasts, "--json"))
        until(lambda: runs[0].process.poll() is not None or is_waiting(runs[0]), "ppoll()")
        if runs[0].process.poll() is None:
            return lasts, began, *runs
        for started in runs:
            started.result()
    raise Failure(f"a start takes more than {LASTS[-1]} s")


def check_clock():
    """Set forward and back: times of day follow, and what lasts some seconds lasts as long."""
    with Tracer() as tracer, State("listener", port=new_port()) as state:
        tracer.ready()
        lasts, began, wait, live = start_lasting(state.port)
        for step in (CLOCK_STEP, -CLOCK_STEP):
            step_clock(step)
            check_now(probe(tracer))
        same("status of --wait", took(wait, began, lasts).status, 1)
        lines = took(live, began, lasts).lines
        same("lines", (lines[0]["type"], lines[-1]["type"]), ("start", "stop"))
        stop_even(tracer)


def check_time_namespace():
    """Its clocks are days ahead of those that the hooks read; without a fork, only on some kernels."""
    for fork in (["--fork"], []):
        try_time_namespace([*fork, "--monotonic", "100000", "--boottime", "200000"])


def try_time_namespace(options):
    port = new_port()
    ahead = ["unshare", "--time", *options]
    with new_socket("127.0.0.1", port, listen=True), \
            Tracer("--port", port, "--follow", "--fold", "1", "--count", "2", prefix=ahead) as tracer:
        tracer.ready()
        for _ in range(3):
            refused("127.0.0.1", port)
        first = tracer.conflict_of(os.getpid(), port)
        check_now(first)
        same("exe", first["process"]["exe"], os.readlink("/proc/self/exe"))
        same("exe of the owner", first["blockers"][0]["owners"][0]["exe"], first["process"]["exe"])
        same("exit status", tracer.finish(), 0)
        second = tracer.conflicts()[1]
        same("folded", (first["count"], second["count"]), (1, 2))
        check_now(second)


def sleep_and_wake():
    """Suspends to memory; the clock wakes it. The seconds that it slept."""
    def slept():
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()

    before = slept()
    put("/sys/class/rtc/rtc0/wakealarm", f"+{SLEEP_S}")
    put("/sys/power/state", "mem")
    return slept() - before


def expires_ms(port):
    """What its timer has left, 0 when it is over, and when that was."""
    holders = run("--port", port, "--json").only()["holders"]
    check(len(holders) <= 1 and all(x["state"] == "TIME_WAIT" for x in holders), f"{holders}")
    return holders[0]["expires_ms"] if holders else 0, time.monotonic()


def check_suspend():
    """The whole machine sleeps, one processor is taken away meanwhile: times and timers are right."""
    with State("listener", port=new_port()) as held, Tracer() as tracer:
        tracer.ready()
        probe(tracer)
        wait = Started("--port", held.port, "--wait=600", "--json")
        until(lambda: is_waiting(wait), "ppoll()")
        tw = State("time_wait", port=new_port())
        before, at = expires_ms(tw.port)
        slept = sleep_and_wake()
        check(slept > 1, f"it has not slept: {slept} s")
        check_now(probe(tracer))
        busy_on(1)
        after, now = expires_ms(tw.port)
        # the kernel's timers stand still as long as its clock does
        passed = (now - at) * 1000
        check(abs(max(before - passed, 0) - after) < 2000,
              f"{before} ms; {passed} ms later, and {slept} s of sleep, {after} ms")
        check(is_waiting(wait), "--wait is over")
        held.end()
        tw.end()
        same("status of --wait", wait.result().status, 0)
        same("seen", stop_even(tracer)["seen"], BUSY + 2)


# ---- two at once ----------------------------------------------------------------------------


@contextlib.contextmanager
def own_files():
    """A prefix for several runs that share a /run and a BPF file system of their own."""
    script = ("mount -t tmpfs none /run; mount -t bpf none /sys/fs/bpf; echo; exec cat")
    with subprocess.Popen(["unshare", "-m", "sh", "-ec", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"], f"/proc/{holder.pid}/root"
        holder.stdin.close()


def check_two():
    """The first one's memory serves one-shot runs; the second one has its own, and says nothing."""
    with contextlib.ExitStack() as stack:
        prefix, root = stack.enter_context(own_files())
        first = stack.enter_context(Tracer(prefix=prefix)).ready()
        until(lambda: os.path.exists(root + PINS), "pins")
        second = stack.enter_context(Tracer(prefix=prefix)).ready()
        pins = os.stat(root + PINS + "/closed").st_ino
        probe(first, second)
        same("pins", os.stat(root + PINS + "/closed").st_ino, pins)
        same("status", run("--port", new_port(), prefix=prefix).status, 0)
        stop_even(first)
        check(not os.path.exists(root + PINS), "the first one's pins are left")
        probe(second)
        same("status", run("--port", new_port(), prefix=prefix).status, 0)
        with Tracer(prefix=prefix) as third:
            third.ready()
            until(lambda: os.path.exists(root + PINS), "pins of the third")
            probe(second, third)
            third.proc.send_signal(signal.SIGKILL)
            third.proc.wait()
        # What it has left is nobody's, and in nobody's way.
        same("status", run("--port", new_port(), prefix=prefix).status, 0)
        probe(second)
        with Tracer(prefix=prefix) as fourth:
            fourth.ready()
            probe(second, fourth)
            stop_even(fourth)
        check(not os.path.exists(root + PINS), "pins are left")
        stop_even(second)


# ---- a kernel that gives little -------------------------------------------------------------


def check_jit():
    """The interpreter, and constants blinded: hooks and walks do as always."""
    for values in ({"net.core.bpf_jit_enable": "0"},
                   {"net.core.bpf_jit_enable": "1", "net.core.bpf_jit_harden": "2"}):
        with setting({**values, "kernel.perf_event_paranoid": "3", "kernel.kptr_restrict": "2"}), \
                State("listener", port=new_port()) as state, Tracer() as tracer:
            check(get("/proc/sys/kernel/unprivileged_bpf_disabled") != "0", "BPF for everyone")
            tracer.ready()
            probe(tracer)
            result = run("--port", state.port, "--json")
            same("status, stderr", (result.status, result.err), (1, ""))
            same("evidence", result.only()["evidence"], "walked")
            same("owners", [x["comm"] for x in result.only()["holders"][0]["owners"]],
                 ["bt-listener"])
            stop_even(tracer)


def check_short(result, right, what):
    """The answer, or one line that says why there is none; another one may say what is used instead."""
    check(result.status in (right, 5), f"{what}: exit status {result.status}: {result.err}")
    lines = result.err.splitlines()
    check(len(lines) <= 2 and all(x.startswith("bindtrace: ") for x in lines),
          f"{what}: stderr: {result.err}")
    if result.status != right:
        check(lines, f"{what}: nothing says why")


def check_fds():
    """As many fds as a limit allows: too few is no answer, and never a wrong one."""
    with State("listener", port=new_port()) as state:
        free = new_port()
        for limit in SHORT_OF_FDS:
            prefix = ["prlimit", f"--nofile={limit}"]
            what = f"{limit} fds"
            runs = [Started(*args, prefix=prefix) for args in
                    (("--port", state.port), ("--port", free), ("--duration", "0.1", "-q"))]
            for started, right in zip(runs, (1, 0, 0)):
                check_short(started.result(), right, what)


def check_memory():
    """Killed by the kernel or not: whoever has memory is not disturbed."""
    put("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
    os.makedirs(CGROUP, exist_ok=True)
    put(f"{CGROUP}/memory.max", "max")
    with State("listener", port=new_port()) as state, Tracer() as tracer:
        tracer.ready()
        for megabytes in SHORT_OF_MEMORY:
            put(f"{CGROUP}/memory.max", f"{megabytes}M")
            prefix = ["sh", "-c", f'echo $$ >{CGROUP}/cgroup.procs; exec "$@"', "sh"]
            for args, right in ((("--port", state.port), 1), (("--duration", "0.1", "-q"), 0)):
                result = Started(*args, prefix=prefix).result()
                if result.status != -signal.SIGKILL:
                    check_short(result, right, f"{megabytes} MB")
        probe(tracer)
        stop_even(tracer)
    until(lambda: not get(f"{CGROUP}/cgroup.procs"), "an empty cgroup")
    os.rmdir(CGROUP)


def check_no_sys():
    """Nothing of /sys: no BTF, so no BPF, and the fallback answers."""
    prefix = ["unshare", "-m", "sh", "-ec", 'umount -l /sys; exec "$@"', "sh"]
    with State("listener", port=new_port()) as state:
        result = run("--port", state.port, "--json", prefix=prefix)
        same("exit status", result.status, 1)
        contains("stderr", result.err, "answering from inet_diag and /proc")
        same("owners", [x["comm"] for x in result.only()["holders"][0]["owners"]], ["bt-listener"])
    result = run("--duration", "0.1", prefix=prefix)
    same("exit status", result.status, 3)
    same("lines on stderr", len(result.err.splitlines()), 1)


TESTS = {
    "module": check_module, "tunnel": check_tunnel, "netns_gone": check_netns_gone,
    "netns_deleted": check_netns_deleted, "clock": check_clock, "time_namespace": check_time_namespace,
    "two": check_two,
}
# What is no kernel's business, or takes long: on the oldest and the newest.
HEAVY = {
    "jit": check_jit, "fds": check_fds, "memory": check_memory, "no_sys": check_no_sys,
    "cpu": check_cpu,
}


def faults(_selected):
    for name, test in TESTS.items():
        yield f"faults.{name}", test


def heavy_faults(_selected):
    for name, test in HEAVY.items():
        yield f"faults.{name}", test
    # QEMU's HPET takes the alarm of the clock, which nothing else wakes: tests/people/run boots without
    if "hpet=disable" in get("/proc/cmdline"):
        yield "faults.suspend", check_suspend
