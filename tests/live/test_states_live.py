# SPDX-License-Identifier: GPL-2.0-only
"""--states and --all: the life of a connection, and binds that succeed."""
import os
import socket

from child import connected, sock, sysctl, wait_tcp
from harness import DEADLINE, check, same
from state import new_port
from tool import Tracer


def chain(tracer, port, peer):
    """The states that the connection of that peer has been in, in order."""
    return [(x["old_state"], x["new_state"]) for x in tracer.lines if x["type"] == "state" and
            x["local"]["port"] == port and x["peer"] and x["peer"]["port"] == peer]


def ends(tracer, port, peer, n=1):
    return [x for x in chain(tracer, port, peer) if x[1] in (None, "CLOSE")][n - 1:]


def wait_end(tracer, port, peer):
    tracer.wait(lambda x: x["type"] == "state" and x["local"]["port"] == port and x["peer"] and
                x["peer"]["port"] == peer and x["new_state"] in (None, "CLOSE"), "the end")


def check_states():
    port, client_port, other = new_port(), new_port(), new_port()
    with Tracer("--states", "--all", "--follow", "--port", port) as tracer:
        tracer.ready()
        sock("127.0.0.1", other).close()  # another port: not reported
        with sock("127.0.0.1", port, listen=True) as listener:
            listener.settimeout(DEADLINE)
            client = sock("127.0.0.1", client_port, reuseaddr=True)
            client.connect(("127.0.0.1", port))
            accepted = listener.accept()[0]
            accepted.close()
            wait_tcp(port, 5)
            client.close()
            wait_tcp(port, 6)
            # a new connection between the same ports ends the time-wait socket
            client = sock("127.0.0.1", client_port, reuseaddr=True)
            client.connect(("127.0.0.1", port))
            wait_end(tracer, port, client_port)
            first = chain(tracer, port, client_port)
            check_first_life(tracer, port, client_port, first)
            check_fin_wait2(tracer, port, listener, client)
        tracer.stop()
        binds = [x for x in tracer.lines if x["type"] == "bind"]
        same("binds", [(x["local"], x["process"]["pid"]) for x in binds],
             [({"address": "127.0.0.1", "port": port}, os.getpid())])
        states = [x for x in tracer.lines if x["type"] == "state"]
        accepted = [x["old_state"] for x in states if x["new_state"] == "SYN_RECV"]
        same("what the accepted ones were before", accepted, [None] * len(accepted))
        check(accepted, "no connection comes in")
        listen = [x for x in states if x["new_state"] == "LISTEN"]
        same("listen", [x["process"]["pid"] for x in listen], [os.getpid()])


def check_first_life(tracer, port, peer, first):
    words = [new or "CLOSE" for _, new in first]
    words = words[:words.index("CLOSE") + 1]
    check(words[0] == "SYN_RECV" or words[0] == "ESTABLISHED", f"it begins with {words}")
    same("life", [x for x in words if x != "SYN_RECV"],
         ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"])
    lines = [x for x in tracer.lines if x["type"] == "state" and x["peer"] and
             x["peer"]["port"] == peer and x["local"]["port"] == port]
    for line in lines[2:len(words)]:
        check(line["duration_ms"] is not None, f"no duration: {line}")
    end = lines[len(words) - 1]
    same("old state at the end", end["old_state"], "TIME_WAIT")
    same("former owner", end["former_owner"] and end["former_owner"]["pid"], os.getpid())


def check_fin_wait2(tracer, port, listener, client):
    """Closed here, open there: a time-wait socket in FIN_WAIT2, and it ends by a timer."""
    with open("/proc/sys/net/ipv4/tcp_fin_timeout", encoding="utf-8") as file:
        before = file.read()
    sysctl("net.ipv4.tcp_fin_timeout", 1)
    try:
        listener.accept()[0].close()
        second = connected("127.0.0.1", port)
        peer = second.getsockname()[1]
        listener.accept()[0].close()
        wait_end(tracer, port, peer)
    finally:
        sysctl("net.ipv4.tcp_fin_timeout", before)
    words = [new or "CLOSE" for _, new in chain(tracer, port, peer)]
    same("life", [x for x in words if x != "SYN_RECV"],
         ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE"])
    second.close()
    client.close()


def check_address():
    """The state changes of one local address only."""
    port = new_port()
    with Tracer("--states", "--follow", "--port", port, "--address", "127.0.0.2") as tracer:
        tracer.ready()
        sock("127.0.0.1", port, listen=True).close()  # would have been reported before
        with sock("127.0.0.2", port, listen=True):
            tracer.wait(lambda x: x["type"] == "state" and x["new_state"] == "LISTEN", "LISTEN")
        tracer.stop()
        states = [x for x in tracer.lines if x["type"] == "state"]
        same("addresses", {x["local"]["address"] for x in states}, {"127.0.0.2"})


def check_v6():
    """The addresses are there from the beginning of TIME_WAIT on."""
    port = new_port()
    with Tracer("--states", "--follow", "--port", port) as tracer, \
            sock("::1", port, listen=True) as listener:
        tracer.ready()
        client = connected("::1", port)
        peer = client.getsockname()[1]
        listener.accept()[0].close()
        for state, then in (("FIN_WAIT2", client.close), ("TIME_WAIT", lambda: None)):
            line = tracer.wait(lambda x, state=state: x["type"] == "state" and
                               x["new_state"] == state, state)
            then()
        same("connection", (line["local"], line["peer"]),
             ({"address": "::1", "port": port}, {"address": "::1", "port": peer}))
        same("former owner", line["former_owner"] and line["former_owner"]["pid"], os.getpid())
        same("addresses", {x["local"]["address"] for x in tracer.lines if x["type"] == "state"},
             {"::1"})


def check_before():
    """How long a state has lasted that was there before the run, nobody knows."""
    port = new_port()
    with sock("127.0.0.1", port, listen=True) as listener:
        client = connected("127.0.0.1", port)
        accepted = listener.accept()[0]
        accepted.shutdown(socket.SHUT_WR)
        wait_tcp(port, 5)
        with Tracer("--states", "--follow", "--port", port) as tracer:
            tracer.ready()
            accepted.close()
            client.close()
            line = tracer.wait(lambda x: x["type"] == "state" and x["new_state"] == "TIME_WAIT",
                               "TIME_WAIT")
    same("from FIN_WAIT2, after", (line["old_state"], line["duration_ms"]), ("FIN_WAIT2", None))
    changes = [(x["old_state"], x["new_state"]) for x in tracer.lines if x["type"] == "state"]
    same("changes to what it was", [x for x in changes if x[0] == x[1]], [])


def states_live(selected):
    if selected("states_live.before"):
        yield "states_live.before", check_before
    if selected("states_live.v6"):
        yield "states_live.v6", check_v6
    if selected("states_live.address"):
        yield "states_live.address", check_address
    if selected("states_live.life"):
        yield "states_live.life", check_states
