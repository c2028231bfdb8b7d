# SPDX-License-Identifier: GPL-2.0-only
"""Containers of a real runtime (crun), pods, and a namespace that no process is in."""
import json
import os
import subprocess

from child import LIBC, Child, Recorded, attempt, keep, recorded, sock
from harness import DEADLINE, Skip, check, contains, same
from state import child_of, new_port, new_socket, read_line
from tool import run

CLONE_NEWNET = 0x40000000
ROOT = "/tmp/bt-root"  # all containers see the guest's own files
NOBODY = 65534
PROGRAM = """
import socket, sys
s = socket.socket()
try:
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.listen()
    print("ok", flush=True)
except OSError as error:
    print(error.errno, flush=True)
sys.stdin.read()
"""


def command(*args, **more):
    return subprocess.run(args, check=True, stdin=subprocess.DEVNULL, timeout=DEADLINE, **more)


class Container:
    """Binds, says how that went, and stays. netns: None for the host's, "new", or a path."""
    made = 0

    def __init__(self, port, netns=None, rootless=False):
        Container.made += 1
        self.id = f"{Container.made:x}".rjust(64, "c")
        self.bundle = f"/tmp/bt-{Container.made}"
        self.rootless = rootless
        os.makedirs(self.bundle)
        os.makedirs(ROOT, exist_ok=True)
        if not os.path.ismount(ROOT):
            command("mount", "--bind", "/", ROOT)
        self.configure(port, netns)
        cgroups = "disabled" if rootless else "cgroupfs"
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [*(user if rootless else []), "crun", f"--cgroup-manager={cgroups}", "--root",
             f"{self.bundle}/state", "run", "--no-pivot", "--bundle", self.bundle, self.id],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "XDG_RUNTIME_DIR": self.bundle})
        self.said = read_line(self.process, "the container")
        check(self.said, "the container has not started")
        self.pid = child_of(self.process.pid)

    def configure(self, port, netns):
        command("crun", "spec", *(["--rootless"] if self.rootless else []), cwd=self.bundle)
        with open(f"{self.bundle}/config.json", encoding="utf-8") as file:
            config = json.load(file)
        config["process"].update(terminal=False,
                                 args=["/usr/bin/python3", "-c", PROGRAM, str(port)])
        config["root"]["path"] = ROOT
        linux = config["linux"]
        linux["namespaces"] = [x for x in linux["namespaces"] if x["type"] != "network"]
        if netns:
            linux["namespaces"].append({"type": "network", "path": netns} if netns != "new"
                                       else {"type": "network"})
        if self.rootless:
            # read-only all the way down wants mount_setattr(), which is of 5.12
            config["mounts"] = [x for x in config["mounts"]
                                if not x["destination"].startswith("/sys")]
        else:
            linux["cgroupsPath"] = f"/libpod_parent/libpod-{self.id}"
        with open(f"{self.bundle}/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        if self.rootless:
            os.chown(self.bundle, NOBODY, NOBODY)

    def check_process(self, who, uid=0):
        same("pid", who["pid"], self.pid)
        same("container", who["container"], None if self.rootless else self.id)
        same("uid", who["uid"], uid)

    def end(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def check_holder(rootless):
    """A container has the port, and a process of the host wants it."""
    port, uid = new_port(), NOBODY if rootless else 0
    with Container(port, rootless=rootless) as container:
        same("the container's bind", container.said, "ok")
        same("bind", attempt(sock, "0.0.0.0", port), "EADDRINUSE")
        line = Recorded.get().conflict_of(os.getpid(), port)
        asked = run("--port", port)
        same("cause", line["cause"], "listener")
        owner, = line["blockers"][0]["owners"]
        container.check_process(owner, uid)
    contains("text", asked.out, f"[{container.pid}]", *([] if rootless else [container.id[:12]]))


def check_binder(rootless):
    """A process of the host has it, and a container wants it."""
    port, uid = new_port(), NOBODY if rootless else 0
    with new_socket("0.0.0.0", port, listen=True), Container(port, rootless=rootless) as container:
        same("the container's bind", container.said, "98")
        line = Recorded.get().conflict_of(container.pid, port)
    same("cause", line["cause"], "listener")
    container.check_process(line["process"], uid)
    same("owners", [x["pid"] for x in line["blockers"][0]["owners"]], [os.getpid()])


def check_pod():
    """Two containers in one network namespace, which is nobody else's."""
    port = new_port()
    with new_socket("0.0.0.0", port, listen=True), Container(port, netns="new") as first:
        same("first bind", first.said, "ok")
        namespace = f"/proc/{first.pid}/ns/net"
        inode = os.stat(namespace).st_ino
        with Container(port, netns=namespace) as second:
            same("second bind", second.said, "98")
            line = Recorded.get().conflict_of(second.pid, port)
            asked = run("--port", port, "--netns", first.pid, "--json").only()
    second.check_process(line["process"])
    for what in (line, asked):
        same("netns", what["netns"], inode)
    for sockets in (line["blockers"], asked["holders"]):
        holder, = sockets
        owner, = holder["owners"]
        first.check_process(owner)


def alone_in_there(port):
    """Opens two sockets in a new namespace and leaves it."""
    with open("/proc/self/ns/net", "rb") as home:
        same("unshare", LIBC.unshare(CLONE_NEWNET), 0)
        inode = os.stat("/proc/self/ns/net").st_ino
        keep("0.0.0.0", port, listen=True)
        second = keep()
        same("setns", LIBC.setns(home.fileno(), CLONE_NEWNET), 0)
    yield inode, attempt(second.bind, ("0.0.0.0", port))


def check_no_process():
    """Only sockets keep the namespace alive."""
    port = new_port()
    with Child(alone_in_there, port) as child:
        inode, result = child.value
        same("result", result, "EADDRINUSE")
        line = Recorded.only(child.pid)
        asked = run("--port", port, "--netns", "all", "--json")
        pid = child.pid
    same("netns", line["netns"], inode)
    same("cause", line["cause"], "listener")
    same("owners", [x["pid"] for x in line["blockers"][0]["owners"]], [pid])
    same("exit status", asked.status, 1)
    there, = [x for x in asked.lines if x["netns"] == inode]
    same("owners", [x["pid"] for x in there["holders"][0]["owners"]], [pid])


def try_user_namespaces(test):
    made = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                           "unshare", "--user", "true"], check=False, stderr=subprocess.PIPE)
    if made.returncode:
        raise Skip(f"no user namespace for users: {made.stderr.decode().strip()}")
    test()


def containers(selected):
    tests = {
        "holder": lambda: check_holder(False),
        "binder": lambda: check_binder(False),
        "rootless_holder": lambda: try_user_namespaces(lambda: check_holder(True)),
        "rootless_binder": lambda: try_user_namespaces(lambda: check_binder(True)),
        "pod": check_pod,
        "no_process": check_no_process,
    }
    yield from recorded(selected, "container", tests)
