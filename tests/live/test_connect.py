# SPDX-License-Identifier: GPL-2.0-only
"""connect() that gets EADDRNOTAVAIL: the tuple is taken, or no port is left."""
import socket

from child import (KEEP, NEW_BUCKET, Child, Recorded, attempt, connected, fixes_with, keep,
                   own_netns, sock, sysctl, until_refused, wait_tcp)
from harness import check, contains, same

TIME_WAIT = 6
RANGE = (40000, 40003)


def same_tuple(address):
    own_netns()
    listener = keep(address, 8080, listen=True)
    first = sock(address, 8888, reuseaddr=True)
    second = sock(address, 8888, reuseaddr=True)
    first.connect((address, 8080))
    KEEP.append(listener.accept())
    yield attempt(second.connect, (address, 8080))


def same_tuple_time_wait(address):
    own_netns()
    sysctl("net.ipv4.tcp_timestamps", 0)
    listener = keep(address, 8080, listen=True)
    first = sock(address, 8888, reuseaddr=True)
    first.connect((address, 8080))
    accepted = listener.accept()[0]
    first.close()
    accepted.close()
    wait_tcp(8888, TIME_WAIT)
    second = sock(address, 8888, reuseaddr=True)
    yield attempt(second.connect, (address, 8080))


def check_same_tuple(address, function, state):
    with Child(function, address) as child:
        same("result", child.value, "EADDRNOTAVAIL")
        line = Recorded.only(child.pid)
        pid = child.pid
    same("syscall", line["syscall"], "connect")
    same("error", line["error"], "EADDRNOTAVAIL")
    same("cause", line["cause"], "same_tuple")
    same("local", line["local"], {"address": address, "port": 8888})
    same("peer", line["peer"], {"address": address, "port": 8080})
    blocker, = line["blockers"]
    same("state", blocker["state"], state)
    same("rules", blocker["rules"], ["same_tuple"])
    same("peer of the blocker", blocker["peer"], {"address": address, "port": 8080})
    if state == "ESTABLISHED":
        same("owners", [x["pid"] for x in blocker["owners"]], [pid])
    else:
        check(0 < blocker["expires_ms"] <= 60000, f"expires_ms: {blocker['expires_ms']}")
        same("former owner", blocker["former_owner"]["pid"], pid)
        check(fixes_with(line, "wait_ms"), f"no wait: {line['fixes']}")
        check(line["facts"]["tw_reuse"] in (0, 1, 2), f"tcp_tw_reuse: {line['facts']}")
    check(fixes_with(line, "port"), f"no other port: {line['fixes']}")
    contains("summary", line["summary"], "connect", "8888")


def exhausted(address, options):
    own_netns(RANGE)
    if options.get("reserved"):
        sysctl("net.ipv4.ip_local_reserved_ports", RANGE[0])
    keep(address, 8080, listen=True)

    def one():
        made = sock(family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        if options.get("no_port"):
            made.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            made.bind((address, 0))
        try:
            made.connect((address, 8080))
        except OSError:
            made.close()
            raise
        return made

    yield until_refused(one)


def check_exhausted(address, **options):
    ports = 3 if options.get("reserved") else 4
    with Child(exhausted, address, options) as child:
        result, n = child.value
        line = Recorded.only(child.pid)
        pid = child.pid
    same("result", result, "EADDRNOTAVAIL")
    # __inet_hash_connect() makes the number of ports even: with odd ones a port may stay out
    check(n <= ports and ports - n <= ports & 1, f"{n} connections")
    same("syscall", line["syscall"], "connect")
    same("cause", line["cause"], "ephemeral_exhausted")
    same("local port", line["local"]["port"], 0)
    same("peer", line["peer"], {"address": address, "port": 8080})
    usage = line["usage"]
    same("range", usage["range"], {"low": RANGE[0], "high": RANGE[1]} if isinstance(
        usage["range"], dict) else list(RANGE))
    same("reserved", usage["reserved"], 4 - ports)
    same("same_peer", usage["same_peer"], n)
    same("taken", usage["taken"], n)
    same("ESTABLISHED", usage["states"].get("ESTABLISHED"), n)
    same("top", (usage["top"][0]["pid"], usage["top"][0]["ports"]), (pid, n))
    check(fixes_with(line, "sysctl"), f"no sysctl: {line['fixes']}")
    check(fixes_with(line, "address"), f"no other address: {line['fixes']}")
    contains("summary", line["summary"], "connect", "8080")


def bucket():
    own_netns(RANGE)
    keep("127.0.0.1", 8080, listen=True)
    keep("127.0.0.1", 8081, listen=True)
    for _ in range(4):
        KEEP.append(connected("127.0.0.1", 8080))
    marks = [sock("127.0.0.2", port) for port in range(RANGE[0], RANGE[1] + 1)]
    if not NEW_BUCKET:  # the mark stays
        while marks:
            marks.pop().close()
    yield attempt(connected, "127.0.0.1", 8081)
    while marks:
        marks.pop().close()
    yield attempt(connected, "127.0.0.1", 8081)


def check_bucket():
    with Child(bucket) as child:
        same("result", child.value, "EADDRNOTAVAIL")
        line = Recorded.only(child.pid)
        same("syscall", line["syscall"], "connect")
        same("cause", line["cause"], "bucket")
        same("bound", line["usage"]["bound"], 4)
        same("same_peer", line["usage"]["same_peer"], 0)
        same("blockers", line["blockers"], [])
        check(line["fixes"], "no fixes")
        same("once the binders have gone", child.go(), "ok" if NEW_BUCKET else "EADDRNOTAVAIL")


def connect(selected):
    rows = {}
    for family, address in (("v4", "127.0.0.1"), ("v6", "::1")):
        rows[f"same_tuple_{family}"] = lambda a=address: check_same_tuple(
            a, same_tuple, "ESTABLISHED")
        rows[f"same_tuple_time_wait_{family}"] = lambda a=address: check_same_tuple(
            a, same_tuple_time_wait, "TIME_WAIT")
        rows[f"exhausted_{family}"] = lambda a=address: check_exhausted(a)
    rows["exhausted_reserved"] = lambda: check_exhausted("127.0.0.1", reserved=True)
    rows["exhausted_no_port"] = lambda: check_exhausted("127.0.0.1", no_port=True)
    rows["bucket"] = check_bucket
    for name, function in rows.items():
        if selected(f"connect.{name}"):
            Recorded.get()
            yield f"connect.{name}", function
