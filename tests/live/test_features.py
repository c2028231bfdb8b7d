# SPDX-License-Identifier: GPL-2.0-only
"""--features and --json-schema."""
import re

from harness import check, contains, same
from tool import FENTRY, HOOKS, OLD, WHY_NO_FENTRY, Tracer, refused_usage, run


def check_features():
    result = run("--features")
    same("exit status", result.status, 0)
    same("stderr", result.err, "")
    check(max(map(len, result.out.splitlines())) <= 80, f"wider than 80 columns:\n{result.out}")
    text = re.sub(r"\n {30}", " ", result.out)
    rows = {line[2:24].strip(): line[25:].split(None, 1) for line in text.splitlines()
            if line.startswith("  ")}
    for what in ("BPF tracing", "walk of bind tables", "live, kprobes", "owner lookup"):
        same(what, rows[what][0], "yes")
    fexit = FENTRY or HOOKS  # what is tried does not depend on what a run is told
    same("fexit", rows["live, fexit"][0], "yes" if fexit else "no")
    contains("fexit", rows["live, fexit"][1],
             "fexit inet_csk_bind_conflict" if fexit else WHY_NO_FENTRY)
    contains("kprobes", rows["live, kprobes"][1], "kprobe inet_csk_bind_conflict")
    same("owner lookup", rows["owner lookup"][1], "task_file iterator")
    for what in ("refused connect()", "UDP, UDP-Lite", "other errors", "former owners, states"):
        same(what, rows[what][0], "yes" if fexit else "no")
    same("kernel names the pair", rows["kernel names the pair"][0],
         "yes" if fexit and not OLD else "no")


def check_hooks():
    """What a live run takes by itself, or was told to; kprobes alone say what they don't see."""
    with Tracer() as tracer:
        hooks = tracer.ready().lines[0]["hooks"]
        tracer.stop()
        err = tracer.err()
    check(hooks and any("probe" in x for x in hooks) != bool(FENTRY), f"hooks: {hooks}")
    if FENTRY:
        same("stderr", err, "")
        return
    contains("stderr", err, "not watched: refused connect(), UDP, ",
             "(--hooks kprobe)" if HOOKS else f"(no fexit here: {WHY_NO_FENTRY})")
    if not HOOKS:
        refused_usage(run("--hooks", "fentry", "--duration", "0.1"), 3)


def check_kprobe_sight():
    """Kprobes see TCP's conflict test alone: what was asked for is refused, the rest is said."""
    for args in (("--all",), ("--states",), ("--proto", "udp")):
        refused_usage(run("--hooks", "kprobe", *args), 3)
    quiet, told = (run("--hooks", "kprobe", "--duration", "0.1", *args) for args in (("-q",), ()))
    same("stderr with -q", quiet.err, "")
    contains("stderr", told.err.splitlines()[0], "bindtrace: not watched: refused connect(), UDP, ",
             "former owners (--hooks kprobe)")
    same("lines on stderr", len(told.err.splitlines()), 3)  # and start and stop


def features(_selected):
    yield "features.yes", check_features
    yield "features.hooks", check_hooks
    yield "features.kprobe_sight", check_kprobe_sight
