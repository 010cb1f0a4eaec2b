"""Lists with filters: what a row shows finds it, a look that ended early says so, and a record that moves ends none."""

from collections.abc import Sequence
from typing import Any

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Cursor
from epay_transfers.ops import listing
from epay_transfers.ops.listing import Wanted
from tests.ops.conftest import Into
from tests.support.command_line import Cli

ALL = "all of them were looked at"


def references(transfers: Cli, *words: str) -> list[str]:
    return [each["reference"] for each in transfers("list", *words, "--json").json["transfers"]]


def some(into: Into, count: int, state: State = State.QUEUED, **more: Any) -> list[Record]:
    return [into(state, f"payout-{at}", invoice_id=f"25112400000{at}", **more) for at in range(count)]


@pytest.mark.parametrize("amount", [None, 1_500_000])
def test_one_that_moves_while_the_list_is_read_hides_none_of_the_others(
    ledger: Ledger, into: Into, monkeypatch: pytest.MonkeyPatch, amount: int | None
) -> None:
    """Between the names of a page and their records one moves away: the list goes on at the place in the list."""
    records = some(into, 8)
    read = ledger.get_many
    waiting = [records[1]]

    def get_many(names: Sequence[str], *others: Any) -> list[Record]:
        if waiting:
            ledger.move(waiting.pop(), Verb.CANCEL, Change(fields={"reason": "cancelled"}), actor="worker")
        return read(names, *others)

    monkeypatch.setattr(ledger, "get_many", get_many)
    seen: list[str] = []
    cursor, moved = None, 0
    for _ in range(8):
        found = listing.find(ledger, Wanted(states=[State.QUEUED], amount=amount), after=cursor, limit=2)
        seen += [record.key for record in found.records]
        cursor, moved = found.cursor, moved + found.moved
        if cursor is None:
            break

    assert seen == [record.key for record in records if record is not records[1]]
    assert moved == 1


def test_what_moved_away_while_it_was_read_is_said_and_no_list_is_called_empty(
    ledger: Ledger, into: Into, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = some(into, 1)
    read = ledger.get_many

    def get_many(names: Sequence[str], *others: Any) -> list[Record]:
        ledger.move(record, Verb.CANCEL, Change(fields={"reason": "cancelled"}), actor="worker")
        return read(names, *others)

    monkeypatch.setattr(ledger, "get_many", get_many)
    said = " ".join(listing.last_words(listing.find(ledger, Wanted(states=[State.QUEUED]), after=None, limit=2)))

    assert "1 moved to another list" in said


@pytest.mark.parametrize("state", State)
def test_a_word_that_a_row_shows_finds_the_row(transfers: Cli, into: Into, ledger: Ledger, state: State) -> None:
    """Also in states that are not counted by reason: `--why` looks at what the record says."""
    record = into(state)
    ledger.client.hset(redis_keys.record(record.key), mapping={"reason": "token_timeout", "code": "484"})

    row = transfers("list", state).out
    assert "token_timeout" in row
    assert "code 484" in row
    for words in (("--why", "token_timeout"), ("--why", "code_484"), ("--code", "484")):
        assert references(transfers, state, *words) == ["payout-1"]
    assert ALL in transfers("list", state, "--why", "card_lost").out
    assert ALL in transfers("list", state, "--code", "48").out


@pytest.mark.parametrize(
    "words",
    [("--amount", "3.33"), ("--code", "999"), ("--why", "timeout"), ("--last-four", "0000"), ("--operator", "aigul")],
)
def test_a_filter_says_what_it_can_not_read(transfers: Cli, into: Into, ledger: Ledger, words: tuple[str, str]) -> None:
    """It reads the fields that it is about, and whole what looks broken: that may be what is looked for."""
    record = into(State.PAID)
    ledger.client.hset(redis_keys.record(record.key), "amount", "a lot")

    (told,) = transfers("list", "paid", *words, "--json").json["unreadable"]

    assert told["key"] == record.key


def test_the_dead_say_why_behind_the_used_up_tries(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """`token_401` stands in the row and in the sums, and finds it, as `attempts_used_up` does."""
    record = into(State.SENDING)
    fields: RecordFields = {"reason": "attempts_used_up", "message": "token_401"}
    ledger.move(record, Verb.FAIL_CLAIMED, Change(due_at=1, fields=fields), actor="worker")

    page = transfers("dead", "list").out

    assert "attempts_used_up: token_401" in page
    assert "  token_401: 1 with 15 000.00 KZT" in page
    (told,) = transfers("dead", "list", "--json").json["by_reason"]
    assert told == {"reason": "token_401", "total": [{"count": 1, "amount": "15000.00", "currency": "KZT"}]}
    for word in ("token_401", "attempts_used_up"):
        assert references(transfers, "dead", "--why", word) == ["payout-1"]


def test_a_terminal_that_nothing_knows_is_refused_and_one_with_transfers_is_not(transfers: Cli, into: Into) -> None:
    """A typo is no empty list. One that the settings have no more is found by its transfers."""
    into(State.PAID)
    into(State.PAID, "old", terminal="kiosk")

    said = transfers("list", "paid", "--terminal", "Main")

    assert (said.status, said.out) == (1, "")
    assert "give one of main, kiosk" in said.err
    assert references(transfers, "paid", "--terminal", "kiosk") == ["old"]
    assert ALL in transfers("list", "dead", "--terminal", "main").out


def test_a_last_page_says_nothing_of_the_pages_before_it(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """Nor does a cursor that was made up."""
    records = some(into, 3, State.PAID)
    last = records[-1]

    for cursor in (Cursor(ledger.now_ms() + 1, last.key), Cursor(99_999_999_999_999, last.key)):
        for filters in ((), ("--amount", "15000")):
            said = transfers("list", "paid", *filters, "--cursor", str(cursor)).out
            assert ALL not in said
            assert "No more from this cursor on" in said
    assert ALL in transfers("list", "paid", "--amount", "3", "--cursor", f"0.{last.key}").out


def test_a_page_says_how_far_it_looked_from_the_first_page_on(transfers: Cli, into: Into) -> None:
    some(into, 5, State.PAID)

    first = transfers("list", "paid", "--limit", "2", "--json").json
    second = transfers("list", "paid", "--limit", "2", "--cursor", first["cursor"], "--json").json

    assert [(told["before"], told["looked_at"], told["left"], told["of"]) for told in (first, second)] == [
        (0, 2, 3, 5),
        (2, 2, 1, 5),
    ]
    assert "looked at 4 of 5" in transfers("list", "paid", "--limit", "2", "--cursor", first["cursor"]).out
    told = transfers("list", "paid", "--newest", "--limit", "2", "--json").json
    assert (told["before"], told["left"]) == (0, 3)
    told = transfers("list", "paid", "--newest", "--limit", "2", "--cursor", told["cursor"], "--json").json
    assert (told["before"], told["left"]) == (2, 1)
    assert transfers("list", "paid", "--older", "1h", "--json").json["of"] == 0


def test_what_an_operator_did_and_which_move_are_looked_up_in_the_events(
    transfers: Cli, into: Into, ledger: Ledger
) -> None:
    """Both together ask for one event; a decision in the record counts as its operator's, after its event is gone."""
    mine, others, none = some(into, 3)
    for record, actor in ((mine, "operator aigul"), (others, "operator bolat"), (none, "worker")):
        ledger.move(record, Verb.CANCEL, Change(fields={"reason": "cancelled"}), actor=actor)
    into(State.CANCELLED, "decided")
    decided = ledger.by_reference("decided")
    assert decided is not None
    ledger.client.hset(redis_keys.record(decided.key), "decisions", '[{"what":"discard","by":"aigul","why":"x"}]')

    assert references(transfers, "cancelled", "--operator", "aigul") == ["payout-0", "decided"]
    assert references(transfers, "cancelled", "--operator", "bolat", "--verb", "cancel") == ["payout-1"]
    assert references(transfers, "cancelled", "--operator", "bolat", "--verb", "create") == []
    assert len(references(transfers, "cancelled", "--verb", "create")) == 4
    assert transfers("list", "cancelled", "--verb", "no_such").status == 2


def test_a_look_at_events_is_bounded_and_says_what_the_log_has_forgotten(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is asked for is behind the bound, and events that are gone are said: neither is an empty list."""
    monkeypatch.setattr(listing, "MOST_HISTORIES", 2)
    monkeypatch.setattr(listing, "_PAGE", 2)
    records = some(into, 4)
    ledger.move(records[-1], Verb.CANCEL, Change(fields={"reason": "cancelled"}), actor="operator aigul")
    ledger.client.xtrim(redis_keys.EVENTS, maxlen=1, approximate=False)

    said = transfers("list", "queued", "cancelled", "--operator", "aigul").out

    assert "looked at 2 of 4" in said
    assert ALL not in said
    assert "Of 2 looked at, the log does not keep every event any more." in said
    cursor = transfers("list", "queued", "cancelled", "--operator", "aigul", "--json").json["cursor"]
    assert references(transfers, "queued", "cancelled", "--operator", "aigul", "--cursor", cursor) == ["payout-3"]


def test_the_banks_reference_leads_to_its_transfer(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """Where the bank gave it to two, both are named. Ours goes before the bank's."""
    first = into(State.SENDING, "payout-1")
    ledger.move(first, Verb.PAY, Change(fields={"bank_reference": "423812345678"}), actor="worker")

    for words in (("status",), ("explain",), ("dead", "show")):
        assert transfers(*words, "423812345678", "--json").json["key"] == first.key
    second = into(State.SENDING, "payout-2")
    ledger.move(second, Verb.PAY, Change(fields={"bank_reference": "423812345678"}), actor="worker")
    said = transfers("status", "423812345678")
    assert (said.status, said.out) == (1, "")
    assert f"give one of {first.key}, {second.key}" in said.err
    ours = into(State.PAID, "423812345678")
    assert transfers("status", "423812345678", "--json").json["key"] == ours.key


@pytest.mark.parametrize("history", ["x", "1-2-3", "5 -7", "!", "0 9999999999999999999999"])
def test_a_record_with_a_forged_history_is_shown_all_the_same(
    transfers: Cli, into: Into, ledger: Ledger, history: str
) -> None:
    record = into(State.PAID)
    ledger.client.hset(redis_keys.record(record.key), "history", history)

    told = transfers("status", record.key, "--json")

    assert told.status == 0
    assert told.json["events_not_listed"] > 0


def test_those_that_are_counted_by_a_word_are_exactly_these(into: Into, ledger: Ledger) -> None:
    """`reason` finds those of every cause of `attempts_used_up`; by `counted` the cause alone counts, as in sums."""
    for at, message in enumerate(("token_401", "token_401", "")):
        record = into(State.SENDING, f"payout-{at}", invoice_id=f"25112400000{at}")
        fields: RecordFields = {"reason": "attempts_used_up", "message": message}
        ledger.move(record, Verb.FAIL_CLAIMED, Change(due_at=1, fields=fields), actor="worker")

    def count(**wanted: str) -> int:
        return len(listing.find(ledger, Wanted(states=[State.DEAD], **wanted), after=None, limit=9).records)  # type: ignore[arg-type]

    assert count(reason="attempts_used_up") == 3
    for word, those in ledger.totals().of(State.DEAD).by_reason():
        assert count(counted=word) == those.count
    assert {word for word, _ in ledger.totals().of(State.DEAD).by_reason()} == {"token_401", "attempts_used_up"}


def test_those_that_end_soon_are_found_by_their_own_time(into: Into, ledger: Ledger) -> None:
    """A queued one by its deadline, a parked one by its client's; what ended has none, and what is broken is said."""
    now_ms = ledger.now_ms()
    parked, queued, late, broken = (
        into(state, f"payout-{at}", invoice_id=f"25112400000{at}")
        for at, state in enumerate((State.PARKED, State.QUEUED, State.PARKED, State.QUEUED))
    )
    into(State.PAID, "payout-9", invoice_id="251124000009")
    for record, name, text in (
        (parked, "parked_until", str(now_ms + 1000)),
        (queued, "deadline_at", str(now_ms + 1000)),
        (late, "parked_until", str(now_ms + 9000)),
        (broken, "deadline_at", "soon"),
    ):
        ledger.client.hset(redis_keys.record(record.key), name, text)

    found = listing.find(ledger, Wanted(states=list(State), ends_by_ms=now_ms + 5000), after=None, limit=9)

    assert {record.key for record in found.records} == {parked.key, queued.key}
    assert [error.key for error in found.unreadable] == [broken.key]


def test_a_caller_may_have_fewer_looked_at_and_the_cursor_goes_on_there(into: Into, ledger: Ledger) -> None:
    some(into, 7)
    wanted = Wanted(states=[State.QUEUED], reason="nothing_is_so")

    first = listing.find(ledger, wanted, after=None, limit=9, most=3)
    second = listing.find(ledger, wanted, after=first.cursor, limit=9, most=3)

    assert [(each.looked_at, each.before, each.of) for each in (first, second)] == [(3, 0, 7), (3, 3, 7)]
    assert all("looked at" in listing.last_words(each, is_typed=False)[0] for each in (first, second))
    assert "--cursor" not in listing.last_words(first, is_typed=False)[0]
