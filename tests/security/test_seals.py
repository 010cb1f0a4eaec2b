"""A sealed text that was changed, swapped, replayed, or has outlived its time or its key: nothing is sent with it, the
error has a type, and the transfer ends where it has to.
"""

import logging
from collections.abc import Callable
from typing import cast

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.card_data import CardsGarbled
from epay_transfers.ledger.vault.sealed_card import SealedCard
from epay_transfers.ledger.vault.sealing import (
    Opener,
    Purpose,
    SealBroken,
    Sealer,
    SealKeyDestroyed,
    SealKeyUnknown,
)
from tests.support.stage import Stage, _bank, in_clear, sandbox, stage

__all__ = ["_bank", "sandbox", "stage"]  # the journey's own stage


def sealed(stage: Stage, name: str) -> str:
    return cast("str", stage.vault.client.get(name))


def replace_sealed(stage: Stage, name: str, text: str) -> None:
    stage.vault.client.set(name, text, keepttl=True)


def tampered(stage: Stage, key: str) -> str:
    """One letter in the middle."""
    text = sealed(stage, redis_keys.sealed_card(key))
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def swapped(stage: Stage, _key: str) -> str:
    """Another transfer's, as good as this one."""
    return sealed(stage, redis_keys.sealed_card(stage.new()))


def of_another_purpose(stage: Stage, key: str) -> str:
    return stage.sealer.seal(in_clear(stage.record(key)), Purpose.PARES, key)


def of_an_unknown_key(stage: Stage, key: str) -> str:
    return Sealer(sealing.generate().public).seal(in_clear(stage.record(key)), Purpose.CARD, key)


CHANGES: dict[str, tuple[Callable[[Stage, str], str], type[Exception]]] = {
    "tampered": (tampered, SealBroken),
    "swapped": (swapped, SealBroken),
    "another purpose": (of_another_purpose, SealBroken),
    "cut": (lambda stage, key: sealed(stage, redis_keys.sealed_card(key))[:-8], SealBroken),
    "empty": (lambda _stage, _key: "", SealBroken),
    "unknown key": (of_an_unknown_key, SealKeyUnknown),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_card_that_does_not_open_sends_nothing_and_ends_dead(stage: Stage, how: str) -> None:
    """Proved not sent: an operator may discard it. The bank has heard of no such transfer."""
    change, error = CHANGES[how]
    key = stage.new()
    text = change(stage, key)
    replace_sealed(stage, redis_keys.sealed_card(key), text)

    stage.journey.execute(key)

    with pytest.raises(error):
        Opener([stage.keys.private]).open(text, Purpose.CARD, key)
    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "card_unreadable")
    assert stage.sandbox.book.get(key) is None or stage.executions(key) == 0
    assert not stage.vault.client.exists(redis_keys.sealed_card(key))


def test_what_opens_and_is_no_card_data_sends_nothing_either(stage: Stage) -> None:
    """A producer of another version; and the error that says so holds nothing of what was read."""
    key = stage.new()
    replace_sealed(stage, redis_keys.sealed_card(key), stage.sealer.seal(b'{"cred": "4405"}', Purpose.CARD, key))

    stage.journey.execute(key)

    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "card_unreadable")
    with pytest.raises(CardsGarbled) as caught:
        SealedCard.from_bytes(b'{"cred": "4405639704015096"')
    assert caught.value.__context__ is None
    assert "4405" not in str(caught.value)


@pytest.mark.parametrize("how", ["another transfer's", "tampered", "a card"])
def test_a_pares_that_does_not_open_is_doubt_and_confirms_nothing(stage: Stage, how: str) -> None:
    """The transfer itself was sent: only the bank knows what becomes of it, so it is asked."""
    key, other = stage.new("[3ds]"), stage.new("[3ds]")
    for each in (key, other):
        stage.journey.execute(each)
        stage.answer_challenge(each)
    mine = sealed(stage, redis_keys.sealed_pares(key))
    texts = {
        "another transfer's": sealed(stage, redis_keys.sealed_pares(other)),
        "tampered": mine[:-5] + ("A" if mine[-5] != "A" else "B") + mine[-4:],
        "a card": stage.sealer.seal(in_clear(stage.record(key)), Purpose.CARD, key),
    }
    replace_sealed(stage, redis_keys.sealed_pares(key), texts[how])

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "pares_unreadable")
    assert stage.executions(key) == 0


def test_a_card_that_is_replayed_is_sent_once(stage: Stage) -> None:
    """Somebody who can write the vault puts the taken blob back, over the tombstone: the ledger has moved on."""
    key = stage.new()
    epoch = stage.record(key).epoch
    text = sealed(stage, redis_keys.sealed_card(key))
    stage.journey.execute(key)
    assert stage.state(key) is State.PAID

    stage.vault.client.set(redis_keys.card(key), f"B:{epoch}:")
    stage.vault.client.set(redis_keys.sealed_card(key), text)
    for _ in range(3):
        stage.run(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_put_over_a_tombstone_is_refused(stage: Stage) -> None:
    """The same replay, through the vault's own door."""
    key = stage.new()
    record = stage.record(key)
    stage.journey.execute(key)

    stage.put(record)

    assert not stage.vault.client.exists(redis_keys.sealed_card(key))
    assert str(stage.vault.client.get(redis_keys.card(key))).startswith("X:")


def test_a_card_that_has_outlived_its_time_is_never_sent(stage: Stage) -> None:
    """Its blob is gone with its deadline, and so is the transfer: `expired`, no money moved."""
    key = stage.new()
    stage.vault.client.delete(redis_keys.card(key), redis_keys.sealed_card(key))

    stage.later(3600)

    assert (stage.state(key), stage.executions(key)) == (State.EXPIRED, 0)


def test_a_worker_that_holds_only_what_is_left_of_a_destroyed_key_says_so(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Not "unknown", which somebody could mend by adding the key: it is gone, and that is on purpose."""
    old = Sealer(stage.keys.public)
    fresh = sealing.generate()
    key = stage.new()
    stage.keys = sealing.KeyPair(fresh.public, fresh.private)
    ring = [fresh.private, Secret(f"destroyed.{old.key_id}.20260101")]
    stage.build()
    stage.worker.journey.card_steps._opener = Opener(ring)

    with caplog.at_level(logging.ERROR):
        stage.journey.execute(key)

    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "card_unreadable")
    (said,) = [record for record in caplog.records if record.message == "vault.unreadable"]
    assert f"the key {old.key_id} was destroyed" in vars(said)["why"]
    with pytest.raises(SealKeyDestroyed):
        Opener(ring).open(old.seal(b"card", Purpose.CARD, key), Purpose.CARD, key)


def test_an_old_key_opens_what_it_sealed_while_the_new_one_seals(stage: Stage) -> None:
    """A rotation in the middle of the work: both are paid."""
    before = stage.new()
    fresh = sealing.generate()
    stage.sealer = Sealer(fresh.public)
    stage.worker.journey.card_steps._opener = Opener([fresh.private, stage.keys.private])
    after = stage.new()

    for key in (before, after):
        stage.journey.execute(key)

    assert [stage.state(key) for key in (before, after)] == [State.PAID, State.PAID]
