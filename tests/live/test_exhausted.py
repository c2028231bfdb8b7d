# SPDX-License-Identifier: GPL-2.0-only
"""Nobody asked for a certain port, and none is left: bind to 0, listen or send without bind."""
import socket

from child import Child, Recorded, attempt, fixes_with, keep, own_netns, sock, until_refused
from harness import check, contains, same

RANGE = (40000, 40003)
UDP = socket.SOCK_DGRAM


def fill(address, kind):
    own_netns(RANGE)
    yield until_refused(lambda: sock(address, 0, kind))


def fill_then(kind, call):
    own_netns(RANGE)
    for port in range(RANGE[0], RANGE[1] + 1):
        keep("0.0.0.0", port, kind)
    last = sock(kind=kind)
    if call == "listen":
        yield attempt(last.listen), 4
    elif call == "connect":
        yield attempt(last.connect, ("127.0.0.1", 9)), 4
    else:
        yield attempt(last.sendto, b"x", ("127.0.0.1", 9)), 4


def fill_device():
    own_netns(RANGE)
    yield until_refused(lambda: sock("0.0.0.0", 0, device="lo"))


def check_device():
    """The device has its name, and not a number, in a report that is of a whole range."""
    with Child(fill_device) as child:
        same("result and calls before it", tuple(child.value), ("EADDRINUSE", 4))
        line = Recorded.only(child.pid)
    same("cause", line["cause"], "autobind_exhausted")
    same("device", line["socket"]["device"], "lo")


def check_exhausted(error, syscalls, protocol, function, *args):
    with Child(function, *args) as child:
        result, n = child.value
        line = Recorded.only(child.pid)
        pid = child.pid
    same("result and calls before it", (result, n), (error, 4))
    check(line["syscall"] in syscalls, f"syscall: {line['syscall']}")
    same("error", line["error"], error)
    same("protocol", line["protocol"], protocol)
    same("cause", line["cause"], "autobind_exhausted")
    same("local port", line["local"]["port"], 0)
    usage = line["usage"]
    same("taken", usage["taken"], 4)
    same("sockets", usage["sockets"], 4)
    same("top", (usage["top"][0]["pid"], usage["top"][0]["ports"]), (pid, 4))
    check(fixes_with(line, "sysctl"), f"no sysctl: {line['fixes']}")
    check(fixes_with(line, "close"), f"no close: {line['fixes']}")
    contains("summary", line["summary"], "port")


def exhausted(selected):
    rows = {
        "bind": ("EADDRINUSE", ("bind",), "tcp", fill, "127.0.0.1", socket.SOCK_STREAM),
        "bind_v6": ("EADDRINUSE", ("bind",), "tcp", fill, "::", socket.SOCK_STREAM),
        "listen": ("EADDRINUSE", ("listen",), "tcp", fill_then, socket.SOCK_STREAM, "listen"),
        "udp_bind": ("EADDRINUSE", ("bind",), "udp", fill, "0.0.0.0", UDP),
        "udp_connect": ("EAGAIN", ("autobind", "connect"), "udp", fill_then, UDP, "connect"),
        "udp_send": ("EAGAIN", ("autobind",), "udp", fill_then, UDP, "send"),
    }
    for name, row in rows.items():
        if selected(f"exhausted.{name}"):
            Recorded.get()
            yield f"exhausted.{name}", lambda row=row: check_exhausted(*row)
    if selected("exhausted.device"):
        Recorded.get()
        yield "exhausted.device", check_device
