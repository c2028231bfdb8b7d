# SPDX-License-Identifier: GPL-2.0-only
"""The guest's programs as a person calls them, and refused binds."""
import ctypes
import errno
import json
import os
import socket
import subprocess

from harness import check, same, until

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def call(*args, ok=(0,), **options):
    """Its standard output, as bytes."""
    result = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            check=False, **options)
    check(result.returncode in ok,
          f"{args} ended with {result.returncode}: {result.stdout[-500:]} {result.stderr[-2000:]}")
    return result.stdout


def systemctl(*args):
    call("systemctl", *args)


def service(unit, *command, **properties):
    """Starts a transient service."""
    words = []
    for name, value in properties.items():
        words += ["-p", f"{name}={value}"]
    call("systemd-run", "--quiet", f"--unit={unit}", *words, *command)


def drop_in(unit, text):
    """Changes a unit's file, once systemd is told to reload."""
    directory = f"/etc/systemd/system/{unit}.service.d"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/test.conf", "w", encoding="ascii") as file:
        file.write(text)


def journal(identifier, *options):
    """Its entries, the oldest first."""
    lines = call("journalctl", "--quiet", "-o", "json", "--all", "-t", identifier, *options).splitlines()
    return [json.loads(line) for line in lines]


def message(entry):
    text = entry["MESSAGE"]
    return bytes(text) if isinstance(text, list) else text.encode()


def has_line(identifier, kind, *options):
    """Whether the journal has a line of bindtrace of that type."""
    pattern = f'"type":"{kind}"'
    return call("journalctl", "--quiet", "-o", "cat", "-n", 1, "-t", identifier, "-g", pattern, *options,
                ok=(0, 1)) != b""


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def replay(recording):
    """The lines of a run, byte for byte, as --record has kept them."""
    return call("bindtrace", "--replay", recording, "--json").splitlines()


def set_comm(name):
    with open("/proc/self/comm", "wb") as comm:
        comm.write(name)


def listener(address, port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen()
    return sock


def refused(address, port):
    with socket.socket() as sock:
        try:
            sock.bind((address, port))
        except OSError as error:
            same("errno", error.errno, errno.EADDRINUSE)
            return
    check(False, f"bind {address}:{port} has passed")


def join(unit):
    """Into that service's cgroup, by which a process is known to be of it."""
    group = f"/sys/fs/cgroup/system.slice/{unit}"
    os.makedirs(group, exist_ok=True)
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as procs:
        procs.write(str(os.getpid()))


def enter_netns(name):
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    if LIBC.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"setns {name}")
    os.close(fd)


def wait_for_lines(path, n, what):
    """Until the file has that many lines, and the last one is whole."""
    def enough():
        return read(path).count(b"\n") >= n
    until(enough, f"{n} lines of {what}; there are {read(path).count(bytes([10]))}")
    return read(path).splitlines()
