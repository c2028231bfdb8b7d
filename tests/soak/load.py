# SPDX-License-Identifier: GPL-2.0-only
"""What goes on in the guest of the soak: each producer is a process that repeats itself for ever."""
import ctypes
import errno
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback

MKSTATE = "/test/mkstate"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
PIPE_BUF = 4096
PACE_S = 0.05  # between two rounds of who would drown all the others

# Rows of mkstate's table that end by themselves, in a network namespace of nothing but lo.
ROWS = ("time_wait", "time_wait_reuseaddr", "time_wait_v6", "fin_wait1", "fin_wait1_orphan",
        "fin_wait2", "fin_wait2_orphan", "fin_wait2_tw", "last_ack", "last_ack_orphan", "closing",
        "closing_orphan", "close_wait", "listener", "listener_reuseaddr", "listener_loopback",
        "listener_shared", "dual_stack", "dual_stack_v4", "connection", "client_port",
        "self_connect", "bound_only", "inherited", "inherited_passed", "ownerless",
        "reuseport_uid", "one_sided_blocker", "bucket_reuseport")


def ip(*args):
    subprocess.run(["ip", *args], check=True, stdin=subprocess.DEVNULL)


def own_netns():
    if LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    ip("link", "set", "lo", "up")


def made(address, port, kind=socket.SOCK_STREAM, reuseaddr=0, reuseport=0):
    """A socket that is bound; OSError as bind() has it."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuseaddr)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuseport)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def try_bind(*args, **more):
    """Refused or not: what it is about is that it is tried."""
    try:
        made(*args, **more).close()
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise


def binds(port):
    for address, reuseaddr, reuseport in itertools.product(("0.0.0.0", "::"), (0, 1), (0, 1)):
        try_bind(address, port, reuseaddr=reuseaddr, reuseport=reuseport)


def one_row(row, port):
    with subprocess.Popen([MKSTATE, row, "--port", str(port)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        answer = process.stdout.readline()
        if answer.startswith(b"ready "):
            binds(json.loads(answer[6:])["port"])
            subprocess.run([MKSTATE, "bind", "--comm", "soak-bind", str(port)], check=False,
                           stdout=subprocess.DEVNULL)
        process.stdin.close()
        process.wait()


def rows(first):
    """One state of the table after the other."""
    own_netns()
    ports = itertools.cycle(range(20000, 32000))
    for i in itertools.count(first):
        one_row(ROWS[i % len(ROWS)], next(ports))
        yield


def refusals(first):
    """The same binds again and again, TCP and UDP: what a service that crashes in a loop does."""
    port = 33000 + first
    held = [made("127.0.0.1", port), made("::1", port, kind=socket.SOCK_DGRAM)]
    held[0].listen()
    while True:
        try_bind("127.0.0.1", port, reuseaddr=1)
        try_bind("0.0.0.0", port)
        try_bind("::1", port, kind=socket.SOCK_DGRAM)
        try_bind("10.9.8.7", port)
        try_bind("127.0.0.1", held[0].getsockname()[1], reuseport=1)
        time.sleep(PACE_S)
        yield


def listen_races(first):
    for port in itertools.cycle(range(34000 + 100 * first, 34100 + 100 * first)):
        with made("127.0.0.1", port, reuseaddr=1) as one, \
                made("127.0.0.1", port, reuseaddr=1) as two:
            one.listen()
            try:
                two.listen()
            except OSError:
                pass
        time.sleep(PACE_S)
        yield


def connections(first):
    """Every state of a connection; a few ports to go out from, so that connect() is refused too."""
    own_netns()
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
        file.write("40000 40007")
    with made("127.0.0.1", 30000 + first, reuseaddr=1) as listener:
        listener.listen(64)
        while True:
            clients, served = [], []
            for _ in range(10):
                client = socket.socket()
                clients.append(client)
                try:
                    client.connect(listener.getsockname())
                except OSError as error:
                    if error.errno != errno.EADDRNOTAVAIL:
                        raise
                    break
                served.append(listener.accept()[0])
            for sock in [*served, *clients] if len(served) % 2 else [*clients, *served]:
                sock.close()
            time.sleep(PACE_S)
            yield


def namespaces(_first):
    """A network namespace that goes while its conflict is being explained."""
    while True:
        pid = os.fork()
        if not pid:
            if LIBC.unshare(CLONE_NEWNET):
                os._exit(1)
            held = made("0.0.0.0", 8080)
            held.listen()
            binds(8080)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("a child in a network namespace of its own failed")
        yield


def forks(first):
    """Processes that are refused and gone; listeners whose opener is gone; other programs."""
    port = 35000 + first
    with made("0.0.0.0", port, reuseaddr=1) as held:
        held.listen()
        while True:
            children = []
            for _ in range(8):
                children.append(os.fork())
                if not children[-1]:
                    try_bind("0.0.0.0", port, reuseaddr=1)
                    os._exit(0)
            for child in children:
                os.waitpid(child, 0)
            subprocess.run(["true"], check=True)
            yield


PRODUCERS = ((rows, 0), (rows, len(ROWS) // 2), (refusals, 0), (listen_races, 0), (connections, 0),
             (namespaces, 0), (forks, 0))


class Load:
    """All producers. Each says now and then how far it is, or why it has ended."""

    def __init__(self):
        self.pipe, writer = os.pipe()
        self.done = {}
        self.rest = b""
        self.pids = [self.start(writer, *producer) for producer in PRODUCERS]
        os.close(writer)

    def start(self, writer, function, first):
        pid = os.fork()
        if pid:
            return pid
        name = f"{function.__name__}:{first}"
        try:
            os.setpgid(0, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            for n, _ in enumerate(function(first), 1):
                if n < 4 or n % 16 == 0:
                    os.write(writer, f"{name} {n}\n".encode())
        except BaseException:  # pylint: disable=broad-except
            os.write(writer, f"{name} failed {traceback.format_exc()!r}\n".encode()[:PIPE_BUF])
        finally:
            os._exit(1)

    def look(self):
        """Takes what they say; RuntimeError when one has failed."""
        while select.select([self.pipe], [], [], 0)[0]:
            data = os.read(self.pipe, 1 << 16)
            if not data:
                raise RuntimeError("all producers are gone")
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                name, _, what = line.decode().partition(" ")
                if what.startswith("failed"):
                    raise RuntimeError(f"producer {name}: {what}")
                self.done[name] = int(what)

    def end(self):
        for pid in self.pids:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.exit("load.py is a part of soak.py")
