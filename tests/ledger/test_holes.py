"""Interleavings that broke a rule once, each as one straight story. A worker's own parts write down what it decided."""

import pytest
import redis

from ledger.events import Events
from ledger.lanes import Lanes
from ledger.ledger import Ledger
from ledger.sealing import Purpose
from ledger.states import State, Verb
from ledger.vault import Burnt, Vault
from tests.conftest import FakeClock
from tests.ledger.looking import empty
from tests.ledger.making import claim, create, found, make
from worker.card_custody import CardCustody
from worker.consequences import Consequences
from worker.policy import RetryRule
from worker.scribe import Scribe
from worker.tries import Tries


@pytest.fixture
def custody(ledger: Ledger, vault: Vault, clock: FakeClock) -> CardCustody:
    return CardCustody(vault=vault, ledger=ledger, clock=clock, park_s=900)


@pytest.fixture
def scribe(ledger: Ledger, ledger_client: redis.Redis, custody: CardCustody, clock: FakeClock) -> Scribe:
    consequences = Consequences(Lanes(ledger_client, clock), Events(ledger_client, clock), clock, "worker")
    return Scribe(
        ledger=ledger,
        custody=custody,
        consequences=consequences,
        clock=clock,
        actor="worker",
        has_status=True,
        park_s=900,
    )


def test_who_got_no_token_does_not_bury_what_another_worker_is_sending(
    ledger: Ledger, vault: Vault, custody: CardCustody, scribe: Scribe, clock: FakeClock
) -> None:
    """Two rings, two workers, one last try. One has the card in hand; the other one gets no token, and gives up.

    `dead` says that no money can have moved, so the producer may pay it another way: while the first is on the wire.
    """
    record = create(ledger)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)
    claimed = claim(ledger, record)
    assert isinstance(vault.burn(Purpose.CARD, record.key, record.epoch, claimed.sequence, claimed.claim_nonce), Burnt)

    rule = RetryRule(attempts=1)
    tries = Tries(scribe=scribe, custody=custody, rule=rule, clock=clock, park_s=900, chance=lambda: 0.5)
    tries.again(record, Verb.DEFER, "token_http_503")

    assert found(ledger, record).state is State.SENDING


def test_who_ends_a_queued_transfer_at_its_deadline_does_not_end_one_in_doubt(
    ledger: Ledger, vault: Vault, vault_client: redis.Redis, scribe: Scribe
) -> None:
    """The sweeper saw it queued, a worker sent it and heard nothing, the vault restarted: closing it proves nothing."""
    record = create(ledger)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)
    claimed = claim(ledger, record)
    assert isinstance(vault.burn(Purpose.CARD, record.key, record.epoch, claimed.sequence, claimed.claim_nonce), Burnt)
    assert make(ledger, record, Verb.DOUBT)
    empty(vault_client)

    assert vault.close(Purpose.CARD, record.key, record.epoch)
    scribe.end(record, Verb.EXPIRE, reason="deadline")

    assert found(ledger, record).state is State.IN_DOUBT
