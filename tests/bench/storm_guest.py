#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Storms of refused binds against a live run, in the guest: storm_guest.py SECONDS RATE…

For each number of threads a storm as fast as it goes for SECONDS, and storms at each RATE (calls a
second, rising) for two seconds: the first one at which a call is lost ends the series. Each call is
reported, counted in a report, or said to be lost, or else this fails. Prints Markdown."""
import json
import os
import signal
import subprocess
import sys

TOOL, MKSTATE = "/test/bindtrace", "/test/mkstate"
PORT = 7777


def fail(what):
    sys.exit(f"storm_guest: {what}")


class Run:
    """A live run whose lines go to a file."""

    def __init__(self, fold):
        self.path = "/tmp/storm.json"
        with open(self.path, "wb") as out:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                [TOOL, "--json", "--fold", str(fold), "--follow", "--port", str(PORT)],
                stdin=subprocess.DEVNULL, stdout=out)
        while b'"type":"start"' not in self.text():
            if self.process.poll() is not None:
                fail("bindtrace has ended")
            os.sched_yield()

    def text(self):
        with open(self.path, "rb") as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        return [json.loads(line) for line in self.text().splitlines()]


def storm(fold, *args):
    """(calls a second, lines, lost) of one storm"""
    run = Run(fold)
    done = json.loads(subprocess.run([MKSTATE, "storm", *args, str(PORT)], check=True,
                                     stdout=subprocess.PIPE).stdout)
    lines = run.stop()
    stop = lines[-1]
    conflicts = [x for x in lines if x["type"] == "conflict"]
    if stop["type"] != "stop" or stop["delivered"] + stop["lost"] != done["issued"] or \
            sum(x["count"] for x in conflicts) != stop["delivered"]:
        fail(f"{done} does not add up: {stop}")
    return done["issued"], done["issued"] * 1000 / max(done["ms"], 1), len(conflicts), stop["lost"]


def first_loss(fold, threads, rates):
    """The first rate, of those asked for, at which a call was lost; and the last without."""
    before = 0
    for rate in rates:
        _, really, _, lost = storm(fold, "--threads", threads, "--ms", "2000", "--rate", str(rate))
        if lost:
            return f"{before:,.0f} to {really:,.0f}"
        before = really
        if really < rate / 2:
            break  # no faster here
    return f"none up to {before:,.0f}"


def main():
    seconds, rates = int(sys.argv[1]), [int(x) for x in sys.argv[2:]]
    print(f"Linux {os.uname().release}, {os.cpu_count()} processors, emulated; storms of {seconds} s.\n")
    print("| reports | threads | refused calls | a second | lines | lost | "
          "first loss at, calls a second |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    with subprocess.Popen([MKSTATE, "bound_only", "--port", str(PORT)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        for fold, label in ((1, "folded"), (0, "each (`--fold 0`)")):
            for threads in ("2", "16"):
                issued, rate, lines, lost = storm(fold, "--threads", threads, "--ms",
                                                  str(seconds * 1000))
                loss = first_loss(fold, threads, rates)
                print(f"| {label} | {threads} | {issued:,} | {rate:,.0f} | {lines:,} | {lost:,} | {loss} |",
                      flush=True)
        holder.stdin.close()


main()
