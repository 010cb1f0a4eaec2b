"""What the gate tells the bank of a transfer, and the ledger of a worker who wants to send it."""

from dataclasses import replace

import pytest

from ledger.errors import TerminalUnknown
from ledger.lanes import ALL, Lane
from ledger.replies import Behind
from ledger.states import State
from tests.journey.conftest import Stage


@pytest.mark.parametrize("currency", ["KZT", "USD"])
@pytest.mark.parametrize("space", ["", "other:"])
def test_the_bank_is_told_the_transfers_own_amount_currency_and_invoice_id(
    stage: Stage, currency: str, space: str
) -> None:
    """A space is ours: the bank knows nothing of it."""
    record = replace(stage.record(stage.new(amount=150_00)), currency=currency, key=f"{space}251124000001")

    order = stage.worker.gate.order(record)

    assert (order.invoice_id, order.amount_minor, order.currency) == ("251124000001", 150_00, currency)


def test_a_terminal_without_credentials_is_named(stage: Stage) -> None:
    record = replace(stage.record(stage.new()), terminal="second")

    with pytest.raises(TerminalUnknown, match="second"):
        stage.worker.gate.terminal(record)


def test_a_claim_lasts_for_a_lease(stage: Stage) -> None:
    key = stage.new()

    stage.worker.gate.claim(stage.record(key), Lane.SEND)

    assert stage.record(key).lease == stage.clock.now_ms() + 60_000


def test_a_ledger_that_went_back_stops_all_and_the_transfer_waits_its_half_minute(stage: Stage) -> None:
    record = stage.record(stage.new())

    stage.worker.gate.postpone(record, Behind(7))

    after = stage.record(record.key)
    assert (after.state, after.next - stage.clock.now_ms()) == (State.QUEUED, 30_000)
    assert stage.lanes.stop_of(Lane.SEND, ALL)
    assert stage.lanes.stop_of(Lane.CONFIRM, ALL)
