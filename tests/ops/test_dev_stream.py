"""The stream of `transfers dev`: whose line it is, what of it is shown, and when in colour."""

import io
import json
import os
import signal

import pytest
from rich.console import Console

from epay_transfers.ops.dev.stream import Stream, shown
from tests.support.clocks import FakeClock

NOON = 1_764_417_600_000


def told(line: str, name: str = "worker") -> list[str]:
    """Without the time, which is this machine's own."""
    return [each[9:] for each in shown(name, line, NOON).plain.splitlines()]


def test_a_line_of_ours_is_its_event_and_its_fields() -> None:
    line = {"at": "2026-11-29T12:00:00Z", "level": "info", "event": "call.sent", "logger": "x", "key": "251124000001"}

    assert told(json.dumps(line)) == ["worker call.sent key=251124000001"]


def test_each_line_of_a_trace_has_the_name_before_it() -> None:
    line = {"level": "error", "event": "actor.broke", "trace": 'ValueError\n  File "a.py", line 1'}

    assert told(json.dumps(line)) == ["worker actor.broke", "worker ValueError", 'worker   File "a.py", line 1']


def test_a_server_tells_no_process_id_and_no_date_twice() -> None:
    line = "5812:M 29 Nov 2026 15:23:00.123 * Ready to accept connections tcp\n"

    assert told(line, "ledger") == ["ledger Ready to accept connections tcp"]


@pytest.mark.parametrize("line", ["plain words", "[1, 2]", '{"a": 1}', "{", "[" * 100_000])
def test_what_has_no_form_that_is_known_is_shown_as_it_is(line: str) -> None:
    assert told(line, "bank") == [f"bank   {line}"]


def test_nothing_of_a_line_is_obeyed_by_the_terminal() -> None:
    line = json.dumps({"event": "a\x1b[2J\x07", "field": "b\rc\u202ed"})

    assert all(char.isprintable() for each in told(line) for char in each)


@pytest.mark.parametrize(
    ("shell", "is_terminal", "is_coloured"),
    [({}, True, True), ({"NO_COLOR": "1"}, True, False), ({}, False, False)],
    ids=["on a terminal", "where NO_COLOR is set", "in a pipe"],
)
def test_it_is_coloured_on_a_terminal_alone(shell: dict[str, str], *, is_terminal: bool, is_coloured: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, _environ={"TERM": "xterm"} | shell)
    console.print(shown("worker", json.dumps({"level": "warning", "event": "call.failed"}), NOON))

    assert ("\x1b" in written.getvalue()) == is_coloured


def test_a_process_is_never_held_up_by_an_output_that_has_gone() -> None:
    """It writes more than a pipe holds, and the command is told as by a terminal that was closed."""
    gone, heard = os.pipe()
    os.close(gone)
    came: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: came.append(number))
    try:
        with os.fdopen(heard, "w") as output:
            stream = Stream(Console(file=output), FakeClock())
            with stream.pipe("worker") as writing:
                writing.write(b"a line\n" * 100_000)
            stream.end()
    except BrokenPipeError:
        pass  # of the last flush
    finally:
        signal.signal(signal.SIGHUP, before)

    assert came == [signal.SIGHUP]
