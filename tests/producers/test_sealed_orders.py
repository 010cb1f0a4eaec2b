"""What a producer seals with a card is what its intent says, whatever stands in the ledger by then."""

import pytest

from epay_transfers.ledger.record import kept_as
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.vault.sealed_card import PaymentOrder, SealedCard
from epay_transfers.producers import Transfers
from tests.producers.conftest import Hands, by_pan
from tests.support.clocks import FakeClock
from tests.support.redis_state import empty


def opened(hands: Hands, key: str) -> PaymentOrder:
    return SealedCard.from_bytes(hands.take(hands.claim(key))).order


def test_a_card_is_sealed_with_every_field_of_its_order(transfers: Transfers, hands: Hands) -> None:
    """And the record says the same."""
    intent = by_pan(description="Salary", back_link="https://shop.kz/back", post_link="https://shop.kz/post")
    key = transfers.enqueue(intent).key
    record = hands.record(key)

    assert opened(hands, key) == PaymentOrder(
        reference=intent.reference,
        handle=record.handle,
        terminal="main",
        amount=10_050,
        currency="KZT",
        deadline_at=record.created_at + 900_000,
        details=intent.order_details(),
    )
    assert PaymentOrder.of(record).differing(record) == ()


@pytest.mark.parametrize(
    "forged",
    [
        {"amount": "9990000"},
        {"currency": "USD"},
        {"terminal": "kiosk"},
        {"reference": "another"},
        {"order_details": '{"description":"[paid]"}'},
    ],
    ids=str,
)
def test_a_card_that_is_brought_again_is_sealed_with_the_intents_own_order(
    transfers: Transfers, hands: Hands, forged: dict[str, str]
) -> None:
    """The record was changed by hand meanwhile: the worker finds the difference."""
    key = transfers.enqueue(by_pan()).key
    ordered = PaymentOrder.of(hands.record(key))
    empty(hands.vault.client)
    fields = {kept_as(name): text for name, text in forged.items()}
    hands.ledger.client.hset(redis_keys.record(key), mapping=fields)  # type: ignore[arg-type]  # redis-py's own type is too narrow

    transfers.enqueue(by_pan())

    order = opened(hands, key)
    assert order == ordered
    assert order.differing(hands.record(key)) == tuple(
        "description" if name == "order_details" else name for name in forged
    )


def test_a_deadline_that_was_put_off_by_hand_keeps_no_card_for_longer(
    transfers: Transfers, hands: Hands, clock: FakeClock
) -> None:
    """An intent with a CVC has `CARD_TTL` from now at the most, and the worker finds the difference."""
    key = transfers.enqueue(by_pan()).key
    empty(hands.vault.client)
    hands.ledger.client.hset(redis_keys.record(key), "deadline_at", str(clock.now_ms() + 86_400_000))

    transfers.enqueue(by_pan())

    lasts_ms = int(str(hands.vault.client.pttl(redis_keys.sealed_card(key))))
    assert 890_000 < lasts_ms <= 905_000
    order = opened(hands, key)
    assert order.deadline_at == clock.now_ms() + 905_000
    assert order.differing(hands.record(key)) == ("deadline_at",)


def test_a_card_that_is_brought_again_in_time_has_the_deadline_of_the_first_call(
    transfers: Transfers, hands: Hands, clock: FakeClock
) -> None:
    """It differs in nothing, and is sent."""
    key = transfers.enqueue(by_pan()).key
    empty(hands.vault.client)
    clock.advance(600)

    transfers.enqueue(by_pan())

    assert opened(hands, key).differing(hands.record(key)) == ()
