"""`transfers demo` and `transfers dev` as processes: started, listened to, and asked what they have left behind."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LONGEST_S = 120


def command(*words: str) -> list[str]:
    return [sys.executable, "-u", "-c", "from epay_transfers.ops.cli import main; main()", *words]


@contextmanager
def playing(folder: Path, words: Sequence[str], **env: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, with no terminal. Each process that belongs to it has the folder's name in its environment."""
    with subprocess.Popen(  # noqa: S603 - our own command
        words,
        cwd=folder,
        env=dict(os.environ) | {"TMPDIR": str(folder)} | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # one that has ended does not mind


def left(folder: Path) -> dict[int, str]:
    """The processes that the command started and that still run."""
    found = {}
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}\0".encode() in environ.read_bytes():
                found[int(environ.parent.name)] = (environ.parent / "cmdline").read_text()
        except OSError:  # it ended meanwhile, or it is somebody else's
            continue
    return found


def wait_for(process: "subprocess.Popen[str]", word: str) -> str:
    """What it says until it says this."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"it ended without saying {word}")
