# SPDX-License-Identifier: GPL-2.0-only
"""Who had a socket that nobody has any more: known while a live run is on, else unknown."""
import os
import signal
import subprocess
import sys

from child import Recorded, connected, sysctl, wait_tcp
from harness import DEADLINE, Failure, check, contains, same, until
from state import Bind, State, child_of, new_port, read_line
from tool import Started, Tracer, run

# A signal that comes between Python's look for one and a read() is not seen until that returns: the
# handler writes to a pipe.
SERVER = """
import os, select, signal, socket, sys
woken, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
connection = listener.accept()
print("accepted", flush=True)
select.select([sys.stdin, woken], [], [])
"""


def connect_when_up(port, server):
    def try_once():
        try:
            return connected("127.0.0.1", port)
        except ConnectionRefusedError:
            check(server.poll() is None, "the server has ended")
            return None
    return until(try_once, f"a server on port {port}")


def leave_time_wait(port, client):
    wait_tcp(port, 5)  # FIN_WAIT2, kept as a time-wait socket
    client.close()
    wait_tcp(port, 6)


def time_wait_of(port, sig):
    """A server with a client connected is killed; what it leaves, and its pid."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as server:
        client = connect_when_up(port, server)
        same("server", read_line(server, "server"), "accepted")
        server.send_signal(sig)
        server.wait(DEADLINE)
        pid = server.pid
    leave_time_wait(port, client)
    return pid


def check_former(who, pid):
    check(who, "no former owner")
    same("pid", who["pid"], pid)
    contains("comm", who["comm"], "python3")
    contains("exe", who["exe"] or "", "/usr/bin/python3")
    same("uid", who["uid"], 0)


def check_killed(sig):
    port = new_port()
    pid = time_wait_of(port, sig)
    runs = [Started("--port", port, "--json"), Started("--port", port)]
    with Bind(port) as bind:
        same("result", bind.result, "EADDRINUSE")
        line = Recorded.get().conflict_of(bind.pid, port)
    same("cause", line["cause"], "time_wait")
    blocker, = line["blockers"]
    same("owners", blocker["owners"], [])
    check_former(blocker["former_owner"], pid)
    as_json, as_text = (x.result() for x in runs)
    check_former(as_json.only()["holders"][0]["former_owner"], pid)
    contains("text", as_text.out, f"python3[{pid}]", "was")


def check_orphan(name):
    """Closed by a process that lives on, or not: an orphan is nobody's, and was somebody's."""
    with State(name, port=new_port()) as state, Bind(state.port) as bind:
        same("result", bind.result, "EADDRINUSE")
        line = Recorded.get().conflict_of(bind.pid, state.port)
    who = line["blockers"][0]["former_owner"]
    check(who, "no former owner")
    same("comm", who["comm"], "bt-server")


FORKING = """
import os, sys
if not os.fork():
    exec(sys.argv[2])
os.wait()
"""


def check_forked():
    """The worker of a server that forks has never called exec(), and dies with its socket open."""
    port = new_port()
    with subprocess.Popen([sys.executable, "-c", FORKING, str(port), SERVER],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        client = connect_when_up(port, server)
        same("server", read_line(server, "server"), "accepted")
        worker = child_of(server.pid)
        os.kill(worker, signal.SIGKILL)
        server.wait(DEADLINE)
    leave_time_wait(port, client)
    with Bind(port) as bind:
        line = Recorded.get().conflict_of(bind.pid, port)
    check_former(line["blockers"][0]["former_owner"], worker)


LEAVING = """
import os, sys
if not os.fork():
    exec(sys.argv[2])
os.execvp("sleep", ["sleep", "600"])
"""


def check_exec_again():
    """Who forked the worker is another program by now: the worker's is what it was."""
    port = new_port()
    with subprocess.Popen([sys.executable, "-c", LEAVING, str(port), SERVER],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        client = connect_when_up(port, server)
        same("server", read_line(server, "server"), "accepted")
        until(lambda: os.path.basename(os.readlink(f"/proc/{server.pid}/exe")) in ("sleep", "busybox",
                                                                                   "coreutils"),
              "the parent to become sleep")
        worker = child_of(server.pid)
        os.kill(worker, signal.SIGKILL)
        wait_tcp(port, 5)
        server.kill()
        server.wait(DEADLINE)
    leave_time_wait(port, client)
    with Bind(port) as bind:
        line = Recorded.get().conflict_of(bind.pid, port)
    check_former(line["blockers"][0]["former_owner"], worker)


def check_there_before():
    """A server that was there before the live run is killed while it is on."""
    port = new_port()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as server:
        client = connect_when_up(port, server)
        same("server", read_line(server, "server"), "accepted")
        with Tracer() as tracer:
            tracer.ready()
            server.send_signal(signal.SIGKILL)
            server.wait(DEADLINE)
            leave_time_wait(port, client)
            with Bind(port) as bind:
                line = tracer.conflict_of(bind.pid, port)
    check_former(line["blockers"][0]["former_owner"], server.pid)


def take_pid(pid):
    """A process with that very pid, which is free."""
    def next_one():
        sysctl("kernel.ns_last_pid", pid - 1)
        child = os.fork()
        if not child:
            with open("/proc/self/comm", "w", encoding="utf-8") as file:
                file.write("bt-other")
            signal.pause()
        if child == pid:
            return child
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None
    for _ in range(100):
        child = next_one()
        if child:
            return child
    raise Failure(f"pid {pid} can't be had again")


def check_pid_used_again():
    """Another process has the former owner's pid by now: the note is not about that one."""
    port = new_port()
    pid = time_wait_of(port, signal.SIGKILL)
    other = take_pid(pid)
    try:
        with Bind(port) as bind:
            line = Recorded.get().conflict_of(bind.pid, port)
        asked = run("--port", port, "--json")
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    check_former(line["blockers"][0]["former_owner"], pid)
    check_former(asked.only()["holders"][0]["former_owner"], pid)


def check_alone():
    """Without a live run nobody can know."""
    with State("time_wait", port=new_port()) as state:
        result = run("--port", state.port, "--json")
    same("former_owner", result.only()["holders"][0]["former_owner"], None)


def alone(selected):
    if selected("former.alone"):
        yield "former.alone", check_alone


def former(selected):
    rows = {"killed": lambda: check_killed(signal.SIGKILL),
            "forked": check_forked,
            "exec_again": check_exec_again,
            "there_before": check_there_before,
            "pid_used_again": check_pid_used_again,
            "interrupted": lambda: check_killed(signal.SIGINT),
            "fin_wait1_orphan": lambda: check_orphan("fin_wait1_orphan"),
            "fin_wait2_tw": lambda: check_orphan("fin_wait2_tw"),
            "time_wait": lambda: check_orphan("time_wait")}
    for name, function in rows.items():
        if selected(f"former.{name}"):
            Recorded.get()
            yield f"former.{name}", function
