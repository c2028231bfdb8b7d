#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
A day of a busy host in a fraction of the time, in the guest: soak.py SECONDS. A live run watches
what load.py does as fast as it can; one-shot runs come in between. See tests/soak/run.
"""
import json
import os
import select
import signal
import sys
import time

sys.path.insert(0, "/test/live")

# pylint: disable=wrong-import-position
import harness  # noqa: E402
from harness import check, same  # noqa: E402
from load import Load, made  # noqa: E402
from tool import Schema, Started  # noqa: E402

PORT = 7777  # of the one-shot runs: a listener of ours, and PORT + 1 is free
SAMPLE_S = 2
ONE_SHOT_S = 10
SHOT_LIMIT_S = 900  # it ends; on a host that emulates many guests at once not soon
WHOLE_SCHEMA = 500  # every how manieth line is held against all of the schema
RSS_SLACK_KB = 512
SEEN = ("type", "cause", "evidence", "error", "syscall", "protocol", "family", "new_state",
        "old_state")


class Live:
    """A live run. Of its lines figures are kept, and nothing else."""

    def __init__(self, *args):
        self.name = " ".join(args)
        self.states = "--states" in args
        self.started = Started("--json", *args, as_json=True, stdout=self.pipe_end())
        os.close(self.writer)
        self.rest = b""
        self.kinds = {}
        self.causes = {}
        self.shapes = set()
        self.lines = 0
        self.bytes = 0
        self.lost_told = 0
        self.last = None

    def pipe_end(self):
        self.reader, self.writer = os.pipe()
        return self.writer

    @property
    def pid(self):
        return self.started.process.pid

    def take(self, line):
        """One line: valid JSON, and if it is of a new kind, or its turn, valid by the schema."""
        value = json.loads(line)
        shape = tuple(value.get(key) for key in SEEN) + (len(value),)
        if shape not in self.shapes or self.lines % WHOLE_SCHEMA == 0:
            self.shapes.add(shape)
            Schema.check(line.decode())
        check(len(line) < 4096, f"a line of {len(line)} bytes")
        kind = value["type"]
        self.lines += 1
        self.bytes += len(line) + 1
        # identical refusals within a second may have become one line
        weight = value.get("count", 1) if kind in ("conflict", "bind") else 1
        self.kinds[kind] = self.kinds.get(kind, 0) + weight
        if kind == "conflict":
            self.causes[value["cause"]] = self.causes.get(value["cause"], 0) + weight
        if kind == "lost":
            self.lost_told += value["count"]
        self.last = value

    def pump(self, seconds):
        """Takes what comes within that time; False at the end."""
        if not select.select([self.reader], [], [], seconds)[0]:
            return True
        data = os.read(self.reader, 1 << 16)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.take(line)
        return bool(data)

    def until_started(self):
        while not self.kinds.get("start"):
            check(self.pump(harness.DEADLINE), "no start line")

    def stop(self):
        os.kill(self.pid, signal.SIGINT)
        while self.pump(harness.DEADLINE):
            pass
        same("half a line at the end", self.rest, b"")
        check(self.last["type"] == "stop", f"the last line: {self.last}")
        # everything was read: what stdout had is not in the file that result() looks at
        return self.last, self.started.process.wait(harness.DEADLINE)


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(next(line for line in file if line.startswith("VmRSS:")).split()[1])


def count_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def kernel_kb():
    """What the kernel has not given to anybody's pages: what leaks there is missed here."""
    with open("/proc/meminfo", encoding="ascii") as file:
        values = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return values["SUnreclaim"] + values.get("Percpu", 0)


class Samples:
    """RSS and fds over time: flat means that the last quarter is as the second one."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.rows = []

    def add(self, at, pid):
        self.rows.append((at, rss_kb(pid), count_fds(pid), kernel_kb()))

    def part(self, low, high):
        return [x for x in self.rows if low * self.seconds <= x[0] < high * self.seconds]

    def settle(self, pid, read_on):
        """Nothing happens any more. One more fd is open for a moment now and then, while something
        does; what leaks stays."""
        early = self.part(0.25, 0.5)
        check(early, f"too few samples: {len(self.rows)}")
        fewest = min(x[2] for x in early)
        harness.until(lambda: (read_on(), count_fds(pid) <= fewest)[1],
                      f"{fewest} fds, as there were after the warm-up; {count_fds(pid)} now")

    def check(self):
        early, late = self.part(0.25, 0.5), self.part(0.75, 9)
        check(early and late, f"too few samples: {len(self.rows)}")
        rss, rss_late = max(x[1] for x in early), max(x[1] for x in late)
        print(f"soak: RSS {self.rows[0][1]} kB at first, {rss} kB after the warm-up, {rss_late} kB "
              f"in the last quarter; fds {min(x[2] for x in early)} and {min(x[2] for x in late)}; "
              f"the kernel's own {early[0][3]} and {late[-1][3]} kB")
        check(rss_late <= rss + RSS_SLACK_KB, f"RSS grows: {[x[1] for x in self.rows]}")


class OneShots:
    """Side by side with the live run; it and they must not disturb each other."""

    def __init__(self):
        self.running = []
        self.done = 0
        self.slowest = 0.0

    def begin(self):
        calls = (("--port", PORT), 1), (("--port", PORT + 1), 0), (("--port", PORT, "--wait=0.1"), 1)
        args, status = calls[self.done % len(calls)]
        self.running.append((Started(*args, "--json"), args, status, time.monotonic()))

    def look(self):
        for item in list(self.running):
            started, args, status, begun = item
            took = time.monotonic() - begun
            check(took < SHOT_LIMIT_S, f"{args} takes {took} s")
            if started.process.poll() is None:
                continue
            self.running.remove(item)
            self.done += 1
            self.slowest = max(self.slowest, took)
            self.check(started.result(), args, status)

    @staticmethod
    def check(result, args, status):
        same(f"{args}: exit status", result.status, status)
        same(f"{args}: stderr", result.err, "")
        line = result.only()
        same(f"{args}: evidence", line["evidence"], "walked")
        if status:
            owners = [[y["pid"] for y in x["owners"]] for x in line["holders"]]
            same(f"{args}: owners", owners, [[os.getpid()]])
            causes = {x["cause"] for x in line["what_if"]}
            check("listener" in causes and None not in causes, f"{args}: causes {causes}")
        else:
            same(f"{args}: holders", line["holders"], [])

    def finish(self, pump):
        while self.running:
            pump()
            self.look()


def check_stop(live):
    stop, status = live.stop()
    told = {key: live.kinds.get(key, 0) for key in ("conflict", "bind", "state")}
    print(f"soak: {live.name}: {live.lines} lines, {live.bytes >> 20} MB, {len(live.shapes)} kinds of them: "
          f"{told}; stop: " + ", ".join(f"{x} {stop[x]}" for x in ("seen", "delivered", "filtered",
                                                                  "lost")))
    print(f"soak: causes {dict(sorted(live.causes.items()))}")
    if not live.states:  # which are lost, too, and are no calls that were seen
        same("delivered + lost", stop["delivered"] + stop["lost"], stop["seen"] - stop["filtered"])
    same("reports", told["conflict"] + told["bind"], stop["delivered"])
    same("lost lines", live.lost_told, stop["lost"])
    same("exit status", status, 5 if stop["lost"] else 0)


def soak(seconds):
    # one of all there is, and one next to it that is interested in the states of a few ports
    live = [Live("--all"), Live("--follow", "--states", "--port", "20000-20500,40000-40007")]
    for one in live:
        one.until_started()
    load = Load()  # before the listener, which its processes would inherit
    try:
        with made("127.0.0.1", PORT) as listener:
            listener.listen()
            shots, samples = OneShots(), [Samples(seconds) for _ in live]
            watch(live, load, shots, samples, seconds)
            shots.finish(lambda: pump(live))
    finally:
        load.end()
    print(f"soak: {shots.done} one-shot runs, the slowest took {shots.slowest:.1f} s; "
          f"rounds of the producers: {load.done}")
    for one, its_samples in zip(live, samples):
        its_samples.settle(one.pid, lambda: pump(live))
    for one, its_samples in zip(live, samples):
        check_stop(one)
        its_samples.check()
    check(shots.done and len(load.done) == len(load.pids), "not all of them have done anything")


def pump(live):
    ready, _, _ = select.select([one.reader for one in live], [], [], 0.2)
    for one in live:
        if one.reader in ready:
            check(one.pump(0), f"{one.name} has ended: {one.last}")


def watch(live, load, shots, samples, seconds):
    begin = time.monotonic()
    next_sample = next_shot = next_word = 0.0
    while (now := time.monotonic() - begin) < seconds:
        pump(live)
        load.look()
        shots.look()
        if now >= next_sample:
            for one, its_samples in zip(live, samples):
                its_samples.add(now, one.pid)
            next_sample = now + SAMPLE_S
        if now >= next_shot and not shots.running:
            shots.begin()
            next_shot = now + ONE_SHOT_S
        if now >= next_word:
            print(f"soak: {now:.0f} s: " + "; ".join(f"{one.kinds} {its.rows[-1][1:]}" for one, its in
                                                     zip(live, samples)), flush=True)
            next_word = now + 60


def main():
    try:
        soak(float(sys.argv[1]))
    except harness.Failure as failure:
        print(f"soak: {failure}\nsoak: 0 passed, 1 failed, 0 skipped")
        return 1
    print("soak: 1 passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
