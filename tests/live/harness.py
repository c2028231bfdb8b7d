# SPDX-License-Identifier: GPL-2.0-only
"""Runs tests one after the other and counts them; nothing here knows about bindtrace."""
import fnmatch
import sys
import time
import traceback

DEADLINE = 200  # seconds, before a test gives up; a guest under emulation, on a busy host


class Skip(Exception):
    """This kernel or this machine can't show it; the reason is the text."""


class Failure(Exception):
    """An expectation that was not met; the reason is the text."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def same(what, got, wanted):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def contains(what, text, *words):
    for word in words:
        check(word in text, f"{what}: no {word!r} in:\n{text}")


def until(condition, what, seconds=DEADLINE):
    """Polls until condition() is true, and returns its value; the deadline only ends a failure."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


def read_deny(path="/vm/deny"):
    """{pattern: reason}: what must not run on this kernel, see tests/vm/deny.list."""
    try:
        with open(path, encoding="utf-8") as lines:
            return dict(line.split(None, 1) for line in lines if line.strip())
    except FileNotFoundError:
        return {}


class Runner:
    """A suite is a generator that takes `selected` and yields (name, function) pairs."""

    def __init__(self, patterns, verbose):
        self.patterns = patterns
        self.deny = read_deny()
        self.verbose = verbose
        self.passed = self.failed = self.skipped = 0

    def denied(self, name):
        for pattern, reason in self.deny.items():
            if fnmatch.fnmatch(name, pattern):
                return reason.strip()
        return None

    def wanted(self, name):
        return not self.patterns or any(fnmatch.fnmatch(name, p) for p in self.patterns)

    def selected(self, name):
        return self.wanted(name) and not self.denied(name)

    def run_one(self, name, function):
        if not self.wanted(name):
            return
        reason = self.denied(name)
        start = time.monotonic()
        try:
            if reason:
                raise Skip(reason)
            function()
        except Skip as skip:
            self.skipped += 1
            print(f"ok {name} # SKIP {skip}")
        except Exception as error:  # pylint: disable=broad-except
            self.fail(name, error)
        else:
            self.passed += 1
            print(f"ok {name} ({time.monotonic() - start:.1f} s)")
        sys.stdout.flush()

    def fail(self, name, error):
        self.failed += 1
        print(f"not ok {name}")
        text = str(error) if isinstance(error, Failure) else traceback.format_exc()
        for line in text.rstrip().splitlines():
            print(f"    {line}")
        sys.stdout.flush()

    def run(self, suites):
        for suite in suites:
            start = time.monotonic()
            try:
                for name, function in suite(self.selected):
                    self.run_one(name, function)
            except Skip as skip:
                self.skipped += 1
                print(f"ok {suite.__name__} # SKIP {skip}")
            except Exception as error:  # pylint: disable=broad-except
                self.fail(suite.__name__, error)
            if self.verbose:
                print(f"# {suite.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        if not self.passed + self.failed + self.skipped:
            self.failed += 1
            print("not ok selection\n    no test has such a name")
        print(f"live: {self.passed} passed, {self.failed} failed, {self.skipped} skipped",
              flush=True)
        return 1 if self.failed else 0
