"""Enqueue of many: a receipt or an error for each, in order, in one round trip a batch."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import (
    Conflict,
    IntentRejected,
    LedgerUnavailable,
    Receipt,
    SuffixTaken,
    Transfers,
    TransfersError,
    VaultUnavailable,
)
from epay_transfers.producers import enqueue as module
from epay_transfers.producers.context import Context
from tests.producers.conftest import NOWHERE, build, by_pan, by_saved_card
from tests.support.clocks import FakeClock


def test_each_gets_its_own_answer_in_order(
    transfers: Transfers, ledger: Ledger, rung: Callable[[], list[tuple[str, str]]]
) -> None:
    transfers.enqueue(by_saved_card("known"))
    past = datetime(2020, 1, 1, tzinfo=UTC)

    answers = transfers.enqueue_many(
        [
            by_saved_card("a", invoice_id="111000001"),
            by_saved_card("past", deadline=past),
            by_saved_card("known"),
            by_saved_card("known", amount="1"),
            by_saved_card("b", invoice_id="222000001"),
            by_saved_card("c", terminal="nowhere"),
            by_saved_card("d"),
            by_saved_card("d"),
        ]
    )

    kinds = [type(answer) for answer in answers]
    assert kinds == [Receipt, IntentRejected, Receipt, Conflict, SuffixTaken, IntentRejected, Receipt, Receipt]
    replayed = [answer.replayed for answer in answers if isinstance(answer, Receipt)]
    assert replayed == [False, True, False, True]
    assert ledger.totals().of(State.QUEUED).count == 3
    assert {key for _, key in rung()} == {answer.key for answer in answers if isinstance(answer, Receipt)}


def test_nothing_is_an_answer_to_nothing(transfers: Transfers) -> None:
    assert transfers.enqueue_many([]) == []


def test_more_than_a_batch_is_several(transfers: Transfers, monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    monkeypatch.setattr(module, "BATCH", 3)

    answers = transfers.enqueue_many([by_saved_card(f"p-{at}") for at in range(8)])

    names = [answer.key for answer in answers if isinstance(answer, Receipt)]
    assert [record.reference for record in ledger.get_many(names)] == [f"p-{at}" for at in range(8)]


class Counted(redis.Connection):
    """Counts what is sent: a pipeline once, however many commands it holds."""

    sent = 0

    def send_packed_command(self, command: object, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        Counted.sent += 1
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]  # it is not typed


def _counted(client: redis.Redis) -> redis.Redis:
    port = client.connection_pool.connection_kwargs["port"]
    return redis.Redis(connection_pool=redis.ConnectionPool(connection_class=Counted, port=port, decode_responses=True))


def test_a_batch_is_one_round_trip_for_the_ledger_and_one_for_the_vault(
    parts: Context, ledger_client: redis.Redis, vault_client: redis.Redis, clock: FakeClock
) -> None:
    ledger, vault = _counted(ledger_client), _counted(vault_client)
    transfers = build(parts, ledger=Ledger(ledger, clock), vault=Vault(vault))
    transfers.enqueue(by_saved_card("warm"))  # connected, and the scripts are loaded

    before = Counted.sent
    transfers.enqueue_many([by_saved_card(f"p-{at}") for at in range(100)])

    assert Counted.sent - before == 2
    ledger.close()
    vault.close()


def test_a_vault_that_is_away_leaves_a_receipt_for_each_that_was_created(without_vault: Transfers) -> None:
    answers = without_vault.enqueue_many([by_saved_card("a"), by_saved_card("b", terminal="nowhere"), by_pan("c")])

    assert [type(answer) for answer in answers] == [VaultUnavailable, IntentRejected, VaultUnavailable]
    receipts = [answer.receipt for answer in answers if isinstance(answer, VaultUnavailable)]
    assert [receipt.state for receipt in receipts if isinstance(receipt, Receipt)] == [State.QUEUED, State.QUEUED]


def test_a_ledger_that_is_away_is_an_answer_for_each(without_ledger: Transfers) -> None:
    answers: list[Receipt | TransfersError] = without_ledger.enqueue_many([by_saved_card("a"), by_saved_card("b")])

    assert [type(answer) for answer in answers] == [LedgerUnavailable, LedgerUnavailable]


def test_the_receipts_of_earlier_batches_survive_a_ledger_that_goes_away(
    parts: Context, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    away = Ledger(connect(NOWHERE), clock)

    class Once(Vault):
        """When the first card is in, the ledger goes."""

        def put_cards(self, blobs: object) -> list[object]:  # type: ignore[override]  # passed on as it came
            done = super().put_cards(blobs)  # type: ignore[arg-type]
            parts.ledger.client = away.client
            parts.ledger._scripts = away._scripts
            return list(done)

    answers = build(parts, vault=Once(parts.vault.client)).enqueue_many([by_saved_card("a"), by_saved_card("b")])

    assert [type(answer) for answer in answers] == [Receipt, LedgerUnavailable]


def test_a_record_that_can_not_be_read_costs_the_others_no_receipt(
    transfers: Transfers, ledger_client: redis.Redis
) -> None:
    """Of a newer version that was rolled back, say: it is that one's answer, and nobody else's."""
    old = transfers.enqueue(by_pan(reference="old"))
    ledger_client.hset(redis_keys.record(old.key), "state", "frobnicating")

    one, two, three = transfers.enqueue_many([by_pan(reference=name) for name in ("new-1", "old", "new-2")])

    assert isinstance(one, Receipt)
    assert isinstance(two, RecordUnreadable)
    assert isinstance(three, Receipt)


def test_what_is_no_intent_is_told_what_to_give_and_nothing_is_stored(transfers: Transfers, ledger: Ledger) -> None:
    """A `TypeError` for a dict, from `enqueue` and `enqueue_many`; it names the type and no value."""
    given: Any = {"reference": "order-1", "sender": {"number": "4405639704015096"}}
    sentence = r"a TransferIntent, and not a dict: give TransferIntent\(\.\.\.\), or TransferIntent\.model_validate"

    with pytest.raises(TypeError, match=sentence) as caught:
        transfers.enqueue(given)
    assert "4405" not in str(caught.value)
    with pytest.raises(TypeError, match=sentence):
        transfers.enqueue_many([by_pan("one"), given])
    one: Any = by_pan("one")
    with pytest.raises(TypeError, match=r"a list of TransferIntent: give \[intent\], or call enqueue\(intent\)"):
        transfers.enqueue_many(one)
    assert ledger.by_reference("one") is None
