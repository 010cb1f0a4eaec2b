"""Cancel, in every state: the vault first, then the ledger."""

from collections.abc import Callable

import pytest

from epay_transfers.ledger.record import FIRST_EPOCH
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Gone, Vault
from epay_transfers.producers import Cancel, IntentRejected, LedgerUnavailable, NotFound, Transfers, VaultUnavailable
from epay_transfers.producers.context import Context
from tests.producers.conftest import Hands, build, by_pan
from tests.support.clocks import FakeClock
from tests.support.factories import NONCE

Rung = Callable[[], list[tuple[str, str]]]
WHY = "the client changed her mind"


@pytest.fixture
def key(transfers: Transfers) -> str:
    return transfers.enqueue(by_pan()).key


def test_a_queued_transfer_is_cancelled_and_its_card_is_gone(
    transfers: Transfers, key: str, hands: Hands, vault: Vault, ledger: Ledger, clock: FakeClock
) -> None:
    assert transfers.cancel(key, reason=WHY) is Cancel.CANCELLED

    record = hands.record(key)
    assert (record.state, record.reason) == (State.CANCELLED, "cancelled")
    assert vault.look(Purpose.CARD, key) is Content.CLOSED
    event = Events(ledger.client, clock).of(hands.record(key)).events[-1].fields
    assert (event["verb"], event["actor"], event["reason"], event["why"]) == ("cancel", "producer", "cancelled", WHY)


def test_a_cancel_that_was_made_is_one_although_the_vault_is_away_then(parts: Context, key: str, hands: Hands) -> None:
    """The transfer has ended, and no worker can open the card: what is left of it times out."""

    class Leaves(Vault):
        def drop(self, key: str) -> None:  # noqa: ARG002 - the real one's signature
            raise VaultUnavailable

    assert build(parts, vault=Leaves(parts.vault.client)).cancel(key, reason=WHY) is Cancel.CANCELLED
    assert hands.record(key).state is State.CANCELLED


def test_so_is_one_whose_card_never_came(without_vault: Transfers, transfers: Transfers, ledger: Ledger) -> None:
    with pytest.raises(VaultUnavailable):
        without_vault.enqueue(by_pan())
    record = ledger.by_reference("order-1")
    assert record is not None

    assert transfers.cancel(record.key, reason=WHY) is Cancel.CANCELLED


def test_so_is_one_in_whose_cards_place_is_garbage(transfers: Transfers, key: str, vault: Vault) -> None:
    """A thief of another password wrote it there: it says nothing, and the place is closed."""
    vault.client.set(redis_keys.card(key), "garbage")

    assert transfers.cancel(key, reason=WHY) is Cancel.CANCELLED
    assert vault.look(Purpose.CARD, key) is Content.CLOSED


def test_nobody_can_send_between_the_close_and_the_cancel(parts: Context, key: str, hands: Hands, vault: Vault) -> None:
    """We die after the close: a worker claims, and finds nothing under its epoch."""

    class Dies(Ledger):
        def move(self, *_: object, **__: object) -> object:  # type: ignore[override]  # it makes none
            raise LedgerUnavailable

    with pytest.raises(LedgerUnavailable):
        build(parts, ledger=Dies(parts.ledger.client, parts.clock)).cancel(key, reason=WHY)

    claimed = hands.claim(key)
    assert not isinstance(vault.take(Purpose.CARD, key, claimed.epoch, 1, NONCE), Gone), "later, not lost"
    assert vault.refence(Purpose.CARD, key, FIRST_EPOCH), "the sweeper has its proof, and queues it again"


def test_a_dead_transfer_is_cancelled(transfers: Transfers, key: str, hands: Hands) -> None:
    hands.bring(key, State.DEAD)

    assert transfers.cancel(key, reason=WHY) is Cancel.CANCELLED
    assert hands.record(key).state is State.CANCELLED


def test_of_a_parked_transfer_the_bank_is_asked_first(
    transfers: Transfers, key: str, hands: Hands, ledger: Ledger, clock: FakeClock, rung: Rung
) -> None:
    hands.bring(key, State.PARKED)

    assert transfers.cancel(key, reason=WHY) is Cancel.ASKED

    record = hands.record(key)
    assert (record.state, record.requested_action) == (State.PARKED, "cancel")
    assert [due.key for due in ledger.due(10).records] == [key]
    assert ("inquiries", key) in rung()
    assert Events(ledger.client, clock).of(hands.record(key)).events[-1].fields["why"] == WHY
    assert transfers.cancel(key, reason=WHY) is Cancel.ASKED


@pytest.mark.parametrize(
    "state",
    [State.SENDING, State.IN_DOUBT, State.NEEDS_REVIEW, State.PAID, State.REVERSED, State.DECLINED, State.EXPIRED],
)
def test_elsewhere_it_is_too_late_and_nothing_changes(
    transfers: Transfers, key: str, hands: Hands, state: State
) -> None:
    hands.bring(key, state)
    before = hands.record(key)

    assert transfers.cancel(key, reason=WHY) is Cancel.TOO_LATE
    assert hands.record(key) == before


def test_after_the_clients_answer_it_is_too_late(transfers: Transfers, key: str, hands: Hands) -> None:
    hands.park(key, "md-1")
    transfers.confirm(md="md-1", pa_res="cGFyZXM=")

    assert transfers.cancel(key, reason=WHY) is Cancel.TOO_LATE
    hands.claim(key)
    assert transfers.cancel(key, reason=WHY) is Cancel.TOO_LATE


def test_what_is_cancelled_stays_so(transfers: Transfers, key: str, hands: Hands) -> None:
    transfers.cancel(key, reason=WHY)
    before = hands.record(key)

    assert transfers.cancel(key, reason="again") is Cancel.CANCELLED
    assert hands.record(key) == before


@pytest.mark.parametrize("state", [State.QUEUED, State.DEAD])
def test_a_card_that_was_taken_out_after_all_is_doubt_and_not_a_cancel(
    transfers: Transfers, key: str, hands: Hands, vault: Vault, clock: FakeClock, rung: Rung, state: State
) -> None:
    """The vault remembers a send that the ledger has forgotten."""
    vault.take(Purpose.CARD, key, FIRST_EPOCH, 1, NONCE)
    hands.bring(key, state)

    assert transfers.cancel(key, reason=WHY) is Cancel.TOO_LATE

    record = hands.record(key)
    assert (record.state, record.reason) == (State.IN_DOUBT, "vault_remembers")
    assert record.in_doubt_since == record.next_attempt_at == clock.now_ms(), (
        "the horizon begins now, and so do the inquiries"
    )
    assert ("inquiries", key) in rung()


def test_a_transfer_that_moves_under_our_hands_is_decided_once_more(parts: Context, key: str, hands: Hands) -> None:
    class Raced(Vault):
        def close(self, purpose: Purpose, key: str, epoch: int) -> bool:
            closed = super().close(purpose, key, epoch)
            if hands.record(key).state is State.QUEUED:
                hands.claim(key)
            return closed

    assert build(parts, vault=Raced(parts.vault.client)).cancel(key, reason=WHY) is Cancel.TOO_LATE
    assert hands.record(key).state is State.SENDING


def test_a_cancel_that_meets_a_new_generation_closes_that_one(
    parts: Context, key: str, hands: Hands, clock: FakeClock
) -> None:
    class Raced(Vault):
        def close(self, purpose: Purpose, key: str, epoch: int) -> bool:
            if epoch == FIRST_EPOCH:
                hands.move(key, Verb.REPLACE_CARD, Change(due_at=clock.now_ms()))
            return super().close(purpose, key, epoch)

    assert build(parts, vault=Raced(parts.vault.client)).cancel(key, reason=WHY) is Cancel.CANCELLED


@pytest.mark.parametrize("reason", ["", " ", "card 4405639704015096", "x" * 101, "two\nlines"])
def test_a_reason_is_given_and_is_no_card(transfers: Transfers, key: str, hands: Hands, reason: str) -> None:
    with pytest.raises(IntentRejected) as caught:
        transfers.cancel(key, reason=reason)

    assert caught.value.field == "reason"
    assert hands.record(key).state is State.QUEUED


@pytest.mark.parametrize("key", ["251124999999", "no key", "", "main:", "4405639704015096"])
def test_what_is_not_there_is_not_found(transfers: Transfers, key: str) -> None:
    with pytest.raises(NotFound):
        transfers.cancel(key, reason=WHY)
