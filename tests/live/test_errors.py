# SPDX-License-Identifier: GPL-2.0-only
"""The other errors of the same calls."""
import ctypes
import os
import resource
import socket
import struct

from child import (LIBC, Child, Recorded, attempt, cgroup_root, fixes_with, ip, keep, own_netns,
                   recorded, sock, sysctl)
from harness import Skip, check, contains, same
from state import new_port
from tool import run

NOBODY = 65534


def not_local(address):
    yield attempt(sock, address, new_port())


def tentative():
    """Duplicate address detection that takes its time."""
    own_netns()
    ip("link", "add", "bt0", "type", "veth", "peer", "name", "bt1")
    sysctl("net.ipv6.conf.bt0.dad_transmits", 1000)
    ip("link", "set", "bt1", "up")
    ip("link", "set", "bt0", "up")
    ip("addr", "add", "2001:db8::7/64", "dev", "bt0")
    yield attempt(sock, "2001:db8::7", 8080)


def privileged():
    os.setgroups([])
    os.setresuid(NOBODY, NOBODY, NOBODY)
    yield attempt(sock, "127.0.0.1", 81)


def already_bound():
    made = keep("127.0.0.1", new_port())
    yield attempt(made.bind, ("127.0.0.1", new_port()))


def no_device():
    made = keep(family=socket.AF_INET6)
    yield attempt(made.bind, ("fe80::7", new_port(), 0, 4711))


PING = {"127.0.0.1": socket.IPPROTO_ICMP, "::1": socket.IPPROTO_ICMPV6}


def ping(address):
    """Two sockets that want the same identifier, which is theirs like a port."""
    own_netns()
    sysctl("net.ipv4.ping_group_range", "0 0")
    keep(address, 4711, socket.SOCK_DGRAM, PING[address])
    yield attempt(sock, address, 4711, socket.SOCK_DGRAM, PING[address])


def check_ping():
    for address, protocol in PING.items():
        with Child(ping, address) as child:
            same("result", child.value, "EADDRINUSE")
            line = Recorded.only(child.pid)
        same("protocol", line["protocol"], f"ip_{protocol:d}")
        same("error and cause", (line["error"], line["cause"]), ("EADDRINUSE", "other_error"))
        same("local", line["local"], {"address": address, "port": 4711})
        same("blockers", line["blockers"], [])
    contains("features", run("--features").out, "ping sockets           part")


def bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    result = LIBC.syscall(number, command, ctypes.byref(buffer), 128)
    check(result >= 0, f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


def deny_binds(path):
    """A program on that cgroup which says no to every bind of IPv4."""
    insns = ctypes.create_string_buffer(struct.pack("<BBhi", 0xb7, 0, 0, 0) +
                                        struct.pack("<BBhi", 0x95, 0, 0, 0), 16)
    text = ctypes.create_string_buffer(b"GPL")
    limits = resource.getrlimit(resource.RLIMIT_MEMLOCK)  # what 5.10 charges programs to
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    prog = bpf(5, struct.pack("<IIQQIIQII16sII", 18, 2, ctypes.addressof(insns),
                              ctypes.addressof(text), 0, 0, 0, 0, 0, b"", 0, 8))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
    directory = os.open(path, os.O_RDONLY)
    bpf(8, struct.pack("<IIII", directory, prog, 8, 0))
    os.close(directory)


def denied(path):
    with open(f"{path}/cgroup.procs", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    yield attempt(sock, "127.0.0.1", new_port())


def check_denied():
    path = f"{cgroup_root()}/bt-deny"
    os.mkdir(path)
    try:
        deny_binds(path)
        with Child(denied, path) as child:
            same("result", child.value, "EPERM")
            line = Recorded.only(child.pid)
        same("cause", line["cause"], "denied")
        same("stage", line["facts"]["stage"], "cgroup")
        same("cgroup", line["process"]["cgroup"], "/bt-deny")
    finally:
        os.rmdir(path)


LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, NET_BIND_TCP = 444, 446, 1
PR_SET_NO_NEW_PRIVS = 38


def denied_by_lsm():
    """A Landlock ruleset that handles bind() and has no rule that allows one: from 6.7 on."""
    attr = ctypes.create_string_buffer(struct.pack("QQ", 0, NET_BIND_TCP), 16)
    ruleset = LIBC.syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(attr), 16, 0)
    if ruleset < 0:
        yield f"no Landlock for networks: {os.strerror(ctypes.get_errno())}"
        return
    same("no_new_privs", LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0)
    same("restrict_self", LIBC.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0), 0)
    yield attempt(sock, "127.0.0.1", new_port())


def check_denied_by_lsm():
    with Child(denied_by_lsm) as child:
        if child.value.startswith("no "):
            raise Skip(child.value)
        same("result", child.value, "EACCES")
        line = Recorded.only(child.pid)
    same("error", line["error"], "EACCES")
    same("cause", line["cause"], "denied")
    same("stage", line["facts"]["stage"], "lsm")


def check_error(error, cause, function, *args, facts=None, fix=None):
    with Child(function, *args) as child:
        same("result", child.value, error)
        line = Recorded.only(child.pid)
    same("error", line["error"], error)
    same("syscall", line["syscall"], "bind")
    same("cause", line["cause"], cause)
    same("blockers", line["blockers"], [])
    for key, value in (facts or {}).items():
        same(key, line["facts"].get(key), value)
    if fix:
        check(fixes_with(line, fix), f"no {fix}: {line['fixes']}")
    contains("summary", line["summary"], "bind")


def errors(selected):
    rows = {
        "not_local": ("EADDRNOTAVAIL", "not_local", not_local, "203.0.113.7",
                      {"facts": {"nonlocal_bind": 0}, "fix": "address"}),
        "not_local_v6": ("EADDRNOTAVAIL", "not_local", not_local, "2001:db8::9",
                         {"facts": {"nonlocal_bind": 0, "address_tentative": False},
                          "fix": "address"}),
        "tentative": ("EADDRNOTAVAIL", "not_local", tentative,
                      {"facts": {"address_tentative": True}, "fix": "sysctl"}),
        "privileged": ("EACCES", "privileged_port", privileged,
                       {"facts": {"unprivileged_port_start": 1024}, "fix": "capability"}),
        "already_bound": ("EINVAL", "already_bound", already_bound, {"fix": "socket"}),
        "no_device": ("ENODEV", "no_device", no_device, {}),
    }
    for name, (*row, more) in rows.items():
        if selected(f"errors.{name}"):
            Recorded.get()
            yield f"errors.{name}", lambda row=row, more=more: check_error(*row, **more)
    yield from recorded(selected, "errors",
                        {"denied": check_denied, "denied_lsm": check_denied_by_lsm,
                         "ping": check_ping})
