# SPDX-License-Identifier: GPL-2.0-only
"""bindtrace as its users run it; every JSON line that it prints is held against its schema."""
import json
import os
import select
import signal
import subprocess
import tempfile
import time

import jsonschema

from harness import DEADLINE, Failure, check, same

TOOL = "/test/bindtrace"
MKSTATE_EXE = "/test/mkstate"
KERNEL, _, ARCH = os.environ.get("BINDTRACE_VM_KERNEL", "").partition("-")
OLD = KERNEL == "5.10"
HOOKS = os.environ.get("BINDTRACE_HOOKS")  # run --hooks
# Direct calls from ftrace, which fexit wants, came to arm64 with 6.4.
WHY_NO_FENTRY = ("the kernel lists no function inet_csk_bind_conflict" if KERNEL == "5.10" else
                 "Operation not supported")
FENTRY = HOOKS != "kprobe" and (not ARCH or KERNEL not in ("5.10", "6.1"))
PAIR = FENTRY and not OLD  # --cross-check can watch the kernel's test of a pair
LINE_LIMIT = 4096
# valgrind knows no seccomp(2), which a live run says in a line; what else is in stderr is for the tests to see.
UNCONFINED = "bindtrace: could not give up all privileges: Invalid argument, "


def told(err):
    if not os.environ.get("BINDTRACE_VALGRIND"):
        return err
    return "".join(x for x in err.splitlines(keepends=True) if not x.startswith(UNCONFINED))


class Schema:
    """The schema that the program itself prints."""
    validator = None
    lines = 0

    @classmethod
    def check(cls, line):
        if not cls.validator:
            schema = json.loads(subprocess.run([TOOL, "--json-schema"], check=True,
                                               timeout=DEADLINE, stdout=subprocess.PIPE).stdout)
            jsonschema.Draft202012Validator.check_schema(schema)
            cls.validator = jsonschema.Draft202012Validator(schema)
        check(len(line) + 1 <= LINE_LIMIT, f"a line of {len(line)} bytes: {line}")
        value = json.loads(line)
        error = jsonschema.exceptions.best_match(cls.validator.iter_errors(value))
        if error:
            raise Failure(f"not by the schema: {error.message} at {error.json_path}: {line}")
        cls.lines += 1
        return value


class Result:
    """What a run of the program has left."""

    def __init__(self, status, out, err, as_json):
        self.status, self.out, self.err = status, out, err
        self.lines = [Schema.check(line) for line in out.splitlines()] if as_json else []

    def only(self):
        same("number of lines", len(self.lines), 1)
        return self.lines[0]


class Started:
    """A run under way; its output goes to files, so that it never waits for us."""

    def __init__(self, *args, prefix=(), env=None, as_json=None, stdout=None):
        args = [str(a) for a in args]
        if as_json is None:
            as_json = "--json" in args[:args.index("--")] if "--" in args else "--json" in args
        self.as_json = as_json
        # pylint: disable=consider-using-with
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*prefix, TOOL, *args], stdin=subprocess.DEVNULL,
            stdout=self.out if stdout is None else stdout, stderr=self.err,
            env={**os.environ, **(env or {})})

    def result(self, timeout=2 * DEADLINE):
        status = self.process.wait(timeout)
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read().decode())
            file.close()
        return Result(status, texts[0], told(texts[1]), self.as_json)


def run(*args, **more):
    """Runs it to its end. as_json: whether stdout must be JSON lines; default: as args say."""
    return Started(*args, **more).result()


def refused_usage(result, status=2):
    """One line on stderr that says what to do, nothing on stdout."""
    same("exit status", result.status, status)
    same("stdout", result.out, "")
    same("lines on stderr", len(result.err.splitlines()), 1)
    check(result.err.startswith("bindtrace: "), f"stderr: {result.err}")


class Tracer:
    """A live run with --json; lines are kept in the order in which they came."""

    def __init__(self, *args, prefix=(), command=()):
        # pylint: disable=consider-using-with
        self.err_file = tempfile.TemporaryFile()
        tail = ["--", *command] if command else []
        hooks = ["--hooks", HOOKS] if HOOKS and "--hooks" not in args else []
        # Tests wait for a line of each call; those of a storm (test_storm.py) say otherwise.
        fold = [] if "--fold" in args else ["--fold", "0"]
        self.proc = subprocess.Popen(
            [*prefix, TOOL, "--json", *hooks, *fold, *[str(a) for a in args], *tail],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err_file)
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.rest = b""
        self.lines = []
        self.ended = False

    def ready(self):
        """Waits until every hook is in place; several that start at once do so sooner."""
        self.wait(lambda line: line["type"] == "start", "start line")
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def err(self):
        """Without moving the offset, which those who write there share."""
        fd = self.err_file.fileno()
        return told(os.pread(fd, os.fstat(fd).st_size, 0).decode())

    def pump(self, seconds):
        """Takes what comes within that time; False at the end of the output."""
        fd = self.proc.stdout.fileno()
        if not select.select([fd], [], [], seconds)[0]:
            return True
        data = os.read(fd, 1 << 16)
        self.ended = not data
        *whole, self.rest = (self.rest + data).split(b"\n")
        self.lines += [Schema.check(line.decode()) for line in whole]
        return not self.ended

    def wait(self, wanted, what, seconds=DEADLINE):
        end = time.monotonic() + seconds
        seen = 0
        while True:
            for line in self.lines[seen:]:
                seen += 1
                if wanted(line):
                    return line
            left = end - time.monotonic()
            if left <= 0 or self.ended:
                why = "bindtrace has ended" if self.ended else f"{seconds} s have passed"
                raise Failure(f"no {what}: {why}; stderr: {self.err()!r}; the last lines: "
                              + "\n".join(json.dumps(line) for line in self.lines[-3:]))
            self.pump(left)

    def conflicts(self, wanted=lambda line: True):
        return [x for x in self.lines if x["type"] == "conflict" and wanted(x)]

    def conflict_of(self, pid, port=None, seconds=DEADLINE):
        return self.wait(lambda x: x["type"] == "conflict" and x["process"]["pid"] == pid and
                         port in (None, x["local"]["port"]),
                         f"conflict line of process {pid}", seconds)

    def finish(self):
        """Reads on to the end; the exit status."""
        end = time.monotonic() + DEADLINE
        while not self.ended:
            check(time.monotonic() < end, "bindtrace does not end")
            self.pump(1)
        same("half a line at the end", self.rest, b"")
        return self.proc.wait(DEADLINE)

    def stop(self, sig=signal.SIGINT):
        """Ends it; its stop line."""
        self.proc.send_signal(sig)
        same("exit status of the live run", self.finish(), 0)
        check(self.lines[-1]["type"] == "stop", f"the last line: {self.lines[-1]}")
        return self.lines[-1]

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait(DEADLINE)
        self.proc.stdout.close()
        self.err_file.close()


class Shared:
    """One live run for most of the tests."""
    tracer = None

    @classmethod
    def get(cls):
        if not cls.tracer:
            cls.tracer = Tracer("--cross-check").ready()
        return cls.tracer
