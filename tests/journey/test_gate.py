"""What the preflight tells the bank of a transfer, and the ledger of a worker who wants to send it."""

from dataclasses import replace

import pytest

from epay_transfers.ledger.errors import TerminalUnknown
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.pauses import ALL, Lane
from epay_transfers.ledger.store.replies import Behind
from epay_transfers.runtime.web_addresses import secret_hash
from epay_transfers.worker.bank import Token
from tests.support.pausing import pause_of
from tests.support.stage import Stage


@pytest.mark.parametrize("currency", ["KZT", "USD"])
@pytest.mark.parametrize("space", ["", "other:"])
def test_the_bank_is_told_the_transfers_own_amount_currency_and_invoice_id(
    stage: Stage, currency: str, space: str
) -> None:
    """A space is ours: the bank knows nothing of it."""
    record = replace(stage.record(stage.new(amount=150_00)), currency=currency, key=f"{space}251124000001")

    order = stage.worker.preflight.order(record)

    assert (order.invoice_id, order.amount_minor, order.currency) == ("251124000001", 150_00, currency)


@pytest.mark.parametrize("key", ["251124000001", "other:251124000001"])
def test_a_hash_proves_one_transfer_and_not_its_namesake_in_another_space(
    stage: Stage, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the bank's word about one of the two would settle the other."""
    ours, told = Secret("k" * 40), []
    stage.with_rules(preflight=replace(stage.rules.preflight, hash_key=ours))
    record = replace(stage.record(stage.new()), key=key)

    def hear(*_: object, secret_hash: str, **__: object) -> Token:
        told.append(secret_hash)
        return Token(Secret("t"), 60)

    monkeypatch.setattr(type(stage.bank), "token", hear)
    stage.worker.preflight.token(record, stage.worker.preflight.order(record))

    assert told == [secret_hash(ours, key)]


def test_a_terminal_without_credentials_is_named(stage: Stage) -> None:
    record = replace(stage.record(stage.new()), terminal="second")

    with pytest.raises(TerminalUnknown, match="second"):
        stage.worker.preflight.terminal(record)


def test_a_claim_lasts_for_a_lease(stage: Stage) -> None:
    key = stage.new()

    stage.worker.preflight.claim(stage.record(key), Lane.SEND)

    assert stage.record(key).lease_until == stage.clock.now_ms() + 60_000


def test_a_ledger_that_went_back_stops_all_and_the_transfer_waits_its_half_minute(stage: Stage) -> None:
    record = stage.record(stage.new())

    stage.worker.preflight.postpone(record, Behind(7))

    after = stage.record(record.key)
    assert (after.state, after.next_attempt_at - stage.clock.now_ms()) == (State.QUEUED, 30_000)
    assert pause_of(stage.pauses, Lane.SEND, ALL)
    assert pause_of(stage.pauses, Lane.CONFIRM, ALL)
