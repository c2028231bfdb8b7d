# SPDX-License-Identifier: GPL-2.0-only
"""Who holds a port: bindtrace and what else answers that, one after the other, in the guest.

oneshot.py [--parties=NAME,…] SCENARIO…, each ON_PORT/OTHERS/PROCESSES/RUNS. Prints Markdown; what goes
wrong goes to standard error, and the exit status tells."""
import os
import re
import statistics
import subprocess
import sys
import time

TOOL, CROWD, PORT, FILES = "/test/bindtrace", "/test/crowd", 8080, 10
# What an expert would write: the inodes of the port's sockets, then one pass over all fds.
SCRIPT = f"""
awk -v port=":{PORT:04X}$" '
	FILENAME != "-" {{ if ($2 ~ port) {{ state[$10] = $4; line[$10] = $2 " " $3 }} next }}
	match($1, /[0-9]+/) {{ inode = substr($1, RSTART, RLENGTH) }}
	inode in state {{ print state[inode], line[inode], $2 }}
' /proc/net/tcp /proc/net/tcp6 - < <(find /proc/[0-9]*/fd -lname 'socket:*' -printf '%l %h\\n' 2>/dev/null)
"""
PARTIES = {
    "bindtrace": [TOOL, "--port", str(PORT)],
    "ss": ["/usr/bin/ss", "-tanp", f"sport = :{PORT}"],
    "lsof": ["/usr/bin/lsof", "-nP", f"-iTCP:{PORT}"],
    "fuser": ["/usr/bin/fuser", "-v", f"{PORT}/tcp"],
    "netstat": ["/bin/sh", "-c", f"/test/netstat -tanp | grep ':{PORT} '"],
    "awk, find": ["/bin/bash", "-c", SCRIPT],
}
PHASES = {
    "the kernel's types": "types",
    "loading the walk": "load walk",
    "the walk": "walk",
    "loading the search for owners": "load search",
    "the search for owners": "search",
    "the report": "report",
}
failures = []


def fail(what):
    failures.append(what)
    print(f"not ok {what}", file=sys.stderr)


class Crowd:
    """The host as the scenario has it, until the end of `with`."""

    def __init__(self, on_port, others, processes):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [CROWD, str(PORT), str(on_port), str(others), str(processes), str(FILES)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        if self.process.stdout.readline() != "ready\n":
            sys.exit("not ok the crowd did not come together")
        return self.process.pid

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def spawn(args, output):
    """Milliseconds from fork() to wait()."""
    actions = [(os.POSIX_SPAWN_DUP2, output, fd) for fd in (1, 2)]
    start = time.perf_counter_ns()
    pid = os.posix_spawn(args[0], args, os.environ, file_actions=actions)
    os.waitpid(pid, 0)
    return (time.perf_counter_ns() - start) / 1e6


def measure(runs):
    """Round by round, so that whatever drifts meets all of them."""
    times = {name: [] for name in PARTIES}
    with open("/dev/null", "w", encoding="ascii") as null:
        for _ in range(runs):
            for name, args in PARTIES.items():
                times[name].append(spawn(args, null.fileno()))
    return times


def choose(names):
    """Only these, and bindtrace."""
    wrong = [name for name in names if name not in PARTIES]
    if wrong:
        sys.exit(f"not ok no such party: {wrong[0]}")
    for name in [name for name in PARTIES if name not in names and name != "bindtrace"]:
        del PARTIES[name]


def first_runs():
    """From disk; bindtrace's has all of the kernel's types to read. After it they are kept."""
    return measure(1)


def phases():
    """How long bindtrace itself says that each part took."""
    done = subprocess.run([TOOL, "-vv", "--port", str(PORT)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    found = dict(re.findall(r"^bindtrace: (.*) took ([0-9.]+) ms$", done.stderr, re.M))
    missing = [name for name in PHASES if name not in found]
    if missing:
        fail(f"-vv does not tell of {missing}: {done.stderr}")
    return {short: float(found.get(name, "nan")) for name, short in PHASES.items()}


def check_answer(scenario, on_port, pid):
    """The answer that is timed is the right one, with the owner."""
    done = subprocess.run([TOOL, "--json", "--port", str(PORT)], stdout=subprocess.PIPE, text=True,
                          check=False)
    total = re.search(r'"holders_total":(\d+)', done.stdout)
    if not total or int(total[1]) != on_port:
        fail(f"{scenario}: not {on_port} holders: {done.stdout[:2000]}")
    elif f'"pid":{pid}' not in done.stdout:
        fail(f"{scenario}: the owner {pid} is not named: {done.stdout[:2000]}")


def cell(times, own):
    middle = statistics.median(times)
    spread = max(times) - min(times)
    text = f"{middle:,.0f}" if middle >= 100 else f"{middle:.1f}"
    if spread >= middle / 20:
        text += f" ±{spread / 2:.0f}"
    return text if own is None else f"{text} ({middle / own:.1f}×)"


def label(on_port, others, processes):
    return f"{on_port:,} | {others:,} | {processes:,}"


def table(head, rows):
    print(f"| on the port | others | processes | {' | '.join(head)} |")
    print("|" + " --: |" * (3 + len(head)))
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def main():
    times, parts = [], []
    time.sleep(3)  # what a kernel still does when it has just started goes into no figure
    scenarios = sys.argv[1:]
    if scenarios and scenarios[0].startswith("--parties="):
        choose(scenarios.pop(0).partition("=")[2].split(","))
    first = first_runs()
    for text in scenarios:
        *scenario, runs = [int(word) for word in text.split("/")]
        with Crowd(*scenario) as pid:
            check_answer(text, scenario[0], pid)
            result = measure(runs)
            own = statistics.median(result["bindtrace"])
            times.append([label(*scenario)] + [cell(result[name], None if name == "bindtrace" else own)
                                               for name in PARTIES])
            part = phases()
            parts.append([label(*scenario)] + [f"{part[name]:.3f}" if part[name] < 1 else f"{part[name]:.2f}"
                                               for name in PHASES.values()])
        print(f"ok {text}: {times[-1][1:]} {parts[-1][1:]}", file=sys.stderr)
    table(PARTIES, times)
    table(PHASES.values(), parts)
    print("First run after the boot: " +
          ", ".join(f"{name} {first[name][0]:.0f}" for name in PARTIES if name in ("bindtrace", "ss")) + ".")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
