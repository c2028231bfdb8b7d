#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In a guest, beside the live tests: refusals of each kind, and what came of them, in /out/recording."""
import socket

import test_connect
import test_errors
import test_exhausted
from child import Child, attempt, keep, sock
from harness import same
from state import Bind, State, new_port
from tool import Tracer

STATES = ("time_wait", "fin_wait2_orphan", "listener_shared", "dual_stack", "connection",
          "client_port", "bound_only", "inherited", "ownerless", "ownerless_kernel",
          "reuseport_uid", "one_sided_binder", "device")


def refused_state(tracer, name):
    port = None if name == "ownerless_kernel" else new_port()
    with State(name, port=port) as state, Bind(state.port, **state.info["bind"]) as bind:
        same(name, bind.result, "EADDRINUSE")
        tracer.conflict_of(bind.pid)


def refused_child(tracer, function, *args):
    with Child(function, *args) as child:
        tracer.conflict_of(child.pid)


def refused_udp(address):
    port = new_port()
    keep("127.0.0.1", port, socket.SOCK_DGRAM)
    yield attempt(sock, address, port, socket.SOCK_DGRAM)


def main():
    with Tracer("--all", "--states", "--record", "/out/recording") as tracer:
        tracer.ready()
        for name in STATES:
            refused_state(tracer, name)
        refused_child(tracer, refused_udp, "0.0.0.0")
        refused_child(tracer, test_connect.same_tuple, "127.0.0.1")
        refused_child(tracer, test_exhausted.fill, "127.0.0.1", socket.SOCK_STREAM)
        refused_child(tracer, test_errors.not_local, "203.0.113.7")
        refused_child(tracer, test_errors.privileged)
        tracer.stop()


main()
