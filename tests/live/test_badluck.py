# SPDX-License-Identifier: GPL-2.0-only
"""Bad input and bad luck: one line that says what to do, and the documented exit status."""
import fcntl
import json
import os
import signal
import subprocess

from harness import DEADLINE, check, contains, same, until
from state import Bind, State, new_port, new_socket, read_line, refused
from test_wait import is_waiting
from tool import KERNEL, MKSTATE_EXE, Shared, Started, Tracer, refused_usage, run

AS_USER = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
BOUND_HIDDEN = KERNEL in ("5.10", "6.1")  # from inet_diag, before Linux 6.8

# What is told from the command line alone, and what only the kernel knows.
BAD = (
    ("--port", "0"), ("--port", "65536"), ("--port", "80x"), ("--port", ""), ("--port", "90-80"),
    ("--port", "80", "--address", "1.2.3"), ("--port", "80", "--address", "::g"),
    ("--port", "80", "-4", "-6"), ("--port", "80", "-4", "--address", "::"),
    ("--port", "80", "--netns", "no-such-name"), ("--port", "80", "--btf", "/nonexistent"),
    ("--btf", "/nonexistent"), ("--port", "80", "--device", "bt-nosuch"),
    ("--port", "80", "--proto", "sctp"), ("--reuseaddr",), ("--follow", "--", "true"), ("--",),
    ("--count", "0"), ("--count", "x"), ("--duration", "-1"), ("--hooks", "magic"),
    ("--nonsense",), ("stray",), ("--port", "80", "--uid", "no-such-user"),
    ("--features", "--port", "80"), ("--features", "--json"), ("--netns", "\x1b[31mx\ny"),
)


def usage(selected):
    for args in BAD:
        name = "usage:" + "_".join(args)
        if selected(name):
            yield name, lambda a=args: refused_usage(run(*a))


def check_diag(port, status, result_word):
    result = run("--port", port, "--json", prefix=AS_USER)
    same("exit status", result.status, status)
    line = result.only()
    same("evidence", line["evidence"], "diag")
    contains("note", line["note"], "as root")
    same("results", {x["result"] for x in line["what_if"] if x.get("asked")}, {result_word})
    same("lines on stderr", len(result.err.splitlines()), 1)
    contains("stderr", result.err, "run as root")
    return line


def check_user_free():
    """What may be bound without listening can't be seen there: an honest null."""
    if BOUND_HIDDEN:
        check_diag(new_port(), 5, None)
    else:
        check_diag(new_port(), 0, "ok")


def check_user_wait():
    """A wait for what can't be seen would have no end."""
    result = run("--port", new_port(), "--wait", prefix=AS_USER)
    same("exit status", result.status, 5 if BOUND_HIDDEN else 0)


def check_user_taken():
    """Another user's listener: there, but not whose."""
    with State("listener", port=new_port()) as state:
        line = check_diag(state.port, 1, "EADDRINUSE")
        same("state", line["holders"][0]["state"], "LISTEN")
        same("owners", line["holders"][0]["owners"], None)
        same("SO_REUSEADDR", line["holders"][0]["reuseaddr"], None)


def check_user_own():
    """One's own: with owner and options."""
    port = new_port()
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        [*AS_USER, MKSTATE_EXE, "listener", "--port", str(port), "--reuseaddr"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        check(read_line(process, "mkstate").startswith("ready"), "mkstate has failed")
        holder = check_diag(port, 1, "EADDRINUSE")["holders"][0]
        same("comm", [x["comm"] for x in holder["owners"]], ["bt-listener"])
        same("SO_REUSEADDR", holder["reuseaddr"], True)
    finally:
        process.stdin.close()
        process.wait(DEADLINE)


def check_user_live():
    for args in ((), ("--", "true")):
        refused_usage(run(*args, prefix=AS_USER), 4)


def check_user_record():
    """No mistake in the command line, but no permission."""
    refused_usage(run("--port", new_port(), "-q", "--record", "/root/bt-denied", prefix=AS_USER), 4)


def check_user_recording():
    """A run that never began leaves no recording, which would say that nothing happened."""
    path = f"/tmp/bt-user-{os.getpid()}"
    refused_usage(run("--record", path, "--netns", "no-such-name"))
    check(not os.path.exists(path), "a recording of nothing")


def unprivileged(_selected):
    yield "user.free", check_user_free
    yield "user.wait", check_user_wait
    yield "user.taken", check_user_taken
    yield "user.own", check_user_own
    yield "user.live", check_user_live
    yield "user.record", check_user_record
    yield "user.recording", check_user_recording


def check_no_room(started):
    result = started.result()
    same("exit status", result.status, 5)
    same("lines on stderr", len(result.err.splitlines()), 1)
    check(result.err.startswith("bindtrace: "), f"stderr: {result.err}")


def started_closed(*args):
    """With a pipe behind standard output that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return Started(*args, stdout=writer, as_json=False)
    finally:
        os.close(writer)


def started_full(*args):
    with open("/dev/full", "wb") as full:
        return Started(*args, stdout=full, as_json=False)


def closed_from_start(number, *args):
    """As `bindtrace ... >&-` of a shell: no file that is opened later may become that one."""
    return Started(*args, prefix=["sh", "-c", f'exec "$@" {number}>&-', "sh"], as_json=False)


def check_recording_apart(number):
    path = f"/tmp/bt-closed-{number}"
    started = closed_from_start(number, "--port", new_port(), "--json", "--record", path)
    result = started.result()
    same("exit status", result.status, 5 if number == 1 else 0)
    if number == 1:
        same("stderr", result.err.splitlines(),
             ["bindtrace: standard output is closed; redirect it, to /dev/null if nobody reads it"])
        check(not os.path.exists(path), "a recording of nothing")
    else:
        same("replayed", run("--replay", path, "--json", as_json=False).out, result.out)


def closed_later(tracer):
    """Its reader goes away during a live run."""
    with tracer:
        tracer.ready()
        tracer.proc.stdout.close()
        with State("bound_only", port=new_port()) as state, Bind(state.port):
            same("exit status", tracer.proc.wait(DEADLINE), 5)
        same("lines on stderr", len(tracer.err().splitlines()), 2)
        contains("stderr", tracer.err(), "bindtrace: standard output was closed",
                 "bindtrace: 1 of 1 calls seen were not reported")


def output(selected):
    calls = {"port": ("--port", "80"), "port_json": ("--port", "80", "--json"), "live": ("--json",)}
    for name, args in calls.items():
        if selected(f"output.closed_{name}") or selected(f"output.full_{name}"):
            closed, full = started_closed(*args), started_full(*args)
            yield f"output.closed_{name}", lambda s=closed: check_no_room(s)
            yield f"output.full_{name}", lambda s=full: check_no_room(s)
    for name, args in {"features": ("--features",), "schema": ("--json-schema",),
                       "help": ("--help",)}.items():
        yield f"output.full_{name}", lambda a=args: check_no_room(started_full(*a))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        yield f"output.no_{name}", lambda n=number: check_recording_apart(n)
    if selected("output.closed_later"):
        yield "output.closed_later", lambda: closed_later(Tracer())


def check_signal(tracer, sig):
    with tracer:
        tracer.ready()
        with State("bound_only", port=new_port()) as state, Bind(state.port) as bind:
            tracer.conflict_of(bind.pid, state.port)
            stop = tracer.stop(sig)
        same("counts", [stop[x] for x in ("seen", "delivered", "filtered", "lost")], [1, 1, 0, 0])
        same("stderr", tracer.err(), "")


def check_nohup():
    """The terminal has gone, as it may under nohup: the run goes on."""
    with Tracer(prefix=["nohup"]) as tracer:
        tracer.ready()
        tracer.proc.send_signal(signal.SIGHUP)
        with State("bound_only", port=new_port()) as state, Bind(state.port) as bind:
            tracer.conflict_of(bind.pid, state.port)
        same("seen", tracer.stop()["seen"] > 0, True)
    port = new_port()
    with new_socket("127.0.0.1", port, listen=True):
        waiting = Started("--port", port, "--wait=600", "--json", prefix=["nohup"])
        until(lambda: is_waiting(waiting), "ppoll()")
        waiting.process.send_signal(signal.SIGHUP)
    same("exit status of --wait", waiting.result().status, 0)


def check_stuck_reader():
    """Whoever reads takes nothing: --duration is over all the same, and what was not taken is lost."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    port = new_port()
    with os.fdopen(read_end, "rb") as reader, new_socket("127.0.0.1", port, listen=True):
        started = Started("--json", "--duration", "20", "--fold", "0", stdout=write_end,
                          as_json=False)
        os.close(write_end)
        line = json.loads(reader.readline())  # and what comes with it
        same("type", line["type"], "start")
        for _ in range(20):
            refused("127.0.0.1", port)
        result = started.result()
    same("exit status", result.status, 5)
    contains("stderr", result.err, "calls seen were not reported")


def check_text_run():
    """As text the start and stop lines are on standard error."""
    with State("bound_only", port=new_port()) as state:
        started = Started("--count", "1")
        # no line on standard output says when it is ready: it has read its hooks by the time the
        # conflict comes, or one of the next ones
        while started.process.poll() is None:
            with Bind(state.port):
                pass
        result = started.result()
    same("exit status", result.status, 0)
    same("lines on stderr", len(result.err.splitlines()), 2)
    contains("stdout", result.out, "BOUND", f":{state.port}", "Why ", "Do ")


def check_gone():
    """The one who called has ended at once, and so have those in its way."""
    Shared.get()
    with State("bound_only", port=new_port()) as state:
        done = subprocess.run([MKSTATE_EXE, "bind", "--comm", "bt-short", str(state.port)],
                              stdout=subprocess.PIPE, check=False, timeout=DEADLINE)
    same("exit status of the bind", done.returncode, 1)
    line = Shared.get().wait(lambda x: x["type"] == "conflict" and
                             x["local"]["port"] == state.port, "conflict")
    same("comm", line["process"]["comm"], "bt-short")
    same("cause", line["cause"], "bound_only")  # and not "ownerless": it had a holder then
    same("uid", line["process"]["uid"], 0)


def check_command_gone():
    """The command is killed in the middle of what it does."""
    port = new_port()
    with new_socket("127.0.0.1", port, listen=True):
        result = run("--json", "--", "sh", "-c", f"{MKSTATE_EXE} bind --address 127.0.0.1 {port};"
                     " kill -TERM $$")
    same("exit status", result.status, 128 + signal.SIGTERM)
    same("types", [x["type"] for x in result.lines], ["start", "conflict", "stop"])


def ends(selected):
    if selected("end.sigint") or selected("end.sigterm"):
        one, two = Tracer(), Tracer()
        yield "end.sigint", lambda: check_signal(one, signal.SIGINT)
        yield "end.sigterm", lambda: check_signal_quiet(two)
    yield "end.text", check_text_run
    yield "end.nohup", check_nohup
    yield "end.stuck_reader", check_stuck_reader
    yield "end.caller_gone", check_gone
    yield "end.command_gone", check_command_gone


def check_signal_quiet(tracer):
    """SIGTERM; it may have seen conflicts of others."""
    with tracer:
        tracer.ready()
        stop = tracer.stop(signal.SIGTERM)
        same("seen", stop["seen"], stop["delivered"] + stop["filtered"] + stop["lost"])
        same("stderr", tracer.err(), "")
