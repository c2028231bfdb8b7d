# SPDX-License-Identifier: GPL-2.0-only
"""Sockets of the kernel itself."""
import os
import socket
import subprocess

from child import Recorded, attempt, sock
from harness import Skip, check, contains, same
from tool import Started


def link(name, *kind):
    made = subprocess.run(["ip", "link", "add", name, "type", *kind], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if made.returncode:
        raise Skip(f"no {kind[0]}: {made.stderr.decode().strip()}")
    subprocess.run(["ip", "link", "set", name, "up"], check=True)


def check_kernel_udp(port, kind, *more):
    link("bt-k0", kind, *more)
    try:
        same("bind", attempt(sock, "0.0.0.0", port, socket.SOCK_DGRAM), "EADDRINUSE")
        live = Recorded.get().conflict_of(os.getpid(), port)
        as_json, as_text = (x.result() for x in (
            Started("--proto", "udp", "--port", port, "--json"),
            Started("--proto", "udp", "--port", port)))
    finally:
        subprocess.run(["ip", "link", "delete", "bt-k0"], check=True)
    same("cause", live["cause"], "udp_holder")
    for got in (live["blockers"][0], as_json.only()["holders"][0]):
        same("holder, role, owners", (got["holder"], got["role"], got["owners"]),
             ("kernel", "kernel", []))
    same("exit status", as_json.status, 1)
    check(live["fixes"], "no fixes")
    contains("text", as_text.out, "kernel")


def ownerless(selected):
    if selected("ownerless.vxlan"):
        Recorded.get()
        yield "ownerless.vxlan", lambda: check_kernel_udp(
            4789, "vxlan", "id", "1", "dstport", "4789")
