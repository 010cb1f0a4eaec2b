"""Error reports, as the true library sends them over HTTP: what leaves is type, place, code and key, and nothing else.

The same leaking program is run with the library's own settings, where it leaks: so the search has eyes.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.runtime import sentry as ours
from tests.security.canaries import PAN, RECEIVER_PAN, Search
from tests.security.conftest import Reports

ROOT = Path(__file__).parents[2]


def leak(mode: str, dsn: str) -> None:
    command = [sys.executable, "-m", "tests.security.leaking", mode, dsn, RECEIVER_PAN]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr


def items_of(reports: Reports) -> list[tuple[str, Any]]:
    """The kind and the content of everything that was sent."""
    found: list[tuple[str, Any]] = []
    for body in reports.bodies:
        lines = iter(body.splitlines())
        next(lines)
        found += [(json.loads(header)["type"], json.loads(next(lines))) for header in lines]
    return found


def test_with_ours_nothing_leaks_and_what_leaves_is_of_use(reports: Reports) -> None:
    """Arguments, locals, bodies, breadcrumbs, argv, tags, attachments, transactions, logs, metrics: 0 hits."""
    leak("ours", reports.dsn)

    assert Search().hits(reports.text) == {}
    assert b"127.0.0.1:1" not in reports.text
    events = items_of(reports)
    assert {kind for kind, _ in events} == {"event"}
    types = {value["type"] for _, event in events for value in event.get("exception", {}).get("values", [])}
    assert {"ValueError", "ValidationError", "ConnectionError", "KeyError", "LookupError"} <= types
    for name in ("message.quarantined", "message.set_aside"):  # a message, and the extra of a sentence
        assert any(event.get("logentry") == {"message": name} for _, event in events)
    assert any(event["extra"].get("key") == "251124000001" for _, event in events)
    allowed = {*ours._TOP, "logentry", "exception", "extra"}
    assert {name for _, event in events for name in event} <= allowed


def test_with_the_librarys_own_settings_it_leaks(reports: Reports) -> None:
    """The control: every kind of canary that the program plants is found, in errors and in transactions."""
    leak("theirs", reports.dsn)

    assert {"sender's PAN", "receiver's PAN", "holder", "CVC"} <= Search().hits(reports.text).keys()
    assert b'"type":"transaction"' in reports.text
    assert reports.text.count(PAN.encode()) > 20


def test_an_event_that_can_not_be_rebuilt_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rebuild = ours.Rebuild()
    broken: Any = {"logentry": "no dictionary", "level": "error", "tags": {"card": PAN}}

    with caplog.at_level(logging.WARNING):
        assert rebuild(broken, {}) is None
        assert rebuild(broken, {}) is None

    assert rebuild.dropped == 2
    assert [getattr(record, "dropped", 0) for record in caplog.records] == [1, 2]
    assert Search().hits(repr([vars(record) for record in caplog.records])) == {}


def test_an_attachment_is_taken_off() -> None:
    hint: dict[str, Any] = {"attachments": [PAN]}

    assert ours.Rebuild()({"level": "error"}, hint) is not None
    assert hint == {}


def test_without_a_dsn_nothing_is_set_up() -> None:
    ours.set_up(None, "transfers", "test")
