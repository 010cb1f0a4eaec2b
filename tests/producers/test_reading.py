"""Get, find and wait: what a producer is told of a transfer."""

from decimal import Decimal
from typing import Any, cast

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.producers import Ambiguous, Money, NotFound, Transfer, Transfers
from epay_transfers.producers.context import Context
from tests.producers.conftest import Hands, build, by_pan, by_saved_card
from tests.support.clocks import FakeClock


def test_a_transfer_is_got_by_key_and_by_reference(transfers: Transfers) -> None:
    key = transfers.enqueue(by_pan()).key

    transfer = transfers.get(key)

    assert transfer == transfers.get(reference="order-1") == transfers.find(key) == transfers.find("order-1")
    assert (transfer.state, transfer.final, transfer.money) == (State.QUEUED, False, Money.NONE)
    assert (transfer.amount, transfer.sender_card) == (Decimal("100.50"), "440563******5096")


@pytest.mark.parametrize(
    "text", ["", "nobody", "251124999999", "kiosk:251124999999", "a b", "\ud800", "4405639704015096"]
)
def test_what_is_not_there_is_not_found_and_not_repeated(transfers: Transfers, text: str) -> None:
    for ask in (transfers.get, transfers.find, lambda text: transfers.get(reference=text), transfers.wait):
        with pytest.raises(NotFound) as caught:
            ask(text)
        assert not text or text not in str(caught.value)


def test_get_wants_one_of_the_two(transfers: Transfers) -> None:
    with pytest.raises(TypeError):
        transfers.get()
    with pytest.raises(TypeError):
        transfers.get("251124000001", reference="order-1")


def test_a_reference_in_a_keys_place_is_told_from_a_key(transfers: Transfers) -> None:
    """The sentence says how to ask by a reference, and does not repeat the text."""
    transfers.enqueue(by_pan("my-reference"))

    for ask in (transfers.get, transfers.wait, lambda text: transfers.cancel(text, reason="not wanted")):
        with pytest.raises(NotFound, match=r"not a key.*: for your own reference, get\(reference=\.\.\.\)") as caught:
            ask("my-reference")
        assert "my-reference" not in str(caught.value)
        assert caught.value.what == "key"


def test_a_receipt_in_a_keys_or_a_handles_place_is_told_what_to_give(transfers: Transfers) -> None:
    """A `TypeError` that names the receipt's field, before any server is asked."""
    receipt: Any = transfers.enqueue(by_pan())

    for ask in (transfers.get, transfers.wait, transfers.find, lambda given: transfers.cancel(given, reason="no")):
        with pytest.raises(TypeError, match=r"not a Receipt: give receipt\.key$"):
            ask(receipt)
    for show in (
        transfers.challenge,
        transfers.visit,
        lambda given: transfers.confirm(md="a", pa_res="b", handle=given),
    ):
        with pytest.raises(TypeError, match=r"not a Receipt: give receipt\.handle$"):
            show(receipt)
    with pytest.raises(TypeError, match="your own reference, a str, and not a int"):
        transfers.get(reference=cast("str", 42))


def test_a_text_that_is_ones_key_and_anothers_reference_is_ambiguous(transfers: Transfers) -> None:
    transfers.enqueue(by_pan("one", invoice_id="251124000001"))
    transfers.enqueue(by_pan("251124000001"))
    transfers.enqueue(by_pan("251124000002", invoice_id="251124000002"))

    with pytest.raises(Ambiguous):
        transfers.find("251124000001")
    assert transfers.find("251124000002").reference == "251124000002"
    assert transfers.get("251124000001").reference == "one"
    assert transfers.get(reference="251124000001").key != "251124000001"


class TestWait:
    def test_it_waits_in_growing_pauses_until_the_time_is_over(self, parts: Context, clock: FakeClock) -> None:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            clock.advance(seconds)

        transfers = build(parts, pause=pause)
        key = transfers.enqueue(by_saved_card()).key

        assert transfers.wait(key, timeout=30).state is State.QUEUED
        assert sum(pauses) == pytest.approx(30)
        assert pauses[:-1] == sorted(pauses[:-1])
        assert max(pauses) == 1.0
        assert len(pauses) < 50

    @pytest.mark.parametrize(
        "state",
        [State.PAID, State.DECLINED, State.EXPIRED, State.CANCELLED, State.PARKED, State.DEAD, State.NEEDS_REVIEW],
    )
    def test_it_ends_when_the_transfer_is_final_or_waits_for_a_person(
        self, parts: Context, clock: FakeClock, hands: Hands, state: State
    ) -> None:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            clock.advance(seconds)
            if len(pauses) == 3:
                hands.bring(key, state)

        transfers = build(parts, pause=pause)
        key = transfers.enqueue(by_saved_card()).key

        assert transfers.wait(key, timeout=30).state is state
        assert len(pauses) == 3

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_no_time_is_one_look(self, parts: Context, timeout: float) -> None:
        transfers = build(parts, pause=lambda _: pytest.fail("it waited"))
        key = transfers.enqueue(by_saved_card()).key

        found: Transfer = transfers.wait(key, timeout=timeout)

        assert found.state is State.QUEUED
