# SPDX-License-Identifier: GPL-2.0-only
"""--metrics: the file of a live run, while it watches, when nothing happens, and when there is no room."""
import collections
import os
import re
import signal
import stat
import subprocess
import time

from harness import check, contains, same, until
from state import Bind, State, marker, new_port
from tool import Started, Tracer, refused_usage, run

DIRECTORY = "/tmp/bt-metrics"
LABELS = ("cause", "syscall", "protocol", "error")
SAMPLE = re.compile(r"bindtrace_(\w+?)(?:\{(.*)\})? (\S+)")


def read(path):
    """{(name, labels): value}; every line is whole, whenever it is read."""
    values = {}
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("# "):
                continue
            match = SAMPLE.fullmatch(line)
            check(match, f"half a line: {line!r}")
            values[match[1], match[2] or ""] = float(match[3])
    return values


def label_text(line):
    return ",".join(f'{label}="{line[label]}"' for label in LABELS)


def refusals(values):
    return {labels: n for (name, labels), n in values.items() if name == "refusals_total" and n}


def counted(tracer):
    return dict(collections.Counter(label_text(x) for x in tracer.conflicts()))


def total(path, name):
    return read(path)[f"{name}_total", ""]


def directory():
    os.makedirs(DIRECTORY, exist_ok=True)
    return DIRECTORY


def check_figures():
    """The counters are those of the JSON lines; what a filter leaves out is counted as that."""
    path = f"{directory()}/figures.prom"
    port, other = new_port(), new_port()
    with State("listener", port=port), State("bound_only", port=other), \
            Tracer("--follow", "--port", port, "--all", "--metrics", path) as tracer:
        tracer.ready()
        until(lambda: read(path)["running", ""] == 1, "the first figures of the run")
        first = read(path)
        same("refusals at the start", refusals(first), {})
        check(abs(first["start_time_seconds", ""] - time.time()) < 600, f"start: {first}")
        mode = os.lstat(path).st_mode
        same("mode", (stat.S_ISREG(mode), stat.S_IMODE(mode)), (True, 0o644))
        with Bind(other) as bind:
            same("result", bind.result, "EADDRINUSE")
        for address in ("0.0.0.0", "127.0.0.1", "::"):
            with Bind(port, address=address) as bind:
                same("result", bind.result, "EADDRINUSE")
                tracer.conflict_of(bind.pid)
        until(lambda: refusals(read(path)) == counted(tracer), "the figures of the lines")
        same("running", read(path)["running", ""], 1)
        stop = tracer.stop()
        last = read(path)
        same("refusals", refusals(last), counted(tracer))
        for name in ("delivered", "filtered", "lost", "skipped"):
            same(name, last[f"{name}_total", ""], stop[name])
        same("captured", last["captured_total", ""], stop["seen"])
        check(stop["filtered"] > 0, f"nothing was filtered: {stop}")
        same("running", last["running", ""], 0)
    same("left behind", [x for x in os.listdir(DIRECTORY) if x.startswith(".")], [])


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return [line for line in status if "ctxt_switches" in line]


def check_idle():
    """One write a second at most, and none when nothing happens: it is not even woken."""
    path = f"{directory()}/idle.prom"
    port = new_port()
    with State("listener", port=port), Tracer("--follow", "--port", port, "--metrics", path) as tracer:
        tracer.ready()
        inodes = []
        start = time.monotonic()
        for _ in range(5):
            with Bind(port) as bind:
                tracer.conflict_of(bind.pid)
            inodes.append(os.stat(path).st_ino)
        until(lambda: total(path, "delivered") == 5, "all of them")
        seconds = time.monotonic() - start
        check(len(set(inodes)) <= seconds + 2, f"{len(set(inodes))} files in {seconds:.1f} s")
        before = (os.stat(path).st_ino, switches(tracer.proc.pid))
        time.sleep(3)  # in which a timer would have gone off
        same("file and wakeups", (os.stat(path).st_ino, switches(tracer.proc.pid)), before)
        tracer.stop()


def check_full():
    """A full disk: told once, counted, the old figures stay, and the run goes on."""
    place = f"{directory()}/small"
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", place], check=True)
    path = f"{place}/bt.prom"
    port = new_port()
    try:
        with State("listener", port=port), \
                Tracer("--follow", "--port", port, "--metrics", path) as tracer:
            tracer.ready()
            with open(f"{place}/ballast", "wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass
            for n in (1, 2):
                with Bind(port) as bind:
                    tracer.conflict_of(bind.pid)
                if n == 1:
                    until(lambda: "No space left" in tracer.err(), "a word about it")
            same("old figures", total(path, "delivered"), 0)
            contains("stderr", tracer.err(), f"bindtrace: --metrics {path}: ")
            # The second failure is over when bindtrace sleeps again, and has said nothing.
            refused_usage(run("--follow", "--port", port, "--metrics", f"{place}/new"), status=5)
            os.unlink(f"{place}/ballast")
            with Bind(port) as bind:
                tracer.conflict_of(bind.pid)
            until(lambda: total(path, "delivered") == 3, "the new figures")
            check(total(path, "metrics_write_errors") >= 1, "failures are not counted")
            same("lines about it", tracer.err().count("No space left"), 1)
            tracer.stop()
            same("what is there", os.listdir(place), ["bt.prom"])
    finally:
        subprocess.run(["umount", place], check=True)


def check_places():
    """What is refused at the start, before any hook is set; and a link that comes later."""
    place = f"{directory()}/readonly"
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", place], check=True)
    try:
        refused_usage(run("--metrics", f"{place}/x.prom"))
    finally:
        subprocess.run(["umount", place], check=True)
    refused_usage(run("--metrics", "/dev/null"))
    refused_usage(run("--metrics", "/etc/passwd"))
    path, victim = f"{directory()}/link.prom", f"{directory()}/victim"
    with Tracer("--metrics", path) as tracer:
        tracer.ready()
        with open(victim, "w", encoding="utf-8") as file:
            file.write("mine")
        os.unlink(path)
        os.symlink(victim, path)
        marker()
        until(lambda: "something else is in its place" in tracer.err(), "a word about the link")
        tracer.proc.send_signal(signal.SIGINT)
        same("exit status", tracer.finish(), 5)  # the last figures are nowhere
    check(os.path.islink(path), "the link was replaced")
    with open(victim, encoding="utf-8") as file:
        same("the file behind the link", file.read(), "mine")


def check_command():
    """Around a command: its status stays the one that counts."""
    path = f"{directory()}/command.prom"
    port = new_port()
    with State("listener", port=port):
        code = f"import socket; socket.socket().bind(('127.0.0.1', {port}))"
        result = Started("--metrics", path, "--", "python3", "-c", code).result()
    same("exit status", result.status, 1)
    same("refusals", list(refusals(read(path)).values()), [1])
    same("running", read(path)["running", ""], 0)


def metrics(selected):
    for name in ("figures", "idle", "full", "places", "command"):
        if selected(f"metrics.{name}"):
            yield f"metrics.{name}", globals()[f"check_{name}"]
