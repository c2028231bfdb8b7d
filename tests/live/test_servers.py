# SPDX-License-Identifier: GPL-2.0-only
"""Servers from packages, stopped with clients connected and started again."""
import os
import re
import signal
import socket
import subprocess
import tempfile

from harness import DEADLINE, check, contains, same, until
from state import marker, new_port
from tool import PAIR, Shared

NGINX_CONF = """daemon off; worker_processes 1; user www-data;
pid {dir}/pid; error_log stderr;
events {{ worker_connections 16; }}
http {{
    access_log off; keepalive_timeout 600;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "here\\n"; }} }}
}}
"""
# As `python3 -m http.server`, but for the SO_REUSEADDR that it sets by itself.
PLAIN_HTTP = """import http.server, sys
http.server.HTTPServer.allow_reuse_address = False
http.server.test(http.server.SimpleHTTPRequestHandler, http.server.HTTPServer, "HTTP/1.1",
                 int(sys.argv[1]), "127.0.0.1")"""


def listening(port):
    with open("/proc/net/tcp", encoding="utf-8") as lines:
        return any(re.match(rf"\s*\d+: [0-9A-F]+:{port:04X} \S+ 0A ", line) for line in lines)


def connect(port):
    """A client that has been answered and keeps its connection."""
    client = socket.create_connection(("127.0.0.1", port), DEADLINE)
    client.sendall(b"GET / HTTP/1.1\r\nHost: guest\r\n\r\n")
    check(client.recv(8).startswith(b"HTTP/1."), "no answer")
    return client


def drain(client):
    """Until the server's end has arrived."""
    client.settimeout(DEADLINE)
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        pass


class Server:
    """A server that listens; its output goes to a file."""

    def __init__(self, port, *command):
        Shared.get()  # before anything is refused
        self.port = port
        # pylint: disable=consider-using-with
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd="/tmp")
        self.pid = self.process.pid

    def output(self):
        self.log.seek(0)
        return self.log.read().decode()

    def started(self):
        until(lambda: listening(self.port) or self.process.poll() is not None, "the server")
        check(self.process.poll() is None, f"the server has ended: {self.output()}")
        return self

    def kill(self, sig):
        self.process.send_signal(sig)
        self.process.wait(DEADLINE)

    def refused(self):
        """It ends by itself; what has been reported about it."""
        check(self.process.wait(DEADLINE) != 0, "the server ends without an error")
        contains("its own words", self.output(), "ddress already in use")
        line = Shared.get().conflict_of(self.pid, self.port)
        same("evidence", line["evidence"], "exact")
        same("cross_check", line["cross_check"], True if PAIR else None)
        return line

    def not_refused(self):
        marker()
        same("conflicts",
             Shared.get().conflicts(lambda x: x["process"]["pid"] == self.pid), [])


def nginx(directory, port):
    path = f"{directory}/{port}.conf"
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(NGINX_CONF.format(dir=directory, port=port))
    return Server(port, "/usr/sbin/nginx", "-e", "stderr", "-c", path)


def pids_of(comm, not_pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != not_pid:
            try:
                with open(f"/proc/{entry}/comm", encoding="utf-8") as file:
                    if file.read().strip() == comm:
                        found.append(int(entry))
            except OSError:
                pass
    return found


def nginx_running():
    """Started a second time while it runs."""
    with tempfile.TemporaryDirectory() as directory:
        port = new_port()
        old = nginx(directory, port).started()
        client = connect(port)
        line = nginx(directory, port).refused()
        same("cause", line["cause"], "listener")
        blocker, = line["blockers"]
        same("state", blocker["state"], "LISTEN")
        check(old.pid in [x["pid"] for x in blocker["owners"]], f"owners: {blocker['owners']}")
        same("comms", {x["comm"] for x in blocker["owners"]}, {"nginx"})
        same("comm of the caller", line["process"]["comm"], "nginx")
        old.kill(signal.SIGTERM)
        client.close()


def nginx_killed():
    """
    The master dies of kill -9: its worker lives on and holds listener and connection. It has become
    another user since, and so could have opened the socket itself: that makes it a listener, not an
    inherited one (see is_inherited() of the model).
    """
    with tempfile.TemporaryDirectory() as directory:
        port = new_port()
        old = nginx(directory, port).started()
        client = connect(port)
        worker, = pids_of("nginx", old.pid)
        old.kill(signal.SIGKILL)
        try:
            line = nginx(directory, port).refused()
            same("cause", line["cause"], "listener")
            same("states", {x["state"] for x in line["blockers"]}, {"LISTEN"})
            same("owners", [(x["pid"], x["comm"]) for x in line["blockers"][0]["owners"]],
                 [(worker, "nginx")])
        finally:
            os.kill(worker, signal.SIGKILL)
            client.close()


def nginx_terminated():
    """It sets SO_REUSEADDR: what is left of its connections is not in the way."""
    with tempfile.TemporaryDirectory() as directory:
        port = new_port()
        old = nginx(directory, port).started()
        client = connect(port)
        old.kill(signal.SIGTERM)
        drain(client)
        client.close()
        new = nginx(directory, port).started()
        new.not_refused()
        new.kill(signal.SIGTERM)


def http_server(port):
    return Server(port, "python3", "-m", "http.server", "--bind", "127.0.0.1", str(port))


def plain_http_server(port):
    return Server(port, "python3", "-c", PLAIN_HTTP, str(port))


def http_killed(sig):
    """It sets SO_REUSEADDR as well; started twice, the first one's listener is in the way."""
    port = new_port()
    old = http_server(port).started()
    client = connect(port)
    line = http_server(port).refused()
    same("cause", line["cause"], "listener")
    same("owner", [x["pid"] for x in line["blockers"][0]["owners"]], [old.pid])
    old.kill(sig)
    drain(client)
    new = http_server(port).started()
    new.not_refused()
    new.kill(signal.SIGKILL)
    client.close()


def plain_killed(sig):
    """Without SO_REUSEADDR: first the client is still there, then only the time-wait socket."""
    port = new_port()
    old = plain_http_server(port).started()
    client = connect(port)
    old.kill(sig)
    drain(client)
    line = plain_http_server(port).refused()
    same("cause", line["cause"], "closing")
    same("blocker", [(x["state"], x["role"], x["holder"]) for x in line["blockers"]],
         [("FIN_WAIT2", "server", "time_wait")])
    client.close()
    line = plain_http_server(port).refused()
    same("cause", line["cause"], "time_wait")
    same("blocker", [(x["state"], x["role"]) for x in line["blockers"]],
         [("TIME_WAIT", "server")])
    check(line["process"]["comm"].startswith("python3"), f"comm: {line['process']}")


def servers(_selected):
    yield "server.nginx_running", nginx_running
    yield "server.nginx_killed", nginx_killed
    yield "server.nginx_terminated", nginx_terminated
    yield "server.http_terminated", lambda: http_killed(signal.SIGTERM)
    yield "server.plain_http_killed", lambda: plain_killed(signal.SIGKILL)
