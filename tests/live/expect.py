# SPDX-License-Identifier: GPL-2.0-only
"""What has to be reported for each state of mkstate's table: one row per state."""
from tool import KERNEL

BOTH_LACK = {"binder_lacks_reuseaddr", "blocker_lacks_reuseaddr"}
CLOSE = {"close": "blockers"}
WAIT = "wait_ms"  # whatever the number
RESERVE = "sysctl"


def fix(side, option):
    return {"side": side, "set": option}


def uid_fix(uid):
    return {"side": "binder", "uid": uid}


BOTH_ADDR = fix("both", "SO_REUSEADDR")
BOTH_PORT = fix("both", "SO_REUSEPORT")


class Row:
    """
    One blocker, what it says, and what the whole says. cause None: the bind succeeds.
    owners: the roles of the processes that hold the blocker. words: must be in the text.
    """

    def __init__(self, cause, state=None, role=None, rules=(), fixes=(), owners=(),
                 holder="process", local="0.0.0.0", peer=False, words=(), what_if_cause=None,
                 port=True, binder=None, **flags):
        self.cause = cause
        self.state = state
        self.role = role
        self.rules = set(rules)
        self.fixes = fixes
        self.owners = owners
        self.holder = holder
        self.local = local
        self.peer = peer
        self.words = words
        self.what_if_cause = what_if_cause
        self.port = port      # whether it can be chosen
        self.binder = binder  # where the bind is not the one that mkstate proposes
        self.flags = {"reuseaddr": False, "reuseport": False, "device": None, **flags}


def left(state, held, **more):
    """A connection on its way out, of a server whose process is there or has closed it."""
    owner = {"role": "server", "owners": ["bt-server"]} if held else \
        {"role": "orphan", "owners": [], "holder": "orphan"}
    return Row("closing", state,
               **{"rules": BOTH_LACK, "fixes": [BOTH_ADDR, BOTH_PORT, CLOSE], "peer": True,
                  "local": "127.0.0.1", "words": [state], **owner, **more})


def listener(cause="listener", **more):
    return Row(cause, "LISTEN", "server",
               **{"rules": {"listening"}, "fixes": [CLOSE, BOTH_PORT], "owners": ["bt-listener"],
                  "words": ["LISTEN"], **more})


TIME_WAIT = {"role": "server", "holder": "time_wait", "peer": True, "local": "127.0.0.1"}
VRF = {"device": "bt-vrf"}
CLEARED_REUSEADDR_PASSES = KERNEL in ("5.10", "6.1")  # fastreuse is ignored since Linux 6.8

CLOSING = {
    "time_wait": Row("time_wait", "TIME_WAIT", rules=BOTH_LACK, fixes=[WAIT, BOTH_ADDR, BOTH_PORT],
                     words=["TIME_WAIT", "--wait", "SO_REUSEADDR", "nobody"], **TIME_WAIT),
    "time_wait_reuseaddr": Row("time_wait", "TIME_WAIT", rules={"binder_lacks_reuseaddr"},
                               fixes=[WAIT, fix("binder", "SO_REUSEADDR")], reuseaddr=True,
                               words=["TIME_WAIT", "SO_REUSEADDR"], **TIME_WAIT),
    "time_wait_v6": Row("time_wait", "TIME_WAIT", rules=BOTH_LACK, fixes=[WAIT, BOTH_ADDR],
                        words=["TIME_WAIT", "[::1]"], **{**TIME_WAIT, "local": "::1"}),
    "fin_wait1": left("FIN_WAIT1", True),
    "fin_wait1_orphan": left("FIN_WAIT1", False),
    "fin_wait2": left("FIN_WAIT2", True),
    "fin_wait2_orphan": left("FIN_WAIT2", False),
    "fin_wait2_tw": left("FIN_WAIT2", False, role="server", holder="time_wait",
                         fixes=[WAIT, BOTH_ADDR, BOTH_PORT]),
    "last_ack": left("LAST_ACK", True),
    "last_ack_orphan": left("LAST_ACK", False),
    "closing": left("CLOSING", True),
    "closing_orphan": left("CLOSING", False),
    "close_wait": Row("connection", "CLOSE_WAIT", "server", BOTH_LACK, [BOTH_ADDR, CLOSE],
                      ["bt-server"], local="127.0.0.1", peer=True, words=["CLOSE_WAIT"]),
}

HOLDERS = {
    "listener": listener(),
    "listener_reuseaddr": listener(reuseaddr=True),
    "listener_loopback": listener(local="127.0.0.1", words=["LISTEN", "127.0.0.1"]),
    "listener_shared": listener(owners=["bt-server", "bt-worker", "bt-worker"]),
    "dual_stack": listener("dual_stack", local="::", v6only=False,
                           fixes=[fix("blocker", "IPV6_V6ONLY"), CLOSE], words=["IPV6_V6ONLY"]),
    "dual_stack_v4": listener("dual_stack", fixes=[fix("binder", "IPV6_V6ONLY"), CLOSE],
                              words=["IPV6_V6ONLY"]),
    "connection": Row("connection", "ESTABLISHED", "server", BOTH_LACK, [BOTH_ADDR, CLOSE],
                      ["bt-worker"], local="127.0.0.1", peer=True, words=["ESTABLISHED"]),
    "client_port": Row("client_port", "ESTABLISHED", "client", BOTH_LACK,
                       [RESERVE, BOTH_ADDR, CLOSE], ["bt-client"], local="127.0.0.1", peer=True,
                       words=["ESTABLISHED", "ip_local_reserved_ports"], port=False),
    "self_connect": Row("self_connect", "ESTABLISHED", "self", BOTH_LACK, [BOTH_ADDR, CLOSE],
                        ["bt-client"], local="127.0.0.1", peer=True,
                        words=["ESTABLISHED", "itself"], port=False),
    "bound_only": Row("bound_only", "BOUND", "bound", BOTH_LACK, [BOTH_ADDR, BOTH_PORT, CLOSE],
                      ["bt-bound"], words=["BOUND"]),
    "inherited": listener("inherited", owners=["bt-worker"]),
    "inherited_passed": listener("inherited", owners=["bt-keeper"]),
    "ownerless": listener("ownerless", owners=[], holder="detached", words=["LISTEN"]),
    # It listens on [::] and has set SO_REUSEADDR.
    "ownerless_kernel": listener("ownerless", owners=[], holder="kernel", fixes=[CLOSE],
                                 local="::", binder={"address": "::"}, reuseaddr=True,
                                 words=["LISTEN", "kernel"], port=False),
}

OPTIONS = {
    "reuseport_uid": listener("reuseport_uid", rules={"listening", "reuseport_uid_differs"},
                              fixes=[uid_fix(1000), CLOSE], uid=1000, reuseport=True,
                              words=["SO_REUSEPORT", "1000"]),
    "reuseport_same_uid": Row(None),
    "one_sided_binder": Row("reuse_one_sided", "BOUND", "bound", {"blocker_lacks_reuseaddr"},
                            [fix("blocker", "SO_REUSEADDR"), CLOSE], ["bt-bound"],
                            words=["SO_REUSEADDR"]),
    "one_sided_blocker": Row("reuse_one_sided", "BOUND", "bound", {"binder_lacks_reuseaddr"},
                             [fix("binder", "SO_REUSEADDR"), CLOSE], ["bt-bound"], reuseaddr=True,
                             words=["SO_REUSEADDR"]),
    "one_sided_reuseport": listener("reuse_one_sided",
                                    rules={"listening", "blocker_lacks_reuseport"},
                                    fixes=[fix("blocker", "SO_REUSEPORT"), CLOSE],
                                    words=["SO_REUSEPORT"]),
    "one_sided_crossed": Row("reuse_one_sided", "BOUND", "bound",
                             {"binder_lacks_reuseaddr", "blocker_lacks_reuseport"},
                             [fix("binder", "SO_REUSEADDR"), fix("blocker", "SO_REUSEPORT"), CLOSE],
                             ["bt-bound"], reuseaddr=True, words=["SO_REUSEADDR", "SO_REUSEPORT"]),
    "device": listener("device", device="bt-dummy", words=["bt-dummy"]),
    "device_binder": listener("device", words=["bt-dummy"]),
    "device_vrf": listener("device", words=["bt-vrf"], **VRF),
    "device_vrf_apart": Row(None),
    "bucket_reuseport": Row(None, what_if_cause="bucket"),
    "bucket_reuseaddr":
        Row(None, what_if_cause="bucket") if CLEARED_REUSEADDR_PASSES else
        Row("reuse_one_sided", "BOUND", "bound", {"blocker_lacks_reuseaddr"},
            [fix("blocker", "SO_REUSEADDR"), CLOSE], ["bt-bound"], words=["SO_REUSEADDR"]),
}
