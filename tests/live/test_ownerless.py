# SPDX-License-Identifier: GPL-2.0-only
"""Sockets that no process has: the kernel's own, and one that only io_uring holds."""
import ctypes
import errno
import os
import socket
import struct
import subprocess

from child import KEEP, LIBC, Child, Recorded, attempt, recorded, sock
from harness import DEADLINE, Skip, check, contains, same, until
from state import new_port
from tool import Started, run

IO_URING_SETUP, IO_URING_REGISTER, REGISTER_FILES = 425, 427, 2


def link(name, *kind):
    made = subprocess.run(["ip", "link", "add", name, "type", *kind], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if made.returncode:
        raise Skip(f"no {kind[0]}: {made.stderr.decode().strip()}")
    subprocess.run(["ip", "link", "set", name, "up"], check=True)


def udp_ports():
    """Those in use over IPv4, as /proc/net lists them."""
    with open("/proc/net/udp", encoding="ascii") as lines:
        return {int(line.split()[1].rsplit(":", 1)[1], 16) for line in list(lines)[1:]}


def check_kernel_udp(port, kind, *more):
    before = udp_ports()
    link("bt-k0", kind, *more)
    try:
        if port is None:  # the module has taken one that was free
            port, = udp_ports() - before
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


def check_nfs_client():
    """An NFS client's port: the server answers no call, but by then the connection is there."""
    listener = sock("127.0.0.1", new_port(), listen=True)
    listener.settimeout(60)
    port = listener.getsockname()[1]
    if subprocess.run(["modprobe", "-q", "nfsv4"], check=False).returncode:
        raise Skip("no NFS client")
    os.makedirs("/tmp/bt-nfs", exist_ok=True)
    # pylint: disable-next=consider-using-with
    mount = subprocess.Popen(
        ["mount", "-i", "-t", "nfs4", "-o",
         f"addr=127.0.0.1,clientaddr=127.0.0.1,port={port},proto=tcp,soft,timeo=600",
         "127.0.0.1:/", "/tmp/bt-nfs"], stderr=subprocess.DEVNULL)
    try:
        served, (_, taken) = listener.accept()
        check(taken < 1024, f"the client's port {taken} is no privileged one")
        same("bind", attempt(sock, "0.0.0.0", taken), "EADDRINUSE")
        line = Recorded.get().conflict_of(os.getpid(), taken)
        asked = run("--port", taken)
    finally:
        mount.kill()
        listener.close()
    served.close()
    mount.wait(DEADLINE)
    blocker, = line["blockers"]
    same("cause", line["cause"], "ownerless")
    same("blocker", [blocker[x] for x in ("state", "holder", "role", "owners")],
         ["ESTABLISHED", "kernel", "kernel", []])
    same("peer", blocker["peer"], {"address": "127.0.0.1", "port": port})
    contains("text", asked.out, "kernel")


def hand_to_io_uring(port):
    """Listens, gives the socket to io_uring and closes its own descriptor."""
    listener = sock("0.0.0.0", port, listen=True)
    ring = LIBC.syscall(IO_URING_SETUP, 4, ctypes.create_string_buffer(256))
    if ring < 0:
        yield errno.errorcode[ctypes.get_errno()]
        return
    files = struct.pack("i", listener.fileno())
    same("register", LIBC.syscall(IO_URING_REGISTER, ring, REGISTER_FILES, files, 1), 0)
    listener.close()
    yield "ok"
    KEEP.append(ring)


def check_io_uring():
    port = new_port()
    with Child(hand_to_io_uring, port, comm="bt-uring") as child:
        if child.value != "ok":
            raise Skip(f"no io_uring: {child.value}")
        same("bind", attempt(sock, "0.0.0.0", port), "EADDRINUSE")
        line = Recorded.get().conflict_of(os.getpid(), port)
        asked = run("--port", port)
    blocker, = line["blockers"]
    same("cause", line["cause"], "ownerless")
    same("blocker", [blocker[x] for x in ("state", "holder", "owners")], ["LISTEN", "detached", []])
    contains("text", asked.out, "io_uring")
    # it is gone with the ring, which the kernel frees behind the process
    until(lambda: attempt(sock, "0.0.0.0", port) == "ok", "the end of the ring")
    KEEP.pop().close()


def ownerless(selected):
    tests = {
        "vxlan": lambda: check_kernel_udp(4789, "vxlan", "id", "1", "dstport", "4789"),
        "geneve": lambda: check_kernel_udp(6081, "geneve", "id", "1", "remote", "127.0.0.1"),
        "wireguard": lambda: check_kernel_udp(None, "wireguard"),
        "nfs_client": check_nfs_client,
        "io_uring": check_io_uring,
    }
    yield from recorded(selected, "ownerless", tests)
