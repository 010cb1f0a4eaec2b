"""Guesses at handles, MDs and the notification's address are counted, and answered 429; what is known is served."""

from collections.abc import Callable

import pytest
import redis

from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.producers import Challenge, LedgerUnavailable, Receipt
from tests.support.clocks import FakeClock
from tests.web.conftest import PA_RES, SECRET, Visitor, WorkedTransfers

MOST = 60

#: A wrong one of each kind, and how it is answered until there are too many.
WRONG: dict[str, tuple[Callable[[Visitor, Receipt], int], int]] = {
    "a handle to pay": (lambda visitor, _: visitor.get("pay", "A" * 22).status, 404),
    "a handle of a result": (lambda visitor, _: visitor.get("result", "A" * 22).status, 404),
    "a handle that comes back": (lambda visitor, _: visitor.post("3ds", "A" * 22, b"MD=1&PaRes=eJz").status, 404),
    "an MD": (lambda visitor, receipt: visitor.comes_back(receipt, MD="another", PaRes=PA_RES).status, 400),
    "an address of notifications": (lambda visitor, _: visitor.post("notify", "guess", b"{}").status, 404),
}


@pytest.mark.parametrize("kind", WRONG)
def test_beyond_sixty_a_minute_a_wrong_one_is_answered_429(
    visitor: Visitor, receipt: Receipt, challenge: Challenge, kind: str
) -> None:
    assert challenge.md
    guess, as_ever = WRONG[kind]

    assert [guess(visitor, receipt) for _ in range(MOST)] == [as_ever] * MOST
    assert guess(visitor, receipt) == 429


def test_what_is_known_is_served_whatever_others_guess(
    visitor: Visitor, receipt: Receipt, challenge: Challenge
) -> None:
    """An honest client is not locked out."""
    for _ in range(MOST * 2):
        visitor.get("pay", "A" * 22)

    assert visitor.get("pay", receipt.handle).status == 200
    assert visitor.post("notify", SECRET, b'{"invoiceId": "251124000001"}', "application/json").status == 200
    assert visitor.comes_back(receipt, MD=challenge.md, PaRes=PA_RES).status == 303


def test_what_can_not_be_counted_is_answered_as_ever(
    visitor: Visitor, fake: WorkedTransfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> int:
        raise LedgerUnavailable

    monkeypatch.setattr(fake._context.inboxes, "count_guess", away)

    assert visitor.post("notify", "guess", b"{}").status == 404


def test_a_minute_has_a_count_of_its_own_that_goes_by_itself(ledger_client: redis.Redis, clock: FakeClock) -> None:
    inboxes = Inboxes(ledger_client, clock)

    assert [inboxes.count_guess() for _ in range(3)] == [1, 2, 3]
    kept = redis_keys.guesses(clock.now_ms() // 60_000)
    assert 0 < int(str(ledger_client.pttl(kept))) <= 120_000
    clock.advance(60)
    assert inboxes.count_guess() == 1
