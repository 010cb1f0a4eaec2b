"""What a record keeps of operators' decisions."""

from dataclasses import replace

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import Record

ONE = Decision("operator_paid", "aigul", "the bank says so", "a letter", 1_795_500_000_000, "a" * 24, "needs_review", 7)
WHATS = ("operator_paid", "operator_not_paid")


def test_what_is_written_is_read() -> None:
    assert decisions.read(decisions.write([ONE, replace(ONE, by="bolat", why="виза")])) == (
        ONE, replace(ONE, by="bolat", why="виза"),
    )  # fmt: skip
    assert (decisions.write([]), decisions.read("")) == ("", ())


def test_the_same_operator_twice_is_one_person() -> None:
    """However it came to be in the record."""
    twice = decisions.write([ONE, replace(ONE, request="b" * 24, at=ONE.at + 1)])

    assert len(decisions.standing(twice, "needs_review", 7, WHATS)) == 1


@pytest.mark.parametrize(("state", "since"), [("paid", 7), ("needs_review", 8)])
def test_a_decision_stands_in_the_state_that_it_was_made_in(state: str, since: int) -> None:
    text = decisions.write([ONE])

    assert decisions.standing(text, "needs_review", 7, WHATS) == (ONE,)
    assert decisions.standing(text, state, since, WHATS) == ()
    assert decisions.standing(text, "needs_review", 7, ["discard"]) == ()


def test_an_operators_newer_decision_takes_the_place_of_the_older_one() -> None:
    newer = replace(ONE, what="operator_not_paid")
    bolat = replace(ONE, by="bolat")

    assert decisions.read(decisions.with_one_more(decisions.write([ONE, bolat]), newer)) == (bolat, newer)


def test_the_newest_few_are_kept() -> None:
    text = ""
    for since in range(20):
        text = decisions.with_one_more(text, replace(ONE, since=since + 1))

    assert [each.since for each in decisions.read(text)] == list(range(15, 21))


@pytest.mark.parametrize("text", ["{}", "[1]", "x", '[{"by": 1}]', '[{"at": "x"}]', f'[{{"why": "{"x" * 301}"}}]'])
def test_what_is_no_decision_is_a_record_that_can_not_be_read(text: str) -> None:
    raw = dict.fromkeys(("version", "epoch", "state_since", "amount"), "1")
    raw |= {"key": "251124000001", "state": "paid", "currency": "KZT", "reference": "r", "terminal": "main"}

    assert Record.from_ledger("251124000001", raw).decisions == ""
    with pytest.raises(RecordUnreadable, match="decisions"):
        Record.from_ledger("251124000001", raw | {"decisions": text})
