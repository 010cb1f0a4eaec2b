"""What one operator alone does on a day, as the script counts it: each transfer once, within the limits."""

import pytest
import redis

from epay_transfers.ledger.limits import Day
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from tests.support.factories import NOW, create
from tests.support.redis_state import snapshot

TODAY = Day.of(NOW)
KEY = redis_keys.operator_limits(TODAY.name)
TWO_DAYS_MS = 2 * 86_400_000


def count(
    ledger: Ledger,
    record: Record,
    name: str = "aigul",
    *,
    money: int = 0,
    most: int | None = 2,
    top: int | None = 1000,
) -> bool:
    return ledger.count_operator(record, name, money=money, day=TODAY, most=most, most_money=top)


def test_a_number_of_transfers_is_the_most_for_each_operator(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """The third one of an operator is one too many; another operator's count is another, and what is counted ends."""
    first, second, third = (create(ledger, f"payout-{at}") for at in range(3))

    assert [count(ledger, each) for each in (first, second)] == [True, True]
    was = snapshot(ledger_client)
    assert not count(ledger, third)
    assert snapshot(ledger_client) == was
    assert count(ledger, third, "bolat")
    assert 0 <= TWO_DAYS_MS - int(str(ledger_client.pttl(KEY))) < 60_000


def test_a_transfer_counts_once(ledger: Ledger) -> None:
    """An entry that comes again counts nothing more; money that a first entry did not count is counted then."""
    first, second = create(ledger, "payout-1"), create(ledger, "payout-2")

    assert [count(ledger, first, money=600, most=1) for _ in range(3)] == [True] * 3
    assert not count(ledger, second, most=1)
    assert count(ledger, second)
    assert not count(ledger, second, money=401)
    assert count(ledger, second, money=400)
    assert count(ledger, second, money=400)


@pytest.mark.parametrize(("money", "may"), [(999, True), (1000, True), (1001, False)])
def test_a_sum_is_the_most_for_a_day(ledger: Ledger, money: int, *, may: bool) -> None:
    """The sum of what may move is at most the limit; without a limit in number, and without one in money, all may."""
    record = create(ledger)

    assert count(ledger, record, money=money, most=None) is may
    assert count(ledger, record, "bolat", money=money, most=None, top=None)


def test_what_moves_no_money_needs_no_room_in_the_sum(ledger: Ledger) -> None:
    """A discard is counted as a transfer alone, even where the day's sum is used up, or the limit was lowered."""
    first, second = create(ledger, "payout-1"), create(ledger, "payout-2")
    assert count(ledger, first, money=1000)

    assert count(ledger, second, money=0, top=500)
    assert not count(ledger, second, money=1)


def test_an_operator_whose_name_looks_like_another_field_has_counts_of_its_own(ledger: Ledger) -> None:
    """No name and no key is taken for a part of another one."""
    first, second = create(ledger, "payout-1"), create(ledger, "payout-2")

    assert count(ledger, first, "a", most=1)
    assert count(ledger, second, "a.KZT", most=1)
    assert not count(ledger, second, "a", most=1)
