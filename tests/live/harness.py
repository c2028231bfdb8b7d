# SPDX-License-Identifier: GPL-2.0-only
"""Runs tests one after the other and counts them; nothing here knows about bindtrace."""
import faulthandler
import fnmatch
import glob
import os
import sys
import threading
import time
import traceback

# Seconds, before a test gives up: a guest under emulation, on a busy host, and the program under valgrind in it.
DEADLINE = 600 if os.environ.get("BINDTRACE_VALGRIND") else 200
LAST_RESORT = 3 * DEADLINE  # no test has this long: it hangs where no deadline is


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


def tell_processes():
    """Where everybody hangs, as far as the kernel tells."""
    for path in sorted(glob.glob("/proc/[0-9]*"), key=lambda p: int(p.rsplit("/", 1)[1])):
        try:
            with open(f"{path}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            if not command:
                continue
            with open(f"{path}/stack", encoding="ascii") as file:
                stack = " < ".join(line.split()[-1].partition("+")[0] for line in file)
            print(f"    {path[6:]} {command[:100]}: {stack}")
        except OSError:
            pass  # gone meanwhile
    try:
        with open("/proc/sysrq-trigger", "w", encoding="ascii") as file:
            file.write("w")  # and who is blocked, in the kernel's log
    except OSError:
        pass  # a kernel without it


class Watchdog:
    """Ends the whole run when it gets on no more: in which test, and where, is then known."""

    def __init__(self, runner):
        self.runner, self.at, self.timer = runner, "", None

    def pet(self, at):
        self.stop()
        self.at = at
        self.timer = threading.Timer(LAST_RESORT, self.bark)
        self.timer.daemon = True
        self.timer.start()

    def stop(self):
        if self.timer:
            self.timer.cancel()

    def bark(self):
        try:
            print(f"not ok {self.at}\n    hangs: no further after {LAST_RESORT} s", flush=True)
            faulthandler.dump_traceback(sys.stdout)
            tell_processes()
            self.runner.failed += 1
            self.runner.tell_sum()
        finally:
            os._exit(1)  # pylint: disable=protected-access


class Runner:
    """A suite is a generator that takes `selected` and yields (name, function) pairs."""

    def __init__(self, patterns, verbose):
        self.patterns = patterns
        self.deny = read_deny()
        self.verbose = verbose
        self.passed = self.failed = self.skipped = 0
        self.told = set()  # names that stand in the output
        self.used = set()  # patterns that a test has matched
        self.watchdog = Watchdog(self)

    def denied(self, name):
        for pattern, reason in self.deny.items():
            if fnmatch.fnmatch(name, pattern):
                return reason.strip()
        return None

    def wanted(self, name):
        matching = {p for p in self.patterns if fnmatch.fnmatch(name, p)}
        self.used |= matching
        return not self.patterns or bool(matching)

    def selected(self, name):
        """For a suite that has something to set up: one that is left out is said to be here."""
        if not self.wanted(name):
            return False
        reason = self.denied(name)
        if reason:
            self.skip(name, reason)
        return not reason

    def skip(self, name, reason):
        if name not in self.told:
            self.skipped += 1
            self.told.add(name)
            print(f"ok {name} # SKIP {reason}")

    def run_one(self, name, function):
        if not self.wanted(name) or name in self.told:
            return
        self.watchdog.pet(name)
        reason = self.denied(name)
        start = time.monotonic()
        try:
            if reason:
                raise Skip(reason)
            function()
        except Skip as skip:
            self.skip(name, skip)
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

    def check_selection(self):
        unused = sorted(set(self.patterns) - self.used)
        if unused or not self.passed + self.failed + self.skipped:
            self.failed += 1
            print(f"not ok selection\n    no test of this kernel has such a name: {' '.join(unused) or 'any'}")

    def tell_sum(self):
        print(f"live: {self.passed} passed, {self.failed} failed, {self.skipped} skipped",
              flush=True)

    def run(self, suites):
        for suite in suites:
            start = time.monotonic()
            self.watchdog.pet(suite.__name__)
            try:
                for name, function in suite(self.selected):
                    self.run_one(name, function)
                    self.watchdog.pet(f"{suite.__name__}, after {name}")
            except Skip as skip:
                self.skipped += 1
                print(f"ok {suite.__name__} # SKIP {skip}")
            except Exception as error:  # pylint: disable=broad-except
                self.fail(suite.__name__, error)
            if self.verbose:
                print(f"# {suite.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        self.check_selection()
        self.watchdog.stop()
        self.tell_sum()
        return 1 if self.failed else 0
