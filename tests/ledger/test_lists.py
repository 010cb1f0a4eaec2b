"""What reading needs is written by the same script that moves: lists, sums, histories, the bank's references."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Cursor, CursorUnreadable
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.store.totals import Totals
from tests.support.clocks import FakeClock
from tests.support.factories import create, found, into, make
from tests.support.redis_state import assert_agrees

TERMINALS = ("main", "kiosk", "main-2", "m")


def many(ledger: Ledger, clock: FakeClock, count: int) -> list[str]:
    """Transfers of several terminals, one a second; their keys in that order."""
    keys = []
    for n in range(count):
        keys.append(create(ledger, f"payout-{n}", terminal=TERMINALS[n % 4]).key)
        clock.advance(1)
    return keys


def pages(ledger: Ledger, limit: int, **wanted: object) -> list[list[str]]:
    """Every page of a list, as one who goes on where the page before ended reads it."""
    found, after = [], None
    while True:
        page = ledger.lists.page([State.QUEUED], after=after, limit=limit, **wanted)  # type: ignore[arg-type]  # a test's
        found.append(page.keys)
        if page.next is None:
            return found
        after = Cursor.from_text(str(page.next))


@pytest.mark.parametrize("limit", [1, 3, 20, 21])
def test_a_list_of_all_terminals_is_whole_and_in_order(ledger: Ledger, clock: FakeClock, limit: int) -> None:
    """However long the pages are: none is left out, none comes twice, and the end comes after the last one only."""
    keys = many(ledger, clock, 20)

    found = pages(ledger, limit)

    assert [key for page in found for key in page] == keys
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


def test_the_newest_come_first_where_they_are_asked_for(ledger: Ledger, clock: FakeClock) -> None:
    keys = many(ledger, clock, 20)

    assert [key for page in pages(ledger, 3, newest=True) for key in page] == keys[::-1]


def test_a_list_of_one_terminal_holds_no_other(ledger: Ledger, clock: FakeClock) -> None:
    """Also where one terminal's name begins with the other's."""
    keys = many(ledger, clock, 12)

    for at, terminal in enumerate(TERMINALS):
        assert [key for page in pages(ledger, 2, terminal=terminal) for key in page] == keys[at::4]
        assert ledger.lists.count(State.QUEUED, terminal) == 3
    assert sorted(ledger.lists.terminals(State.QUEUED)) == sorted(TERMINALS)
    assert ledger.lists.terminals(State.PAID) == []


def test_a_list_by_age_begins_and_ends_where_it_is_told(ledger: Ledger, clock: FakeClock) -> None:
    keys = many(ledger, clock, 12)
    times = [record.state_since for record in ledger.get_many(keys)]

    found = pages(ledger, 2, since_ms=times[3], until_ms=times[9])

    assert [key for page in found for key in page] == keys[3:9]
    found = pages(ledger, 2, since_ms=times[3], until_ms=times[9], newest=True)
    assert [key for page in found for key in page] == keys[3:9][::-1]


def test_those_that_came_in_the_same_moment_are_all_listed(ledger: Ledger) -> None:
    """The clock stands still: where a page ends between them, the next one goes on with the others."""
    keys = {create(ledger, f"payout-{n}").key for n in range(7)}

    found = [key for page in pages(ledger, 2) for key in page]

    assert (set(found), len(found)) == (keys, 7)


@pytest.mark.parametrize("state", [State.PAID, State.DECLINED, State.EXPIRED, State.CANCELLED, State.DEAD])
def test_what_has_ended_is_listed_too(ledger: Ledger, ledger_client: redis.Redis, state: State) -> None:
    record = into(ledger, (state, Phase.SEND))

    assert ledger.in_state(state) == [record]
    assert ledger.lists.page([State.QUEUED, State.SENDING]).keys == []
    assert_agrees(ledger_client)


@pytest.mark.parametrize("text", ["", "x", "17.", ".251124000001", "-1.251124000001", "1" * 16 + ".251124000001"])
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CursorUnreadable, match="cursor"):
        Cursor.from_text(text)


def test_transfers_are_counted_by_terminal_and_by_why(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """A reason that changes while the state stays is counted anew as well."""
    doubt = into(ledger, (State.IN_DOUBT, Phase.SEND))
    ledger.move(
        doubt, Verb.SEND_TO_REVIEW, Change(fields={"reason": "bank_says_not_found"}, look_again_in=1), actor="w"
    )
    other = create(ledger, "payout-2", terminal="kiosk", amount=700)
    make(ledger, other, Verb.CLAIM)
    sent = found(ledger, other)
    ledger.move(sent, Verb.DECLINE, Change(fields={"code": "484"}), actor="w")

    totals = ledger.totals()

    assert totals.of(State.DECLINED, terminal="kiosk").amounts == {"KZT": 700}
    assert [(word, those.count) for word, those in totals.of(State.DECLINED).by_reason()] == [("code_484", 1)]
    assert [word for word, _ in totals.of(State.NEEDS_REVIEW).by_reason()] == ["bank_says_not_found"]
    assert (totals.count, totals.terminals) == (2, ["kiosk", "main"])
    ledger.move(
        found(ledger, doubt), Verb.ADD_EVIDENCE, Change(fields={"reason": "timeout"}, look_again_in=1), actor="w"
    )
    assert [word for word, _ in ledger.totals().of(State.NEEDS_REVIEW).by_reason()] == ["timeout"]
    assert_agrees(ledger_client)


def test_a_state_of_another_version_is_left_out_of_the_sums() -> None:
    assert Totals.of_counters({"n:flown:main:KZT:": 3, "sum:flown:main:KZT:": 9, "sequence": 4}) == Totals()


def test_a_transfer_is_found_by_the_banks_reference(ledger: Ledger) -> None:
    """Also where the bank gave two transfers the same one: then both are."""
    for reference in ("payout-1", "payout-2"):
        record = create(ledger, reference)
        make(ledger, record, Verb.CLAIM)
        ledger.move(found(ledger, record), Verb.PAY, Change(fields={"bank_reference": "204978430339"}), actor="w")

    assert [record.reference for record in ledger.by_bank_reference("204978430339")] == ["payout-1", "payout-2"]
    assert ledger.by_bank_reference("204978430330") == []


@pytest.mark.parametrize("events", [59_999, 60_001])
def test_a_reference_leads_to_its_transfers_in_a_ledger_of_any_age(
    ledger: Ledger, ledger_client: redis.Redis, events: int
) -> None:
    """The second transfer comes when the ledger is old: it goes where the first has begun."""
    for at, name in enumerate(("payout-1", "payout-2")):
        record = into(ledger, (State.SENDING, Phase.SEND), name)
        ledger_client.hset(redis_keys.COUNTERS, "events", str(events + 9 * at))
        ledger.move(record, Verb.PAY, Change(fields={"bank_reference": "204978430339"}), actor="w")

    assert [record.reference for record in ledger.by_bank_reference("204978430339")] == ["payout-1", "payout-2"]
    places = [ledger_client.hlen(place) for place in redis_keys.references("204978430339")]
    assert places == ([1, 0] if events < 60_000 else [0, 1])


def test_a_reference_of_a_ledger_of_before_goes_on_where_it_began(ledger: Ledger, ledger_client: redis.Redis) -> None:
    few, many = redis_keys.references("204978430339")
    older, record = (into(ledger, (State.SENDING, Phase.SEND), name) for name in ("older", "newer"))
    ledger_client.hset(many, "204978430339", older.key)

    ledger.move(record, Verb.PAY, Change(fields={"bank_reference": "204978430339"}), actor="w")

    assert [each.reference for each in ledger.by_bank_reference("204978430339")] == ["older", "newer"]
    assert not ledger_client.exists(few)
    assert ledger.keys_by_bank_reference(["204978430339", "none"]) == [[older.key, record.key], []]


def test_the_history_of_a_transfer_is_whole_and_in_order(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """Among others' events, and without a look at any of them."""
    record = create(ledger)
    for n in range(30):
        create(ledger, f"other-{n}")
    make(ledger, record, Verb.CLAIM)
    make(ledger, found(ledger, record), Verb.PAY)
    record = found(ledger, record)

    history = Events(ledger_client).of(record)

    assert [event.fields["verb"] for event in history.events] == ["create", "claim", "pay"]
    assert {event.fields["key"] for event in history.events} == {record.key}
    assert (history.trimmed, history.unlisted) == (0, 0)


def test_an_alarm_about_a_transfer_is_in_its_history(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record, log = create(ledger), Events(ledger_client)

    log.alarm(Alarm.CONTRADICTION, actor="w", key=record.key, bank_said="pay", ledger="declined")
    log.alarm(Alarm.CONTRADICTION, actor="w", key="251124999999", bank_said="pay", ledger="declined")

    history = log.of(found(ledger, record))
    assert [event.fields["verb"] for event in history.events] == ["create", "contradiction"]
    assert (history.trimmed, history.unlisted) == (0, 0)
    assert not ledger_client.exists(redis_keys.record("251124999999"))


def test_a_history_says_what_the_log_has_forgotten(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    make(ledger, record, Verb.CLAIM)
    oldest, _ = Events(ledger_client).newest(2)
    ledger_client.xdel(redis_keys.EVENTS, oldest.id)

    history = Events(ledger_client).of(found(ledger, record))

    assert ([event.fields["verb"] for event in history.events], history.trimmed) == (["claim"], 1)


def test_a_history_is_never_read_as_a_card_number(ledger: Ledger) -> None:
    """Its numbers are parted by letters: parted by spaces alone, one in some thousands reads as a card number."""
    record = into(ledger, (State.NEEDS_REVIEW, Phase.CONFIRM))

    assert re.fullmatch(r"m\d{13}-\d+(?:[am]\d{1,11}(?:-\d+)?){4,}", record.history)


@pytest.mark.parametrize("text", ["x", "m", " ", "m1-2-3 x", "m-5", "m" + "9" * 400 + "-0", "m5", "m1-0" * 300_000])
def test_a_history_that_is_none_stops_no_move_and_no_look(
    ledger: Ledger, ledger_client: redis.Redis, text: str
) -> None:
    """A server user of a producer may write into a record; what became of the transfer is written all the same.

    The event is written before the record: it would be written again at each try.
    """
    record = create(ledger)
    ledger_client.hset(redis_keys.record(record.key), "history", text)
    Events(ledger_client).of(found(ledger, record))
    make(ledger, record, Verb.CLAIM)
    ledger_client.hset(redis_keys.record(record.key), "history", text)
    Events(ledger_client).alarm(Alarm.CONTRADICTION, actor="w", key=record.key)

    assert isinstance(make(ledger, found(ledger, record), Verb.PAY), Moved)

    record = found(ledger, record)
    assert (record.state, record.version) == (State.PAID, 3)
    verbs = [event.fields["verb"] for event in Events(ledger_client).newest()]
    assert verbs == ["create", "claim", "contradiction", "pay"]
    assert Events(ledger_client).of(record).events[-1].fields["verb"] == "pay"


def test_a_very_long_history_keeps_its_beginning_and_its_end(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """And says how many moves between them it does not name."""
    record = into(ledger, (State.IN_DOUBT, Phase.SEND))
    for n in range(1500):
        change = Change(fields={"last_read": f"word {n}"}, look_again_in=1)
        ledger.move(replace(record, version=record.version + n), Verb.INQUIRY_INCONCLUSIVE, change, actor="w")
    record = found(ledger, record)

    history = Events(ledger_client).of(record)

    assert len(record.history) <= 4000
    assert history.events[0].fields["verb"] == "create"
    assert history.events[-1].fields["version"] == str(record.version)
    assert history.unlisted == record.version - len(history.events) > 0
    versions = [int(event.fields["version"]) for event in history.events[1:]]
    assert all(later == before + 1 for before, later in pairwise(versions))
