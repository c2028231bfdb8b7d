# SPDX-License-Identifier: GPL-2.0-only
"""
What goes wrong when bindtrace is started for the first time: each cause is really there, one line
says what to do, and docs/TROUBLESHOOTING.md has that very line.
"""
import contextlib
import errno
import json
import os
import re
import shutil
import subprocess

from child import Recorded
from harness import Skip, check, contains, same, until
from state import State, new_port
from test_badluck import AS_USER, BOUND_HIDDEN, closed_from_start, started_closed, started_full
from test_wait import listed
from tool import OLD, TOOL, Shared, run

DOCUMENT = "/test/TROUBLESHOOTING.md"
OTHER_BTF = "/test/other.btf"  # of a kernel that is neither the oldest nor the newest
OWN_BTF = "/sys/kernel/btf/vmlinux"
ROOT = "/tmp/bt-first-root"
LIVE = ("--duration", "0.1")
TAILS = ("; answering from inet_diag and /proc", "; `bindtrace --port PORT` works without",
         "; `bindtrace --port PORT` needs none of it")
CAPS = "+bpf,+perfmon"


class Said:
    """All that was said, for the document; and the port that is asked about."""
    lines = set()
    cases = 0
    state = None

    @classmethod
    def port(cls):
        if not cls.state:
            cls.state = State("listener", port=new_port())
        return cls.state.port


def plain(line):
    """Without what depends on the run: the kernel, and what goes on all the same."""
    for tail in TAILS:
        line = line.removesuffix(tail)
    return re.sub(r"this kernel \([^ )]+\)", "this kernel (RELEASE)", line)


def said(result, status, *words):
    """One line, with these words in it, and that exit status."""
    same("exit status", result.status, status)
    same("lines on stderr", len(result.err.splitlines()), 1)
    check(result.err.startswith("bindtrace: "), f"stderr: {result.err}")
    contains("stderr", result.err, *words)
    Said.lines.add(plain(result.err.rstrip("\n")))
    return result


def said_both(prefix, status, *words, owner=None):
    """A live run that is refused, and a one-shot that answers by other means."""
    result = said(run(*LIVE, prefix=prefix), status, *words)
    same("stdout", result.out, "")
    check(TAILS[1] in result.err, f"nothing of what works: {result.err}")
    result = said(run("--port", Said.port(), "--json", prefix=prefix), 1, *words)
    line = result.only()
    same("evidence", line["evidence"], "diag")
    check("listener" in {x["cause"] for x in line["what_if"]}, f"causes: {line['what_if']}")
    check(TAILS[0] in result.err, f"nothing of what answers: {result.err}")
    owners = line["holders"][0]["owners"]
    same("owners", owners and [x["comm"] for x in owners], owner)


def works(*args, prefix=(), missing=None):
    """A live run; missing: what it says that it does not watch."""
    result = run(*args, *LIVE, "-v", prefix=prefix)
    lines = result.err.splitlines()
    same("exit status", result.status, 0)
    same("lines on stderr", len(lines), 3 if missing else 2)
    if missing:
        contains("stderr", lines[0], "bindtrace: not watched: ", missing)


def works_fully(prefix=()):
    works(prefix=prefix)
    works("--hooks", "kprobe", prefix=prefix, missing="(--hooks kprobe)")
    line = run("--port", Said.port(), "--json", prefix=prefix).only()
    check(line["evidence"] in ("walked", "exact"), f"evidence: {line['evidence']}")


def shell(script):
    """A prefix that runs commands in a mount namespace of its own first."""
    return ["unshare", "-m", "bash", "-ec", script + '\nexec "$@"', "bash"]


# ---- not permitted --------------------------------------------------------------------------


def check_user():
    said_both(AS_USER, 4, "run as root")


def check_one_capability():
    for name, other in (("bpf", "CAP_PERFMON is missing"), ("perfmon", "CAP_BPF is missing")):
        prefix = [*AS_USER, f"--inh-caps=+{name}", f"--ambient-caps=+{name}"]
        said(run(*LIVE, prefix=prefix), 4, other)


def check_root_without():
    said_both(["setpriv", "--bounding-set=-all", "--inh-caps=-all"], 4, "root without CAP_BPF")


def check_user_namespace():
    said_both(["unshare", "--user", "--map-root-user"], 4, "user namespace")


def check_memlock():
    """Who may not raise it, and asks for much: every map, to Linux 5.10; nothing, from 5.11 on."""
    prefix = ["prlimit", "--memlock=65536", *AS_USER, f"--inh-caps={CAPS}",
              f"--ambient-caps={CAPS}"]
    if OLD:
        said_both(prefix, 4, "RLIMIT_MEMLOCK")
    else:
        works(prefix=prefix)


# ---- in a container -------------------------------------------------------------------------


def configure(bundle, caps, seccomp, netns):
    path = f"{bundle}/config.json"
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    config["root"]["path"] = ROOT
    for kind in config["process"]["capabilities"].values():
        kind += caps
    if not netns:
        config["linux"]["namespaces"] = [x for x in config["linux"]["namespaces"]
                                         if x["type"] != "network"]
    if seccomp:
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": seccomp}]}
    return path, config


@contextlib.contextmanager
def container(*caps, seccomp=0, netns=True):
    """A prefix that runs a command in a container of crun, with the guest's own files."""
    bundle = f"/tmp/bt-first-{Said.cases}"
    Said.cases += 1
    os.makedirs(bundle)
    os.makedirs(ROOT, exist_ok=True)
    if not os.path.ismount(ROOT):
        subprocess.run(["mount", "--bind", "/", ROOT], check=True)
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    path, config = configure(bundle, caps, seccomp, netns)
    script = f"{bundle}/run"
    with open(script, "w", encoding="utf-8") as file:
        # the command is a part of the configuration
        file.write("#!/usr/bin/python3\nimport json, os, sys\n"
                   f"config = json.loads({json.dumps(json.dumps(config))})\n"
                   "config['process']['args'] = sys.argv[1:]\n"
                   f"json.dump(config, open({path!r}, 'w'))\n"
                   "os.execlp('crun', 'crun', '--cgroup-manager=cgroupfs', 'run', '--no-pivot',"
                   f" '--bundle', {bundle!r}, 'bt-first')\n")
    os.chmod(script, 0o755)
    try:
        yield [script]
    finally:
        shutil.rmtree(bundle)


def check_container():
    """As docker starts one: root of the host with few capabilities, and ports of its own."""
    with container() as prefix:
        said(run(*LIVE, prefix=prefix), 4, "--cap-add BPF --cap-add PERFMON")
        result = run("--port", Said.port(), "--json", prefix=prefix)
    first, second = result.err.splitlines()
    Said.lines |= {plain(first), plain(second)}
    same("exit status", result.status, 5 if BOUND_HIDDEN else 0)
    contains("second line", second, "this container has ports of its own")
    same("holders", result.only()["holders"], [])


def check_container_of_host():
    """With the host's network it is the host's port that is asked about."""
    with container(netns=False) as prefix:
        said(run("--port", Said.port(), "--json", prefix=prefix), 1, "--cap-add BPF")


def check_container_permitted():
    """With the capabilities that the message names, and what 5.10 wants for its limit."""
    more = ["CAP_SYS_RESOURCE"] if OLD else []
    with container("CAP_BPF", "CAP_PERFMON", *more) as prefix:
        works(prefix=prefix)
        result = run("--port", Said.port(), prefix=prefix)
        same("exit status", result.status, 0)
        said(result, 0, "this container has ports of its own")
        same("with -q", run("--port", Said.port(), "-q", prefix=prefix).err, "")


def check_seccomp():
    for number in (errno.EPERM, errno.ENOSYS):
        with container("CAP_BPF", "CAP_PERFMON", "CAP_SYS_RESOURCE", seccomp=number) as prefix:
            said(run(*LIVE, prefix=prefix), 4, "a seccomp filter refuses bpf()")


# ---- security modules -----------------------------------------------------------------------


def profile(name, path, rules):
    shutil.copy(TOOL, path)
    text = f"profile {name} {path} {{ file, network, signal, ptrace, unix, {rules} }}\n"
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache"], input=text.encode(),
                   check=True, stderr=subprocess.DEVNULL)


def run_as(path, *args):
    """Another name of the tool: a profile goes by the path."""
    return run(*args, prefix=["sh", "-c", f'shift; exec {path} "$@"', "sh"])


def security_file(name):
    path = "/sys/kernel/security"
    if not os.path.exists(f"{path}/lsm"):
        subprocess.run(["mount", "-t", "securityfs", "securityfs", path], check=True)
    if not os.path.exists(f"{path}/{name}"):
        raise Skip(f"this kernel has no {path}/{name}")
    return f"{path}/{name}"


def check_apparmor():
    """A profile that denies the capabilities, and one that denies the file."""
    security_file("apparmor")
    profile("bt-no-bpf", "/tmp/bt-no-bpf", "capability dac_override,")
    said(run_as("/tmp/bt-no-bpf", *LIVE), 4, "AppArmor profile bt-no-bpf (enforce)")
    profile("bt-no-btf", "/tmp/bt-no-btf", f"capability, deny {OWN_BTF} r, deny /run/bindtrace/** r,")
    said(run_as("/tmp/bt-no-btf", *LIVE), 3, OWN_BTF, "may not be read")


# ---- the kernel, and what is mounted --------------------------------------------------------


def check_no_btf():
    hidden = "mount -t tmpfs none /sys/kernel/btf; mount -t tmpfs none /run"  # and what is kept of it
    said_both(shell(hidden), 3, "--btf FILE", owner=["bt-listener"])


def check_own_btf():
    """A copy of what is hidden: without it in its place there is no fexit."""
    copy = "/tmp/bt-own.btf"
    shutil.copy(OWN_BTF, copy)
    prefix = shell("mount -t tmpfs none /sys/kernel/btf")
    works("--btf", copy, prefix=prefix, missing="no fexit here")
    line = run("--port", Said.port(), "--btf", copy, "--json", prefix=prefix).only()
    same("evidence", line["evidence"], "walked")


def check_wrong_btf():
    for path, words in (("/nonexistent", "No such file"), ("/etc/passwd", "no kernel type"),
                        (OTHER_BTF, "not the type information of this kernel")):
        for args in (LIVE, ("--port", str(Said.port()))):
            result = said(run(*args, "--btf", path), 2, words)
            same("stdout", result.out, "")


def check_hardened():
    """Nothing of it keeps root from anything: sysctls, and neither tracefs nor debugfs mounted."""
    wanted = {"kernel/perf_event_paranoid": "4", "kernel/kptr_restrict": "2",
              "net/core/bpf_jit_enable": "0", "kernel/unprivileged_bpf_disabled": "1"}
    before = {}
    try:
        for name, value in wanted.items():
            with open(f"/proc/sys/{name}", "r+", encoding="utf-8") as file:
                before[name] = file.read()
                file.write(value)
        works_fully(shell("umount /sys/kernel/tracing /sys/kernel/debug /sys/fs/bpf /sys/fs/cgroup"))
    finally:
        before.pop("kernel/unprivileged_bpf_disabled", None)  # there is no way back
        for name, value in before.items():
            with open(f"/proc/sys/{name}", "w", encoding="utf-8") as file:
                file.write(value)


def check_hidepid():
    """A user sees no process but his own there: whose socket it is stays unknown."""
    prefix = [*shell("mount -t proc -o hidepid=2 proc /proc"), *AS_USER]
    result = said(run("--port", Said.port(), "--json", prefix=prefix), 1, "run as root")
    same("owners", result.only()["holders"][0]["owners"], None)
    root = run("--port", Said.port(), "--json", prefix=prefix[:-len(AS_USER)])
    same("stderr", root.err, "")
    same("owners", [x["comm"] for x in root.only()["holders"][0]["owners"]], ["bt-listener"])


# ---- files, output, the command line --------------------------------------------------------


def check_record():
    full = "/tmp/bt-full"
    os.makedirs(full)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", full], check=True)
    with open(f"{full}/filler", "wb") as file:
        file.write(b"x" * 4096)
    calls = [(f"{full}/new", 5, "the disk is full"), ("/nowhere/new", 2, "no such directory"),
             (f"{full}/filler", 2, "the file exists")]
    for path, status, words in calls:
        said(run("--port", Said.port(), "--record", path), status, words)
    same("files", os.listdir(full), ["filler"])
    subprocess.run(["mount", "-o", "remount,ro", full], check=True)
    said(run("--port", Said.port(), "--record", f"{full}/new"), 2, "read-only")
    subprocess.run(["umount", full], check=True)
    said(run("--port", Said.port(), "-q", "--record", "/root/new", prefix=AS_USER), 4,
         "run as root")
    said(run("--replay", "/etc/passwd"), 5, "not a recording")


def check_output():
    port = ("--port", str(Said.port()))
    said(closed_from_start(1, *port).result(), 5, "standard output is closed")
    said(started_closed(*port).result(), 5, "closed by its reader")
    said(started_full(*port).result(), 5, "disk is full")


def check_two():
    """Next to another live run, and a one-shot next to both."""
    Shared.get()
    works()
    same("stderr", run("--port", Said.port()).err, "")


def check_words():
    calls = [(("8080",), "--port 8080"), (("0.0.0.0:8080",), "--address 0.0.0.0 --port 8080"),
             (("--port", "http"), "a number"), (("--port", "70000"), "65535"),
             (("--port", "127.0.0.1:8080"), "--address 127.0.0.1 --port 8080"),
             (("-p", "60000"), "-P"), (("./server",), "-- ./server"),
             (("--ports", "8080"), "--help")]
    for args, words in calls:
        same("stdout", said(run(*args), 2, words).out, "")


def check_command():
    said(run("-q", "--", "/nowhere/server"), 127, "cannot run")


# ---- what can't be undone, at the very end --------------------------------------------------


def put(path, text):
    """False where it is in use still: hooks go a moment after the one who had them."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def programs():
    """BPF programs on functions. A link's number goes before its program is detached, this after."""
    return [x for x in json.loads(listed("prog")) if x.get("type") in ("tracing", "kprobe")]


@contextlib.contextmanager
def switched_off(path):
    """Not while hooks are being detached: the kernel warns of ftrace that went off meanwhile."""
    until(lambda: not programs(), "no hook left")
    until(lambda: put(path, "0"), path)
    try:
        yield
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write("1")


def check_no_ftrace():
    """Newer kernels let hooks be attached all the same, and never run them."""
    with switched_off("/proc/sys/kernel/ftrace_enabled"):
        said(run(*LIVE), 3, "kernel.ftrace_enabled=1")
        said(run("--hooks", "kprobe", *LIVE), 3, "kernel.ftrace_enabled=1")
        contains("features", " ".join(run("--features").out.split()),
                 "sysctl kernel.ftrace_enabled=1")
        same("--wait", run("--port", Said.port(), "--wait=0.1", "-q").status, 1)


def check_no_kprobes():
    with switched_off("/sys/kernel/debug/kprobes/enabled"):
        said(run("--hooks", "kprobe", *LIVE), 3, "kprobes are switched off")
        works()


def check_integrity():
    with open(security_file("lockdown"), "w", encoding="utf-8") as file:
        file.write("integrity")
    works("--hooks", "kprobe", missing="(--hooks kprobe)")
    same("evidence", run("--port", Said.port(), "--json").only()["evidence"], "walked")


def check_confidentiality():
    with open(security_file("lockdown"), "w", encoding="utf-8") as file:
        file.write("confidentiality")
    said_both((), 4, "lockdown", owner=["bt-listener"])
    result = run("--features")
    same("exit status", result.status, 4)
    contains("features", result.out, "lockdown")


def quoted():
    """Lines of the document, from the first column of its tables: {line: kernel, or None}."""
    lines = {}
    with open(DOCUMENT, encoding="utf-8") as document:
        for row in document:
            found = re.match(r"\| ``(bindtrace: .*?)``(?: <!-- (\S+) -->)? \|", row)
            if found:
                lines[plain(found[1].strip())] = found[2]
    return lines


def check_document():
    lines = quoted()
    check(lines, f"no line in {DOCUMENT}")
    only_here = {"5.10"} if OLD else {"newer"}
    wanted = {line for line, where in lines.items() if where is None or where in only_here}
    gone, new = wanted - Said.lines, Said.lines - set(lines)
    check(not gone, "in the document and never said:\n" + "\n".join(sorted(gone)))
    check(not new, "said and not in the document:\n" + "\n".join(sorted(new)))


TESTS = {
    "user": check_user, "one_capability": check_one_capability,
    "root_without": check_root_without, "user_namespace": check_user_namespace,
    "memlock": check_memlock, "container": check_container,
    "container_of_host": check_container_of_host,
    "container_permitted": check_container_permitted, "seccomp": check_seccomp,
    "apparmor": check_apparmor, "no_btf": check_no_btf, "own_btf": check_own_btf,
    "wrong_btf": check_wrong_btf, "hardened": check_hardened, "hidepid": check_hidepid, "record": check_record,
    "output": check_output, "two": check_two, "words": check_words, "command": check_command,
}
AT_THE_END = {"no_ftrace": check_no_ftrace, "no_kprobes": check_no_kprobes,
              "integrity": check_integrity,
              "confidentiality": check_confidentiality}


def first_start(_selected):
    for name, test in TESTS.items():
        yield f"first.{name}", test


def last_start(selected):
    """Nothing else works as before after that: lockdown goes one way."""
    for run_on in (Shared.tracer, Recorded.tracer):
        if run_on:
            run_on.kill()  # ftrace can't be switched off under it
    for name, test in AT_THE_END.items():
        yield f"first.{name}", test
    if all(selected(f"first.{name}") for name in [*TESTS, *AT_THE_END]):
        yield "first.document", check_document
    if Said.state:
        Said.state.end()
