"""The demo: real processes, and none of them is left behind, however it ends."""

import os
import re
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.demo.played import LONGEST_S, command, left, playing, wait_for
from tests.support.waiting import until

COMMAND = command("demo")

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


def test_every_way_is_shown_the_books_agree_and_nobody_is_left(tmp_path: Path) -> None:
    with playing(tmp_path, COMMAND) as process:
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
    with playing(tmp_path, COMMAND) as process:
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
    aimed = [sys.executable, "-u", "-c", AIMED, "demo", called, event, function]
    with playing(tmp_path, aimed) as process:
        process.communicate(timeout=LONGEST_S)

    assert process.returncode == 128 + signal.SIGTERM
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_shop_too_leaves_nobody(tmp_path: Path, number: signal.Signals) -> None:
    with playing(tmp_path, [*COMMAND, "--web"]) as process:
        wait_for(process, "Ctrl-C ends it")
        process.send_signal(number)
        process.communicate(timeout=LONGEST_S)

    assert process.returncode == 128 + number
    assert left(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_the_console_beside_the_shop_has_a_transfer_of_every_kind(tmp_path: Path) -> None:
    with playing(tmp_path, [*COMMAND, "--web"]) as process:
        said = wait_for(process, "Ctrl-C ends it")
        (console,) = re.findall(r"The console: +(\S+/) ", said)

        def missing() -> set[str]:
            """The kinds of which the list is still empty."""
            kinds = {"paid", "declined", "parked", "in_doubt", "dead", "queued", "cancelled"}
            pages = {kind: requests.get(f"{console}transfers?state={kind}", timeout=30).text for kind in kinds}
            return {kind for kind, page in pages.items() if 'href="/transfer/' not in page}

        until(lambda: not missing())
        process.terminate()
        process.communicate(timeout=LONGEST_S)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel is not asked to end them")
def test_even_if_it_is_killed_the_kernel_ends_the_others(tmp_path: Path) -> None:
    with playing(tmp_path, COMMAND) as process:
        wait_for(process, "sending")
        process.kill()
        process.communicate(timeout=LONGEST_S)
    for pid in left(tmp_path):
        with suppress(ProcessLookupError):
            watched = os.pidfd_open(pid)
            select.select([watched], [], [], LONGEST_S)
            os.close(watched)

    assert left(tmp_path) == {}
