"""What is given back to the vault lives no longer than it had: a CVC may not be kept for having been claimed."""

from dataclasses import replace

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import PutBack, Taken, Vault
from epay_transfers.worker.card_custody import CardCustody
from tests.support.clocks import FakeClock
from tests.support.factories import NONCE, NOW

KEY = "251124000001"
EPOCH = 1_000_001
DAY_MS = 86_400_000
SEALED = {Purpose.CARD: redis_keys.sealed_card(KEY), Purpose.PARES: redis_keys.sealed_pares(KEY)}
PLACES = {Purpose.CARD: redis_keys.card(KEY), Purpose.PARES: redis_keys.pares(KEY)}
PHASES = {Purpose.CARD: Phase.SEND, Purpose.PARES: Phase.CONFIRM}
CLAIM = Moved(State.SENDING, EPOCH, 2, 1, claim_nonce=NONCE)


@pytest.fixture
def custody(ledger: Ledger, vault: Vault, clock: FakeClock) -> CardCustody:
    """A worker's, whose challenges and deadlines are far away: neither bounds what is given back."""
    return CardCustody(vault=vault, ledger=ledger, clock=clock, park_s=86_400)


def record_of(purpose: Purpose) -> Record:
    return Record(
        key=KEY, state=State.SENDING, phase=PHASES[purpose], epoch=EPOCH, deadline_at=NOW + DAY_MS, claim_nonce=NONCE
    )


def take(custody: CardCustody, purpose: Purpose) -> Taken:
    taken = custody.take(purpose, record_of(purpose), CLAIM)
    assert isinstance(taken, Taken)
    return taken


def lives_ms(client: redis.Redis, purpose: Purpose) -> int:
    lives = {int(str(client.pttl(name))) for name in (SEALED[purpose], PLACES[purpose])}
    assert max(lives) - min(lives) < 1000
    return max(lives)


@pytest.mark.parametrize("purpose", SEALED)
def test_a_take_tells_how_long_the_sealed_text_had_left(vault: Vault, purpose: Purpose) -> None:
    vault.put(purpose, KEY, EPOCH, "sealed", 20_000, "tag")

    taken = vault.take(purpose, KEY, EPOCH, 1, NONCE)

    assert isinstance(taken, Taken)
    assert 10_000 < taken.left_ms <= 20_000


@pytest.mark.parametrize("purpose", SEALED)
def test_what_is_given_back_has_what_it_had_less_the_time_that_passed(
    custody: CardCustody, vault: Vault, vault_client: redis.Redis, clock: FakeClock, purpose: Purpose
) -> None:
    """By a clock that never goes backwards; its machine's own time may jump."""
    vault.put(purpose, KEY, EPOCH, "sealed", 60_000, "tag")
    taken = take(custody, purpose)
    clock.advance(25)
    clock.jump(-3600)

    assert custody.put_back(record_of(purpose), taken) is PutBack.DONE

    assert 25_000 < lives_ms(vault_client, purpose) <= 35_000


@pytest.mark.parametrize("purpose", SEALED)
def test_what_is_given_back_again_and_again_lives_no_longer(
    custody: CardCustody, vault: Vault, vault_client: redis.Redis, clock: FakeClock, purpose: Purpose
) -> None:
    """Each claim that sends nothing brings it back, and none of them renews it."""
    vault.put(purpose, KEY, EPOCH, "sealed", 60_000, "tag")
    for tries in range(5):
        record = replace(record_of(purpose), epoch=EPOCH + tries)
        taken = custody.take(purpose, record, CLAIM)
        assert isinstance(taken, Taken)
        clock.advance(10)
        assert custody.put_back(record, taken) is PutBack.DONE

    assert 0 < lives_ms(vault_client, purpose) <= 10_000


@pytest.mark.parametrize("purpose", SEALED)
def test_what_has_outlived_its_time_is_gone_when_it_was_given_back(
    custody: CardCustody, vault: Vault, vault_client: redis.Redis, clock: FakeClock, purpose: Purpose
) -> None:
    """It is gone at once; and so is its tombstone, which would make a doubt of what expires."""
    vault.put(purpose, KEY, EPOCH, "sealed", 60_000, "tag")
    taken = take(custody, purpose)
    clock.advance(61)

    assert custody.put_back(record_of(purpose), taken) is PutBack.DONE

    assert int(str(vault_client.pttl(SEALED[purpose]))) <= 1
    assert int(str(vault_client.pttl(PLACES[purpose]))) <= 1
    assert vault.tombstone(purpose, KEY) is None


@pytest.mark.parametrize("purpose", SEALED)
def test_a_sealed_text_that_has_no_end_of_its_own_is_not_kept(
    custody: CardCustody, vault: Vault, vault_client: redis.Redis, purpose: Purpose
) -> None:
    """No process of this project puts one in: another hand took its end away."""
    vault.put(purpose, KEY, EPOCH, "sealed", 60_000, "tag")
    vault_client.persist(SEALED[purpose])

    custody.put_back(record_of(purpose), take(custody, purpose))

    assert int(str(vault_client.pttl(SEALED[purpose]))) <= 1


def test_a_card_is_given_back_until_its_deadline_at_the_most(
    custody: CardCustody, vault: Vault, vault_client: redis.Redis
) -> None:
    """A sealed text whose end was put off by hand."""
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", DAY_MS)
    taken = take(custody, Purpose.CARD)

    custody.put_back(replace(record_of(Purpose.CARD), deadline_at=NOW + 5_000), taken)

    assert 0 < lives_ms(vault_client, Purpose.CARD) <= 5_000
