"""Limits on money in the scripts: what is claimed on a day, and what goes to one card, stays within them."""

from typing import Any

import pytest
import redis

from epay_transfers.ledger.limits import Counts, Day, Limit, Limits, counts_of_terminal
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import LimitReached, Moved, Wait
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, claim, create, found, into
from tests.support.redis_state import snapshot

TODAY = Day.of(NOW)
KEY = redis_keys.limits(TODAY.name)
CARDS = redis_keys.receiver_limits(TODAY.name)
TWO_DAYS_MS = 2 * 86_400_000


def counts_on(day: Day, record: Record, **limits: int) -> dict[str, Any]:
    counts = counts_of_terminal(
        Limits(**limits),
        day,
        terminal=record.terminal,
        currency=record.currency,
        key=record.key,
        amount=record.amount,
    )
    return {"limits": Limits(**limits), "counts": counts}


def limited(ledger: Ledger, record: Record, clock: FakeClock, **limits: int) -> Any:
    return claim(ledger, record, **counts_on(Day.of(clock.now_ms()), record, **limits))


def give_back(ledger: Ledger, record: Record) -> Record:
    """Its worker proved that nothing was sent: queued again, and given back."""
    ledger.give_back(counts_on(TODAY, record, terminal_day=1000)["counts"])
    return queue_again(ledger, record)


def queue_again(ledger: Ledger, record: Record) -> Record:
    moved = ledger.move(found(ledger, record), Verb.REQUEUE, Change(due_at=NOW), actor="worker")
    assert isinstance(moved, Moved)
    return found(ledger, record)


def counted(client: redis.Redis, terminal: str = "main", currency: str = "KZT") -> int:
    return int(str(client.hget(KEY, f"sum:{terminal}:{currency}") or 0))


@pytest.mark.parametrize(("most", "is_claimed"), [(999, False), (1000, True), (1001, True)])
def test_a_transfer_has_a_most(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, most: int, *, is_claimed: bool
) -> None:
    """The amount itself is allowed; nothing is changed where it is more."""
    record = create(ledger, amount=1000)
    was = snapshot(ledger_client)

    reply = limited(ledger, record, clock, transfer=most)

    if is_claimed:
        assert isinstance(reply, Moved)
    else:
        assert reply == LimitReached(Limit.TRANSFER)
        assert snapshot(ledger_client) == was


def test_a_terminals_day_has_a_most_to_the_last_tiyn(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """The last one that fits is claimed; what does not fit changes nothing."""
    first, second, third = (create(ledger, f"payout-{n}", amount=amount) for n, amount in enumerate((600, 400, 1)))
    assert isinstance(limited(ledger, first, clock, terminal_day=1000), Moved)
    assert isinstance(limited(ledger, second, clock, terminal_day=1000), Moved)
    was = snapshot(ledger_client)

    assert limited(ledger, third, clock, terminal_day=1000) == LimitReached(Limit.TERMINAL_DAY)

    assert snapshot(ledger_client) == was
    assert counted(ledger_client) == 1000
    assert 0 <= TWO_DAYS_MS - int(str(ledger_client.pttl(KEY))) < 60_000


def test_each_terminal_and_each_currency_counts_by_itself(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """A tenge is no dollar."""
    places = [("main", "KZT"), ("main", "USD"), ("kiosk", "KZT")]
    for number, (terminal, currency) in enumerate(places):
        record = create(ledger, f"payout-{number}", amount=1000, terminal=terminal, currency=currency)
        assert isinstance(limited(ledger, record, clock, terminal_day=1000), Moved)

    assert [counted(ledger_client, *place) for place in places] == [1000] * 3


def test_a_transfer_that_is_claimed_again_counts_once_a_day(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Its worker proved that it sent nothing, and said so. On the next day it counts to that one."""
    record = create(ledger, amount=1000, lasts_ms=TWO_DAYS_MS)
    for _ in range(3):
        assert isinstance(limited(ledger, record, clock, terminal_day=1000), Moved)
        record = give_back(ledger, record)
    assert counted(ledger_client) == 1000

    clock.advance((TODAY.ends_ms - clock.now_ms()) / 1000)
    assert isinstance(limited(ledger, record, clock, terminal_day=1000), Moved)
    tomorrow = redis_keys.limits(Day.of(clock.now_ms()).name)
    assert ledger_client.hget(tomorrow, "sum:main:KZT") == "1000"
    assert counted(ledger_client) == 1000


@pytest.mark.parametrize("verb", [Verb.PAY, Verb.DECLINE])
def test_what_the_bank_answers_changes_no_count(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, verb: Verb
) -> None:
    """A limit bounds what may be sent: what the bank declines has been sent."""
    record = create(ledger, amount=1000)
    limited(ledger, record, clock, terminal_day=1000)
    ledger.move(found(ledger, record), verb, actor="worker")

    assert limited(ledger, create(ledger, "other", amount=1), clock, terminal_day=1000) == LimitReached(
        Limit.TERMINAL_DAY
    )
    assert counted(ledger_client) == 1000


def test_what_counts_is_the_amount_that_the_worker_sends(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Not what stands in the record by then: a user that may write there would have it count as nothing."""
    record = create(ledger, amount=1000)
    ledger_client.hset(redis_keys.record(record.key), "amount", "1")

    assert isinstance(limited(ledger, record, clock, terminal_day=1000), Moved)

    assert counted(ledger_client) == 1000


def test_what_is_given_back_of_less_than_is_sent_leaves_the_rest_to_count(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """A record that was changed by hand before its first claim, and put right before the second one."""
    record = create(ledger, amount=1000)
    ledger_client.hset(redis_keys.record(record.key), "amount", "1")
    limited(ledger, found(ledger, record), clock, terminal_day=1000)
    ledger.give_back(counts_on(TODAY, found(ledger, record), terminal_day=1000)["counts"])
    ledger_client.hset(redis_keys.record(record.key), "amount", "1000")

    assert isinstance(limited(ledger, queue_again(ledger, record), clock, terminal_day=1000), Moved)

    assert counted(ledger_client) == 1000


def test_a_claim_whose_worker_proved_nothing_counts_again(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Its worker died. A record or a vault that says "not sent" may be forged: then it was sent once already."""
    record = create(ledger, amount=500)
    limited(ledger, record, clock, terminal_day=1000)
    record = queue_again(ledger, record)
    assert isinstance(limited(ledger, record, clock, terminal_day=1000), Moved)
    assert counted(ledger_client) == 1000

    record = queue_again(ledger, record)
    assert limited(ledger, record, clock, terminal_day=1000) == LimitReached(Limit.TERMINAL_DAY)


def test_what_is_given_back_is_used_up_by_the_next_claim(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    record = create(ledger, amount=500)
    limited(ledger, record, clock, terminal_day=1000)
    limited(ledger, give_back(ledger, record), clock, terminal_day=1000)

    limited(ledger, queue_again(ledger, record), clock, terminal_day=1000)

    assert counted(ledger_client) == 1000


def test_no_field_of_a_record_says_that_it_was_counted(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Else the producer, which may write records, could say so of all its transfers."""
    record = create(ledger, amount=1000)
    before = set(ledger_client.hkeys(redis_keys.record(record.key)))
    unlimited = create(ledger, "other", amount=1000)

    limited(ledger, record, clock, terminal_day=1000)
    claim(ledger, unlimited)

    assert set(ledger_client.hkeys(redis_keys.record(record.key))) == set(
        ledger_client.hkeys(redis_keys.record(unlimited.key))
    )
    assert before < set(ledger_client.hkeys(redis_keys.record(record.key)))


def test_a_transfer_that_waits_for_its_rate_counts_nothing_yet(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    first, second = create(ledger, "payout-1", amount=1000), create(ledger, "payout-2", amount=1000)
    claim(ledger, first, gap_ms=1000, **counts_on(TODAY, first, terminal_day=10_000))

    assert claim(ledger, second, gap_ms=1000, **counts_on(TODAY, second, terminal_day=10_000)) == Wait(1000, "rate")

    assert counted(ledger_client) == 1000


@pytest.mark.parametrize("day", [TODAY, Day.of(TODAY.ends_ms + 86_400_000)])
def test_a_worker_that_has_the_wrong_day_is_told_to_come_again(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, day: Day
) -> None:
    """It asked at midnight, and the ledger's day is another one by now: nothing is counted to yesterday."""
    record = create(ledger, amount=1000, lasts_ms=TWO_DAYS_MS)
    clock.advance((TODAY.ends_ms - clock.now_ms()) / 1000)
    was = snapshot(ledger_client)

    assert claim(ledger, record, **counts_on(day, record, terminal_day=1000)) == Wait(1000, "day")

    assert snapshot(ledger_client) == was


def test_a_confirm_is_of_what_was_counted(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """A worker gives no limits with it."""
    record = into(ledger, (State.RESUMED, Phase.CONFIRM))

    assert isinstance(claim(ledger, record), Moved)
    assert not ledger_client.exists(KEY)


def test_counts_that_can_not_be_read_let_nothing_go(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """Another hand wrote there: nothing is claimed, and nothing is changed."""
    record = create(ledger, amount=1000)
    ledger_client.hset(KEY, "sum:main:KZT", "many")
    was = snapshot(ledger_client)

    with pytest.raises(Exception, match=r"answered with an error; .*; the change may or may not be stored"):
        limited(ledger, record, clock, terminal_day=1000)
    assert snapshot(ledger_client) == was


def of_card(card: str, number: int, amount: int) -> Counts:
    return Counts(day=TODAY, amount=amount, card=card, unsent_of_card=f"m{number}")


def count(ledger: Ledger, card: str, number: int, amount: int, most: int = 1000) -> bool:
    return ledger.count_receiver(of_card(card, number, amount), most=most)


def test_a_receivers_card_has_a_most_for_a_day(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """Each claim counts, less what was given back of its transfer, and each card by itself."""
    assert [count(ledger, "a:KZT", n, amount) for n, amount in enumerate((600, 400))] == [True, True]
    ledger.give_back(of_card("a:KZT", 0, 600))
    assert count(ledger, "a:KZT", 0, 600), "its next claim"
    was = snapshot(ledger_client)
    assert not count(ledger, "a:KZT", 9, 1)
    assert not count(ledger, "a:KZT", 0, 600), "what was given back is used up"
    assert snapshot(ledger_client) == was
    assert count(ledger, "b:KZT", 10, 1000)

    assert ledger_client.hgetall(CARDS) == {"a:KZT": "1000", "b:KZT": "1000"}
    assert 0 <= TWO_DAYS_MS - int(str(ledger_client.pttl(CARDS))) < 60_000


def test_a_limit_that_was_lowered_holds_for_what_is_counted_already(ledger: Ledger) -> None:
    """A transfer that was counted under the old limit, and was not sent, is not sent under the new one."""
    assert count(ledger, "a:KZT", 0, 1000)
    ledger.give_back(of_card("a:KZT", 0, 1000))

    assert not count(ledger, "a:KZT", 0, 1000, most=999)
