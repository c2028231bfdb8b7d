# SPDX-License-Identifier: GPL-2.0-only
"""--wait: back as soon as the bind would succeed, or when the time is up."""
import datetime
import json
import os
import subprocess
import time

from child import KEEP, attempt, sock
from harness import DEADLINE, check, contains, same, until
from state import State, new_port, read_line
from tool import Started, run

PPOLL = {"x86_64": "271", "aarch64": "73"}[os.uname().machine]
PROMISED = 0.1  # seconds, from the moment that the port is free to the process's end


def is_waiting(started):
    check(started.process.poll() is None, "it has not waited")
    with open(f"/proc/{started.process.pid}/syscall", encoding="utf-8") as file:
        return file.read().split()[0] == PPOLL


def listed(kind):
    """The BPF links or programs there are; bpftool gives up when one goes while it lists them."""
    return until(lambda: [done for done in [subprocess.run(["bpftool", "-j", kind, "show"],
                                                           check=False, capture_output=True)]
                          if not done.returncode], f"bpftool {kind} show")[0].stdout or b"[]"


def links():
    """Ids: hooks that are attached."""
    return {x["id"] for x in json.loads(listed("link"))}


def freed():
    """Seconds from close() to the end of the process that has waited for it, and its result."""
    port = new_port()
    with sock("127.0.0.1", port, listen=True):
        started = Started("--port", port, "--wait", "--json")
        until(lambda: is_waiting(started), "ppoll()")
    start = time.monotonic()
    started.process.wait(DEADLINE)
    return time.monotonic() - start, started.result()


def check_freed():
    """The best of some: an emulated guest stands still now and then."""
    before = links()
    took = []
    while len(took) < 8 and min(took, default=DEADLINE) > PROMISED:
        seconds, result = freed()
        took.append(seconds)
        same("exit status", result.status, 0)
        same("result", [x["result"] for x in result.only()["what_if"] if x.get("asked")][:1],
             ["ok"])
    check(min(took) <= PROMISED, f"it took {took} s")
    # The kernel detaches the hooks on its own, after the process's end.
    until(lambda: links() <= before, "no hook left behind")


def check_deadline():
    port = new_port()
    with sock("127.0.0.1", port, listen=True):
        as_json, as_text = (x.result() for x in (Started("--port", port, "--wait=1", "--json"),
                                                 Started("--port", port, "--wait=1")))
    same("exit status", (as_json.status, as_text.status), (1, 1))
    same("owner", [x["pid"] for x in as_json.only()["holders"][0]["owners"]], [os.getpid()])
    contains("text", as_text.out, f"{port}/tcp is taken", "LISTEN", "Why ")
    same("stderr", (as_json.err, as_text.err),
         ("", f"bindtrace: waiting for port {port}, 1 s at most; Ctrl-C ends it\n"))


class TimeWait:
    """A time-wait socket that ends by the kernel's own timer, a minute later: begun early."""
    state = started = None
    made = 0.0

    @classmethod
    def begin(cls):
        cls.state = State("time_wait", port=new_port())
        cls.made = time.time()
        cls.started = Started("--port", cls.state.port, "--wait", "--json")

    @classmethod
    def check(cls):
        result = cls.started.result()
        same("bind", attempt(sock, "0.0.0.0", cls.state.port), "ok")
        KEEP.pop().close()
        cls.state.end()
        same("exit status", result.status, 0)
        said = datetime.datetime.fromisoformat(result.only()["time"][:26]).replace(
            tzinfo=datetime.timezone.utc).timestamp()
        # a minute, less what the socket's making took, and what a busy guest adds
        check(45 < said - cls.made < 90, f"it waited for {said - cls.made:.1f} s")


def wait_begin(selected):
    if selected("wait.time_wait"):
        TimeWait.begin()
    yield from ()


def wait_end(selected):
    if selected("wait.time_wait"):
        yield "wait.time_wait", TimeWait.check


def check_no_duplicates():
    """Without BPF the holder's fd is duplicated for the first look and the report, not in between."""
    port = new_port()
    user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    code = (f"import socket, time; s = socket.socket(); s.bind(('127.0.0.1', {port})); s.listen(); "
            "print(flush=True); time.sleep(1000)")
    with subprocess.Popen([*user, "python3", "-c", code], stdout=subprocess.PIPE) as holder:
        try:
            read_line(holder, "the holder")
            result = run("--port", port, "--wait=2", "-q",
                         prefix=[*user, "strace", "-qq", "-e", "trace=pidfd_getfd"])
        finally:
            holder.kill()
    same("exit status", result.status, 1)
    same("duplicates", result.err.count("pidfd_getfd("), 2)


def wait(selected):
    if selected("wait.freed"):
        yield "wait.freed", check_freed
    if selected("wait.no_duplicates"):
        yield "wait.no_duplicates", check_no_duplicates
    if selected("wait.deadline"):
        yield "wait.deadline", check_deadline
