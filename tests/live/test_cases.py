# SPDX-License-Identifier: GPL-2.0-only
"""The cases that the project started from, the catalogue's last section, with real sockets."""
import os
import re
import socket

from harness import DEADLINE, check, same, until
from state import marker, new_port, new_socket, refused
from tool import PAIR, Shared

FIN_WAIT2, TIME_WAIT = 5, 6
TCP_INFO_STATE = {1: "ESTABLISHED", 7: "CLOSE", 8: "CLOSE_WAIT"}


def tcp_state(sock):
    number = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return TCP_INFO_STATE.get(number, number)


def wait_left(port, number):
    """Until a socket that no process has any more is in that state; the kernel's number of it."""
    def there():
        with open("/proc/net/tcp", encoding="utf-8") as lines:
            return any(re.match(rf"\s*\d+: [0-9A-F]+:{port:04X} \S+ {number:02X} ", line)
                       for line in lines)

    until(there, f"a socket on port {port} in state {number}")


def wait_state(sock, state):
    until(lambda: tcp_state(sock) == state, f"state {state}")


def nothing_reported(port):
    marker()
    same("conflicts", Shared.get().conflicts(lambda x: x["local"]["port"] == port), [])


def reported(port, cause, *states, n=1):
    """The n-th conflict on the port: its cause, and the states of its blockers."""
    def there(line):
        return line["type"] == "conflict" and line["local"]["port"] == port

    Shared.get().wait(lambda _: len(Shared.get().conflicts(there)) >= n, f"{n} conflicts")
    line = Shared.get().conflicts(there)[n - 1]
    same("cause", line["cause"], cause)
    same("pid", line["process"]["pid"], os.getpid())
    same("states", sorted(x["state"] for x in line["blockers"]), sorted(states))
    same("evidence", line["evidence"], "exact")
    same("cross_check", line["cross_check"], True if PAIR else None)
    return line


class Served:
    """An echo server that has accepted one client."""

    def __init__(self, port, reuseaddr=False, address="0.0.0.0", client="127.0.0.1"):
        self.port = port
        self.listener = new_socket(address, port, reuseaddr, listen=True)
        self.client = socket.create_connection((client, port), DEADLINE)
        self.listener.settimeout(DEADLINE)
        self.conn, _ = self.listener.accept()
        self.client.sendall(b"hello")
        check(self.conn.recv(5) == b"hello", "no echo")

    def stop_server(self):
        """Ctrl-C: all of its sockets go at once."""
        self.conn.close()
        self.listener.close()
        wait_state(self.client, "CLOSE_WAIT")
        wait_left(self.port, FIN_WAIT2)

    def stop_client(self):
        self.client.close()


def case1():
    """The client closes first: a restart works."""
    port = new_port()
    server = Served(port)
    server.stop_client()
    wait_state(server.conn, "CLOSE_WAIT")
    server.conn.close()
    server.listener.close()
    # the time-wait socket is the client's, on a port of its own
    new_socket("0.0.0.0", port, listen=True).close()
    nothing_reported(port)


def stopped(port, reuseaddr):
    server = Served(port, reuseaddr)
    server.stop_server()
    server.stop_client()
    wait_left(port, TIME_WAIT)


def case2():
    """The server is stopped first: the restart is refused."""
    port = new_port()
    stopped(port, False)
    refused("0.0.0.0", port)
    blocker = reported(port, "time_wait", "TIME_WAIT")["blockers"][0]
    same("role and SO_REUSEADDR", (blocker["role"], blocker["reuseaddr"]), ("server", False))


def case3_both():
    """SO_REUSEADDR in both runs: works."""
    port = new_port()
    stopped(port, True)
    new_socket("0.0.0.0", port, True, listen=True).close()
    nothing_reported(port)


def case3_second_only():
    """Only in the second run: refused all the same."""
    port = new_port()
    stopped(port, False)
    refused("0.0.0.0", port, True)
    line = reported(port, "time_wait", "TIME_WAIT")
    same("rules", line["blockers"][0]["rules"], ["blocker_lacks_reuseaddr"])


def case4():
    """Two clients on the same port of two addresses, no option: both work."""
    port, to = new_port(), new_port()
    with new_socket("0.0.0.0", to, listen=True):
        with new_socket("127.0.0.1", port) as one, new_socket("127.0.0.2", port) as two:
            one.connect(("127.0.0.1", to))
            two.connect(("127.0.0.1", to))
            nothing_reported(port)


def case5():
    """Two clients on one address and port: the first connection blocks the second bind."""
    port, to = new_port(), new_port()
    with new_socket("127.0.0.1", to, listen=True):
        with new_socket("127.0.0.1", port) as one:
            one.connect(("127.0.0.1", to))
            refused("127.0.0.1", port)
            line = reported(port, "client_port", "ESTABLISHED")
            same("role", line["blockers"][0]["role"], "client")
            same("owner", [x["pid"] for x in line["blockers"][0]["owners"]], [os.getpid()])


def case5_both():
    """With SO_REUSEADDR on both it works, to two servers."""
    port, to, other = new_port(), new_port(), new_port()
    with new_socket("127.0.0.1", to, listen=True), new_socket("127.0.0.1", other, listen=True):
        with new_socket("127.0.0.1", port, True) as one:
            one.connect(("127.0.0.1", to))
            with new_socket("127.0.0.1", port, True) as two:
                two.connect(("127.0.0.1", other))
                nothing_reported(port)


def case7():
    """Two listeners, both with SO_REUSEADDR: the second bind is refused."""
    port = new_port()
    with new_socket("127.0.0.1", port, True, listen=True):
        refused("127.0.0.1", port, True)
        line = reported(port, "listener", "LISTEN")
        same("rules", line["blockers"][0]["rules"], ["listening"])


def close_and_rebind(reuseaddr):
    """Accepts, closes its connection and its listener, and binds again at once."""
    port = new_port()
    server = Served(port, reuseaddr)
    server.stop_server()
    return port, server.client


def case8_without():
    port, client = close_and_rebind(False)
    refused("0.0.0.0", port)
    # the client has not closed its end yet
    line = reported(port, "closing", "FIN_WAIT2")
    # Where the answer to its FIN came while close() had the socket, it stays a whole one, with a timer that no
    # list shows: tcp_rcv_state_process(), sock_owned_by_user().
    blocker, = line["blockers"]
    check(blocker["holder"] in ("time_wait", "orphan"), f"holder: {blocker['holder']}")
    same("has its time", blocker["expires_ms"] is not None, blocker["holder"] == "time_wait")
    client.close()
    wait_left(port, TIME_WAIT)
    refused("0.0.0.0", port)
    reported(port, "time_wait", "TIME_WAIT", n=2)


def case8_with():
    port, client = close_and_rebind(True)
    new_socket("0.0.0.0", port, True, listen=True).close()
    client.close()
    nothing_reported(port)


def case9():
    """Two addresses, TIME_WAIT on one, bind on the other: works."""
    port = new_port()
    server = Served(port, address="127.0.0.1")
    server.stop_server()
    server.stop_client()
    wait_left(port, TIME_WAIT)
    new_socket("127.0.0.2", port, listen=True).close()
    nothing_reported(port)
    refused("127.0.0.1", port)
    reported(port, "time_wait", "TIME_WAIT")


def case10():
    """0.0.0.0 and two addresses on one port, all with SO_REUSEADDR: not on Linux."""
    port = new_port()
    with new_socket("0.0.0.0", port, True, listen=True):
        refused("127.0.0.1", port, True)
        reported(port, "listener", "LISTEN")
        refused("127.0.0.2", port, True)
        reported(port, "listener", "LISTEN", n=2)
    # the other way round, both are in the way
    with new_socket("127.0.0.1", port, True, listen=True), \
            new_socket("127.0.0.2", port, True, listen=True):
        refused("0.0.0.0", port, True)
        reported(port, "listener", "LISTEN", "LISTEN", n=3)


def cases(selected):
    for function in (case1, case2, case3_both, case3_second_only, case4, case5, case5_both, case7,
                     case8_without, case8_with, case9, case10):
        name = f"case.{function.__name__[4:]}"
        if selected(name):
            Shared.get()  # before anything is bound
            yield name, function
