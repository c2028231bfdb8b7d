# SPDX-License-Identifier: GPL-2.0-only
"""The DaemonSet of contrib/kubernetes: its capabilities, mounts and arguments, in a container of crun.

Not here: the kubelet, its seccomp profile, AppArmor and SELinux, none of which the guest has.
"""
import json
import os
import re
import subprocess

from harness import DEADLINE, Skip, check, same, until
from state import new_port, new_socket, read_line
from test_containers import NOBODY, ROOT, Container, command
from test_metrics import read
from tool import TOOL, Tracer

MANIFEST = "/test/daemonset.yaml"
POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
PLACE = "/tmp/bt-node"


def manifest():
    """Capabilities, mounts and arguments: each on a line of its own, in brackets."""
    with open(MANIFEST, encoding="utf-8") as file:
        text = file.read()

    def words(key):
        return re.search(rf"^ +{key}: \[(.*)\]$", text, re.M)[1].split(", ")

    paths = dict(re.findall(r"- \{name: (\S+), hostPath: \{path: ([^,]+),", text))
    mounts = [(paths[name], path, bool(read_only)) for name, path, read_only in
              re.findall(r"- \{name: (\S+), mountPath: ([^,}]+)(, readOnly: true)?\}", text)]
    check("hostPID: true" in text and "privileged: false" in text and mounts, "another manifest")
    return words("add"), mounts, words("args")


class PodContainer(Container):
    """A container as the kubelet's cgroupfs driver places it."""

    def configure(self, port, netns):
        super().configure(port, netns)
        path = f"{self.bundle}/config.json"
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
        config["linux"]["cgroupsPath"] = f"/kubepods/burstable/pod{POD}/{self.id}"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)


def bundle_of(capabilities, mounts, args):
    """What a container runtime makes of the manifest."""
    Container.made += 1
    bundle = f"{PLACE}/{Container.made}"
    os.makedirs(bundle)
    command("crun", "spec", cwd=bundle)
    with open(f"{bundle}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    names = [f"CAP_{name}" for name in capabilities]
    config["process"].update(terminal=False, args=[TOOL, *args], noNewPrivileges=False)
    config["process"]["capabilities"] = {x: names for x in ("bounding", "effective", "permitted")}
    config["root"] = {"path": ROOT, "readonly": True}
    config["linux"]["namespaces"] = [x for x in config["linux"]["namespaces"]
                                     if x["type"] not in ("pid", "network")]
    config["linux"]["namespaces"].append({"type": "network"})
    config["linux"]["cgroupsPath"] = f"/kubepods/burstable/pod{POD[::-1]}/{Container.made:064x}"
    for source, destination, read_only in mounts:
        config["mounts"] = [x for x in config["mounts"] if x["destination"] != destination]
        config["mounts"].append({"destination": destination, "source": source, "type": "bind",
                                 "options": ["rbind", "ro" if read_only else "rw"]})
    with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return bundle


def start():
    """The container of the DaemonSet; stderr and stdout are those of the tool in it."""
    capabilities, mounts, args = manifest()
    os.makedirs(ROOT, exist_ok=True)
    if not os.path.ismount(ROOT):
        command("mount", "--bind", "/", ROOT)
    for source, destination, _ in mounts:
        os.makedirs(source, exist_ok=True)
        os.makedirs(destination, exist_ok=True)  # in the guest's own root, which is the image
    bundle = bundle_of(capabilities, mounts, args)
    crun = f"exec crun --cgroup-manager=cgroupfs --root {bundle}/state run --no-pivot " \
           f"--bundle {bundle} bt-{Container.made}"
    return Tracer(prefix=("sh", "-c", crun))


def as_nobody(port):
    """A refused bind of another user; its pid."""
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "python3", "-c",
         f"import socket, sys\ntry: socket.socket().bind(('127.0.0.1', {port}))\n"
         "except OSError: print('refused', flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    same("bind", read_line(process, "the user's process"), "refused")
    return process


def observe(tracer):
    """A pod, and a user's process on the host: what the reports have and what they lack."""
    port, other = new_port(), new_port()
    seen = {}
    with PodContainer(port, netns="new") as first:
        namespace = f"/proc/{first.pid}/ns/net"
        inode = os.stat(namespace).st_ino
        with PodContainer(port, netns=namespace) as second:
            same("second bind", second.said, "98")
            line = tracer.conflict_of(second.pid, port)
            who = line["process"]
            seen["caller"] = (who["container"], who["pod"]) == (second.id, POD)
            seen["netns"] = line["netns"] == inode
            owners = line["blockers"][0]["owners"] or []
            seen["owner"] = [(x["pid"], x["container"], x["pod"]) for x in owners] == \
                [(first.pid, first.id, POD)]
            seen["evidence"] = (line["cause"], line["evidence"]) == ("listener", "exact")
    with new_socket("127.0.0.1", other, listen=True):
        process = as_nobody(other)
        line = tracer.conflict_of(process.pid, other)
        process.communicate(timeout=DEADLINE)
        seen["other user"] = "python" in (line["process"]["exe"] or "")
        seen["own"] = [x["pid"] for x in line["blockers"][0]["owners"] or []] == [os.getpid()]
    return seen


def check_daemonset():
    path = "/var/lib/node_exporter/textfile/bindtrace.prom"
    with start() as tracer:
        tracer.ready()
        seen = observe(tracer)
        same("what is missing", [x for x, there in seen.items() if not there], [])
        n = len(tracer.conflicts())
        until(lambda: read(path)["delivered_total", ""] == n, "the counters on the node")
        tracer.stop()
    same("running", read(path)["running", ""], 0)


def kubernetes(selected):
    if not os.path.exists(MANIFEST):
        raise Skip("no manifest")
    if selected("kubernetes.daemonset"):
        yield "kubernetes.daemonset", check_daemonset
