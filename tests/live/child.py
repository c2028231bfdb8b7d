# SPDX-License-Identifier: GPL-2.0-only
"""Processes that make calls step by step, and the recorded live run that tells of them."""
import ctypes
import errno
import json
import os
import select
import signal
import socket
import subprocess
import traceback

from harness import DEADLINE, Failure, Skip, check, same, until
from state import new_port
from tool import KERNEL, Tracer

PIPE = 3  # in a child
NEW_BUCKET = KERNEL in ("6.18", "7.2")  # a bucket forgets a bind() when that socket has gone
RECORDING = "/tmp/bt-recording"
KEEP = []  # a child's sockets live as long as it does
LIBC = ctypes.CDLL(None, use_errno=True)


class Recorded:
    """One live run for the tests of everything but TCP's bind(); all of it is replayed later."""
    tracer = None

    @classmethod
    def get(cls):
        if not cls.tracer:
            if os.path.exists(RECORDING):
                os.unlink(RECORDING)
            cls.tracer = Tracer("--cross-check", "--record", RECORDING).ready()
        return cls.tracer

    @classmethod
    def marker(cls):
        """A conflict of our own: whatever came before it has been reported."""
        port = new_port()
        KEEP.append(sock("127.0.0.9", port))
        same("marker", attempt(sock, "127.0.0.9", port), "EADDRINUSE")
        KEEP.pop().close()
        return cls.get().conflict_of(os.getpid(), port)

    @classmethod
    def only(cls, pid):
        """The one conflict of a process."""
        cls.get().conflict_of(pid)
        cls.marker()
        found = cls.get().conflicts(lambda x: x["process"]["pid"] == pid)
        same(f"conflicts of process {pid}", len(found), 1)
        return found[0]


class Child:
    """A process that runs a generator: what it yields comes here, go() lets it run on."""

    def __init__(self, function, *args, comm="bt-child"):
        here, there = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self.run(there, function, args, comm)
        there.close()
        self.pipe = here
        try:
            self.value = self.read()
        except Failure:
            self.end()
            raise

    @staticmethod
    def run(pipe, function, args, comm):
        fd = PIPE
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.dup2(pipe.fileno(), fd)
            os.closerange(fd + 1, 1 << 16)
            with open("/proc/self/comm", "w", encoding="utf-8") as file:
                file.write(comm)
            for value in function(*args):
                os.write(fd, json.dumps({"value": value}).encode() + b"\n")
                if not os.read(fd, 1):
                    os._exit(0)
            os.write(fd, b'{"value":null}\n')
            os.read(fd, 1)
        except BaseException:  # pylint: disable=broad-except
            os.write(fd, json.dumps({"error": traceback.format_exc()}).encode() + b"\n")
        finally:
            os._exit(0)

    def read(self):
        text = b""
        while not text.endswith(b"\n"):
            if not select.select([self.pipe], [], [], DEADLINE)[0]:
                raise Failure("a child does not answer")
            data = self.pipe.recv(4096)
            if not data:
                raise Failure("a child has gone")
            text += data
        answer = json.loads(text)
        if "error" in answer:
            self.end()
            raise Failure(f"in a child: {answer['error']}")
        return answer["value"]

    def go(self):
        self.pipe.send(b"g")
        self.value = self.read()
        return self.value

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
            self.pipe.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def sock(address=None, port=0, kind=socket.SOCK_STREAM, proto=0, family=None, reuseaddr=False,
         reuseport=False, v6only=None, listen=False, device=None):
    """A socket, bound where there is an address; OSError as the calls give it."""
    if family is None:
        family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
    made = socket.socket(family, kind, proto)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuseaddr))
        if reuseport:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if device is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if v6only is not None:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
        if address is not None:
            made.bind((address, port))
        if listen:
            made.listen(64)
    except OSError:
        made.close()
        raise
    return made


def keep(*args, **more):
    KEEP.append(sock(*args, **more))
    return KEEP[-1]


def attempt(function, *args, **more):
    """ok, or the name of the errno; a socket that comes out of it stays."""
    try:
        KEEP.append(function(*args, **more))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def until_refused(function, most=9):
    """What it says in the end, and how often it had worked before."""
    for n in range(most):
        result = attempt(function)
        if result != "ok":
            return result, n
    return "ok", most


def sysctl(name, value):
    with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="utf-8") as file:
        file.write(str(value))


def own_netns(ports=None):
    """A network namespace for this process alone, with few ephemeral ports if told so."""
    check(LIBC.unshare(0x40000000) == 0, "unshare")
    ip("link", "set", "lo", "up")
    if ports:
        sysctl("net.ipv4.ip_local_port_range", "%d %d" % ports)


def ip(*args):
    subprocess.run(["ip", *args], check=True, stdin=subprocess.DEVNULL, timeout=DEADLINE)


def has_tcp(port, state, files=("tcp", "tcp6")):
    """Whether /proc/net has a socket on that local port in that state (a number)."""
    for name in files:
        with open(f"/proc/self/net/{name}", encoding="utf-8") as lines:
            for line in list(lines)[1:]:
                words = line.split()
                if int(words[1].rsplit(":", 1)[1], 16) == port and int(words[3], 16) == state:
                    return True
    return False


def wait_tcp(port, state):
    until(lambda: has_tcp(port, state), f"state {state} on port {port}")


def connected(address, port, **more):
    made = sock(family=socket.AF_INET6 if ":" in address else socket.AF_INET, **more)
    try:
        made.connect((address, port))
    except OSError:
        made.close()
        raise
    return made


def fixes_with(line, key):
    return [x for x in line["fixes"] if key in x]


def cgroup_root():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            words = line.split()
            if words[2] == "cgroup2":
                return words[1]
    raise Skip("no cgroup v2 hierarchy is mounted")


def recorded(selected, prefix, tests):
    """The tests of a suite, {name: function}, with the recorded live run on."""
    for name, test in tests.items():
        if selected(f"{prefix}.{name}"):
            Recorded.get()
            yield f"{prefix}.{name}", test
