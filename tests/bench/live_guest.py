#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What live tracing costs the calls of others, in the guest: live_guest.py ROUNDS CALLS [small|brief].

Each round goes through the parties, with nothing attached before and after each, so that what
drifts meets all of them. A party is stopped (SIGSTOP) while the clock runs: the figures are what
the callers pay; what the reader pays afterwards is a row of its own. Prints Markdown."""
import functools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

COST, HOOK = "/test/live_cost", "/test/live_hook"
TOOL = "/test/bindtrace"
SNOOP = ["/test/snoop/ld-linux-x86-64.so.2", "--library-path", "/test/snoop",
         "/test/snoop/bindsnoop"]
EVENTS = 200000  # for the memory
IDLE_NS = 1000000  # bindsnoop wakes up ten times a second
LABELS = {
    "tcp_bind": "bind() to a free TCP port",
    "tcp_bind_address": "the same, to one address",
    "udp_bind": "bind() to a free UDP port",
    "connect": "connect() over loopback, accept()",
    "fork_exec": "fork(), exec(), wait()",
    "refused_1": "bind() refused, 1 socket on the port",
    "refused_50000": "bind() refused, 50,000, the first one blocks",
    "refused_50000_last": "bind() refused, 50,000, the last one blocks",
}
SUCCEED = ["tcp_bind", "tcp_bind_address", "udp_bind", "connect", "fork_exec"]
OFTEN = [*SUCCEED, "refused_1"]
CROWDED = ["refused_50000", "refused_50000_last"]
# On the conflict test, where the kernel holds the bucket's lock.
LOCKED = ["fexit_bind_conflict_4", "fexit_bind_conflict_5", "fexit_addr_any_conflict"]
HOOKS = {
    "`__inet_bind`, `__inet6_bind`": ["fexit_inet_bind", "fexit_inet6_bind"],
    "`inet_csk_bind_conflict`": LOCKED[:2],
    "`inet_bhash2_addr_any_conflict`": LOCKED[2:],
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
        """Until it has nothing left to do but to look whether there is anything."""
        before = -IDLE_NS
        while cpu_ns(self.process.pid) - before >= IDLE_NS:
            before = cpu_ns(self.process.pid)
            time.sleep(0.5)

    def measure_and_kill(self, operations, calls):
        """What it would have to say afterwards, of 50,000 sockets, is long and not measured."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            return measure(operations, calls)
        finally:
            self.process.kill()
            self.end()

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
        time.sleep(1)  # the kernel frees programs and their trampolines later


def bindtrace(*options):
    return Party([TOOL, "--json", *options], lambda party: '"type":"start"' in party.said())


def bindsnoop():
    before = kprobes()
    return Party(SNOOP, lambda party: kprobes() >= before + 4)


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


def under_lock():
    """The hooks that run with the bucket's lock held, alone."""
    loaded = loaded_programs()
    return some_hooks([name for name in LOCKED if name in loaded])


def compare(rounds, calls):
    parties = {"bindtrace": bindtrace, "bindsnoop": bindsnoop}
    results, absent = {name: Results() for name in parties}, {}
    for _ in range(rounds):
        for name, make in parties.items():
            if name in absent:
                continue
            failed = one(results[name], make, OFTEN, calls)
            if failed:
                absent[name] = why_not(failed)
    return results, absent


def compare_crowded(calls, absent):
    """Once: 50,000 sockets are long to make, and nothing is attached before all and after all."""
    parties = {"bindtrace": bindtrace, "lock": under_lock, "bindsnoop": bindsnoop}
    operations = ["refused_1", *CROWDED]
    results, during = {name: Results() for name in parties}, {}
    before = measure(operations, calls)
    for name in parties.keys() - absent.keys():
        party = parties[name]()
        if not party.start():
            fail(party.said())
        during[name] = party.measure_and_kill(operations, calls)
    after = measure(operations, calls)
    for name, values in during.items():
        results[name].put(before, values, after)
    return results


def print_rows(names, results):
    mine, theirs = results["bindtrace"], results["bindsnoop"]
    for name in names:
        print(f"| {LABELS[name]} | {mine.base_of(name):,.0f} | {mine.row(name)} | "
              f"{theirs.row(name)} |")


def print_lock(results):
    """How long the hooks hold the lock on, next to the kernel's walk under it."""
    mine, lock = results["bindtrace"], results["lock"]
    walk = mine.base_of(CROWDED[1]) - mine.base_of(CROWDED[0])
    print(f"\nThe kernel's own walk of those 50,000, under the bucket's lock: {walk:,.0f}. What the "
          "hooks add under it:\n")
    print("| sockets on the port | the kernel looks at | hooks under the lock |")
    print("| --- | ---: | ---: |")
    for name, crowd, looked in (("refused_1", "1", "1"), (CROWDED[0], "50,000", "1"),
                                (CROWDED[1], "50,000", "50,000")):
        print(f"| {crowd} | {looked} | {lock.added_of(name):+,.0f} |")


@functools.cache
def loaded_programs():
    """Those of a live run: signatures differ between kernels, and it has chosen."""
    party = bindtrace()
    if not party.start():
        fail(party.said())
    shown = subprocess.run(["bpftool", "--json", "prog", "show"], check=True,
                           stdout=subprocess.PIPE).stdout
    party.end()
    return {x.get("name") for x in json.loads(shown)}


def hook_shares(rounds, calls):
    print("\n| hook | bind(), TCP | to one address | bind(), UDP | connect() | fork(), exec() |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    loaded = loaded_programs()
    for label, names in HOOKS.items():
        programs, results = [name for name in names if name in loaded], Results()
        if not programs:
            continue
        for _ in range(rounds):
            one(results, lambda names=programs: some_hooks(names), SUCCEED, calls)
        print(f"| {label} | " + " | ".join(f"{results.added_of(x):+,.0f}" for x in SUCCEED) + " |")


def status_kb(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def reader_cost(calls, *options):
    """What the reader runs for one refusal, alone with what has been put down for it."""
    party = bindtrace(*options)
    if not party.start():
        fail(party.said())
    spent = cpu_ns(party.process.pid)
    party.measure(["refused_1"], 2 * calls)  # half as many, by its divisor
    spent = cpu_ns(party.process.pid) - spent
    party.end()
    return spent / calls


def memory(events):
    """Resident, in KB, at the start and after each quarter; and what the run said at its end."""
    party = bindtrace()
    if not party.start():
        fail(party.said())
    pid = party.process.pid
    resident = [status_kb(pid, "VmRSS")]
    for _ in range(4):
        measure(["refused_1"], events // 2)
        party.settle()
        resident.append(status_kb(pid, "VmRSS"))
    maps = subprocess.run(["bpftool", "map", "show", "--json"], check=True,
                          stdout=subprocess.PIPE).stdout
    party.end()
    return resident, json.loads(party.said().splitlines()[-1]), maps


def print_reader(calls, events):
    each, folded = reader_cost(calls, "--fold", "0"), reader_cost(10 * calls)
    resident, stop, maps = memory(events)
    kb = ", ".join(f"{x:,}" for x in resident[1:])
    print(f"\nA refusal costs the reader {each:,.0f}, and {folded:,.0f} where it is folded. Resident: "
          f"{resident[0]:,} KB at the start; {kb} KB after each quarter of {stop['seen']:,} refusals, "
          f"of which {stop['lost']:,} were lost.")
    print_maps(maps)


def print_maps(text):
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
    sys.stdout.reconfigure(line_buffering=True)
    rounds, calls, small = int(sys.argv[1]), int(sys.argv[2]), "small" in sys.argv[3:]
    measure([*OFTEN], calls)  # what comes first is slower
    print(f"Linux {os.uname().release}, {time.strftime('%Y-%m-%d')}, {rounds} rounds of {calls} "
          "calls\n")
    print("| call | nothing attached | bindtrace adds | bindsnoop adds |")
    print("| --- | ---: | ---: | ---: |")
    results, absent = compare(rounds, calls)
    if "bindtrace" in absent:
        fail(absent["bindtrace"])
    print_rows(OFTEN, results)
    if not small:
        crowded = compare_crowded(calls, absent)
        print_rows(CROWDED, crowded)
        print_lock(crowded)
    for name, why in absent.items():
        print(f"\n`{name}` does not load on this kernel: `{why}`")
    if not small and "brief" not in sys.argv[3:]:
        hook_shares(rounds, calls)
    print_reader(calls, 1000 if small else EVENTS)


if __name__ == "__main__":
    main()
