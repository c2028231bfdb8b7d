# SPDX-License-Identifier: GPL-2.0-only
"""Refusals as fast as they go: each call is reported, folded into a report, or said to be lost."""
import json
import os
import signal
import subprocess
import time

from harness import DEADLINE, check, contains, same, until
from state import State, new_port
from tool import MKSTATE_EXE, Schema, Started, Tracer

SECONDS = 2


class Storm:
    """Of refused binds, in a process of its own."""

    def __init__(self, port, *args):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([MKSTATE_EXE, "storm", *[str(a) for a in args], str(port)],
                                        stdout=subprocess.PIPE)

    def issued(self):
        out, _ = self.process.communicate(timeout=2 * DEADLINE)
        same("exit status of the storm", self.process.returncode, 0)
        issued = json.loads(out)["issued"]
        check(issued > 0, "no bind was refused")
        return issued


def on_port(lines, port):
    return [x for x in lines if x["type"] == "conflict" and x["local"]["port"] == port]


def calls(lines):
    return sum(x["count"] for x in lines)


def adds_up(lines, port, issued):
    """Every call in exactly one place; nobody else's are in the way of the sum."""
    stop = lines[-1]
    same("type", stop["type"], "stop")
    same("seen", stop["seen"], stop["filtered"] + stop["delivered"] + stop["lost"])
    same("issued", issued, stop["delivered"] + stop["lost"])
    same("delivered", calls(on_port(lines, port)), stop["delivered"])
    same("lost, as told on the way", sum(x["count"] for x in lines if x["type"] == "lost"),
         stop["lost"])
    return stop


def finish(tracer):
    """Reads as fast as it comes, which to hold each line against the schema is not."""
    tracer.proc.send_signal(signal.SIGINT)
    os.set_blocking(tracer.proc.stdout.fileno(), True)
    *texts, rest = (tracer.rest + tracer.proc.stdout.read()).split(b"\n")
    same("half a line at the end", rest, b"")
    tracer.proc.wait(DEADLINE)
    lines = tracer.lines + [json.loads(x) for x in texts]
    for text in texts[:20] + texts[-20:]:
        Schema.check(text.decode())
    return lines


def check_folded(threads):
    with State("bound_only", port=new_port()) as state, \
            Tracer("--fold", 1, "--follow", "--port", state.port) as tracer:
        tracer.ready()
        start = time.monotonic()
        issued = Storm(state.port, "--threads", threads, "--ms", SECONDS * 1000).issued()
        lines = finish(tracer)
        seconds = time.monotonic() - start
    adds_up(lines, state.port, issued)
    mine = on_port(lines, state.port)
    # One at once, then one a second, and what is left at the end.
    check(2 <= len(mine) <= seconds + 3, f"{len(mine)} lines in {seconds:.1f} s")
    same("the first one's count", mine[0]["count"], 1)
    check(max(x["count"] for x in mine) > 10, f"counts: {[x['count'] for x in mine]}")
    for line in mine:
        same("cause", line["cause"], "bound_only")
        check(line["first_time"] <= line["time"], f"times: {line['first_time']} {line['time']}")
        check((line["first_time"] == line["time"]) == (line["count"] == 1), f"times: {line}")


def check_each(threads):
    """Each call a line of its own, faster than they can be written."""
    with State("bound_only", port=new_port()) as state, \
            Tracer("--fold", 0, "--follow", "--port", state.port) as tracer:
        tracer.ready()
        issued = Storm(state.port, "--threads", threads, "--ms", 300).issued()
        lines = finish(tracer)
    adds_up(lines, state.port, issued)
    same("counts", {x["count"] for x in on_port(lines, state.port)}, {1})


def check_count():
    """--count is about reports, whatever each stands for."""
    with State("bound_only", port=new_port()) as state, \
            Tracer("--fold", 1, "--count", 3, "--follow", "--port", state.port) as tracer:
        tracer.ready()
        storm = Storm(state.port, "--threads", 2, "--ms", SECONDS * 1000)
        until(lambda: not tracer.pump(0.1), "the end after three reports")
        storm.issued()
    mine = on_port(tracer.lines, state.port)
    same("reports", len(mine), 3)
    check(calls(mine) > 3, f"none was folded: {mine}")


def check_kinds():
    """More kinds of refusals at once than are folded at a time."""
    with State("bound_only", port=new_port()) as state, \
            Tracer("--fold", 1, "--follow", "--port", state.port) as tracer:
        tracer.ready()
        issued = Storm(state.port, "--threads", 2, "--count", 300, "--kinds", 150).issued()
        lines = finish(tracer)
    same("issued", issued, 600)
    adds_up(lines, state.port, issued)
    same("addresses", len({x["local"]["address"] for x in on_port(lines, state.port)}), 150)


def check_stopped():
    """The tool itself does not run for a while."""
    with State("bound_only", port=new_port()) as state, \
            Tracer("--fold", 1, "--follow", "--port", state.port) as tracer:
        tracer.ready()
        os.kill(tracer.proc.pid, signal.SIGSTOP)
        # more than the ring holds: some of them are lost
        issued = Storm(state.port, "--threads", 2, "--count", 8000).issued()
        os.kill(tracer.proc.pid, signal.SIGCONT)
        lines = finish(tracer)
    stop = adds_up(lines, state.port, issued)
    check(stop["lost"] > 0, "nothing was lost: the ring has room for all")


def check_slow():
    """Nobody reads for a while: the pipe is full, and what comes meanwhile is kept."""
    with State("bound_only", port=new_port()) as state, \
            Tracer("--fold", 0, "--follow", "--port", state.port) as tracer:
        tracer.ready()
        issued = Storm(state.port, "--threads", 2, "--count", 150).issued()
        lines = finish(tracer)
    same("lost", adds_up(lines, state.port, issued)["lost"], 0)


def check_stuck():
    """Nobody reads, ever: it ends all the same, and says what is missing."""
    reader, writer = os.pipe()
    try:
        with State("bound_only", port=new_port()) as state:
            started = Started("--fold", 0, "--json", "--follow", "--port", state.port,
                              stdout=writer, as_json=False)
            os.read(reader, 1)  # its first line: the hooks are in place
            Storm(state.port, "--count", 200).issued()
            started.process.send_signal(signal.SIGTERM)
            result = started.result(DEADLINE)
    finally:
        os.close(reader)
        os.close(writer)
    same("exit status", result.status, 5)
    contains("stderr", result.err, "standard output was not read any more",
             "calls seen were not reported")


def check_killed():
    """In the middle of it: the host goes on, and the next run sees all."""
    with State("bound_only", port=new_port()) as state:
        with Tracer("--fold", 0, "--follow", "--port", state.port) as tracer:
            tracer.ready()
            storm = Storm(state.port, "--threads", 2, "--ms", 1000)
            tracer.conflict_of(storm.process.pid)
            tracer.kill()
            storm.issued()
        with Tracer("--fold", 1, "--follow", "--port", state.port) as tracer:
            tracer.ready()
            issued = Storm(state.port, "--count", 100).issued()
            adds_up(finish(tracer), state.port, issued)


def check_disk_full():
    """What is on the disk is whole lines, and it ends with what is missing."""
    path = "/tmp/bt-storm"
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", path], check=True)
    try:
        with State("bound_only", port=new_port()) as state, \
                open(f"{path}/lines", "wb") as file:
            started = Started("--fold", 0, "--json", "--follow", "--port", state.port,
                              stdout=file, as_json=False)
            while not os.path.getsize(f"{path}/lines"):
                check(started.process.poll() is None, "it has ended")
                time.sleep(0.05)
            Storm(state.port, "--count", 300).issued()
            result = started.result(DEADLINE)
        with open(f"{path}/lines", encoding="utf-8") as lines:
            text = lines.read()
    finally:
        subprocess.run(["umount", path], check=True)
    same("exit status", result.status, 5)
    contains("stderr", result.err, "the disk is full", "calls seen were not reported")
    same("the last byte", text[-1], "\n")
    types = [json.loads(line)["type"] for line in text.splitlines()]
    check(types.count("conflict") > 10, f"lines: {len(types)}")


def check_text():
    """A crash-looping program around the command: one report, then a line a second."""
    with State("bound_only", port=new_port()) as state:
        started = Started("--", MKSTATE_EXE, "storm", "--ms", str(SECONDS * 1000), state.port)
        result = started.result()
    same("exit status", result.status, 0)
    same("reports in full", result.err.count("\nWhy "), 1)
    again = [x for x in result.err.splitlines() if " again, " in x]
    check(1 <= len(again) <= SECONDS + 3, f"{len(again)} lines: {result.err}")


def storm(selected):
    yield "storm.folded_2", lambda: check_folded(2)
    yield "storm.folded_16", lambda: check_folded(16)
    yield "storm.each", lambda: check_each(16)
    yield "storm.count", check_count
    yield "storm.kinds", check_kinds
    yield "storm.stopped", check_stopped
    yield "storm.slow", check_slow
    yield "storm.stuck", check_stuck
    yield "storm.killed", check_killed
    yield "storm.disk_full", check_disk_full
    yield "storm.text", check_text
