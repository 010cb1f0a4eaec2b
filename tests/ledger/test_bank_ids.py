"""The bank's id of a transfer belongs to one of ours, for ever: the script refuses a move that brings another's."""

from dataclasses import replace

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Foreign, Moved, Refused
from tests.support.factories import CHALLENGE, NOW, Place, found, into
from tests.support.redis_state import snapshot

SENDING: Place = (State.SENDING, Phase.SEND)
IN_DOUBT: Place = (State.IN_DOUBT, Phase.SEND)

BRINGERS = [(Verb.PAY, SENDING), (Verb.DECLINE, SENDING), (Verb.PARK, SENDING), (Verb.INQUIRY_PAID, IN_DOUBT)]


def bring(ledger: Ledger, record: Record, verb: Verb, bank_id: str = "a9e1") -> Moved | Refused:
    change = Change(fields={"bank_id": bank_id})
    if verb is Verb.PARK:
        change = replace(change, due_at=NOW, challenge=CHALLENGE)
    return ledger.move(record, verb, change, actor="w")


@pytest.mark.parametrize(("verb", "place"), BRINGERS)
def test_an_id_is_its_transfers_for_ever(ledger: Ledger, ledger_client: redis.Redis, verb: Verb, place: Place) -> None:
    record = into(ledger, place)

    assert isinstance(bring(ledger, record, verb), Moved)

    few, many = redis_keys.bank_ids("a9e1")
    assert ledger_client.hgetall(few) == {redis_keys.bank_id_name("a9e1"): record.key}
    assert ledger_client.ttl(few) == -1
    assert not ledger_client.exists(many, redis_keys.bank_id("a9e1"))


@pytest.mark.parametrize(("verb", "place"), BRINGERS)
def test_anothers_id_settles_nothing_and_changes_nothing(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb, place: Place
) -> None:
    first, second = into(ledger, SENDING), into(ledger, place, "payout-2")
    bring(ledger, first, Verb.PAY)
    was = snapshot(ledger_client)

    reply = bring(ledger, second, verb)

    assert reply == Foreign(place[0], second.epoch, key=first.key)
    assert isinstance(reply, Refused)
    assert snapshot(ledger_client) == was


def test_the_same_id_again_is_its_own(ledger: Ledger) -> None:
    """Parked under it, and then paid: the bank keeps one id for both."""
    record = into(ledger, SENDING)
    bring(ledger, record, Verb.PARK)

    assert isinstance(bring(ledger, found(ledger, record), Verb.PAY), Moved)


def test_what_is_refused_for_its_state_is_refused_for_that(ledger: Ledger) -> None:
    """What has ended can't be settled anyhow; which id the answer brings says nothing new."""
    first, second = into(ledger, SENDING), into(ledger, SENDING, "payout-2")
    bring(ledger, first, Verb.PAY)
    bring(ledger, second, Verb.PAY, "b2")

    assert bring(ledger, second, Verb.DECLINE) == Refused(State.PAID, second.epoch)


def test_an_answer_without_an_id_is_anybodys(ledger: Ledger) -> None:
    for name in ("payout-1", "payout-2"):
        assert isinstance(bring(ledger, into(ledger, SENDING, name), Verb.DECLINE, ""), Moved)


YOUNG = 60_000  #: events, as `_move.lua` has it


@pytest.mark.parametrize("events", [YOUNG, YOUNG + 1])
def test_an_id_that_comes_when_the_ledger_is_old_is_its_transfers_all_the_same(
    ledger: Ledger, ledger_client: redis.Redis, events: int
) -> None:
    few, many = redis_keys.bank_ids("a9e1")
    first, second = into(ledger, SENDING), into(ledger, SENDING, "payout-2")
    ledger_client.hset(redis_keys.COUNTERS, "events", str(events))

    assert isinstance(bring(ledger, first, Verb.PARK), Moved)
    assert isinstance(bring(ledger, found(ledger, first), Verb.PAY), Moved)

    assert [ledger_client.hlen(few), ledger_client.hlen(many)] == ([1, 0] if events == YOUNG else [0, 1])
    assert bring(ledger, second, Verb.PAY) == Foreign(State.SENDING, second.epoch, key=first.key)


@pytest.mark.parametrize(("before", "after"), [(YOUNG, YOUNG + 9), (YOUNG + 9, 0)], ids=["grew old", "counters lost"])
def test_an_id_is_found_wherever_it_lies(ledger: Ledger, ledger_client: redis.Redis, before: int, after: int) -> None:
    first, second = into(ledger, SENDING), into(ledger, SENDING, "payout-2")
    ledger_client.hset(redis_keys.COUNTERS, "events", str(before))
    bring(ledger, first, Verb.PAY)
    ledger_client.hset(redis_keys.COUNTERS, "events", str(after))

    assert bring(ledger, second, Verb.PAY) == Foreign(State.SENDING, second.epoch, key=first.key)


@pytest.mark.parametrize("events", [YOUNG, YOUNG + 1])
def test_an_id_leads_to_its_transfer(ledger: Ledger, ledger_client: redis.Redis, events: int) -> None:
    """By either of its places, and by the key of its own that a version before has written."""
    first = into(ledger, SENDING)
    ledger_client.hset(redis_keys.COUNTERS, "events", str(events))
    bring(ledger, first, Verb.PAY, "b-7")
    older = into(ledger, SENDING, "payout-2")
    ledger_client.set(redis_keys.bank_id("b-8"), older.key)

    found_ones = [ledger.by_bank_id(name) for name in ("b-7", "b-8")]

    assert [each and each.key for each in found_ones] == [first.key, older.key]
    assert ledger.by_bank_id("b-9") is None


@pytest.mark.parametrize(("verb", "place"), BRINGERS)
def test_an_id_that_a_version_before_has_kept_is_its_transfers_still(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb, place: Place
) -> None:
    """It has a key of its own there, and gets no second place."""
    first, second = into(ledger, SENDING), into(ledger, place, "payout-2")
    ledger_client.set(redis_keys.bank_id("a9e1"), first.key)
    was = snapshot(ledger_client)

    assert bring(ledger, second, verb) == Foreign(place[0], second.epoch, key=first.key)
    assert snapshot(ledger_client) == was

    assert isinstance(bring(ledger, first, Verb.PAY), Moved)
    assert not ledger_client.exists(*redis_keys.bank_ids("a9e1"))
