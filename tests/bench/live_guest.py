#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What live tracing costs the calls of others, in the guest: live_guest.py ROUNDS CALLS [small].

Each round goes through the parties, with nothing attached before and after each, so that what
drifts meets all of them. A party is stopped (SIGSTOP) while the clock runs: the figures are what
the callers pay; what the reader pays afterwards is a row of its own. Prints Markdown."""
import os
import re
import signal
import statistics
import subprocess
import sys
import time

COST, HOOK = "/test/live_cost", "/test/live_hook"
TOOL, SNOOP = "/test/bindtrace", "/test/bindsnoop"
LABELS = {
    "tcp_bind": "bind() to a free TCP port",
    "udp_bind": "bind() to a free UDP port",
    "connect": "connect() over loopback, accept()",
    "fork_exec": "fork(), exec(), wait()",
    "refused_1": "bind() refused, 1 socket on the port",
    "refused_50000": "bind() refused, 50,000, the first one blocks",
    "refused_50000_last": "bind() refused, 50,000, the last one blocks",
}
OFTEN = ["tcp_bind", "udp_bind", "connect", "fork_exec", "refused_1"]
CROWDED = ["refused_50000", "refused_50000_last"]
HOOKS = {
    "`__inet_bind`, `__inet6_bind`": ["fexit_inet_bind", "fexit_inet6_bind"],
    "`security_socket_bind`": ["fexit_security_bind"],
    "`security_socket_connect`": ["fexit_security_connect"],
    "`__inet_hash_connect`": ["fexit_hash_connect_4", "fexit_hash_connect_5"],
    "`tcp_send_fin`": ["fentry_send_fin"],
    "`sched_process_fork`": ["tp_fork_exe"],
    "`sched_process_exec`": ["tp_exec"],
}


def fail(what):
    sys.exit(f"live_guest: {what}")


def measure(operations, calls):
    """{operation: cost of one call}"""
    out = subprocess.run([COST, str(calls), *operations], check=True, stdout=subprocess.PIPE).stdout
    pairs = (line.split() for line in out.decode().splitlines())
    return {name: float(value) for name, value in pairs}


def kprobes():
    with open("/sys/kernel/debug/kprobes/list", encoding="ascii") as lines:
        return len(lines.readlines())


def cpu_ns(pid):
    """What the process has run so far."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


class Party:
    """Someone who watches; attached between start() and end()."""

    def __init__(self, command, is_ready):
        self.command, self.is_ready = command, is_ready
        self.log = f"/tmp/{os.path.basename(command[0])}.log"
        self.process = None

    def start(self):
        """False when it does not load: why, in the log."""
        with open(self.log, "w+b") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=log,
                                            stderr=log)
        while not self.is_ready(self):
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        self.settle()
        return True

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def settle(self):
        """Until it has nothing left to do."""
        before = None
        while before != cpu_ns(self.process.pid):
            before = cpu_ns(self.process.pid)
            time.sleep(0.5)

    def measure(self, operations, calls):
        self.process.send_signal(signal.SIGSTOP)
        try:
            return measure(operations, calls)
        finally:
            self.process.send_signal(signal.SIGCONT)
            self.settle()

    def end(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


def bindtrace():
    return Party([TOOL, "--json"], lambda party: '"type":"start"' in party.said())


def bindsnoop():
    before = kprobes()
    return Party([SNOOP], lambda party: kprobes() >= before + 4)


def some_hooks(programs):
    return Party([HOOK, *programs], lambda party: party.said().startswith("ready"))


class Results:
    """Of each operation, with nothing attached and with a party: differences between neighbours."""

    def __init__(self):
        self.base, self.added = {}, {}

    def put(self, before, during, after):
        for name, value in during.items():
            base = (before[name] + after[name]) / 2
            self.base.setdefault(name, []).append(base)
            self.added.setdefault(name, []).append(value - base)

    def base_of(self, name):
        return statistics.median(self.base[name])

    def added_of(self, name):
        return statistics.median(self.added[name])

    def spread(self, name):
        """Half of the differences are at most so far from the median."""
        middle = self.added_of(name)
        return statistics.median(abs(x - middle) for x in self.added[name])

    def row(self, name):
        if name not in self.added:
            return "–"
        share = 100 * self.added_of(name) / self.base_of(name)
        return f"{self.added_of(name):+,.0f} ±{self.spread(name):,.0f} ({share:+.1f} %)"


def one(results, make, operations, calls):
    """A party between two measurements of nothing. False: it does not load."""
    before = measure(operations, calls)
    party = make()
    if not party.start():
        return party
    try:
        during = party.measure(operations, calls)
    finally:
        party.end()
    results.put(before, during, measure(operations, calls))
    return None


def why_not(party):
    lines = [x for x in party.said().splitlines() if re.search(r"fail|error|relo|invalid", x, re.I)]
    return (lines or ["it ended"])[-1].strip()


def compare(rounds, calls, small):
    parties = {"bindtrace": bindtrace, "bindsnoop": bindsnoop}
    results = {name: Results() for name in parties}
    absent = {}
    for _ in range(rounds):
        for name, make in parties.items():
            if name in absent:
                continue
            failed = one(results[name], make, OFTEN, calls)
            if failed:
                absent[name] = why_not(failed)
    for _ in range(1 if small else max(1, rounds // 4)):
        if not small:
            one(results["bindtrace"], bindtrace, CROWDED, calls)
            if "bindsnoop" not in absent:
                one(results["bindsnoop"], bindsnoop, CROWDED, calls)
    return results, absent


def print_table(results, absent):
    mine, theirs = results["bindtrace"], results["bindsnoop"]
    print("| call | nothing attached | bindtrace adds | bindsnoop adds |")
    print("| --- | ---: | ---: | ---: |")
    for name, label in LABELS.items():
        if name in mine.added:
            print(f"| {label} | {mine.base_of(name):,.0f} | {mine.row(name)} | {theirs.row(name)} |")
    for name, why in absent.items():
        print(f"\n`{name}` does not load on this kernel: `{why}`")
    if set(CROWDED) <= set(mine.added):
        walk = mine.base_of(CROWDED[1]) - mine.base_of(CROWDED[0])
        hook = max(mine.added_of(x) for x in CROWDED)
        print(f"\nThe kernel's own walk of those 50,000: {walk:,.0f}. All that the hooks do at a "
              f"refusal, with or without the lock: {hook:,.0f}, {100 * hook / walk:.0f} % of it.")


def known_programs(names):
    """Those that attach on this kernel, by trying: signatures differ."""
    good = []
    for name in names:
        party = some_hooks([name])
        if party.start():
            good.append(name)
            party.end()
    return good


def hook_shares(rounds, calls):
    print("\n| hook | bind(), TCP | bind(), UDP | connect() | fork(), exec() |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for label, names in HOOKS.items():
        programs, results = known_programs(names), Results()
        if not programs:
            continue
        for _ in range(rounds):
            one(results, lambda names=programs: some_hooks(names), OFTEN[:4], calls)
        print(f"| {label} | " + " | ".join(f"{results.added_of(x):+,.0f}" for x in OFTEN[:4]) +
              " |", flush=True)


def status_kb(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def memory(calls):
    party = bindtrace()
    if not party.start():
        fail(party.said())
    pid, before = party.process.pid, status_kb(party.process.pid, "VmRSS")
    spent, n = cpu_ns(pid), 10 * calls
    party.measure(["refused_1"], 2 * n)
    spent = cpu_ns(pid) - spent
    print(f"\nA report costs the reader {spent / n:,.0f}. Resident: {before:,} KB at the start, "
          f"{status_kb(pid, 'VmRSS'):,} KB after {n:,} reports.")
    maps = subprocess.run(["bpftool", "map", "show", "--json"], check=True,
                          stdout=subprocess.PIPE).stdout
    party.end()
    return maps


def print_maps(text):
    import json  # pylint: disable=import-outside-toplevel
    print("\n| map | entries | KB |")
    print("| --- | ---: | ---: |")
    total = 0
    for entry in json.loads(text):
        size = entry.get("bytes_memlock", 0)
        total += size
        if size >= 65536:
            print(f"| `{entry.get('name', '')}` ({entry['type']}) | {entry['max_entries']:,} | "
                  f"{size // 1024:,} |")
    print(f"| all | | {total // 1024:,} |")


def main():
    rounds, calls, small = int(sys.argv[1]), int(sys.argv[2]), "small" in sys.argv[3:]
    measure([*OFTEN], calls)  # what comes first is slower
    print(f"Linux {os.uname().release}, {time.strftime('%Y-%m-%d')}, {rounds} rounds of {calls} "
          "calls\n")
    results, absent = compare(rounds, calls, small)
    if "bindtrace" in absent:
        fail(absent["bindtrace"])
    print_table(results, absent)
    if not small:
        hook_shares(rounds, calls)
    print_maps(memory(calls))


if __name__ == "__main__":
    main()
