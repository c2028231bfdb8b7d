# SPDX-License-Identifier: GPL-2.0-only
"""The tool binds nothing, listens on nothing and connects to nothing."""
import os
import re
import signal
import tempfile

from harness import check, same
from state import Bind, State, child_of, new_port
from tool import Started, Tracer

TOUCHES = re.compile(r"\b(bind|listen|connect)\(.*")
OF_INET = re.compile(r"AF_INET6?\b")


def traced(path):
    # listen() shows no family, so sockets are followed from their start
    return ["strace", "-f", "--seccomp-bpf", "-o", path, "-e",
            "trace=bind,listen,connect,socket,execve"]


def touches(path):
    """Calls that touch an internet socket, or any listen(); and whether strace was at work."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.readlines()
    check(any("execve(" in line for line in lines), "strace has seen nothing")
    found = []
    for line in lines:
        call = TOUCHES.search(line)
        if call and (call[1] == "listen" or OF_INET.search(line)):
            found.append(call[0])
    return found


def check_control():
    """That the look at it can find something: mkstate binds."""
    with tempfile.NamedTemporaryFile() as log, Bind(new_port(), prefix=traced(log.name)):
        check(touches(log.name), "a bind() has not been found")


def check_port():
    with tempfile.NamedTemporaryFile() as log, State("listener", port=new_port()) as state:
        result = Started("--port", state.port, "--json", prefix=traced(log.name)).result()
        same("exit status", result.status, 1)
        same("calls", touches(log.name), [])


def check_diag():
    """Without BPF as well."""
    with tempfile.NamedTemporaryFile() as log, State("listener", port=new_port()) as state:
        prefix = [*traced(log.name), "setpriv", "--inh-caps=-all", "--bounding-set=-all",
                  "--reuid", "1000", "--regid", "1000", "--clear-groups"]
        result = Started("--port", state.port, "--json", prefix=prefix).result()
        same("exit status", result.status, 1)
        same("evidence", result.only()["evidence"], "diag")
        same("calls", touches(log.name), [])


def check_live():
    with tempfile.NamedTemporaryFile() as log, State("listener", port=new_port()) as state, \
            Tracer("--cross-check", prefix=traced(log.name)) as tracer:
        tracer.ready()
        with Bind(state.port) as bind:
            tracer.conflict_of(bind.pid, state.port)
        # strace keeps signals to itself: the program is its child
        os.kill(child_of(tracer.proc.pid), signal.SIGINT)
        tracer.finish()
        same("calls", touches(log.name), [])


def readonly(_selected):
    yield "readonly.control", check_control
    yield "readonly.port", check_port
    yield "readonly.diag", check_diag
    yield "readonly.live", check_live
