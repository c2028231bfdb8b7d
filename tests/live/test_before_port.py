# SPDX-License-Identifier: GPL-2.0-only
"""One-shot against bind() itself where the address or the privilege decides, not the port."""
import errno
import os
import socket
import subprocess
import time

from child import Child, ip, own_netns, sysctl
from harness import check, contains, same
from state import new_port
from tool import KERNEL, Started, run

NOBODY = 65534
PORTS = (80, 8080)
ADDRESSES = ("0.0.0.0", "127.0.0.1", "127.9.9.9", "10.1.0.1", "10.1.0.255", "10.1.0.2", "10.3.0.9",
             "203.0.113.7", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
             "fd01::1", "2001:db8::9", "fe80::7", "fe80::7%bt0", "fe80::7%bt1", "ff02::1",
             "ff05::1", "::ffff:10.1.0.1", "::ffff:203.0.113.7", "::ffff:0.0.0.0")
DEVICES = {"10.1.0.1": ("bt0", "bt1", "red", "rd0"), "10.2.0.1": ("red", "rd0"),
           "::ffff:10.1.0.1": ("bt0", "bt1"), "::ffff:10.2.0.1": ("rd0",),
           "fd01::1": ("bt0", "bt1", "rd0"),
           "fd02::1": ("red", "rd0", "bt0"), "::1": ("bt0",), "ff02::1": ("bt0",)}
# Root as far as addresses and ports go, and no BPF: its start takes long under emulation.
WITHOUT_BPF = ("setpriv", "--bounding-set", "-sys_admin,-bpf,-perfmon", "--inh-caps", "-all")
FOREIGN = ("127.0.0.1", "203.0.113.7", "2001:db8::9", "fe80::7", "::ffff:203.0.113.7")


def really_bind(proto, address, port, device):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    host, _, scope = address.partition("%")
    with socket.socket(family, kind) as made:
        if device:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        name = (host, port, 0, socket.if_nametoindex(scope) if scope else 0)
        try:
            made.bind(name if family == socket.AF_INET6 else name[:2])
        except OSError as error:
            return errno.errorcode[error.errno]
    return "ok"


def make_host():
    """Two devices, a VRF with a third, a local route, an address in each."""
    own_netns()
    ip("link", "set", "lo", "up")
    ip("link", "add", "bt0", "type", "veth", "peer", "name", "bt1")
    for device in ("bt0", "bt1"):
        sysctl(f"net.ipv6.conf.{device}.accept_dad", 0)
        ip("link", "set", device, "up")
    ip("addr", "add", "10.1.0.1/24", "brd", "+", "dev", "bt0")
    ip("-6", "addr", "add", "fd01::1/64", "dev", "bt0", "nodad")
    ip("-6", "addr", "add", "fe80::7/64", "dev", "bt0", "nodad")
    ip("route", "add", "local", "10.3.0.0/24", "dev", "lo")


def add_vrf():
    if subprocess.run(["ip", "link", "add", "red", "type", "vrf", "table", "1010"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        return False
    ip("link", "add", "rd0", "type", "veth", "peer", "name", "rd1")
    ip("link", "set", "rd0", "master", "red")
    sysctl("net.ipv6.conf.rd0.accept_dad", 0)
    for device in ("red", "rd0", "rd1"):
        ip("link", "set", device, "up")
    ip("addr", "add", "10.2.0.1/24", "dev", "rd0")
    ip("-6", "addr", "add", "fd02::1/64", "dev", "rd0", "nodad")
    return True


def ask(proto, address, device, prefix):
    return Started("--proto", proto, "--port", ",".join(map(str, PORTS)), "--address", address,
                   "--json", "-q", *(["--device", device] if device else []), prefix=prefix)


def compare(proto, address, device, result):
    """What bindtrace said about each port, and bind(), where they differ."""
    wanted = [really_bind(proto, address, port, device) for port in PORTS]
    got = [[x["result"] for x in line["what_if"] if x.get("asked")][0] for line in result.lines]
    # inet_diag lists sockets that are bound only from 6.8 on: before, nobody can say "ok" by it
    if proto == "tcp" and KERNEL in ("5.10", "6.1") and result.lines[0]["evidence"] == "diag":
        wanted = [None if x == "ok" else x for x in wanted]
    status = 0 if wanted == ["ok", "ok"] else 1 if set(wanted) - {"ok", None} else 5
    if got == wanted and result.status == status:
        return []
    return [f"{proto} {address} {device}: said {got}, status {result.status}, bind(): {wanted}"]


def wrong_answers(binds, prefix=()):
    """Several at once."""
    binds = list(binds)
    wrong = []
    while binds:
        batch, binds = binds[:8], binds[8:]
        for bind, started in [(bind, ask(*bind, prefix)) for bind in batch]:
            wrong += compare(*bind, started.result())
    return wrong


def every_bind():
    return ((proto, address, None) for proto in ("tcp", "udp") for address in ADDRESSES)


def as_root():
    make_host()
    addresses = (*FOREIGN, "0.0.0.0", "10.1.0.1", "10.1.0.255", "ff02::1")
    yield wrong_answers([("tcp", address, None) for address in ("10.1.0.1", "203.0.113.7")]) + \
        wrong_answers((("tcp", address, None) for address in addresses), WITHOUT_BPF)


def as_nobody():
    make_host()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    yield wrong_answers(every_bind())


def with_devices():
    make_host()
    vrf = add_vrf()
    devices = [(a, d) for a, ds in DEVICES.items() for d in ds if vrf or d.startswith("bt")]
    yield wrong_answers([("tcp", address, device) for address, device in devices] +
                        [("udp", "ff02::1", "bt0")], WITHOUT_BPF)


def with_nonlocal():
    make_host()
    sysctl("net.ipv4.ip_nonlocal_bind", 1)
    sysctl("net.ipv6.ip_nonlocal_bind", 1)
    yield wrong_answers((("tcp", address, None) for address in FOREIGN), WITHOUT_BPF)


def without_addresses():
    """A namespace that was never given an address lets IPv4 bind anything."""
    own_netns()
    yield wrong_answers((("tcp", address, None) for address in FOREIGN), WITHOUT_BPF)


def other_users():
    make_host()
    sysctl("net.ipv4.ip_unprivileged_port_start", 1000)
    yield [run("--proto", "udp", "--port", port, "--uid", uid, "-4", "-q",
               prefix=WITHOUT_BPF).status
           for port in (999, 1000) for uid in (0, NOBODY)]


def check_answers(function):
    with Child(function) as child:
        same("wrong answers", child.value, [])


def check_users():
    with Child(other_users) as child:
        same("exit status by port and user", child.value, [0, 1, 0, 0])


def check_text():
    port = new_port()
    result = run("--port", port, "--address", "203.0.113.7")
    same("exit status", result.status, 1)
    contains("text", result.out, f"{port}/tcp is free, but a plain bind to 203.0.113.7 gets "
             "EADDRNOTAVAIL", "Why", "Do ")


def check_hopeless_wait():
    """Nothing that waiting changes: at once, with the reason."""
    start = time.monotonic()
    result = run("--port", new_port(), "--address", "203.0.113.7", "--wait=60")
    same("exit status", result.status, 1)
    contains("text", result.out, "not an address of this host")
    check(time.monotonic() - start < 30, "it has waited")


def check_other_netns():
    """The address and the sysctl are the other namespace's."""
    name = "bt-before"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = ["ip", "-n", name]
        subprocess.run([*inside, "link", "set", "lo", "up"], check=True)
        subprocess.run([*inside, "addr", "add", "10.9.0.1/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw",
                        "net.ipv4.ip_unprivileged_port_start=10"], check=True)
        port = ("--port", 80, "--address", "10.9.0.1", "--uid", NOBODY, "-q")
        same("there", run(*port, "--netns", name).status, 0)
        same("here", run(*port).status, 1)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def before_port(selected):
    rows = {"root": as_root, "nobody": as_nobody, "devices": with_devices, "nonlocal": with_nonlocal,
            "no_address": without_addresses}
    for name, function in rows.items():
        if selected(f"before_port.{name}"):
            yield f"before_port.{name}", lambda function=function: check_answers(function)
    rows = {"users": check_users, "text": check_text, "wait": check_hopeless_wait,
            "netns": check_other_netns}
    for name, test in rows.items():
        if selected(f"before_port.{name}"):
            yield f"before_port.{name}", test
