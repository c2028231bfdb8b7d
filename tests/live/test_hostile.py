# SPDX-License-Identifier: GPL-2.0-only
"""Names that a process, a path, a cgroup, a network namespace and a device can really have, and that
a terminal or a log reader must not obey: shown as they are in JSON, made visible in text."""
import codecs
import errno
import itertools
import os
import re
import shutil
import signal
import subprocess

from harness import DEADLINE, Failure, check, contains, same, until
from state import new_port, read_line
from tool import HOOKS, MKSTATE_EXE, Shared, Started, run

CGROUPS = b"/sys/fs/cgroup"
# ESC, BEL, quote, backslash, newline, CSI as C1, right-to-left override, half a character, no character
COMMS = (b'\x1b[2J\x07"\\\n\r\t\x7f', b"\xc2\x9b\xe2\x80\xae\xff\xfe\xe2\x80", b"'; rm -rf /;'#",
         b'","pid":1,"x":"', b"\xf3\xa0\x81\x81\xed\xa0\x80\xf0\x9d\x94\x8a")
NASTY = b"\x1b]0;x\x07\"\\q\x7f\xc2\x9b\xe2\x80\xae\xff\xe2\x80"
SECTION = b"\x1b[31m\xffx\"" * 28 + b"y"  # of a path that is nearly as long as one can be
codecs.register_error("each", lambda e: ("\ufffd" * (e.end - e.start), e.end))


def shown(name):
    """JSON: each byte that is no part of a character is U+FFFD, nothing else is changed."""
    return name.decode(errors="each")


def visible(name):
    """Text: what a terminal would obey, or is no character, is shown as its bytes."""
    return "".join("".join(rf"\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))
                   if ord(char) < 0x20 or 0x7f <= ord(char) <= 0x9f or 0xdc80 <= ord(char) <= 0xdcff
                   else char for char in name.decode(errors="surrogateescape"))


def same_text(what, got, name):
    """A text that may have been too long for the line: then the cut is marked."""
    if got.endswith("…"):
        check(shown(name).startswith(got[:-1]), f"{what}: {got!r} does not begin {shown(name)!r}")
    else:
        same(what, got, shown(name))


def check_terminal(what, text, color=False):
    """Valid UTF-8 is decoded already; colours are the only escapes, and only where asked for."""
    if color:
        contains(what, text, "\033[1m")
        text = re.sub("\033\\[(?:0|1|31|33)m", "", text)
    bad = sorted({c for c in text if c != "\n" and (
        ord(c) < 0x20 or 0x7f <= ord(c) <= 0x9f or c in "\u2028\u2029\ufeff" or
        "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" or "\U000e0000" <= c <= "\U000e0fff")})
    check(not bad, f"{what}: {bad} in:\n{text!r}")


class Place:
    """An executable, a cgroup and a network namespace with such names; gone at the end of `with`."""
    made = itertools.count()

    def __init__(self, long):
        tag = b"bt-%d-" % next(Place.made)
        depth = 14 if long else 1
        part = SECTION if long else NASTY
        self.top = b"/tmp/" + tag + part
        self.exe = b"/".join([self.top, *[part] * (depth - 1), b'e\n"\x1b[m'])
        self.unit = part[:200] + b".service"
        self.cgroup = b"/" + b"/".join([tag + part, *[part] * (depth - 1), self.unit])
        self.netns = tag + part[:200] + b"\n"  # a file's name: a newline is allowed

    def __enter__(self):
        os.makedirs(os.path.dirname(self.exe))
        shutil.copy(MKSTATE_EXE, self.exe)
        os.makedirs(CGROUPS + self.cgroup)
        subprocess.run([b"ip", b"netns", b"add", self.netns], check=True)
        subprocess.run([b"ip", b"-n", self.netns, b"link", b"set", b"lo", b"up"], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run([b"ip", b"netns", b"del", self.netns], check=True)
        path = self.cgroup
        while path != b"/":
            os.rmdir(CGROUPS + path)
            path = os.path.dirname(path)
        shutil.rmtree(self.top)


class Process:
    """mkstate under such a name; where there is a place, there."""

    def __init__(self, comm, port, *more, place=None):
        self.place, self.comm = place, comm
        prefix = [b"nsenter", b"--net=/run/netns/" + place.netns, place.exe] if place else [
            MKSTATE_EXE]
        # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            [*prefix, "bind", "--hold", "--comm", comm, *more, str(port)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=self.join if place else None)
        self.pid = self.process.pid
        self.said = read_line(self.process, "mkstate bind")

    def join(self):
        with open(CGROUPS + self.place.cgroup + b"/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        self.process.stdout.close()

    def check(self, line):
        same("pid", line["pid"], self.pid)
        same("comm", line["comm"], shown(self.comm))
        if self.place:
            same_text("exe", line["exe"], self.place.exe)
            same_text("cgroup", line["cgroup"], self.place.cgroup)
            same_text("unit", line["unit"], self.place.unit)


class Follow:
    """A live run that writes text."""

    def __init__(self):
        self.run = Started(*(["--hooks", HOOKS] if HOOKS else []))

    def ready(self):
        until(lambda: self.read(self.run.err), "the line that says that it watches")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.run.process.poll() is None:
            self.run.process.kill()
            self.run.process.wait()

    @staticmethod
    def read(file):
        fd = file.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode()

    def wait(self, words):
        until(lambda: words in self.read(self.run.out), f"{words!r} in the live text")

    def end(self):
        self.run.process.send_signal(signal.SIGINT)
        result = self.run.result()
        same("exit status", result.status, 0)
        return result


def check_conflict(line, holder, binder):
    same("cause", line["cause"], "listener")
    same_text("netns_name", line["netns_name"], holder.place.netns)
    binder.check(line["process"])
    owner, = line["blockers"][0]["owners"]
    holder.check(owner)
    check_terminal("summary", line["summary"])


def check_port(port, holder):
    """Asked about in that namespace, by its name; as text without and with colours."""
    asked = ("--port", port, "--netns", os.fsdecode(holder.place.netns))
    begun = [Started(*asked, "--json"), Started(*asked), Started(*asked, "-v", "--color=always")]
    line, text, colored = [x.result() for x in begun]
    for result in (line, text, colored):
        same("exit status and stderr", (result.status, result.err), (1, ""))
    owner, = line.only()["holders"][0]["owners"]
    holder.check(owner)
    check_terminal("text", text.out)
    check_terminal("text with colours", colored.out, color=True)
    return text.out


def check_names(long, comms):
    with Follow() as follow, Place(long) as place:  # both start at the same time
        tracer = Shared.get()
        follow.ready()
        for comm in comms:
            port = new_port()
            with Process(comm, port, "--listen", place=place) as holder:
                with Process(comm, port, place=place) as binder:
                    line = tracer.conflict_of(binder.pid, port)
                    check_conflict(line, holder, binder)
                    text = check_port(port, holder)
                    follow.wait(f"[{binder.pid}]")
            if comm == COMMS[0]:
                contains("text", text, r"\x1b[2J\x07")
        result = follow.end()
    check_terminal("live text", result.out)
    check_terminal("live diagnostics", result.err)
    contains("live text", result.out, r"\xff" if long else r"\x1b[2J\x07")


def check_newline():
    """What would break /proc/PID/cgroup the kernel does not allow: else it would have to be told."""
    try:
        os.mkdir(CGROUPS + b"/bt-a\nb")
    except OSError as error:
        same("errno", error.errno, errno.EINVAL)
    else:
        os.rmdir(CGROUPS + b"/bt-a\nb")
        raise Failure("a cgroup's name may have a newline")


def check_device():
    """The kernel allows anything but blanks, a slash and a colon in a device's name."""
    name, port = b'bt\x1b[3m"\xff\xc2\x9b', new_port()
    on_it, tracer = ("--device", name), Shared.get()
    subprocess.run([b"ip", b"link", b"add", name, b"type", b"dummy"], check=True)
    try:
        with Process(b"bt-holder", port, *on_it, "--listen") as holder:
            with Process(b"bt-binder", port, *on_it) as binder:
                line = tracer.conflict_of(binder.pid, port)
                text = run("--port", port, "--device", os.fsdecode(name))
                holder.check(line["blockers"][0]["owners"][0])
    finally:
        subprocess.run([b"ip", b"link", b"del", name], check=True)
    same_text("binder's device", line["socket"]["device"], name)
    same_text("blocker's device", line["blockers"][0]["device"], name)
    same("exit status and stderr", (text.status, text.err), (1, ""))
    # 31 bytes at most, and nothing cut in its middle
    check(f"0.0.0.0%{visible(name)}:{port} " in text.out or f"0.0.0.0%{visible(name)[:20]}" in text.out
          and "…" in text.out, f"the device's name in {text.out}")
    check_terminal("text", text.out)


def check_filters():
    """What was asked for is said at the beginning."""
    with Place(False) as place:
        words = ("--comm", os.fsdecode(COMMS[0]), "--cgroup", os.fsdecode(place.cgroup),
                 "--duration", "1")
        line, text = [x.result() for x in (Started("--json", *words), Started(*words))]
    same(f"exit status ({line.err})", (line.status, text.status), (0, 0))
    contains("filters", line.lines[0]["filters"], shown(COMMS[0]))
    check_terminal("text", text.err)
    contains("text", text.err, r"\x1b[2J\x07")


def hostile(selected):
    tests = (("names", lambda: check_names(False, COMMS)),
             ("long_names", lambda: check_names(True, COMMS[:1])), ("newline", check_newline),
             ("device", check_device), ("filters", check_filters))
    for name, function in tests:
        if selected(f"hostile.{name}"):
            yield f"hostile.{name}", function
