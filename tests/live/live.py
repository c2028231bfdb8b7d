#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""All live tests, in the guest: live.py [-v] [PATTERN]…; see README.md."""
import glob
import os
import re
import sys

import harness
import test_badluck
import test_before_port
import test_cases
import test_command
import test_connect
import test_containers
import test_crowd
import test_errors
import test_exhausted
import test_faults
import test_features
import test_filters
import test_first_start
import test_former
import test_hostile
import test_idle
import test_kubernetes
import test_listen
import test_memory
import test_metrics
import test_more_filters
import test_netns
import test_ownerless
import test_readonly
import test_record
import test_sctp
import test_servers
import test_states
import test_states_live
import test_storm
import test_types
import test_udp
import test_wait
from child import Recorded
from tool import FENTRY, KERNEL, Shared

SUITES = [
    test_features.features, test_former.alone, test_states.closing, test_states.holders, test_states.options,
    test_cases.cases, test_servers.servers, test_command.command, test_netns.netns, test_netns.containers_own_pids,
    test_filters.filters, test_badluck.unprivileged, test_readonly.readonly, test_listen.listen, test_connect.connect,
    test_exhausted.exhausted, test_udp.udp, test_sctp.sctp, test_errors.errors, test_before_port.before_port,
    test_former.former, test_wait.wait_begin, test_states_live.states_live,
    test_more_filters.more_filters, test_wait.wait, test_ownerless.ownerless,
    test_containers.containers, test_record.record, test_hostile.hostile, test_wait.wait_end,
    test_memory.memory, test_idle.idle, test_crowd.churn, test_crowd.holds, test_crowd.crowd, test_faults.faults,
]

# The command line, full disks, signals: no kernel's business, so on the oldest and the newest only.
IN_USER_SPACE = [test_badluck.usage, test_badluck.output, test_badluck.ends, test_metrics.metrics,
                 test_kubernetes.kubernetes, test_types.types, test_first_start.first_start]
# Storms after the shared run has ended: it would explain each call of them.
AT_THE_END = [test_storm.storm, test_faults.heavy_faults, test_first_start.last_start]
OLDEST_AND_NEWEST = ("5.10", "7.2")

# Kprobes sit on TCP's conflict test alone. What else there is to see is not there to be tested.
NEEDS_FEXIT = ("connect.*", "errors.*", "exhausted.*", "filter.proto", "former.*", "idle.*", "memory.*",
               "netns.device", "ownerless.geneve", "ownerless.vxlan", "ownerless.wireguard", "record.*",
               "states_live.*", "udp.*")

# run --coverage: where the file of the counters is out of reach, the program says so in a line.
NO_COUNTERS = ("first.container*", "first.seccomp")


# With run --sanitized.
NOT_SANITIZED = dict.fromkeys(("readonly.*", "wait.no_duplicates"),
                              "strace and the leak detection each want to be the only tracer")
NOT_SANITIZED["memory.*"] = "most of that memory is the sanitizers'"
SANITIZED = os.environ.get("BINDTRACE_SANITIZED")

# With run --valgrind, which runs a program twenty times as long; tool.py knows what it says of seccomp(2).
NOT_UNDER_VALGRIND = {name: reason for reason, names in {
    "it would see what valgrind does": ("readonly.*", "memory.*", "command.ignored_signals"),
    "it would see how long valgrind takes":
        ("storm.*", "crowd.*", "netns.wait", "wait.freed", "before_port.devices", "before_port.nobody",
         "faults.clock", "faults.time_namespace"),
    "valgrind opens what is closed": ("output.no_stdout", "first.output"),
    "valgrind knows no pidfd_getfd(2)": ("user.own", "container.no_process", "wait.no_duplicates"),
    "valgrind wants files that those containers have not, or more fds":
        ("kubernetes.daemonset", "first.container*", "first.seccomp", "faults.fds"),
}.items() for name in names}
VALGRIND = os.environ.get("BINDTRACE_VALGRIND")


def last(selected):
    """The run that most tests have shared: what it says at its end."""
    if Shared.tracer and selected("shared.stop"):
        yield "shared.stop", stop_shared


def stop_shared():
    tracer = Shared.tracer
    stop = tracer.stop()
    n = len(tracer.conflicts())
    harness.same("stop line", {k: stop[k] for k in ("seen", "delivered", "filtered", "lost")},
                 {"seen": n, "delivered": n, "filtered": 0, "lost": 0})
    # What came and went meanwhile (test_crowd.py) is said to be raced; nothing else may be.
    bad = tracer.conflicts(lambda x: x["evidence"] != "raced" and
                           (x["cause"] == "unexplained" or x["cross_check"] is False))
    harness.check(not bad, f"{len(bad)} reports that are not explained, or not as the kernel "
                  f"does; the first: {bad[:1]}")


def valgrind_reports(selected):
    """What valgrind said of each run; that it does not know an ioctl or a command of bpf(2) is no fault of ours."""
    if VALGRIND and selected("valgrind.reports"):
        yield "valgrind.reports", no_reports


def no_reports():
    files = glob.glob("/out/valgrind.*")
    harness.check(files, "no run was under valgrind")
    print(f"# {len(files)} runs under valgrind")
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        harness.check(not re.search(r"^==\d+== .*( at 0x| by 0x|lost in loss record)", text, re.M), text)


def main():
    args = sys.argv[1:]
    verbose = "-v" in args
    runner = harness.Runner([a for a in args if a != "-v"], verbose)
    if SANITIZED:
        runner.deny.update(NOT_SANITIZED)
    if VALGRIND:
        runner.deny.update(NOT_UNDER_VALGRIND)
    if not FENTRY:
        runner.deny.update(dict.fromkeys(NEEDS_FEXIT, "needs fexit"))
        print(f"# needs fexit, not run: {' '.join(NEEDS_FEXIT)}")
    if "LLVM_PROFILE_FILE" in os.environ:
        runner.deny.update(dict.fromkeys(NO_COUNTERS, "no counters there"))
    try:
        some, end = (IN_USER_SPACE, AT_THE_END) if KERNEL in (*OLDEST_AND_NEWEST, "") else ([], [])
        return runner.run([*SUITES[:2], *some, *SUITES[2:], last, *end,
                           valgrind_reports])
    finally:
        if Shared.tracer:
            Shared.tracer.kill()
        if Recorded.tracer:
            Recorded.tracer.kill()


if __name__ == "__main__":
    sys.exit(main())
