# SPDX-License-Identifier: GPL-2.0-only
"""--record and --replay: what was shown live, again."""
import os
import re

from child import RECORDING, Recorded
from harness import Skip, check, contains, same, until
from state import Bind, State, new_port
from tool import Started, refused_usage, run

WORDS = {
    "listen_race": ("listen",), "same_tuple": ("connect",), "ephemeral_exhausted": ("Do ",),
    "autobind_exhausted": ("Do ",), "udp_holder": ("Do ",), "not_local": ("Do ",),
    "privileged_port": ("CAP_NET_BIND_SERVICE",), "already_bound": ("Do ",), "no_device": ("Why ",),
    "denied": ("Why ",), "bucket": ("Why ",),
}


def recorded_run():
    if not Recorded.tracer:
        raise Skip("nothing has been recorded: these tests come after those that are")
    return Recorded.tracer


def check_json():
    tracer = recorded_run()
    stop = tracer.stop()
    n = len(tracer.conflicts())
    same("stop line", {k: stop[k] for k in ("seen", "delivered", "filtered", "lost")},
         {"seen": n, "delivered": n, "filtered": 0, "lost": 0})
    bad = tracer.conflicts(lambda x: x["cause"] == "unexplained" or x["cross_check"] is False)
    check(not bad, f"{len(bad)} are not explained, or not as the kernel does: {bad[:1]}")
    again = run("--replay", RECORDING, "--json", as_json=True)
    same("exit status", again.status, 0)
    same("stderr", again.err, "")
    for got, wanted in zip([x for x in again.lines if x["type"] == "conflict"],
                           tracer.conflicts()):
        same("replayed", got, wanted)
    same("number", len([x for x in again.lines if x["type"] == "conflict"]), n)


def check_words():
    """Every cause, as text: one report for each conflict, in their order."""
    conflicts = recorded_run().conflicts()
    text = run("--replay", RECORDING, env={"TZ": "UTC"}).out
    reports = re.split(r"^(?=\d\d:\d\d:\d\d )", text, flags=re.M)[1:]
    same("number of reports", len(reports), len(conflicts))
    for conflict, report in zip(conflicts, reports):
        contains(f"text with {conflict['cause']}", report, conflict["time"][11:19],
                 conflict["error"], *WORDS.get(conflict["cause"], ("Why ", "Do ")))
    wide = [x for x in text.splitlines() if len(x) > 80 and " refused, E" not in x]
    check(not wide, "wider than 80 columns:\n" + "\n".join(wide[:4]))


def check_bytes(as_json):
    """The very bytes, of both formats; stderr's first line says that it is a replay."""
    path = f"/tmp/bt-bytes-{as_json}"
    args = ["--json"] if as_json else []
    live = Started("--record", path, "--count", "1", *args)
    until(lambda: ready(live, as_json), "the start")
    with State("listener", port=new_port()) as state, Bind(state.port) as bind:
        same("result", bind.result, "EADDRINUSE")
        result = live.result()
    same("exit status", result.status, 0)
    again = run("--replay", path, *args)
    same("exit status", again.status, 0)
    same("stdout", again.out, result.out)
    same("stderr", again.err, result.err if as_json else recorded(result.err))
    refused_usage(run("--record", path))
    cut = path + ".cut"
    with open(path, "rb") as file, open(cut, "wb") as out:
        out.write(file.read()[:os.path.getsize(path) - 7])
    short = run("--replay", cut, *args)
    same("exit status", short.status, 5)
    check(short.err, "nothing about the damage")
    contains("stderr", short.err.splitlines()[-1], "bindtrace: ", cut)


def recorded(err):
    """What stderr said live, as a replay says it: it watches nothing."""
    watching = "bindtrace: watching for address conflicts; Ctrl-C ends it\n"
    check(err.startswith(watching), f"live's first line: {err!r}")
    return err.replace(watching, "bindtrace: recorded while watching for address conflicts\n", 1)


def ready(live, as_json):
    file = live.out if as_json else live.err
    return os.pread(file.fileno(), 1 << 16, 0).count(b"\n") > 0


def record(_selected):
    yield "record.all", check_json
    yield "record.words", check_words
    yield "record.bytes_json", lambda: check_bytes(True)
    yield "record.bytes_text", lambda: check_bytes(False)


