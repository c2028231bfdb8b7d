# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of the kernel's types: read where it can be trusted, made anew where not, and the
answer the same in any case."""
import contextlib
import os
import re
import shutil
import tempfile

from harness import check, same
from state import State, new_port
from tool import run

DIR, FILE = "/run/bindtrace", "/run/bindtrace/types"
WHOLE = "/sys/kernel/btf/vmlinux"


def answer(port, whole, prefix=()):
    """Asked about the port; did it read the kernel's types as a whole?"""
    with tempfile.NamedTemporaryFile() as log:
        strace = ["strace", "-f", "--seccomp-bpf", "-o", log.name, "-e", "trace=openat,execve"]
        result = run("--port", port, "--json", prefix=[*prefix, *strace])
        with open(log.name, encoding="utf-8", errors="replace") as file:
            calls = file.read()
    check("execve(" in calls, "strace has seen nothing")
    same("exit status", result.status, 1)
    same("evidence", result.only()["evidence"], "walked")
    same("states", [x["state"] for x in result.only()["holders"]], ["LISTEN"])
    same("owners", len(result.only()["holders"][0]["owners"]), 1)
    same("reads all types", WHOLE in calls, whole)


def mode(path):
    return oct(os.stat(path).st_mode & 0o7777)


@contextlib.contextmanager
def aside():
    """What live runs keep in there stays as it is."""
    if os.path.exists(FILE):
        os.unlink(FILE)
    yield
    if os.path.lexists(FILE):
        os.unlink(FILE)


def check_kept():
    with aside(), State("listener", port=new_port()) as state:
        answer(state.port, True)
        same("the directory's mode", mode(DIR), "0o700")
        same("the file's mode", mode(FILE), "0o600")
        answer(state.port, False)
        answer(state.port, False)
        same("files", [x for x in os.listdir(DIR) if x.startswith("types")], ["types"])


def check_damaged():
    """A byte is another one (of the names, the build id, the number of functions, the types); the
    end is missing; something comes after it."""
    with aside(), State("listener", port=new_port()) as state:
        answer(state.port, True)
        with open(FILE, "rb") as file:
            whole = file.read()
        for at in (9, 30, 96, len(whole) - 1):
            with open(FILE, "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1:])
            answer(state.port, True)
            with open(FILE, "rb") as file:
                check(file.read() == whole, f"byte {at}: not made anew")
        for text in (whole[:100], whole + b"x"):
            with open(FILE, "wb") as file:
                file.write(text)
            answer(state.port, True)
        answer(state.port, False)


def check_foreign():
    """Another user's file, one that others may write to, a link: each is replaced, not believed."""
    with aside(), State("listener", port=new_port()) as state, \
            tempfile.TemporaryDirectory() as elsewhere:
        answer(state.port, True)
        copy = os.path.join(elsewhere, "copy")
        shutil.copy(FILE, copy)
        os.chown(FILE, 1000, 1000)
        answer(state.port, True)
        os.chmod(FILE, 0o620)
        answer(state.port, True)
        os.unlink(FILE)
        os.symlink(copy, FILE)
        answer(state.port, True)
        check(not os.path.islink(FILE), "the link is still there")
        answer(state.port, False)


def check_directory():
    """One of another user's, or that others may write to: nothing is read from it or put there."""
    with aside(), State("listener", port=new_port()) as state:
        answer(state.port, True)
        os.chown(DIR, 1000, 1000)
        try:
            answer(state.port, True)
            os.unlink(FILE)
            answer(state.port, True)
            check(not os.path.exists(FILE), "a file in another user's directory")
        finally:
            os.chown(DIR, 0, 0)
        os.chmod(DIR, 0o770)
        try:
            answer(state.port, True)
            check(not os.path.exists(FILE), "a file in a directory that others may write to")
        finally:
            os.chmod(DIR, 0o700)


def check_read_only():
    """Slower, and as good."""
    inside = ["unshare", "--mount", "sh", "-c",
              'mount -t tmpfs -o ro none /run && exec "$@"', "sh"]
    with aside(), State("listener", port=new_port()) as state:
        answer(state.port, True, prefix=inside)


def check_phases():
    """-vv tells of each part how long it took."""
    with State("listener", port=new_port()) as state:
        result = run("--port", state.port, "-vv")
    parts = re.findall(r"^bindtrace: (.+) took \d+\.\d{3} ms$", result.err, re.M)
    same("parts", parts, ["the kernel's types", "loading the walk",
                          "what bind() looks at before the port", "the walk",
                          "loading the search for owners", "the search for owners", "the report",
                          "the end"])


def types(_selected):
    yield "types.kept", check_kept
    yield "types.damaged", check_damaged
    yield "types.foreign", check_foreign
    yield "types.directory", check_directory
    yield "types.read_only", check_read_only
    yield "types.phases", check_phases
