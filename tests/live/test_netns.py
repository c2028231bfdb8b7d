# SPDX-License-Identifier: GPL-2.0-only
"""Other network and pid namespaces."""
import json
import os
import signal
import subprocess
import time

from harness import DEADLINE, check, contains, same, until
from state import Bind, State, child_of, marker, new_port, new_socket, read_line
from test_wait import is_waiting
from tool import MKSTATE_EXE, Shared, Started, Tracer, refused_usage, run

NAME = "bt-ns"
PATH = f"/run/netns/{NAME}"
INSIDE = ["nsenter", f"--net={PATH}"]
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
OWN_PID_NS = [*INSIDE, "unshare", "--pid", "--fork"]


def make():
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "up"], check=True)


def bind_inside(state):
    """The bind, and the host's pid of the process, which is pid 1 where it lives."""
    bind = Bind(state.port, prefix=OWN_PID_NS)
    same("its own pid", bind.outcome["pid"], 1)
    same("result", bind.result, "EADDRINUSE")
    return bind, child_of(bind.pid)


def check_conflict(line, pid, inode, state):
    same("pid", line["process"]["pid"], pid)
    same("comm", line["process"]["comm"], "bt-binder")
    same("netns", line["netns"], inode)
    same("netns_name", line["netns_name"], NAME)
    same("cause", line["cause"], "listener")
    same("evidence", line["evidence"], "exact")
    # the one in our own namespace, on the same port, is none of its business
    same("owners", [x["pid"] for x in line["blockers"][0]["owners"]], [state.procs[0]["pid"]])


def check_live(state, inode):
    bind, pid = bind_inside(state)
    with bind:
        check_conflict(Shared.get().conflict_of(pid, state.port), pid, inode, state)


def check_filter(tracer, state, inode):
    with tracer:
        tracer.ready()
        same("netns of the start line", tracer.lines[0]["netns"], "one")
        marker()  # outside
        bind, pid = bind_inside(state)
        with bind:
            line = tracer.conflict_of(pid, state.port)
        check_conflict(line, pid, inode, state)
        stop = tracer.stop()
        same("conflicts", len(tracer.conflicts()), 1)
        same("delivered and lost", (stop["delivered"], stop["lost"]), (1, 0))


def check_port(started, state, inode, name=NAME):
    result = started.result()
    same("stderr", result.err, "")
    same("exit status", result.status, 1)
    line = result.only()
    same("netns", line["netns"], inode)
    same("netns_name", line["netns_name"], name)
    same("owners", [x["pid"] for x in line["holders"][0]["owners"]], [state.procs[0]["pid"]])


def check_self(port):
    """Nothing is on that port here."""
    result = run("--port", port, "--json")
    same("exit status", result.status, 0)
    same("holders", result.only()["holders"], [])
    same("netns", result.only()["netns"], os.stat("/proc/self/ns/net").st_ino)


def check_all(started, state, inode, here):
    """One line for each namespace that has something on the port."""
    result = started.result()
    same("exit status", result.status, 1)
    same("namespaces", sorted(x["netns"] for x in result.lines),
         sorted([inode, os.stat("/proc/self/ns/net").st_ino]))
    owners = {x["netns"]: [y["pid"] for y in x["holders"][0]["owners"]] for x in result.lines}
    same("owner there", owners[inode], [state.procs[0]["pid"]])
    check(here in owners[os.stat("/proc/self/ns/net").st_ino], f"owners here: {owners}")


def check_nobody():
    """Nobody has the port anywhere: our own namespace answers."""
    port = new_port()
    result = run("--port", port, "--netns", "all", "--json")
    same("exit status", result.status, 0)
    same("stderr", result.err, "")
    same("namespace", result.only()["netns"], os.stat("/proc/self/ns/net").st_ino)
    contains("text", run("--port", port, "--netns", "all").out, f"{port}/tcp", " is free: ")


def check_hidden():
    """What a user may not look into is counted, and no all-clear."""
    result = run("--port", new_port(), "--netns", "all", "--json", "-q", prefix=AS_NOBODY)
    same("exit status", result.status, 4)
    same("lines on stderr", len(result.err.splitlines()), 1)
    contains("stderr", result.err, "bindtrace: --netns all: ", "network namespace",
             "could not be read", "run as root")
    same("namespace", result.only()["netns"], os.stat("/proc/self/ns/net").st_ino)
    with new_socket("0.0.0.0", new_port(), listen=True) as held:
        same("exit status", run("--port", held.getsockname()[1], "--netns", "all", "-q",
                                prefix=AS_NOBODY).status, 1)


def check_denied():
    """A namespace that may not be opened is no mistake in the command line."""
    for args in (("--port", 80), ("--port", 80, "--follow")):
        result = run(*args, "--netns", 1, "-q", prefix=AS_NOBODY)
        same(f"exit status of {args}", result.status, 4)
        contains("stderr", result.err, "run as root")


def take(port, prefix=()):
    """A process that has the port until it is killed."""
    code = (f"import socket, time; s = socket.socket(); s.bind(('0.0.0.0', {port})); s.listen(); "
            "print(flush=True); time.sleep(1000)")
    # pylint: disable=consider-using-with
    proc = subprocess.Popen([*prefix, "python3", "-c", code], stdout=subprocess.PIPE)
    read_line(proc, "the holder")
    return proc


def check_wait():
    """One deadline for all namespaces, and one signal ends it."""
    port = new_port()
    held = [take(port), take(port, INSIDE)]
    try:
        start = time.monotonic()
        same("exit status", run("--port", port, "--netns", "all").status, 1)
        once = time.monotonic() - start
        start = time.monotonic()
        result = run("--port", port, "--netns", "all", "--wait=8", "--json")
        took = time.monotonic() - start
        same("exit status", (result.status, len(result.lines)), (1, 2))
        check(8 <= took < 14 + 2 * once, f"it took {took:.1f} s, and {once:.1f} s without --wait")
        started = Started("--port", port, "--netns", "all", "--wait", "--json")
        until(lambda: is_waiting(started), "ppoll()")
        started.process.send_signal(signal.SIGINT)
        result = started.result(60)
        same("exit status and namespaces", (result.status, len(result.lines)), (1, 1))
    finally:
        for proc in held:
            proc.kill()
            proc.wait(DEADLINE)


def inner(script, comm="bt-inner"):
    """A shell as pid 1 of a pid namespace of its own, with its /proc."""
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, comm]


def check_container_command():
    """COMMAND and its descendants are found by the pids of the container's own /proc."""
    port = new_port()
    bind = f"{MKSTATE_EXE} bind --address 127.0.0.1 {port}"
    with new_socket("127.0.0.1", port, listen=True):
        started = Started("--json", "--", "sh", "-c", f"{bind}; ({bind} --daemon); true",
                          prefix=inner('"$@"'), as_json=True)
        result = started.result()
    same("exit status", result.status, 0)
    conflicts = [x for x in result.lines if x["type"] == "conflict"]
    pids = [json.loads(x)["pid"] for x in result.err.splitlines() if x.startswith("{")]
    same("number", len(conflicts), 2)
    same("pids as the command has them", sorted(x["process"]["pid"] for x in conflicts),
         sorted(pids))
    same("exe", {x["process"]["exe"] for x in conflicts}, {MKSTATE_EXE})


def check_container_outside():
    """A process that its /proc does not have: what the record says, and nobody else's exe."""
    port = new_port()
    # as many processes inside as make the numbers of here likely to be there as well
    with new_socket("127.0.0.1", port, listen=True), \
            Tracer(prefix=inner('for i in $(seq 300); do sleep 600 > /dev/null & done; "$@"')) as tracer:
        tracer.ready()
        with Bind(port, address="127.0.0.1") as bind:
            line = tracer.wait(lambda x: x["type"] == "conflict", "conflict")
        same("pid", line["process"]["pid"], bind.pid)
        same("comm", line["process"]["comm"], "bt-binder")
        same("exe", line["process"]["exe"], MKSTATE_EXE)


def check_container_pid():
    """-p with a pid of the container's /proc: the outer process of that number is not meant."""
    port = new_port()
    bind = f"{MKSTATE_EXE} bind --address 127.0.0.1 {port}"
    script = (f"(read go < /tmp/bt-go; {bind} >&2) & "
              f'"$@" -p $! & tracer=$!; wait $!')
    if os.path.exists("/tmp/bt-go"):
        os.unlink("/tmp/bt-go")
    os.mkfifo("/tmp/bt-go")
    with new_socket("127.0.0.1", port, listen=True), \
            Tracer("--count", "1", prefix=inner(script)) as tracer:
        tracer.ready()
        with Bind(port, address="127.0.0.1"):  # outside: would have been reported first
            pass
        with open("/tmp/bt-go", "w", encoding="utf-8") as go:
            go.write("go\n")
        line = tracer.wait(lambda x: x["type"] == "conflict", "conflict")
        check(line["process"]["pid"] < 100, f"not a pid of inside: {line['process']}")
        same("comm", line["process"]["comm"], "mkstate")
        same("exit status", tracer.finish(), 0)
        same("conflicts", len(tracer.conflicts()), 1)


def containers_own_pids(selected):
    for name, function in (("command", check_container_command), ("pid", check_container_pid),
                           ("outside", check_container_outside)):
        if selected(f"pidns.{name}"):
            yield f"pidns.{name}", function


def check_device():
    """Device 1 has another name in there than here."""
    subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "down"], check=True)
    subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "name", "bt-lo"], check=True)
    subprocess.run(["ip", "-n", NAME, "link", "set", "bt-lo", "up"], check=True)
    port = new_port()
    with Tracer("--all", "--follow", "--port", port) as tracer:
        tracer.ready()
        with Bind(port, prefix=INSIDE, device="bt-lo"):
            line = tracer.wait(lambda x: x["type"] == "bind", "bind")
        tracer.stop()
    same("netns", line["netns_name"], NAME)
    same("device", line["socket"]["device"], "bt-lo")


def netns(selected):
    names = ("live", "filter", "self", "name", "pid", "path", "all", "unknown",
             "nobody", "hidden", "denied", "wait", "unnamed", "device_all", "device")
    if not any(selected(f"netns.{x}") for x in names):
        return
    make()
    inode = os.stat(PATH).st_ino
    port = new_port()
    Shared.get()
    with State("listener", port=port, prefix=INSIDE) as state:
        yield "netns.self", lambda: check_self(port)
        with new_socket("0.0.0.0", port, listen=True):
            yield "netns.live", lambda: check_live(state, inode)
            tracer = Tracer("--netns", NAME)
            runs = {what: Started("--port", port, "--json", "--netns", value) for what, value in
                    (("name", NAME), ("pid", state.procs[0]["pid"]))}
            for what, started in runs.items():
                yield f"netns.{what}", lambda s=started, w=what: check_port(s, state, inode)
            yield "netns.filter", lambda: check_filter(tracer, state, inode)
            runs = {what: Started("--port", port, "--json", "--netns", value) for what, value in
                    (("path", PATH), ("all", "all"))}
            yield "netns.path", lambda: check_port(runs["path"], state, inode)
            yield "netns.all", lambda: check_all(runs["all"], state, inode, os.getpid())
        yield "netns.unknown", check_unknown
        for name, test in {"nobody": check_nobody, "hidden": check_hidden, "denied": check_denied,
                           "wait": check_wait, "unnamed": check_unnamed,
                           "device_all": check_device_all}.items():
            yield f"netns.{name}", test
    yield "netns.device", check_device
    subprocess.run(["ip", "netns", "delete", NAME], check=True)


def check_unnamed():
    """A namespace that has no name is known by a process in it."""
    port = new_port()
    with State("listener", port=port, prefix=["unshare", "--net"]) as state:
        pid = state.procs[0]["pid"]
        result = run("--port", port, "--netns", "all", "--json")
        same("exit status", result.status, 1)
        line = result.only()
        same("netns", line["netns"], os.stat(f"/proc/{pid}/ns/net").st_ino)
        same("netns_name", line["netns_name"], None)
        same("netns_process", os.stat(f"/proc/{line['netns_process']['pid']}/ns/net").st_ino,
             line["netns"])
        contains("text", " ".join(run("--port", port, "--netns", pid).out.split()),
                 f"in network namespace {line['netns']} (that of bt-listener[{pid}])")


def check_device_all():
    """A device that one namespace has and others have not."""
    port = new_port()
    subprocess.run(["ip", "-n", NAME, "link", "add", "bt-only", "type", "dummy"], check=True)
    with Bind(port, prefix=INSIDE, device="bt-only"):
        result = run("--port", port, "--netns", "all", "--device", "bt-only", "--json")
    same("exit status", result.status, 1)
    same("namespace", result.only()["netns_name"], NAME)
    same("stderr", result.err, "")
    refused_usage(run("--port", port, "--netns", "all", "--device", "bt-nosuch"))


def check_unknown():
    for args in (("--port", 80), ()):
        for unknown in ("bt-nosuch", "/run/netns/bt-nosuch", "4194304"):
            refused_usage(run("--netns", unknown, *args))
