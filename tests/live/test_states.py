# SPDX-License-Identifier: GPL-2.0-only
"""Every state of the table: the live report, the one-shot report as JSON and as text."""
import re

import expect
from harness import check, contains, same
from state import Bind, State, marker, new_port, spec_args
from tool import MKSTATE_EXE, PAIR, Shared, Started


class Scene:
    """A state that is there, the bind that met it, and what has been said about it."""

    def __init__(self, name, row):
        self.name, self.row = name, row
        self.error = self.state = self.bind = self.port_line = self.text = None

    def make(self):
        try:
            self.state = State(self.name, port=new_port() if self.row.port else None)
            self.state.info["bind"].update(self.row.binder or {})
            self.bind = Bind(self.state.port, **self.state.info["bind"])
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def asks(self):
        """The options of the bind that --port has to be told; address and reuse options are all
        tried anyway, but the text and the exit status are about the ones that are asked about."""
        return tuple(spec_args(self.state.info["bind"]))

    def end(self):
        for thing in (self.bind, self.state):
            if thing:
                thing.end()

    def need(self):
        if self.error:
            raise self.error


def has_fix(fixes, wanted):
    if isinstance(wanted, str):
        return any(wanted in got for got in fixes)
    return wanted in fixes


def check_fixes(row, fixes):
    for wanted in row.fixes:
        check(has_fix(fixes, wanted), f"no fix {wanted} in {fixes}")


def check_socket(scene, got):
    """A blocker or a holder, against the row and against what mkstate knows."""
    row, state = scene.row, scene.state
    for key, wanted in (("state", row.state), ("role", row.role), ("holder", row.holder),
                        ("local", {"address": row.local, "port": state.port}), *row.flags.items()):
        same(key, got[key], wanted)
    check((got["peer"] is not None) == row.peer, f"peer: {got['peer']}")
    if state.peer:
        same("peer", got["peer"], state.peer)
    same("pids of the owners", {x["pid"] for x in got["owners"]}, {x["pid"] for x in state.procs})
    same("comms of the owners", sorted(x["comm"] for x in got["owners"]), sorted(row.owners))
    same("owners_total", got["owners_total"], len(row.owners))
    for owner in got["owners"]:
        same("exe of the owner", owner["exe"], MKSTATE_EXE)
        same("uid of the owner", owner["uid"], state.existing["uid"])
        fds = [x["fd"] for x in state.procs if x["pid"] == owner["pid"] and x["fd"]]
        same("fds of the owner", owner["fds"], fds)
    if row.holder == "time_wait":
        check(0 < got["expires_ms"] <= 60000, f"expires_ms: {got['expires_ms']}")
    if row.owners:
        check(got["inode"], "no inode")


def check_binder(scene, line):
    spec = scene.state.info["bind"]
    v6 = ":" in spec["address"]
    same("syscall", line["syscall"], "bind")
    same("error", line["error"], scene.bind.result)
    same("protocol", line["protocol"], "tcp")
    same("family", line["family"], "ipv6" if v6 else "ipv4")
    same("local", line["local"], {"address": spec["address"], "port": scene.state.port})
    same("socket", line["socket"],
         {"reuseaddr": spec["reuseaddr"], "reuseport": spec["reuseport"],
          "v6only": False if v6 else None, "device": spec["device"], "uid": spec["uid"]})
    who = line["process"]
    same("pid and tid", (who["pid"], who["tid"]), (scene.bind.pid, scene.bind.pid))
    same("comm", who["comm"], "bt-binder")
    same("exe", who["exe"], MKSTATE_EXE)
    same("uid", who["uid"], spec["uid"])


def check_live(scene):
    scene.need()
    row = scene.row
    if not row.cause:
        same("result of the bind", scene.bind.result, "ok")
        marker()
        same("conflicts", Shared.get().conflicts(lambda x: x["process"]["pid"] == scene.bind.pid),
             [])
        return
    same("result of the bind", scene.bind.result, "EADDRINUSE")
    line = scene.bind.conflict()
    check_binder(scene, line)
    same("cause", line["cause"], row.cause)
    same("evidence", line["evidence"], "exact")
    same("cross_check", line["cross_check"], True if PAIR else None)
    same("blockers_total", line["blockers_total"], 1)
    same("truncated", line["truncated"], False)
    blocker, = line["blockers"]
    same("rules", set(blocker["rules"]), row.rules)
    same("certain", blocker["certain"], True)
    check_socket(scene, blocker)
    check_fixes(row, line["fixes"])
    contains("summary", line["summary"], str(scene.state.port))


def asked_what_if(scene):
    """The one of the bind that was made."""
    spec = scene.state.info["bind"]
    found = [x for x in scene.port_line["what_if"]
             if all(x[key] == spec[key] for key in ("address", "reuseaddr", "reuseport"))]
    same("what_if of that bind", len(found), 1)
    check(found[0].get("asked"), "the what_if of that bind is not the one asked about")
    return found[0]


def check_port(scene):
    scene.need()
    row, line = scene.row, scene.port_line
    check(line, "no line about that port")
    same("evidence", line["evidence"], "walked")
    what_if = asked_what_if(scene)
    same("result", what_if["result"], scene.bind.result if row.cause else "ok")
    same("cause", what_if["cause"], row.cause or row.what_if_cause)
    check(line["bucket"], "no bucket")
    if not row.cause:
        return
    same("blockers", len(what_if["blockers"]), 1)
    check_socket(scene, line["holders"][what_if["blockers"][0]])
    check_fixes(row, what_if["fixes"])


def check_text(scene):
    scene.need()
    row = scene.row
    check(scene.text, "no text about that port")
    if not row.cause:
        return
    contains("text", scene.text, "EADDRINUSE", "refused", "Why ", "Do ", *row.words)
    local = scene.row.local
    shown = f"[{local}]" if ":" in local else local
    if scene.row.flags["device"]:
        shown += "%" + scene.row.flags["device"]
    contains("text", scene.text, f"{shown}:{scene.state.port}",
             *[f"{x['role']}[{x['pid']}]" for x in scene.state.procs[:1]])
    check(max(map(len, scene.text.splitlines())) <= 80, f"wider than 80 columns:\n{scene.text}")


def look(scenes):
    """One-shot reports about all scenes, those that ask the same together. {test name: function}"""
    groups = {}
    for scene in scenes:
        if not scene.error:
            # The binder that has succeeded is a holder, too, and not one that was there before.
            if scene.bind.result == "ok":
                scene.bind.end()
            # a tool that fails for one group must not hide what it says about the others
            key = (scene.asks(), scene.row.cause is None)
            groups.setdefault(key, []).append(scene)
    return groups


def ask(asks, refused, scenes):
    ports = ",".join(str(x.state.port) for x in scenes)
    runs = [Started("--port", ports, *asks, "--json"), Started("--port", ports, *asks)]
    as_json, as_text = (x.result() for x in runs)
    for scene in scenes:
        lines = [x for x in as_json.lines if x["port"] == scene.state.port]
        scene.port_line = lines[0] if lines else None
        start = re.search(rf"^{scene.state.port}/tcp ", as_text.out, re.M)
        if start:
            scene.text = re.split(r"^(?=\d+/tcp )", as_text.out[start.start():], maxsplit=2,
                                  flags=re.M)[1]
    for result in (as_json, as_text):
        same("exit status", result.status, 1 if refused else 0)
        same("stderr", result.err, "")
    same("lines", len(as_json.lines), len(scenes))


def states(table, selected):
    def wanted(name):
        return any(selected(f"state.{name}.{kind}") for kind in ("live", "port", "text"))

    scenes = [Scene(name, row) for name, row in table.items() if wanted(name)]
    if not scenes:
        return
    Shared.get()
    try:
        for scene in scenes:
            scene.make()
        for scene in scenes:
            yield f"state.{scene.name}.live", lambda s=scene: check_live(s)
        for (asks, succeed), some in look(scenes).items():
            name = f"state.ask:{some[0].name}"
            if selected(name):
                yield name, lambda a=asks, s=succeed, x=some: ask(a, not s, x)
            else:
                ask(asks, not succeed, some)  # what follows looks at what it has said
        for scene in scenes:
            yield f"state.{scene.name}.port", lambda s=scene: check_port(s)
            yield f"state.{scene.name}.text", lambda s=scene: check_text(s)
    finally:
        for scene in scenes:
            scene.end()


def closing(selected):
    yield from states(expect.CLOSING, selected)


def holders(selected):
    yield from states(expect.HOLDERS, selected)


def options(selected):
    """VRFs at the end: a sysctl decides whether their sockets meet others, so one at a time."""
    alone = ("device_vrf", "device_vrf_apart")
    yield from states({k: v for k, v in expect.OPTIONS.items() if k not in alone}, selected)
    for name in alone:
        yield from states({name: expect.OPTIONS[name]}, selected)
