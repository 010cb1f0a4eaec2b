"""Interleavings that broke a rule once, each as one straight story. A worker's own parts write down what it decided."""

import pytest
import redis

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Taken, Vault
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.recorder import Recorder
from tests.support.clocks import FakeClock
from tests.support.factories import claim, create, found, made, make
from tests.support.redis_state import empty


@pytest.fixture
def custody(ledger: Ledger, vault: Vault, clock: FakeClock) -> CardCustody:
    return CardCustody(vault=vault, ledger=ledger, clock=clock, park_s=900)


@pytest.fixture
def recorder(ledger: Ledger, ledger_client: redis.Redis, custody: CardCustody, clock: FakeClock) -> Recorder:
    consequences = Consequences(Pauses(ledger_client, clock), Events(ledger_client, clock), clock, "worker")
    return Recorder(
        ledger=ledger,
        custody=custody,
        consequences=consequences,
        retry=RetryRule(attempts=1),
        clock=clock,
        chance=lambda: 0.5,
        actor="worker",
        has_status=True,
        park_s=900,
    )


def test_who_got_no_token_does_not_bury_what_another_worker_is_sending(
    ledger: Ledger, vault: Vault, recorder: Recorder
) -> None:
    """Two rings, two workers, one last try. One has the card in hand; the other one gets no token, and gives up.

    `dead` says that no money can have moved, so the producer may pay it another way: while the first is on the wire.
    """
    record = create(ledger)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)
    claimed = made(claim(ledger, record))
    assert isinstance(vault.take(Purpose.CARD, record.key, record.epoch, claimed.sequence, claimed.claim_nonce), Taken)

    recorder.try_again(record, Verb.DEFER, "token_http_503")

    assert found(ledger, record).state is State.SENDING


def test_who_ends_a_queued_transfer_at_its_deadline_does_not_end_one_in_doubt(
    ledger: Ledger, vault: Vault, vault_client: redis.Redis, recorder: Recorder
) -> None:
    """The sweeper saw it queued, a worker sent it and heard nothing, the vault restarted: closing it proves nothing."""
    record = create(ledger)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)
    claimed = made(claim(ledger, record))
    assert isinstance(vault.take(Purpose.CARD, record.key, record.epoch, claimed.sequence, claimed.claim_nonce), Taken)
    assert isinstance(make(ledger, record, Verb.DOUBT), Moved)
    empty(vault_client)

    assert vault.close(Purpose.CARD, record.key, record.epoch)
    recorder.end_parked(record, Verb.EXPIRE, reason="deadline")

    assert found(ledger, record).state is State.IN_DOUBT
