# SPDX-License-Identifier: GPL-2.0-only
"""What a live run reports and what not, when it stops, and that its hooks don't matter."""
from harness import check, same
from state import Bind, State, marker, new_port
from tool import OLD, Shared, Tracer


def provoke(port):
    """Three refused binds: 0.0.0.0, 127.0.0.1 and [::]; their pids by address."""
    pids = {}
    for address in ("0.0.0.0", "127.0.0.1", "::"):
        with Bind(port, address=address) as bind:
            same("result", bind.result, "EADDRINUSE")
            pids[address] = bind.pid
    return pids


def check_filtered(tracer, wanted, last_port):
    """The last conflict is always wanted, so that nothing can still be on its way."""
    with tracer:
        tracer.wait(lambda x: x["type"] == "conflict" and x["local"]["port"] == last_port,
                    "the last conflict")
        stop = tracer.stop()
        same("pids", [x["process"]["pid"] for x in tracer.conflicts()], wanted)
        same("delivered", stop["delivered"], len(wanted))
        same("seen", stop["seen"], stop["delivered"] + stop["filtered"])
        check(stop["filtered"] > 0, f"filtered: {stop}")
        same("lost", stop["lost"], 0)


def comparable(value):
    """Without what two runs can't have in common: times, and the check that only fexit makes."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()
                if k not in ("time", "first_time", "run", "seq", "expires_ms", "wait_ms", "cross_check")}
    if isinstance(value, list):
        return [comparable(v) for v in value]
    return value


def check_kprobe(tracer, pids):
    with tracer:
        hooks = tracer.lines[0]["hooks"]
        check(hooks and all("probe" in x for x in hooks), f"hooks: {hooks}")
        for pid in pids:
            other = tracer.conflict_of(pid)
            mine = Shared.get().conflict_of(pid)
            # kretprobe may come after the lock has gone, and says so
            same("report", comparable(other), comparable(mine))
        tracer.stop()


def check_count(tracer):
    with tracer:
        same("exit status", tracer.finish(), 0)
        same("conflicts", len(tracer.conflicts()), 2)
        stop = tracer.lines[-1]
        same("last line", stop["type"], "stop")
        same("delivered", stop["delivered"], 2)


def check_duration(tracer):
    with tracer:
        same("exit status", tracer.finish(), 0)
        same("types", (tracer.lines[0]["type"], tracer.lines[-1]["type"]), ("start", "stop"))


def filters(selected):
    names = ("v4", "v6", "address", "port", "kprobe", "count", "duration")
    if not any(selected(f"live.{x}") for x in names):
        return
    Shared.get()
    tracers = {
        "v4": Tracer("-4"), "v6": Tracer("-6"), "address": Tracer("-a", "127.0.0.1"),
        "kprobe": Tracer("--hooks", "kprobe"), "count": Tracer("--count", "2"),
    }
    with State("listener", port=new_port()) as state, \
            State("bound_only", port=new_port()) as other:
        ports = Tracer("--follow", "--port", f"{state.port - 1},{state.port}")
        for tracer in [*tracers.values(), ports]:
            tracer.ready()
        with Bind(other.port) as unwanted:
            pids = provoke(state.port)
        with Bind(other.port, address="127.0.0.1") as one, \
                Bind(other.port, address="::") as two:
            last = {"v4": one.pid, "v6": two.pid, "address": one.pid}
        any4, lo4, any6 = pids["0.0.0.0"], pids["127.0.0.1"], pids["::"]
        yield "live.v4", lambda: check_filtered(
            tracers["v4"], [unwanted.pid, any4, lo4, last["v4"]], other.port)
        yield "live.v6", lambda: check_filtered(tracers["v6"], [any6, last["v6"]], other.port)
        yield "live.address", lambda: check_filtered(
            tracers["address"], [lo4, last["address"]], other.port)
        yield "live.port", lambda: check_filtered(ports, [any4, lo4, any6], state.port)
        yield "live.kprobe", lambda: check_kprobe(
            tracers["kprobe"], [unwanted.pid, any4, lo4, any6])
        yield "live.count", lambda: check_count(tracers["count"])
    yield "live.duration", lambda: check_duration(Tracer("--duration", "0.2"))
