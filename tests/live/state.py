# SPDX-License-Identifier: GPL-2.0-only
"""The state factory of tests/states, and binds that meet its states."""
import errno
import itertools
import json
import os
import select
import socket
import subprocess

from harness import DEADLINE, Failure, Skip, check, same
from tool import MKSTATE_EXE, Shared

PORTS = itertools.count(20000)  # below what connect() hands out


def new_port():
    return next(PORTS)


def read_line(process, what, seconds=DEADLINE):
    fd = process.stdout.fileno()
    text = b""
    while not text.endswith(b"\n"):
        if not select.select([fd], [], [], seconds)[0]:
            raise Failure(f"{what}: no answer within {seconds} s")
        byte = os.read(fd, 1)
        if not byte:
            break
        text += byte
    return text.decode().strip()


def spec_args(spec):
    args = []
    for key in ("address", "device", "uid"):
        if spec.get(key):
            args += [f"--{key}", str(spec[key])]
    return args + [f"--{key}" for key in ("reuseaddr", "reuseport", "v6only") if spec.get(key)]


class Factory:
    """A run of mkstate, which stays until the end of `with`."""

    def __init__(self, *args, prefix=()):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([*prefix, MKSTATE_EXE, *[str(a) for a in args]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(DEADLINE)
            self.process.stdout.close()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class State(Factory):
    """One row of mkstate's table, made now and gone at the end of `with`."""

    def __init__(self, name, *args, port=None, seconds=DEADLINE, prefix=()):
        port_args = [] if port is None else ["--port", str(port)]
        super().__init__(name, *port_args, *args, prefix=prefix)
        line = read_line(self.process, f"mkstate {name}", seconds)
        if not line.startswith("ready "):
            self.end()
            if line.startswith("skip "):
                raise Skip(line[5:])
            raise Failure(f"mkstate {name} failed: {line}")
        self.info = json.loads(line[6:])
        self.port = self.info["port"]

    def __getattr__(self, key):
        return self.info[key]


class Bind(Factory):
    """A bind by a process of its own, which stays until it has been looked at."""

    def __init__(self, port, *args, prefix=(), **spec):
        super().__init__("bind", "--hold", "--comm", "bt-binder", *args, *spec_args(spec), port,
                         prefix=prefix)
        self.port = port
        line = read_line(self.process, "mkstate bind")
        check(line.startswith("{"), f"mkstate bind says: {line!r}")
        self.outcome = json.loads(line)
        self.result = self.outcome["result"]
        self.pid = self.process.pid

    def conflict(self):
        return Shared.get().conflict_of(self.pid, self.port)


def child_of(pid):
    """The only child of a process."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
                    if int(stat.read().rsplit(")", 1)[1].split()[1]) == pid:
                        return int(entry)
            except OSError:
                pass  # gone meanwhile
    raise Failure(f"process {pid} has no child")


def new_socket(address=None, port=None, reuseaddr=False, listen=False):
    """A TCP socket; bound where there is an address. OSError as bind() and listen() give it."""
    sock = socket.socket(socket.AF_INET6 if address and ":" in address else socket.AF_INET)
    try:
        if reuseaddr:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address:
            sock.bind((address, port))
        if listen:
            sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


def refused(address, port, reuseaddr=False):
    """A bind() of our own that must get EADDRINUSE; its conflict line is waited for elsewhere."""
    try:
        new_socket(address, port, reuseaddr).close()
    except OSError as error:
        same("errno", error.errno, errno.EADDRINUSE)
        return
    raise Failure(f"bind {address}:{port} has passed")


def marker():
    """A conflict of our own: what happened before it has been reported when its line is there."""
    port = new_port()
    tracer = Shared.get()  # watching before there is something to see
    with new_socket("127.0.0.9", port):
        refused("127.0.0.9", port)
    return tracer.conflict_of(os.getpid(), port)
