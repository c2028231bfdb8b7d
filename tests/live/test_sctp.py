# SPDX-License-Identifier: GPL-2.0-only
"""SCTP: that a bind() was refused is all that a hook reaches."""
import socket
import subprocess

from child import Child, attempt, sock
from harness import Skip, contains, same
from state import new_port
from tool import Tracer, run

SCTP = 132


def meet(address, port):
    held = sock(address, port, socket.SOCK_STREAM, SCTP)
    yield "there"
    yield attempt(sock, address, port, socket.SOCK_STREAM, SCTP)
    held.close()


def check_refused():
    if subprocess.run(["modprobe", "-q", "sctp"], check=False).returncode:
        raise Skip("this kernel has no SCTP")
    with Tracer() as tracer:
        tracer.ready()
        hooks = tracer.lines[0]["hooks"]
        contains("hooks", str(hooks), "inet_bind", "inet6_bind")
        for address, family in (("127.0.0.1", "ipv4"), ("::1", "ipv6")):
            port = new_port()
            with Child(meet, address, port) as child:
                same("result", child.go(), "EADDRINUSE")
                line = tracer.conflict_of(child.pid, port)
            same("protocol and error", (line["protocol"], line["error"]), ("sctp", "EADDRINUSE"))
            same("local", line["local"], {"address": address, "port": port})
            same("family", line["family"], family)
            same("blockers", line["blockers"], [])
            same("cause", line["cause"], "other_error")
        tracer.stop()
    contains("features", run("--features").out, "SCTP", "that a bind() was refused, not by whom")


def sctp(selected):
    if selected("sctp.refused"):
        yield "sctp.refused", check_refused
