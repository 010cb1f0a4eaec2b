"""The demo: real processes, and none of them is left behind, however it ends."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from epay_transfers.ops.demo import scenes

COMMAND = [sys.executable, "-u", "-c", "from epay_transfers.ops.cli import main; main()", "demo"]
LONGEST_S = 120

#: The demo, which sends itself a signal where nobody could aim: once `event` of `called` happens below `function`.
AIMED = """
import signal, sys
from epay_transfers.ops.cli import main

*sys.argv, called, event, function = sys.argv

def below(frame):
    return frame is not None and (frame.f_code.co_name == function or below(frame.f_back))

def look(frame, what, callee):
    name = callee.__name__ if what == "c_return" else frame.f_code.co_name
    if (what, name) == (event, called) and below(frame.f_back):
        sys.setprofile(None)
        signal.raise_signal(signal.SIGTERM)

sys.setprofile(look)
main()
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="who is left is read from /proc"),
]


@contextmanager
def playing(folder: Path, *options: str, command: Sequence[str] = COMMAND) -> Iterator["subprocess.Popen[str]"]:
    """The demo, with no terminal. Whoever belongs to it has the folder's name in its environment."""
    env = dict(os.environ) | {"TMPDIR": str(folder)}
    with subprocess.Popen(  # noqa: S603 - our own command
        [*command, *options],
        cwd=folder,
        env=env,
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
    """The processes that the demo started and that still run."""
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


def test_every_way_is_shown_the_books_agree_and_nobody_is_left(tmp_path: Path) -> None:
    with playing(tmp_path) as process:
        said, _ = process.communicate(timeout=LONGEST_S)

    assert process.returncode == 0, said
    assert "\x1b" not in said
    assert not [
        word for word in ("refused", "parked", "in_doubt", "dead", "killed", "same receipt") if word not in said
    ]
    assert [line.split()[2:] for line in said.splitlines() if "paid twice " in line] == [["0", "0", "agree"]]
    assert "DIFFER" not in said
    assert not [number for number in ("4405639704015096", "5522042705066736") if number in said]
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_interrupts_it_finds_nobody_left(tmp_path: Path, number: signal.Signals) -> None:
    with playing(tmp_path) as process:
        wait_for(process, "sending")
        process.send_signal(number)
        process.communicate(timeout=LONGEST_S)

    assert process.returncode == 128 + number
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("called", "event", "function"),
    [
        pytest.param("acquire", "c_return", "worker_runs", id="with the lock of a process taken"),
        pytest.param("__enter__", "c_return", "_get_conn", id="with the lock of a queue taken"),
        pytest.param("__del__", "call", "_play", id="where Python drops what is raised"),
    ],
)
def test_no_moment_is_a_bad_one_for_a_signal(tmp_path: Path, called: str, event: str, function: str) -> None:
    """Where a handler that raises would leave a lock taken for ever, or would not be heard."""
    command = [sys.executable, "-u", "-c", AIMED, "demo"]
    with playing(tmp_path, called, event, function, command=command) as process:
        process.communicate(timeout=LONGEST_S)

    assert process.returncode == 128 + signal.SIGTERM
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_shop_too_leaves_nobody(tmp_path: Path, number: signal.Signals) -> None:
    with playing(tmp_path, "--web") as process:
        wait_for(process, "Ctrl-C ends it")
        process.send_signal(number)
        process.communicate(timeout=LONGEST_S)

    assert process.returncode == 128 + number
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel is not asked to end them")
def test_even_if_it_is_killed_the_kernel_ends_the_others(tmp_path: Path) -> None:
    with playing(tmp_path) as process:
        wait_for(process, "sending")
        process.kill()
        process.communicate(timeout=LONGEST_S)
    for pid in left(tmp_path):
        with suppress(ProcessLookupError):
            watched = os.pidfd_open(pid)
            select.select([watched], [], [], LONGEST_S)
            os.close(watched)

    assert left(tmp_path) == {}


def test_kept_it_can_be_played_with_until_ctrl_c(tmp_path: Path) -> None:
    """What it prints to be typed works as printed: in another shell, in another folder, without our path."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    with playing(tmp_path, command=[".venv/bin/transfers", "demo", "--keep"]) as process:
        wait_for(process, "It goes on running")
        printed = wait_for(process, "books, for a browser")
        load, list_, follow, status = [line.strip() for line in printed.splitlines() if line.startswith("    ")]
        done = [_typed(f"{load} && {line}", cwd=Path("/")) for line in (f"{list_} --limit 100", status)]
        followed = _typed(f"{load} && timeout -s INT 5 {follow}", cwd=Path("/"))
        mode = (tmp_path / ".transfers/demo/environment").stat().st_mode & 0o777
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONGEST_S)

    assert process.returncode == 0
    assert [(each.returncode, each.stderr) for each in done] == [(0, ""), (0, "")]
    listed = done[0].stdout
    assert all(scene.reference in listed for scene in (scenes.PAYOUT, scenes.SECURE, scenes.KILLED, scenes.DEAD))
    assert "demo-8" in done[1].stdout
    assert (followed.stderr, followed.stdout.count("\n") > 10) == ("", True)
    assert mode == 0o600
    assert left(tmp_path) == {}


def _typed(script: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """In a shell of this machine that knows nothing of ours."""
    return subprocess.run(  # noqa: S603 - what the demo printed
        ["/bin/sh", "-c", script],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
