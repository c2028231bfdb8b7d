# SPDX-License-Identifier: GPL-2.0-only
"""bindtrace as a service of a real systemd, and what it can still do once it runs. As root, in a guest."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

BINDTRACE = "/usr/sbin/bindtrace"
UNIT = "bindtrace.service"
EXPOSURE = 3.2  # `systemd-analyze security`, as docs/SERVICE.md says; it may not rise
CAPS = {"DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "KILL": 5, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "BPF": 39}
KERNEL = os.environ.get("BINDTRACE_VM_KERNEL", "")
LAST_RESORT = 240  # seconds that no test has: it reads what never comes
results = {"passed": 0, "failed": 0, "skipped": 0}


def sh(*words, check=True, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, **more)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def until(what, test, seconds=60):
    end = time.monotonic() + seconds
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def show(name, unit=UNIT):
    return sh("systemctl", "show", "-P", name, unit).stdout.strip()


def mask(*names):
    return sum(1 << CAPS[name] for name in names)


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def effective(pid):
    return int(status(pid)["CapEff"], 16)


class Journal:
    """Entries of the unit from now on."""

    def __init__(self, *options):
        self.options = options
        # One of the unit's: after a cursor that -u leaves out, journalctl skips an entry that it does not.
        last = sh("journalctl", *options, "-u", UNIT, "-n1", "-o", "json", check=False).stdout.splitlines()
        self.cursor = json.loads(last[0])["__CURSOR"] if last else None

    def entries(self):
        after = ["--after-cursor", self.cursor] if self.cursor else []
        out = sh("journalctl", *self.options, "-u", UNIT, "-o", "json", "--all", *after).stdout
        return [e for e in map(json.loads, out.splitlines()) if e.get("_COMM") == "bindtrace"]

    def lines(self):
        """(priority, object) of each line that bindtrace wrote; each must be whole JSON."""
        return [(int(e["PRIORITY"]), json.loads(e["MESSAGE"])) for e in self.entries()
                if not e["MESSAGE"].startswith("bindtrace: ")]

    def wait(self, what, test):
        try:
            return until(what, lambda: next((l for l in self.lines() if test(l[1])), None))
        except AssertionError as error:
            seen = [f"{len(e['MESSAGE'])}: {e['MESSAGE'][-120:]}" for e in self.entries()]
            raise AssertionError(f"{error}; there were {seen}") from None


def of_port(port):
    return lambda line: line["type"] == "conflict" and line["local"]["port"] == port


def conflict(port, n=1):
    """n listeners on a port, and a bind that they refuse."""
    held = []
    for i in range(n):
        held.append(socket.create_server((f"127.0.0.{i + 1}", port)))
    try:
        socket.create_server(("0.0.0.0", port), reuse_port=False)
    except OSError:
        return held
    raise AssertionError("the bind was let pass")


def start():
    sh("systemctl", "reset-failed", UNIT, check=False)
    sh("systemctl", "start", UNIT)


def drop_in(name, text):
    """As systemctl edit; without a text it is taken away."""
    path = f"/run/systemd/system/{UNIT}.d/{name}.conf"
    if text:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    else:
        os.unlink(path)
    sh("systemctl", "daemon-reload")


# ---- the unit ------------------------------------------------------------------------------------


def test_verify():
    done = sh("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{UNIT}")
    assert not done.stderr + done.stdout, done.stderr + done.stdout


def test_exposure():
    out = sh("systemd-analyze", "security", "--no-pager", UNIT).stdout
    level = float(re.search(r"Overall exposure level.*?: ([0-9.]+)", out)[1])
    print(f"# exposure {level}")
    assert level <= EXPOSURE, out


def test_start():
    """Active only when the hooks are in place: what is refused right afterwards is reported."""
    journal = Journal()
    start()
    held = conflict(7101)
    priority, line = journal.wait("the conflict", of_port(7101))
    assert priority == 4 and line["cause"] == "listener", (priority, line)
    lines = journal.lines()
    assert lines[0][1]["type"] == "start" and lines[0][0] == 6, lines[0]
    assert show("ActiveState") == "active" and show("StatusText").startswith("Watching")
    del held


def test_status():
    """Three capabilities are left, none can come back, and the filter is on."""
    facts = status(show("MainPID"))
    want = mask("SYS_PTRACE", "SYS_ADMIN", "DAC_READ_SEARCH")
    for name in "CapEff", "CapPrm":
        assert int(facts[name], 16) == want, facts
    for name in "CapBnd", "CapInh", "CapAmb":
        assert int(facts[name], 16) == 0, facts
    # systemd's filter and bindtrace's own
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", facts


def test_whole_report():
    """Another user's process in a unit of its own: executable, cgroup and unit are there."""
    journal = Journal()
    sh("systemd-run", "--unit=holder", "--uid=nobody", "--service-type=notify", "--property=NotifyAccess=all",
       "python3", "-c", "import socket,subprocess,time\ns=socket.create_server(('0.0.0.0',7102))\n"
       "subprocess.run(['systemd-notify','--ready'])\ntime.sleep(600)")
    try:
        binder = sh("systemd-run", "--wait", "--unit=binder", "--uid=www-data", "python3", "-c",
                    "import socket\nsocket.socket().bind(('0.0.0.0',7102))", check=False)
        assert binder.returncode, binder
        _, line = journal.wait("the conflict", of_port(7102))
    finally:
        sh("systemctl", "stop", "holder", check=False)
    blocker, = line["blockers"]
    owner, = blocker["owners"]
    assert owner["exe"].startswith("/usr/bin/python3"), owner
    assert owner["cgroup"] == "/system.slice/holder.service" and owner["unit"] == "holder.service", owner
    assert line["process"]["cgroup"] == "/system.slice/binder.service", line["process"]


def test_long_line():
    """A line of nearly 4 KiB is one entry."""
    journal = Journal()
    held = conflict(7103, 40)
    _, line = journal.wait("the conflict", of_port(7103))
    assert line["blockers_total"] == 40 and line["truncated"], line
    entry, = [e for e in journal.entries() if '"port":7103' in e["MESSAGE"]]
    assert 3000 < len(entry["MESSAGE"]) <= 4096, len(entry["MESSAGE"])
    del held


def test_memory():
    """What the service remembers is served to a one-shot run, and to root only."""
    assert os.stat("/run/bindtrace").st_mode & 0o777 == 0o700
    assert os.stat("/run/bindtrace/lock").st_mode & 0o777 == 0o600
    assert os.stat("/sys/fs/bpf/bindtrace").st_mode & 0o777 == 0o700
    child = subprocess.run(["python3", "-c", "import socket\ns=socket.create_server(('127.0.0.1',7104))\n"
                            "c=socket.create_connection(('127.0.0.1',7104))\na,_=s.accept()\na.close()\n"
                            "c.recv(1)\nc.close()"], check=True, timeout=60)
    assert child.returncode == 0
    out = sh(BINDTRACE, "--json", "--port", "7104", check=False).stdout
    holder = json.loads(out)["holders"][0]
    assert holder["former_owner"] and holder["former_owner"]["comm"] == "python3", holder


def test_restart():
    """A restart ends one run with its counts and begins the next."""
    journal = Journal()
    sh("systemctl", "restart", UNIT)
    types = [line["type"] for _, line in journal.lines()]
    until("both lines", lambda: [l["type"] for _, l in journal.lines()] == ["stop", "start"])
    priority, stop = journal.lines()[0]
    assert priority == 6 and stop["lost"] == 0 and stop["delivered"] >= 3, (types, stop)


def test_watchdog():
    """One that hangs is ended and started again."""
    pid = int(show("MainPID"))
    journal = Journal()
    os.kill(pid, signal.SIGSTOP)
    until("the next run", lambda: show("MainPID") not in (str(pid), "0") and show("ActiveState") == "active", 90)
    assert int(show("NRestarts")) >= 1
    held = conflict(7105)
    journal.wait("the conflict", of_port(7105))
    del held


def test_stop():
    journal = Journal()
    sh("systemctl", "stop", UNIT)
    priority, line = journal.wait("the stop line", lambda line: line["type"] == "stop")
    assert line["lost"] == 0 and line["delivered"] >= 1 and priority == 6, line
    assert show("Result") == "success"
    assert not os.path.exists("/sys/fs/bpf/bindtrace") and not os.path.exists("/run/bindtrace")


def test_namespace():
    """In a journal of its own."""
    drop_in("namespace", "[Service]\nLogNamespace=conflicts\n")
    journal = Journal("--namespace=conflicts")
    start()
    held = conflict(7106)
    assert journal.wait("the conflict", of_port(7106))[0] == 4
    sh("systemctl", "stop", UNIT)
    drop_in("namespace", None)
    del held


def metrics_in(directory, owner, left):
    """Written within the unit's walls, for everybody to read whatever its UMask=, with no more privilege than that takes."""
    text = pathlib.Path("/test/metrics.conf").read_text()
    os.makedirs(directory, exist_ok=True)
    if owner:
        os.chown(directory, owner, owner)
        text = text.replace("/var/lib/prometheus/node-exporter", directory)
        text += "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"
    drop_in("metrics", text)
    start()
    held = conflict(7107)

    def counted():
        done = sh("setpriv", "--reuid=65534", "--clear-groups", "cat", f"{directory}/bindtrace.prom")
        return re.search(r'^bindtrace_refusals_total\{cause="listener",.*\} 1$', done.stdout, re.M)

    until("the counter", counted)
    assert effective(show("MainPID")) == mask(*left), f"{effective(show('MainPID')):x}"
    sh("systemctl", "stop", UNIT)
    assert "\nbindtrace_running 0\n" in pathlib.Path(directory, "bindtrace.prom").read_text()
    drop_in("metrics", None)
    del held


def test_metrics():
    """The drop-in, in the directory of node_exporter's package, and in one of another user's."""
    left = ("SYS_PTRACE", "SYS_ADMIN", "DAC_READ_SEARCH")
    metrics_in("/var/lib/prometheus/node-exporter", 0, left)
    metrics_in("/var/lib/counters", 65534, (*left, "DAC_OVERRIDE"))


# ---- privileges, without systemd -----------------------------------------------------------------


class Live:
    """bindtrace --json behind setpriv's options."""

    def __init__(self, *setpriv, options=()):
        words = [*(["setpriv", *setpriv] if setpriv else []), BINDTRACE, "--json", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait(self, test):
        for line in self.process.stdout:
            line = json.loads(line)
            if test(line):
                return line
        raise AssertionError(f"it ended: {self.process.wait()} {self.process.stderr.read()}")

    def __enter__(self):
        self.wait(lambda line: line["type"] == "start")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=60)


def other_user(*words):
    """A process of another user, which has executed words when this returns."""
    process = subprocess.Popen(["setpriv", "--reuid=65534", "--clear-groups", *words], stdout=subprocess.PIPE,
                               pass_fds=other_user.fds)
    process.stdout.readline()
    return process


other_user.fds = ()
SLEEP = "import sys,time\nprint('there',flush=True)\ntime.sleep(600)"


def exe_of_other(*setpriv):
    listener = socket.create_server(("127.0.0.1", 7201))
    other_user.fds = (listener.fileno(),)
    owner = other_user("python3", "-c", SLEEP)
    other_user.fds = ()
    listener.close()
    try:
        with Live(*setpriv) as live:
            try:
                socket.socket().bind(("127.0.0.1", 7201))
            except OSError:
                pass
            return live.wait(of_port(7201))["blockers"][0]["owners"][0]["exe"]
    finally:
        owner.kill()
        owner.wait()


def test_needs_ptrace():
    assert exe_of_other().startswith("/usr/bin/python3")
    assert exe_of_other("--bounding-set=-sys_ptrace", "--inh-caps=-all") is None


DEVICE = r"""
import os, socket, sys
n = os.open("/run/netns/other", os.O_RDONLY)
import ctypes
assert ctypes.CDLL(None).setns(n, 0x40000000) == 0
s = socket.create_server(("0.0.0.0", 7202))
b = socket.socket()
b.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
print("there", flush=True)
sys.stdin.readline()
try:
    b.bind(("0.0.0.0", 7202))
except OSError:
    print("refused", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def binder_elsewhere():
    """In a network namespace of its own: a line makes it bind, and be refused."""
    sh("ip", "netns", "add", "other")
    binder = subprocess.Popen(["python3", "-c", DEVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        binder.stdout.readline()
        yield binder
    finally:
        binder.kill()
        binder.wait()
        sh("ip", "netns", "delete", "other")


def let_go(binder):
    binder.stdin.write("go\n")
    binder.stdin.flush()


def device_elsewhere(*setpriv):
    with binder_elsewhere() as binder, Live(*setpriv) as live:
        let_go(binder)
        return live.wait(of_port(7202))["socket"]["device"]


def test_needs_admin():
    named, unnamed = device_elsewhere(), device_elsewhere("--bounding-set=-sys_admin", "--inh-caps=-all")
    assert (named, unnamed) == ("lo", "if1"), (named, unnamed)


def cgroup_of_gone(*setpriv):
    """Of a caller that has exited when the report is made: only its cgroup's number is left."""
    with binder_elsewhere() as binder, Live(*setpriv) as live:
        pid = live.process.pid
        os.kill(pid, signal.SIGSTOP)
        until("the stop", lambda: status(pid)["State"].startswith("T"))
        let_go(binder)
        binder.stdout.readline()
        binder.kill()
        binder.wait()
        os.kill(pid, signal.SIGCONT)
        return live.wait(of_port(7202))["process"]["cgroup"]


def test_needs_dac():
    own = open("/proc/self/cgroup").read().strip().split("::")[1]
    found, lost = cgroup_of_gone(), cgroup_of_gone("--bounding-set=-dac_read_search", "--inh-caps=-all")
    assert (found, lost) == (own, None), (found, lost)


def test_needs_override():
    """A file in a directory of another user is replaced; without that privilege it is refused at once."""
    shutil.rmtree("/tmp/metrics", ignore_errors=True)
    for name, owner in (("other", 65534), ("own", 0)):
        os.makedirs(f"/tmp/metrics/{name}")
        os.chown(f"/tmp/metrics/{name}", owner, owner)
    want = mask("SYS_PTRACE", "SYS_ADMIN", "DAC_READ_SEARCH")
    place = "/tmp/metrics/other/bindtrace.prom"
    with Live(options=("--metrics", place)) as live:
        more = want | mask("DAC_OVERRIDE")
        until(f"{more:x} to be left", lambda: effective(live.process.pid) == more)
        before = os.stat(place).st_ino
        held = conflict(7203)
        live.wait(of_port(7203))
        until("the file to be replaced", lambda: os.stat(place).st_ino != before)
        del held
    done = sh("setpriv", "--bounding-set=-dac_override", "--inh-caps=-all", BINDTRACE, "--metrics", place,
              "--duration", "0.1", check=False)
    assert done.returncode == 4, done
    with Live(options=("--metrics", "/tmp/metrics/own/bindtrace.prom")) as live:
        until(f"{want:x} to be left", lambda: effective(live.process.pid) == want)


@contextlib.contextmanager
def command_of_other(*setpriv):
    """bindtrace around a command that has changed its user; the process and the command's pid."""
    words = [*(["setpriv", *setpriv] if setpriv else []), BINDTRACE, "-q", "--",
             "setpriv", "--reuid=65534", "--clear-groups", "sleep", "600"]
    process = subprocess.Popen(words)
    child = None
    try:
        def started():
            children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
            return [int(c) for c in children if status(c)["Name"] == "sleep"]

        child, = until("the command", started)
        until("the filter", lambda: status(process.pid)["Seccomp"] == "2")
        yield process, child
    finally:
        if process.poll() is None and child:
            os.kill(child, signal.SIGKILL)
        process.wait(60)


def is_done_with_signals(pid):
    """None is pending, and it waits in poll() again: whatever it does about one has been done."""
    waits = int(status(pid)["ShdPnd"], 16) == 0
    return waits and open(f"/proc/{pid}/syscall").read().split()[0] in ("7", "271")


def test_needs_kill():
    """SIGTERM is passed on to a command that has changed its user."""
    with command_of_other() as (process, _):
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    with command_of_other("--bounding-set=-kill", "--inh-caps=-all") as (process, child):
        process.terminate()
        until("bindtrace to have seen it", lambda: is_done_with_signals(process.pid))
        facts = status(child)
        assert facts["State"][0] in "SR" and int(facts["ShdPnd"], 16) == 0, facts


def test_own_namespace():
    """Where no other namespace is watched, CAP_SYS_ADMIN goes as well; CAP_BPF stays where maps want it."""
    sysctl = open("/proc/sys/kernel/unprivileged_bpf_disabled").read().strip()
    release = tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups()))
    want = mask("SYS_PTRACE", "DAC_READ_SEARCH", *(["BPF"] if release < (5, 19) and sysctl != "0" else []))
    with Live(options=("--netns", "self")) as live:
        until(f"{want:x} to be left", lambda: effective(live.process.pid) == want)
        held = conflict(7203)
        line = live.wait(of_port(7203))
        assert line["blockers"][0]["owners"][0]["comm"] == "python3", line
        del held


def test_not_root():
    """Two capabilities and no root: it starts, reports, and keeps nothing that it does not need."""
    caps = "+bpf,+perfmon,+sys_resource"
    with Live("--reuid=65534", "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}") as live:
        until("the rest to go", lambda: effective(live.process.pid) & ~mask("BPF") == 0)
        held = conflict(7204)
        line = live.wait(of_port(7204))
        assert line["process"]["comm"] == "python3" and line["evidence"] == "exact", line
        del held


def test_no_bpf():
    """Without any of them: one line, exit status 4."""
    done = sh("setpriv", "--reuid=65534", "--clear-groups", BINDTRACE, check=False)
    assert done.returncode == 4 and done.stderr.count("\n") == 1 and "CAP_BPF" in done.stderr, done


def test_command():
    """The command inherits nothing of the confinement."""
    done = sh(BINDTRACE, "--", "grep", "-E", "^(CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status")
    facts = dict(line.split(":\t") for line in done.stdout.splitlines())
    own = status("self")
    assert facts == {name: own[name] for name in facts} and facts["Seccomp"] == "0", facts


# ---- files ---------------------------------------------------------------------------------------


def test_links():
    """A planted link is not followed, by the recording or by the lock."""
    os.makedirs("/tmp/planted", exist_ok=True)
    for name in "victim", "dir/lock":
        os.makedirs(os.path.dirname(f"/tmp/planted/{name}"), exist_ok=True)
        open(f"/tmp/planted/{name}", "w").write("mine")
    os.symlink("/tmp/planted/victim", "/tmp/planted/record")
    done = sh(BINDTRACE, "--record", "/tmp/planted/record", "--duration", "1", check=False)
    assert done.returncode == 2 and "exists" in done.stderr, done
    shutil.rmtree("/run/bindtrace", ignore_errors=True)
    os.symlink("/tmp/planted/dir", "/run/bindtrace")
    with Live():
        pass
    os.unlink("/run/bindtrace")
    os.mkdir("/run/bindtrace", 0o700)
    os.symlink("/tmp/planted/victim", "/run/bindtrace/lock")
    with Live():
        assert not os.path.exists("/sys/fs/bpf/bindtrace"), "published behind somebody else's lock"
    os.unlink("/run/bindtrace/lock")
    for name in "victim", "dir/lock":
        assert open(f"/tmp/planted/{name}").read() == "mine"
    sh(BINDTRACE, "-q", "--record", "/tmp/planted/new", "--duration", "0.1")
    assert os.stat("/tmp/planted/new").st_mode & 0o777 == 0o600


TESTS = [test_verify, test_exposure, test_start, test_status, test_whole_report, test_long_line, test_memory,
         test_restart, test_watchdog, test_stop, test_namespace, test_metrics, test_needs_ptrace, test_needs_admin,
         test_needs_dac, test_needs_override, test_needs_kill,
         test_own_namespace, test_not_root, test_no_bpf, test_command, test_links]


def hangs(*_):
    raise AssertionError(f"it hangs: not done after {LAST_RESORT} s")


def main():
    only = sys.argv[1:]
    unknown = set(only) - {test.__name__.removeprefix("test_") for test in TESTS}
    assert not unknown, f"no test has such a name: {unknown}"
    signal.signal(signal.SIGALRM, hangs)
    for test in TESTS:
        name = test.__name__.removeprefix("test_")
        if only and name not in only:
            continue
        begin = time.monotonic()
        # Again and again: one that comes just before a read() is not seen until that returns.
        signal.setitimer(signal.ITIMER_REAL, LAST_RESORT, 30)
        try:
            test()
            verdict = "passed"
        except Exception as error:  # the next test goes on
            verdict = "failed"
            shown = f"{type(error).__name__}: {error}".replace("\n", "\n    ")
        signal.setitimer(signal.ITIMER_REAL, 0)
        results[verdict] += 1
        print(f"{'ok' if verdict == 'passed' else 'not ok'} - service.{name} # {time.monotonic() - begin:.1f} s")
        if verdict == "failed":
            print(f"    {shown}", flush=True)
            subprocess.run("journalctl -u bindtrace -n 8 --no-pager -o cat | cut -c1-300 | sed 's/^/    | /'",
                           shell=True)
        sys.stdout.flush()
    print("service: {passed} passed, {failed} failed, {skipped} skipped".format(**results))
    return results["failed"] > 0


sys.exit(main())
