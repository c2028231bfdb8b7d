# SPDX-License-Identifier: GPL-2.0-only
"""One host: what bindtrace wrote, byte for byte, at the end of journald, rsyslog and syslog-ng."""
import json
import os
import shutil
import subprocess

from harness import check, same, until
from system import (call, drop_in, has_line, journal, listener, message, read, refused, replay, service,
                    set_comm, systemctl, wait_for_lines)

PORT = 8080
CROWD_PORT = 8081
CROWD = 50000
RECORDING = "/var/lib/bindtrace-test/local.rec"
LINES = "/var/log/bindtrace.json"
# What the lines are held against: the service's own words, and --record.
DROP_IN = f"""[Service]
StateDirectory=bindtrace-test
ExecStart=
ExecStart=/usr/bin/bindtrace --json --journal --fold 0 --record {RECORDING}
"""
FIELDS = "/var/log/bindtrace-fields.json"

# What a process may call itself: 15 bytes of anything but NUL.
HOSTILE = [b'"},{"a":"b"', b"two\nlines\r", b"\x1b[2J\x07\x01\x7f", b"\xff\xfe\xc3(\x80", b"\\u0000\\",
           "r\u202etl\u00adshy".encode(), b"%s%n'; drop --", b"$(reboot)`", "\U0001f600 ok".encode(),
           b" @cee: {}", b"<0>kernel: x", b"\t\x0b\xc2\x85tab"]


class Truth:
    """The run that all pipelines carried."""
    lines = []

    @classmethod
    def conflicts(cls):
        return [x for x in map(json.loads, cls.lines) if x["type"] == "conflict"]


def start_crowd():
    """A listener and 50,000 time-wait sockets, which take their time and last a minute."""
    # pylint: disable=consider-using-with
    return subprocess.Popen(["/test/mkstate", "crowd", "--port", str(CROWD_PORT), "--count", str(CROWD)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def make_run():
    """bindtrace as a service; its lines are in the journal, and on from there to rsyslog."""
    systemctl("start", "rsyslog")
    drop_in("bindtrace", DROP_IN)
    systemctl("daemon-reload")
    with start_crowd() as crowd, listener("127.0.0.1", PORT):
        systemctl("start", "bindtrace")
        for number, name in enumerate(HOSTILE):
            if number == len(HOSTILE) // 2:
                systemctl("restart", "systemd-journald")
            set_comm(name)
            refused("127.0.0.1", PORT)
        set_comm(b"python3")
        line = crowd.stdout.readline()
        check(line.startswith(b"ready "), f"mkstate crowd says {line!r}")
        refused("0.0.0.0", CROWD_PORT)
        crowd.stdin.close()
    systemctl("stop", "bindtrace")
    Truth.lines = replay(RECORDING)
    comms = {x["process"]["comm"] for x in Truth.conflicts()}
    check(len(comms) > len(HOSTILE), f"hostile names: {comms}")
    first, last = json.loads(Truth.lines[0]), json.loads(Truth.lines[-1])
    same("first and last", (first["type"], last["type"]), ("start", "stop"))
    same("numbers", [json.loads(x)["seq"] for x in Truth.lines], list(range(1, len(Truth.lines) + 1)))
    same("runs", len({json.loads(x)["run"] for x in Truth.lines}), 1)


def check_biggest():
    biggest = max(Truth.conflicts(), key=lambda x: x["blockers_total"])
    check(biggest["blockers_total"] > 10000, f"a crowd of {biggest['blockers_total']}")
    check(biggest["truncated"], "cut")
    length = max(map(len, Truth.lines)) + 1
    check(3000 < length <= 4096, f"the longest line has {length} bytes")


def check_journal():
    entries = [x for x in journal("bindtrace") if x.get("_SYSTEMD_UNIT") == "bindtrace.service" and
               x["MESSAGE"].startswith("{")]
    same("lines", [message(x) for x in entries], Truth.lines)
    shutil.copy(RECORDING, "/out/local.rec")
    for entry, line in zip(entries, map(json.loads, Truth.lines)):
        same("priority", entry["PRIORITY"], "4" if line["type"] == "conflict" else "6")
    with open("/out/journal.json", "w", encoding="utf-8") as file:
        json.dump(entries[1], file, indent=1)


def wanted_fields(line):
    return {"time": line["time"], "host": os.uname().nodename, "type": "conflict",
            "cause": line["cause"], "protocol": line["protocol"],
            "address": line["local"]["address"], "port": line["local"]["port"],
            "comm": line["process"]["comm"], "run": line["run"], "seq": line["seq"]}


def check_files(name):
    same("lines", wait_for_lines(LINES, len(Truth.lines), name), Truth.lines)
    conflicts = Truth.conflicts()
    fields = [json.loads(x) for x in wait_for_lines(FIELDS, len(conflicts), f"{name}, in fields")]
    unit = [x["process"]["unit"] for x in conflicts]
    for line in fields:
        same("severity", line.pop("severity"), "warning")
    same("units", [x.pop("unit", None) or None for x in fields], unit)
    same("fields", fields, [wanted_fields(x) for x in conflicts])
    for path in (LINES, FIELDS):
        os.rename(path, f"/out/{name}{os.path.basename(path)[len('bindtrace'):]}")


def check_rsyslog():
    check_files("rsyslog")
    check(b'"blockers"' not in read("/var/log/syslog"), "the lines are in /var/log/syslog, too")
    systemctl("stop", "rsyslog.service", "syslog.socket")


def start_syslog_ng(config):
    check(not os.path.exists(LINES), f"{LINES} is still there, of another program")
    # pylint: disable=consider-using-with
    return subprocess.Popen(["syslog-ng", "-F", "--no-caps", "-f", config], stdout=subprocess.DEVNULL)


def check_syslog_ng():
    """Started later: it reads what the journal has."""
    with start_syslog_ng("/etc/syslog-ng/syslog-ng.conf") as process:
        try:
            check_files("syslog-ng")
        finally:
            process.terminate()


def check_program():
    """syslog-ng starts bindtrace itself."""
    with open("/test/program.conf", "w", encoding="utf-8") as file:
        file.write('@version: 3.38\n@include "/test/bindtrace-program.conf"\n')
    with start_syslog_ng("/test/program.conf") as process:
        try:
            wait_for_lines(LINES, 1, "the program's first line")
            with listener("127.0.0.1", PORT):
                set_comm(HOSTILE[0])
                refused("127.0.0.1", PORT)
                set_comm(b"python3")
            lines = [json.loads(x) for x in wait_for_lines(LINES, 2, "the program's")]
        finally:
            process.terminate()
    same("types", [x["type"] for x in lines[:2]], ["start", "conflict"])
    same("comm", lines[1]["process"]["comm"], HOSTILE[0].decode())


def piped(identifier, command):
    call("sh", "-c", f"bindtrace --replay {RECORDING} --json | {command}")
    until(lambda: has_line(identifier, "stop"), f"the last line of {identifier}")
    return [message(x) for x in journal(identifier)]


def check_logger():
    same("lines", piped("bt-logger", "logger -t bt-logger -p daemon.warning --size 8192"), Truth.lines)


def check_logger_cuts():
    """Why docs/PIPELINES.md says --size: without it, logger breaks what is longer than 1 KiB."""
    check(piped("bt-cut", "logger -t bt-cut") != Truth.lines, "logger without --size is whole")


def check_cat():
    same("lines", piped("bt-cat", "systemd-cat -t bt-cat"), Truth.lines)


def check_namespace():
    """A journal of its own, by journald@bindtrace.conf."""
    service("bindtrace-own", "/usr/bin/bindtrace", "--replay", RECORDING, "--json",
            SyslogIdentifier="bindtrace", LogNamespace="bindtrace")
    until(lambda: has_line("bindtrace", "stop", "--namespace=bindtrace"), "the last line")
    same("lines", [message(x) for x in journal("bindtrace", "--namespace=bindtrace")], Truth.lines)


def suite(selected):
    rest = [("local.biggest_line", check_biggest), ("local.journald", check_journal),
            ("local.rsyslog", check_rsyslog), ("local.syslog_ng", check_syslog_ng),
            ("local.syslog_ng_program", check_program), ("local.logger", check_logger),
            ("local.logger_cuts", check_logger_cuts), ("local.systemd_cat", check_cat),
            ("local.journal_namespace", check_namespace)]
    if any(selected(name) for name, _ in rest):
        yield "local.run", make_run
        yield from rest
