"""A card lives in the vault alone, and there it is sealed: every key of both servers is looked through."""

import logging

import pytest
import redis

from epay_transfers.ledger.states import State
from epay_transfers.producers import Receiver, Transfers, TransfersError
from tests.producers.conftest import Hands, by_pan, by_saved_card
from tests.support.redis_state import everything

CANARIES = (
    "4405639704015096",
    "5522042705066736",
    "377514500004820",
    "4169",
    "01/25",
    "Sergey Frolov",
    "Abay 1",
    "Aigerim",
    "armanali@epay.kz",
    "203.0.113.7",
    "88481433-595e-4c01-941f-34569db2426e",
    "cGFyZXM=",
)


def found_in(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


def test_the_search_finds_what_is_there(
    transfers: Transfers, ledger_client: redis.Redis, queue_client: redis.Redis
) -> None:
    transfers.enqueue(by_pan("control", description="armanali@epay.kz"))
    queue_client.rpush("somewhere", "Sergey Frolov")
    ledger_client.xadd("elsewhere", {"pan": "4405639704015096"})

    assert found_in(everything(ledger_client)) == ["4405639704015096", "Sergey Frolov", "armanali@epay.kz"]


def test_no_card_is_in_the_ledger_in_a_message_in_a_log_or_open_in_the_vault(
    transfers: Transfers,
    hands: Hands,
    ledger_client: redis.Redis,
    vault_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = by_pan().sender.model_copy(update={"cvc": "4169"})
    receiver = Receiver(number="377514500004820", first_name="Aigerim", last_name="Bek", country_code="KG")
    first = transfers.enqueue(by_pan(sender=sender, receiver=receiver, foreign=True))
    transfers.enqueue(by_pan(sender=sender, receiver=receiver, foreign=True))
    transfers.enqueue_many([by_saved_card()])
    with pytest.raises(TransfersError):
        transfers.enqueue(by_pan(receiver=Receiver(number="5522042705066736")))
    hands.park(first.key, "md-1")
    transfers.confirm(md="md-1", pa_res="cGFyZXM=")
    transfers.confirm(md="md-1", pa_res="b3RoZXI=")
    queued = transfers.enqueue(by_pan("another")).key
    transfers.cancel(queued, reason="the client changed her mind")

    logged = "\n".join(repr(vars(line)) for line in caplog.records)
    for text in (everything(ledger_client), everything(vault_client), logged):
        assert found_in(text) == []
    assert first.key in everything(ledger_client)
    assert hands.record(first.key).state is State.RESUMED
    assert "confirm.conflicting" in logged
