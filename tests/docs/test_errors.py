"""docs/errors.md has a row for each error that a producer's call raises, and what it says of the money is so."""

import inspect
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastapi
import pytest
from fastapi.responses import JSONResponse

from epay_transfers import producers
from epay_transfers.ledger import errors as ledger_errors
from epay_transfers.producers import (
    Conflict,
    IntentRejected,
    InternalError,
    LedgerUnavailable,
    NotFound,
    QueueFull,
    SuffixTaken,
    TerminalPaused,
    Transfers,
    VaultUnavailable,
)
from epay_transfers.producers import errors as producer_errors
from epay_transfers.producers.testing import FakeTransfers
from tests.support.intents import payout
from tests.web.calling import call_asgi

TEXT = (Path(__file__).parents[2] / "docs/errors.md").read_text()

#: Errors that leave no call of a producer: bases, a cause, and those of a worker.
NO_PRODUCERS = {
    "TransfersError",
    "ServerUnavailable",
    "ServerProblem",
    "QueueUnavailable",
    "TransferUnknown",
    "TerminalUnknown",
    "SpaceDiffers",
}

Row = tuple[str, str, str, str]


def rows() -> dict[str, Row]:
    """Error → what it means, whether anything is stored, whether it may be paid again, what to do.

    One that means another thing from another call has a row for each: `IntentRejected, from enqueue`.
    """
    table = TEXT.partition("## As an HTTP")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    return {cell[0].replace("`", ""): (cell[1], cell[2], cell[3], cell[4]) for cell in cells[1:]}


ROWS = rows()
ERRORS = {name.partition(",")[0] for name in ROWS}


def errors_of(module: Any) -> set[str]:
    return {name for name, value in inspect.getmembers(module, inspect.isclass) if issubclass(value, Exception)}


def test_each_error_has_a_row_and_each_row_its_error() -> None:
    """A new class of error is a row there; or it is named above, as one that no producer gets."""
    found = errors_of(producers) | errors_of(producer_errors) | errors_of(ledger_errors)

    assert found - NO_PRODUCERS == ERRORS
    assert found >= NO_PRODUCERS


def test_each_error_that_a_call_names_has_a_row() -> None:
    """`TypeError` is `WrongCall`."""
    calls = [value for name, value in vars(Transfers).items() if not name.startswith("_")]
    said = " ".join(inspect.getdoc(call) or "" for call in [Transfers, *calls])
    exceptions = errors_of(producers) | errors_of(ledger_errors) | errors_of(producer_errors)
    named = set(re.findall(r"`(\w+)`", said)) & exceptions

    assert {"IntentRejected", "NotFound", "RecordUnreadable", "SettingsWrong"} <= named
    assert named - {"TransfersError"} <= ERRORS


@pytest.mark.parametrize("name", ROWS)
def test_a_row_answers_each_question(name: str) -> None:
    means, stored, again, then = ROWS[name]

    assert re.match(r"(yes|no|maybe)\b", stored), stored
    assert re.match(r"(yes¹|no\b)", again), again
    assert means
    assert then


@pytest.mark.parametrize("name", ROWS)
def test_what_may_be_stored_may_not_be_paid_again(name: str) -> None:
    """And an error that is a kind of another one never allows more than that one does."""
    _, stored, again, _ = ROWS[name]

    if not stored.startswith("no"):
        assert again.startswith("no")
    for base in getattr(producer_errors, name, getattr(ledger_errors, name, Exception)).__mro__[1:]:
        if base.__name__ in ROWS and ROWS[base.__name__][2].startswith("no"):
            assert again.startswith("no")


def test_what_can_not_be_imported_from_producers_is_a_kind_of_what_can() -> None:
    missing = [name for name in ERRORS if not hasattr(producers, name) and name != "RecordUnreadable"]

    for name in missing:
        bases = {base.__name__ for base in getattr(ledger_errors, name).__mro__[1:]}
        assert bases & set(producers.__all__) - {"TransfersError"}, name


def _conflict(fake: FakeTransfers) -> None:
    fake.enqueue(payout("payout-1", amount=1))


def _suffix(fake: FakeTransfers) -> None:
    fake.enqueue(payout("payout-0", invoice_id="222000001"))


def _full(fake: FakeTransfers) -> None:
    fake.enqueue(payout("payout-0"))


#: Error → how it comes about, and what else the intent says.
CAUSES: dict[type[Exception], tuple[Callable[[FakeTransfers], None], dict[str, Any]]] = {
    IntentRejected: (lambda _: None, {"terminal": "nowhere"}),
    Conflict: (_conflict, {}),
    SuffixTaken: (_suffix, {"invoice_id": "111000001"}),
    TerminalPaused: (lambda fake: fake.pause_terminal("main", until=datetime(2036, 1, 1, tzinfo=UTC)), {}),
    QueueFull: (_full, {}),
    LedgerUnavailable: (lambda fake: fake.set_away(ledger=True), {}),
    VaultUnavailable: (lambda fake: fake.set_away(vault=True), {}),
}


@pytest.mark.parametrize("error", CAUSES, ids=lambda error: error.__name__)
def test_what_a_row_says_of_enqueue_is_so(error: type[Exception]) -> None:
    """`yes¹`: the reference is not known. `no`: it is, or nothing shows that it is not."""
    bring_about, fields = CAUSES[error]
    fake = FakeTransfers(queue_limit=1 if error is QueueFull else None)
    bring_about(fake)
    with pytest.raises(error):
        fake.enqueue(payout("payout-1", **fields))
    fake.set_away()

    known = True
    try:
        fake.get(reference="payout-1")
    except NotFound:
        known = False

    _, stored, again, _ = ROWS.get(f"{error.__name__}, from enqueue") or ROWS[error.__name__]
    if again.startswith("yes"):
        assert not known
    else:
        assert known or stored.startswith("maybe")


def code_of(heading: str) -> str:
    """The first block of code under a heading."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize(("error", "status"), [(Conflict, 409), (VaultUnavailable, 503), (InternalError, 503)])
def test_the_answer_for_fastapi_says_never_that_it_may_be_paid_again(error: type[Exception], status: int) -> None:
    app = fastapi.FastAPI()
    names = vars(producers) | {"app": app, "Request": fastapi.Request, "JSONResponse": JSONResponse}
    exec(code_of("As an HTTP answer"), names)  # noqa: S102 - the document's own

    @app.post("/buy")
    def buy() -> None:
        raise Conflict(["amount"]) if error is Conflict else InternalError("A", ()) if error is InternalError else error

    answer = call_asgi(app)("POST", "/buy")

    assert (answer.status, json.loads(answer.body)["pay_again"]) == (status, False)


def test_what_may_be_paid_another_way_is_final_and_moved_no_money() -> None:
    fake = FakeTransfers()
    names = vars(producers) | {"transfers": fake}
    exec(code_of("May this one be paid another way?"), names)  # noqa: S102 - the document's own
    for reference in ("waiting", "declined", "paid", "parked", "doubt"):
        fake.enqueue(payout(reference))
    fake.decline("declined")
    fake.pay("paid")
    fake.park("parked")
    fake.doubt("doubt")

    asked = ("waiting", "declined", "paid", "parked", "doubt", "unknown")
    assert [name for name in asked if names["may_pay_another_way"](name)] == ["declined"]
