# SPDX-License-Identifier: GPL-2.0-only
"""Three hosts, each a network, a host name and a journal of its own: bindtrace, journald, rsyslog, RELP,
rsyslog, PostgreSQL. Each is ended in the middle, and at the end all is counted."""
import contextlib
import json
import os
import traceback

from harness import check, contains, same, until
from system import (call, drop_in, enter_netns, join, listener, read, refused, replay, service, set_comm,
                    systemctl)

HOSTS = ("web1", "web2", "web3")
CENTRAL = "10.99.0.254"
PORT = 8080
EACH = 15  # refused binds, each time
HOSTILE = b'"},\x1b[2J\n\xff'
POSTGRESQL = "postgresql@15-main"

with open("/etc/machine-id", encoding="ascii") as machine_id:
    MACHINE_ID = machine_id.read().strip()

BINDTRACE = """[Service]
NetworkNamespacePath=/run/netns/{host}
LogNamespace={host}
RuntimeDirectory=
RuntimeDirectory=bindtrace-{host}
StateDirectory=bindtrace-test
ExecStart=
ExecStart=/usr/bin/bindtrace --json --journal --fold 0 --netns self --record {recording}
"""

FORWARDER = """[Service]
NetworkNamespacePath=/run/netns/{host}
BindPaths=/var/log/journal/{id}.{host}:/var/log/journal/{id}
StateDirectory=
StateDirectory=bindtrace/forward-{host}
BindPaths=/var/lib/bindtrace/forward-{host}:/var/lib/bindtrace/forward
# A host name of its own, and then nothing that the unit has not.
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SETPCAP
ExecStart=
ExecStart=/usr/bin/unshare --uts sh -c 'hostname {host} && exec setpriv --bounding-set -all \\
	/usr/sbin/rsyslogd -n -i NONE -f /etc/bindtrace/host.conf'
"""


def sql(query):
    return call("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "bindtrace", "-c", query,
                cwd="/").decode().strip()


def as_postgres(*words):
    return call("runuser", "-u", "postgres", "--", *words, cwd="/")


def ip(*words):
    call("ip", *words)


def make_network():
    ip("link", "add", "fleet", "type", "bridge")
    ip("address", "add", f"{CENTRAL}/24", "dev", "fleet")
    ip("link", "set", "fleet", "up")
    for number, host in enumerate(HOSTS, 1):
        ip("netns", "add", host)
        ip("link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns", host)
        ip("link", "set", f"to-{host}", "master", "fleet", "up")
        ip("-n", host, "address", "add", f"10.99.0.{number}/24", "dev", "eth0")
        ip("-n", host, "link", "set", "eth0", "up")
        ip("-n", host, "link", "set", "lo", "up")
    with open("/etc/hosts", "a", encoding="ascii") as hosts:
        hosts.write(f"{CENTRAL} central.example.net\n")


def make_database():
    systemctl("start", POSTGRESQL)
    call("systemd-sysusers", "bindtrace-central.conf")
    as_postgres("createdb", "-E", "UTF8", "-T", "template0", "bindtrace")
    as_postgres("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", "bindtrace", "-f", "/test/schema.sql")


def recording(host):
    return f"/var/lib/bindtrace-test/{host}.rec"


def forwarder(host):
    return f"bindtrace-forward-{host}"


def make_host(host):
    """The units' own files, and what makes several hosts of one."""
    units = "/etc/systemd/system"
    call("cp", f"{units}/bindtrace.service", f"{units}/bindtrace-{host}.service")
    drop_in(f"bindtrace-{host}", BINDTRACE.format(host=host, recording=recording(host)))
    call("cp", f"{units}/bindtrace-forward.service", f"{units}/{forwarder(host)}.service")
    drop_in(forwarder(host), FORWARDER.format(host=host, id=MACHINE_ID))


def on_host(host, function):
    """In a process on that host; whether it succeeded is checked by end()."""
    pid = os.fork()
    if pid:
        return host, pid
    try:
        enter_netns(host)
        function(host)
        os._exit(0)
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
        os._exit(1)


def end(child):
    host, pid = child
    same(f"what the process on {host} ended with", os.waitpid(pid, 0)[1], 0)


class Process:
    """Of a service: does something, and stays to be looked at until it is told that all is done."""

    def __init__(self, unit, comm, action):
        ready, said = os.pipe()
        done, self.over = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.over)
            join(unit)
            set_comm(comm)
            with action():
                os.write(said, b".")
                os.read(done, 1)
            os._exit(0)
        os.close(said)
        os.close(done)
        same(f"what {unit} says", os.read(ready, 1), b".")
        os.close(ready)

    def end(self):
        os.close(self.over)
        same("what a service ended with", os.waitpid(self.pid, 0)[1], 0)


@contextlib.contextmanager
def refuse(n):
    for i in range(n):
        refused("127.0.0.1" if i % 2 else "0.0.0.0", PORT)
    yield


def reported(host):
    """How many of its refusals the host's journal has."""
    lines = call("journalctl", f"--namespace={host}", "--quiet", "-o", "cat", "-t", "bindtrace")
    return lines.count(b'"type":"conflict"')


def refusals(host):
    """Of two services, for a third that has the port."""
    processes = [Process("haproxy.service", b"haproxy", lambda: listener("0.0.0.0", PORT)),
                 Process("api.service", HOSTILE, lambda: refuse(EACH // 3)),
                 Process("web.service", b"web", lambda: refuse(EACH - EACH // 3))]
    # While they can still be seen.
    until(lambda: reported(host) >= Wanted.refusals + EACH, f"{host}'s reports")
    for process in reversed(processes):
        process.end()


def happen():
    for child in [on_host(host, refusals) for host in HOSTS]:
        end(child)


class Wanted:
    """How many refusals there have been on each host."""
    refusals = 0


def more():
    happen()
    Wanted.refusals += EACH


def stored(host):
    return int(sql(f"select count(*) from bindtrace.event where host = '{host}' and type = 'conflict'"))


def all_stored():
    return all(stored(host) == Wanted.refusals for host in HOSTS)


def wait_for_all():
    until(all_stored, f"{Wanted.refusals} refusals of each host", 120)


def make_fleet():
    make_network()
    make_database()
    for host in HOSTS:
        make_host(host)
    systemctl("daemon-reload")
    # bindtrace first: a journal is there before anybody reads it.
    systemctl("start", "bindtrace-central", *(f"bindtrace-{host}" for host in HOSTS))
    systemctl("start", *map(forwarder, HOSTS))


def check_all_up():
    more()
    wait_for_all()


def check_central_away():
    """Ended without a warning, as its unit does it; the hosts keep what happens meanwhile."""
    systemctl("stop", "bindtrace-central")
    more()
    systemctl("start", "bindtrace-central")
    more()
    wait_for_all()


def queued():
    """Refusals in the central host's queue, which is on its disk."""
    return call("sh", "-c", "cat /var/lib/bindtrace/central/store.0*").count(b'"type":"conflict"')


def check_database_away():
    systemctl("stop", POSTGRESQL)
    more()
    until(lambda: queued() >= len(HOSTS) * EACH, "the central host's queue", 60)
    systemctl("restart", "bindtrace-central")
    more()
    systemctl("start", POSTGRESQL)
    wait_for_all()


def taken(host):
    """Whether the forwarder has read all of the host's journal."""
    last = call("journalctl", f"--namespace={host}", "--quiet", "-n", 1, "-o", "export").split(b"\n")[0]
    return last == b"__CURSOR=" + read(f"/var/lib/bindtrace/forward-{host}/journal.state").strip()


def check_hosts_away():
    """All that is between a journal and the central host ends while that is away, in either way."""
    systemctl("stop", "bindtrace-central")
    more()
    for host in HOSTS:
        until(lambda host=host: taken(host), f"{host}'s forwarder to read its journal", 60)
    systemctl("kill", "--signal=KILL", forwarder("web1"))
    systemctl("stop", forwarder("web2"))
    more()
    systemctl("restart", forwarder("web3"))
    systemctl("start", forwarder("web2"))
    systemctl("restart", forwarder("web1"))
    more()
    systemctl("start", "bindtrace-central")
    wait_for_all()


def check_foreign_lines():
    """Who writes what is no line of bindtrace under its name stops nothing."""
    service("stranger", "/usr/bin/printf", r"%b\n", r'{"a":"\0377\0376\0302"}', r"{\"run\":\"x\\\\u0000\"}",
            "{}", "no json", SyslogIdentifier="bindtrace", LogNamespace="web2")
    more()
    wait_for_all()
    until(lambda: int(sql("select count(*) from bindtrace.rejected")) == 3, "3 rejected lines")
    print(sql("select host, reason, line from bindtrace.rejected"))


def check_count():
    """Every line once, and as it was written."""
    for host in HOSTS:
        systemctl("stop", f"bindtrace-{host}")
    total = 0
    for host in HOSTS:
        lines = replay(recording(host))
        with open(f"/out/{host}.json", "wb") as file:
            file.write(b"\n".join(lines) + b"\n")
        wanted = [json.loads(x) for x in lines]
        total += len(wanted)
        until(lambda host=host, n=len(wanted):
              int(sql(f"select count(*) from bindtrace.event where host = '{host}'")) >= n, f"{host}'s last line")
        got = sql(f"select line from bindtrace.event where host = '{host}' order by run, seq").splitlines()
        same(f"{host}'s lines", [json.loads(x) for x in got], wanted)
        same(f"{host}'s refusals", sum(x["type"] == "conflict" for x in wanted), Wanted.refusals)
    same("all lines", int(sql("select count(*) from bindtrace.event")), total)
    same("gaps", sql("select count(*) from bindtrace.run where missing <> 0 or lost <> 0 or not ended"), "0")
    print(f"    {total} lines of {len(HOSTS)} hosts, each once")


def check_twice():
    """All of a journal once more: the key keeps each line once."""
    before = sql("select count(*) from bindtrace.event")
    systemctl("stop", forwarder("web1"))
    call("find", "/var/lib/bindtrace/forward-web1", "-type", "f", "-delete")
    systemctl("start", forwarder("web1"))
    # What comes after them on the same way has passed them.
    service("last", "/usr/bin/printf", r"%b\n", '{"last":1}', SyslogIdentifier="bindtrace", LogNamespace="web1")
    until(lambda: int(sql("select count(*) from bindtrace.rejected where line like '%last%'")) == 1,
          "the line after them")
    same("lines", sql("select count(*) from bindtrace.event"), before)


def check_queries():
    out = as_postgres("psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "bindtrace", "-f",
                      "/test/queries.sql").decode()
    with open("/out/queries.txt", "w", encoding="utf-8") as file:
        file.write(out)
    print(out)
    rows = [[cell.strip() for cell in line.split("|")] for line in out.splitlines()]
    each = Wanted.refusals * len(HOSTS)
    hosts = ", ".join(HOSTS)
    contains("services", [x[:6] for x in rows],
             ["web.service", "listener", "tcp", str(PORT), str(each * 2 // 3), hosts],
             ["api.service", "listener", "tcp", str(PORT), str(each // 3), hosts])
    contains("holders", [x[:6] for x in rows],
             ["haproxy.service", "f", "LISTEN", str(each), hosts, "api.service, web.service"])


def suite(selected):
    rest = [("fleet.all_up", check_all_up), ("fleet.central_away", check_central_away),
            ("fleet.database_away", check_database_away), ("fleet.hosts_away", check_hosts_away),
            ("fleet.foreign_lines", check_foreign_lines), ("fleet.count", check_count),
            ("fleet.twice", check_twice), ("fleet.queries", check_queries)]
    if any(selected(name) for name, _ in rest):
        yield "fleet.start", make_fleet
        yield from rest
