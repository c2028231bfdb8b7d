# SPDX-License-Identifier: GPL-2.0-only
"""bindtrace -- COMMAND."""
import os
import signal
import subprocess
import tempfile

from harness import DEADLINE, check, contains, same, until
from state import Bind, marker, new_port, new_socket
from tool import FENTRY, MKSTATE_EXE, Started, Tracer, run

WORDS = ("EADDRINUSE", "LISTEN", "Why ", "Do ")


def check_status(started, status):
    result = started.result()
    same("exit status", result.status, status)
    same("stdout", result.out, "out\n" if status != 127 else "")
    return result


def check_not_found(started):
    contains("stderr", check_status(started, 127).err, "bindtrace: cannot run /no/such/program")


def check_text(started, port):
    """The command's own output is left alone; what bindtrace says is on standard error."""
    result = started.result()
    same("exit status", result.status, 1)
    contains("stdout", result.out, '"result":"EADDRINUSE"')
    same("lines on stdout", len(result.out.splitlines()), 1)
    contains("stderr", result.err, f"127.0.0.1:{port}", *WORDS)


def check_json(started, port):
    result = started.result()
    same("exit status", result.status, 1)
    same("types", [x["type"] for x in result.lines], ["start", "conflict", "stop"])
    conflict = result.lines[1]
    same("local", conflict["local"], {"address": "127.0.0.1", "port": port})
    same("comm", conflict["process"]["comm"], "bt-binder")
    same("cause", conflict["cause"], "listener")
    contains("stderr", result.err, '"result":"EADDRINUSE"')


def check_daemon(started, port):
    """Its parent is init, or whoever adopts orphans: it is a descendant all the same."""
    result = started.result()
    same("exit status", result.status, 1)
    conflict, = [x for x in result.lines if x["type"] == "conflict"]
    same("local", conflict["local"], {"address": "127.0.0.1", "port": port})
    same("comm", conflict["process"]["comm"], "bt-daemon")
    contains("stderr", result.err, f'"pid":{conflict["process"]["pid"]},')


def check_others(port):
    """Conflicts of processes that are no descendants are none of its business."""
    with tempfile.TemporaryDirectory() as path:
        script = f"touch {path}/runs; until [ -e {path}/go ]; do sleep 0.05; done"
        ours = Started("--json", "--", "sh", "-c", script)
        until(lambda: os.path.exists(f"{path}/runs"), "the command, and so the hooks")
        with Bind(port, "--address", "127.0.0.1") as bind:
            same("result", bind.result, "EADDRINUSE")
        marker()  # another run has reported it
        with open(f"{path}/go", "w", encoding="utf-8"):
            pass
        result = ours.result()
    same("types", [x["type"] for x in result.lines], ["start", "stop"])
    same("exit status", result.status, 0)


IGNORING = ["python3", "-c", "import os, signal, sys\n"
            "for name in ('SIGCHLD', 'SIGPIPE', 'SIGHUP'):\n"
            "    signal.signal(getattr(signal, name), signal.SIG_IGN)\n"
            "os.execvp(sys.argv[1], sys.argv[1:])"]


def check_ignored():
    """Whoever ignores SIGCHLD can't wait; the command has the signals that bindtrace was given."""
    show = ["grep", "SigIgn", "/proc/self/status"]
    plain = subprocess.run([*IGNORING, *show], check=True, stdout=subprocess.PIPE, text=True).stdout
    check(int(plain.split()[1], 16) & (1 << (signal.SIGCHLD - 1)), f"without bindtrace: {plain}")
    around = run("-q", "--", *show, prefix=IGNORING)
    same("exit status", around.status, 0)
    same("ignored signals of the command", around.out, plain)
    same("exit status", run("-q", "--", "sh", "-c", "exit 3", prefix=IGNORING).status, 3)


def check_reader_gone():
    """Nobody takes the reports any more: said once; the command is waited for, with its signals."""
    port = new_port()
    bind = f"{MKSTATE_EXE} bind --address 127.0.0.1 {port}"
    with tempfile.TemporaryDirectory() as path, new_socket("127.0.0.1", port, listen=True):
        script = (f"trap 'touch {path}/done; exit 3' TERM; {bind}; "
                  f"until [ -e {path}/go ]; do sleep 0.05; done; {bind}; {bind}; "
                  "while :; do sleep 0.05; done")
        with Tracer(command=["sh", "-c", script]) as tracer:
            tracer.ready()
            tracer.wait(lambda x: x["type"] == "conflict", "conflict")
            tracer.proc.stdout.close()
            with open(f"{path}/go", "w", encoding="utf-8"):
                pass
            until(lambda: "closed by its reader" in tracer.err(), "the message")
            same("results of binds", until(
                lambda: (n := tracer.err().count('"result":"EADDRINUSE"')) == 3 and n, "binds"), 3)
            tracer.proc.send_signal(signal.SIGTERM)
            same("exit status", tracer.proc.wait(DEADLINE), 5)
            check(os.path.exists(f"{path}/done"), "the command has not ended")
            # and, where there are only kprobes, what they don't see
            same("messages", tracer.err().count("bindtrace: "), 2 if FENTRY else 3)
            contains("what is missing", tracer.err(), "calls seen were not reported")


def command(selected):
    if selected("command.reader_gone"):
        yield "command.reader_gone", check_reader_gone
    yield "command.ignored_signals", check_ignored
    if not any(selected(f"command.{x}") for x in ("status_3", "signal", "not_found", "text", "json",
                                                  "daemon", "nothing")):
        return
    port = new_port()
    bind = [MKSTATE_EXE, "bind", "--address", "127.0.0.1", str(port)]
    with new_socket("127.0.0.1", port, listen=True):
        three = Started("--", "sh", "-c", "echo out; exit 3")
        yield "command.status_3", lambda: check_status(three, 3)
        killed = Started("-q", "--", "sh", "-c", "echo out; kill -9 $$")
        missing = Started("--", "/no/such/program")
        yield "command.signal", lambda: check_status(killed, 128 + 9)
        yield "command.not_found", lambda: check_not_found(missing)
        text = Started("--", *bind)
        json_run = Started("--json", "--", *bind, "--comm", "bt-binder")
        yield "command.text", lambda: check_text(text, port)
        yield "command.json", lambda: check_json(json_run, port)
        daemon = Started("--json", "--", *bind, "--comm", "bt-daemon", "--daemon")
        yield "command.daemon", lambda: check_daemon(daemon, port)
        yield "command.nothing", lambda: check_others(port)
