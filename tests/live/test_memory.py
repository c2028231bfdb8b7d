# SPDX-License-Identifier: GPL-2.0-only
"""A live run's memory, after thousands of events as after the first."""
import os
import subprocess
import tempfile

from child import connected, sock
from harness import check, same, until
from state import new_port, refused
from tool import TOOL

RESIDENT_KB = 15 * 1024
GROWTH_KB = 512  # in the second half: what one report needs for a moment
REFUSED, CONNECTIONS = 150, 400  # in each half; a connection is some ten changes of states


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def make_events():
    port = new_port()
    with sock("127.0.0.1", port, listen=True) as listener:
        for _ in range(REFUSED):
            refused("127.0.0.1", port)
        for _ in range(CONNECTIONS):
            with connected("127.0.0.1", port):
                listener.accept()[0].close()


class ToFile:
    """A run whose lines nobody waits for."""

    def __init__(self, *args):
        self.out = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([TOOL, "--json", *args], stdout=self.out,
                                        stdin=subprocess.DEVNULL)

    def lines(self):
        return os.pread(self.out.fileno(), os.fstat(self.out.fileno()).st_size, 0).splitlines()

    def count(self, word):
        return sum(word in line for line in self.lines())

    def wait_for(self, port):
        """What comes through the same ring last has been reported: so has all before it."""
        with sock("127.0.0.1", port):
            refused("127.0.0.1", port)
        until(lambda: self.count(b'"port":%d}' % port), "the last report")

    def end(self):
        self.process.terminate()
        return self.process.wait()


def check_resident():
    run = ToFile("--states")
    try:
        until(lambda: run.count(b'"type":"start"'), "start line")
        sizes = []
        for _ in range(2):
            make_events()
            run.wait_for(new_port())
            sizes.append(resident_kb(run.process.pid))
        reported = run.count(b'"type":"conflict"'), run.count(b'"type":"state"')
    finally:
        status = run.end()
    same("exit status", status, 0)
    check(reported[0] > 2 * REFUSED and reported[1] > 10 * CONNECTIONS, f"reported: {reported}")
    check(sizes[1] < RESIDENT_KB, f"resident: {sizes} KB")
    check(sizes[1] - sizes[0] < GROWTH_KB, f"resident: {sizes} KB")


def memory(selected):
    if selected("memory.resident"):
        yield "memory.resident", check_resident
