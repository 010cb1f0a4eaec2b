"""What was proved not to have been sent, and what a person or a deadline may end: each end needs its proof first."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, TakeUnanswered
from epay_transfers.ledger.withdraw import VaultPlace, withdraw
from epay_transfers.sandbox import Rule
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import StatusWord
from tests.journey.scenes import asked, parked, resumed, said, says, unreachable
from tests.support.factories import NONCE
from tests.support.redis_state import empty
from tests.support.stage import Stage


def dead(stage: Stage) -> str:
    """Its one try was proved unsent after the card was taken out: the card lies in the vault again."""
    stage.with_rules(retry=RetryRule(attempts=1))
    unreachable(stage)
    key = stage.new()
    stage.journey.execute(key)
    stage.journey.bank = stage.bank
    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "attempts_used_up")
    return key


def test_a_card_that_was_not_sent_goes_back_and_pays_later(stage: Stage) -> None:
    """Under the next epoch, with the try counted; then it is paid once."""
    unreachable(stage)
    key = stage.new()
    epoch = stage.record(key).epoch
    stage.clock.advance(100)
    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.attempts, record.evidence, record.reason) == (State.QUEUED, 1, "not_sent", "refused")
    assert (record.epoch, stage.vault.look(Purpose.CARD, key)) == (epoch + 1, Content.BLOB)
    assert 790_000 < int(str(stage.vault.client.pttl(redis_keys.sealed_card(key)))) <= 800_000  # until its deadline

    stage.journey.bank = stage.bank
    stage.later(5)
    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_confirm_that_was_not_sent_goes_back_and_pays_later(stage: Stage) -> None:
    key = resumed(stage)
    unreachable(stage)
    stage.clock.advance(100)
    stage.journey.confirm(key)
    assert (stage.state(key), stage.record(key).attempts) == (State.RESUMED, 1)
    assert stage.vault.look(Purpose.PARES, key) is Content.BLOB
    assert int(str(stage.vault.client.pttl(redis_keys.sealed_pares(key)))) > 890_000

    stage.journey.bank = stage.bank
    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_confirm_whose_tries_are_used_up_is_in_doubt_and_not_dead(stage: Stage) -> None:
    """The bank still holds the challenge."""
    stage.with_rules(retry=RetryRule(attempts=1))
    key = resumed(stage)
    unreachable(stage)

    stage.journey.confirm(key)

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "confirm_attempts_used_up")


@pytest.mark.parametrize(("at", "state"), [("send", State.DEAD), ("confirm", State.IN_DOUBT)])
def test_what_the_vault_forgot_meanwhile_is_a_lost_card_or_a_doubt(stage: Stage, at: str, state: State) -> None:
    key = stage.new() if at == "send" else resumed(stage)
    unreachable(stage, lambda: empty(stage.vault.client))

    stage.run(key)

    assert (stage.state(key), stage.record(key).reason) == (state, "card_lost" if at == "send" else "pares_lost")


def test_a_card_that_somebody_else_has_in_hand_is_left_to_them(stage: Stage) -> None:
    """The worker says that it sent nothing, and leaves the place as it is."""
    key = stage.new()
    place = redis_keys.card(key)
    unreachable(stage, lambda: stage.vault.client.set(place, "X:9"))

    stage.journey.execute(key)

    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, "not_sent")
    assert stage.vault.client.get(place) == "X:9"


@pytest.mark.parametrize("opens", ["open_cards", "open_pares"])
def test_a_worker_whose_lease_is_over_sends_nothing(stage: Stage, opens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood still between the claim and the bank: whoever came after it may be at it."""
    key = stage.new() if opens == "open_cards" else resumed(stage)
    bank = unreachable(stage)
    open_them = getattr(stage.journey.card_steps, opens)

    def slowly(*args: Any) -> Any:
        stage.clock.advance(16)
        return open_them(*args)

    monkeypatch.setattr(stage.journey.card_steps, opens, slowly)
    stage.run(key)

    assert bank.calls == 0
    assert stage.record(key).reason == "lease_over"
    assert stage.state(key) is (State.QUEUED if opens == "open_cards" else State.RESUMED)


@pytest.mark.parametrize("asleep_s", [60, 600])
@pytest.mark.parametrize("call", ["transfer", "confirm"])
def test_a_worker_that_stops_after_its_look_at_the_lease_sends_nothing(
    stage: Stage, call: str, asleep_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look was in time, and the exchange is not: the card goes back, as for whatever is proved not to be sent."""
    key = stage.new() if call == "transfer" else resumed(stage)
    ask = getattr(stage.bank, call)

    def after_a_sleep(*args: Any, **more: Any) -> Any:
        stage.clock.advance(asleep_s)
        return ask(*args, **more)

    monkeypatch.setattr(stage.bank, call, after_a_sleep)
    stage.run(key)

    assert stage.sandbox.book.calls[call] == 0
    assert (stage.state(key), stage.record(key).reason) == (
        State.QUEUED if call == "transfer" else State.RESUMED,
        "deadline",
    )


def test_a_worker_that_died_in_a_confirm_leaves_doubt_and_nothing_is_confirmed_again(stage: Stage) -> None:
    """Though the PaRes still lies there: a confirm is never fenced off."""
    key = resumed(stage)
    stage.worker.preflight.claim(stage.record(key), Lane.CONFIRM)

    stage.clock.advance(61)
    stage.sweeper.run_once()

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "lease_over")
    stage.run(key)
    assert stage.sandbox.book.calls["confirm"] == 0


def test_what_breaks_after_the_card_was_taken_is_doubt(stage: Stage) -> None:
    def breaks() -> None:
        raise RuntimeError("a bug")

    key = stage.new()
    unreachable(stage, breaks)

    with pytest.raises(RuntimeError, match="a bug"):
        stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason, record.evidence) == (State.IN_DOUBT, "worker_error", "maybe_sent")


def test_a_deadline_does_not_end_what_was_taken_out_of_the_vault(stage: Stage) -> None:
    """A ledger that went back calls it queued; its tombstone says that it may be sent."""
    key = stage.new()
    stage.vault.take(Purpose.CARD, key, stage.record(key).epoch, 1, NONCE)
    stage.clock.advance(901)

    stage.journey.execute(key)

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "vault_remembers")


def test_the_sweeper_expires_only_after_it_closed_the_vault(stage: Stage) -> None:
    key, taken = stage.new(), stage.new()
    stage.vault.take(Purpose.CARD, taken, stage.record(taken).epoch, 1, NONCE)
    stage.clock.advance(901)

    for each in (key, taken):
        stage.journey.sweep(stage.record(each))

    assert (stage.state(key), stage.record(key).reason) == (State.EXPIRED, "deadline")
    assert stage.vault.look(Purpose.CARD, key) is Content.CLOSED
    assert stage.state(taken) is State.IN_DOUBT


def test_an_early_ring_of_a_queued_transfer_sends_nothing(stage: Stage) -> None:
    key = stage.new()
    unreachable(stage)
    stage.journey.execute(key)
    stage.journey.bank = stage.bank

    stage.journey.execute(key)

    assert (stage.state(key), stage.sandbox.book.calls["transfer"]) == (State.QUEUED, 0)


def test_a_discard_ends_a_dead_transfer(stage: Stage) -> None:
    key = dead(stage)

    asked(stage, key, "discard")

    assert (stage.state(key), stage.record(key).reason) == (State.CANCELLED, "discarded")
    assert stage.vault.look(Purpose.CARD, key) is Content.CLOSED


def test_a_requeue_of_a_dead_transfer_pays_it_once(stage: Stage) -> None:
    key = dead(stage)

    asked(stage, key, "requeue")
    assert (stage.state(key), stage.record(key).attempts) == (State.QUEUED, 0)
    stage.settle_down()

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_requeue_of_what_the_bank_paid_after_all_learns_it(stage: Stage) -> None:
    key = stage.new("[drop-after]")
    stage.journey.execute(key)
    stage.worker.recorder.fail(stage.record(key), "a mistake")

    asked(stage, key, "requeue")

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


@pytest.mark.parametrize(
    ("what", "damage", "why"),
    [
        ("requeue", "lost", "its card is gone: pay it under a new reference"),
        ("requeue", "no status", "the bank can't be asked: no status address is set"),
        ("requeue", "silence", "the bank says unanswered"),
        ("inquire", "", "a dead transfer can be requeued or discarded"),
    ],
)
def test_a_dead_transfer_stays_dead_where_the_proof_is_missing(stage: Stage, what: str, damage: str, why: str) -> None:
    key = dead(stage)
    match damage:
        case "lost":
            stage.worker.recorder.move(
                stage.record(key), Verb.SCHEDULE_WAKEUP, Change(due_at=0, silent=True, fields={"reason": "card_lost"})
            )
        case "no status":
            stage.without_status()
        case "silence":
            stage.sandbox.faults.add(Rule("status", "drop", "before"))

    asked(stage, key, what)

    assert (stage.state(key), said(stage)) == (State.DEAD, why)
    assert stage.record(key).requested_action == ""


@pytest.mark.parametrize("what", ["requeue", "discard"])
def test_a_dead_transfer_whose_card_was_taken_out_after_all_is_in_doubt(stage: Stage, what: str) -> None:
    """The ledger has forgotten that it was requeued and sent: nobody is told to pay it under a new reference."""
    key = dead(stage)
    stage.vault.take(Purpose.CARD, key, stage.record(key).epoch + 1, 1, NONCE)

    asked(stage, key, what)

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "vault_remembers")


@pytest.mark.parametrize("damage", ["forgotten", "unreadable"])
def test_a_requeue_without_a_card_is_refused_and_says_so(stage: Stage, damage: str) -> None:
    """Nothing there is no tombstone; and the tombstone of one that could not be opened is of nothing that was sent."""
    key = dead(stage)
    if damage == "forgotten":
        empty(stage.vault.client)
    else:
        fields: RecordFields = {"reason": "card_unreadable"}
        stage.worker.recorder.move(
            stage.record(key), Verb.SCHEDULE_WAKEUP, Change(due_at=0, silent=True, fields=fields)
        )
        stage.vault.take(Purpose.CARD, key, stage.record(key).epoch + 1, 1, NONCE)

    asked(stage, key, "requeue")

    assert (stage.state(key), said(stage)) == (State.DEAD, "its card is gone: pay it under a new reference")


def test_a_dead_transfer_that_nobody_asks_about_is_let_be(stage: Stage) -> None:
    key = dead(stage)
    version = stage.record(key).version

    stage.later(86_401)

    assert (stage.state(key), stage.executions(key)) == (State.DEAD, 0)
    assert stage.record(key).version == version


def test_a_producer_cancels_a_parked_transfer_after_the_bank_was_asked(stage: Stage) -> None:
    key = parked(stage)

    asked(stage, key, "cancel")

    assert (stage.state(key), stage.record(key).reason) == (State.CANCELLED, "cancelled")
    assert stage.sandbox.book.calls["status"] == 1


def test_a_parked_transfer_whose_pares_was_taken_is_never_called_unpaid(stage: Stage) -> None:
    """A ledger that went back calls it parked, and the confirm may have left."""
    key = resumed(stage)
    record = stage.record(key)
    claim = stage.worker.preflight.claim(record, Lane.CONFIRM)
    assert isinstance(claim, Moved)
    stage.vault.take(Purpose.PARES, key, record.epoch, claim.sequence, claim.claim_nonce)
    other = parked(stage)
    stage.vault.client.set(redis_keys.pares(other), str(stage.vault.client.get(redis_keys.pares(key))))

    asked(stage, other, "cancel")

    assert (stage.state(other), stage.record(other).reason) == (State.IN_DOUBT, "vault_remembers")


def test_a_parked_transfer_is_asked_about_and_kept_before_its_time(stage: Stage) -> None:
    key = parked(stage)

    asked(stage, key, "inquire")

    assert (stage.state(key), stage.record(key).next_attempt_at) == (State.PARKED, stage.record(key).parked_until)


@pytest.mark.parametrize("what", ["", "cancel"])
def test_a_parked_transfer_waits_for_a_silent_bank_until_the_horizon_and_no_longer(stage: Stage, what: str) -> None:
    """Then our own evidence has to do: no confirm was ever sent."""
    key = parked(stage)
    stage.sandbox.faults.add(Rule("status", "drop", "before"))
    if what:
        asked(stage, key, what)

    stage.clock.advance(900 + 3599)
    stage.journey.inquire(key)
    assert stage.state(key) is State.PARKED
    stage.later(3601)

    assert stage.state(key) is (State.CANCELLED if what else State.EXPIRED)


def test_without_a_status_address_a_parked_transfer_ends_by_its_time_alone(stage: Stage) -> None:
    stage.without_status()
    key = parked(stage)
    stage.later(899)
    assert stage.state(key) is State.PARKED

    stage.later(2)

    assert (stage.state(key), stage.record(key).reason) == (State.EXPIRED, "challenge_unanswered")


@pytest.mark.parametrize("what", ["", "cancel"])
@pytest.mark.parametrize("word", [None, StatusWord.NOT_FOUND, StatusWord.UNANSWERED])
def test_who_answered_by_3d_secure_2_is_never_called_unpaid(stage: Stage, word: StatusWord | None, what: str) -> None:
    """Nobody knows whether the bank needs our confirm after that, and nobody here says that nothing has moved."""
    stage.without_status() if word is None else None
    key = parked(stage)
    stage.worker.recorder.move(
        stage.record(key),
        Verb.REQUEST,
        Change(due_at=0, fields={"requested_action": what or "inquire", "three_ds2_fields": "cres:10"}),
    )
    if word:
        says(stage, word)
    stage.clock.advance(900 + 3601)

    stage.journey.inquire(key)

    record = stage.record(key)
    assert (record.state, record.phase, record.reason) == (State.IN_DOUBT, Phase.CONFIRM, "answered_by_secure_2")


@pytest.mark.parametrize("what", ["", "cancel"])
def test_who_answered_by_3d_secure_2_expires_where_the_bank_still_waits_for_the_client(stage: Stage, what: str) -> None:
    """Not at once, for the bank may be at it, and its word of before may be the last: after the horizon."""
    key = parked(stage)
    stage.worker.recorder.move(
        stage.record(key),
        Verb.REQUEST,
        Change(due_at=0, fields={"requested_action": what, "three_ds2_fields": "cres:10"}),
    )

    stage.clock.advance(900 + 3599)
    stage.journey.inquire(key)
    assert stage.state(key) is State.PARKED
    stage.later(3601)

    assert (stage.state(key), stage.record(key).three_ds2_fields) == (State.CANCELLED if what else State.EXPIRED, "")


def test_a_confirm_whose_terminal_has_no_credentials_any_more_does_not_wait_for_ever(stage: Stage) -> None:
    """It takes no try, and when its time is over it is in doubt: the bank holds its challenge."""
    key = resumed(stage)
    stage.worker.preflight._terminals.clear()

    for _ in range(6):
        stage.clock.advance(600)
        stage.journey.confirm(key) if stage.state(key) is State.RESUMED else None

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "terminal_unknown")
    assert stage.record(key).attempts == 0


def test_who_gets_no_token_and_has_no_more_tries_is_dead_and_a_requeue_pays_it_once(stage: Stage) -> None:
    key = given_up(stage)
    assert (stage.state(key), stage.record(key).reason, stage.record(key).message) == (
        State.DEAD,
        "attempts_used_up",
        "token_http_503",
    )

    asked(stage, key, "requeue")
    stage.settle_down()

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_ledger_that_forgot_a_claim_is_not_believed_that_nothing_was_sent(stage: Stage) -> None:
    """The last try gets no token: but the vault remembers that the card was taken out."""
    key = given_up(stage, meanwhile=lambda key: stage.vault.take(Purpose.CARD, key, stage.record(key).epoch, 1, NONCE))

    record = stage.record(key)
    assert (record.state, record.reason, record.evidence) == (State.IN_DOUBT, "vault_remembers", "maybe_sent")


def test_nobody_gives_up_what_may_be_brought_again(stage: Stage) -> None:
    """The vault forgot: its card can be brought until the deadline, and then it expires."""
    key = given_up(stage, meanwhile=lambda _: empty(stage.vault.client))

    assert (stage.state(key), stage.record(key).attempts) == (State.QUEUED, 0)


def test_a_deadline_that_passes_while_a_token_is_fetched_is_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its card has timed out by then: once claimed without one, it would be a day in doubt."""
    key = stage.new()
    stage.clock.advance(899)
    fetch = type(stage.bank).token

    def slowly(*args: Any, **kwargs: Any) -> Any:
        stage.clock.advance(1)
        return fetch(*args, **kwargs)

    monkeypatch.setattr(type(stage.bank), "token", slowly)
    stage.journey.execute(key)
    assert (stage.state(key), stage.executions(key)) == (State.QUEUED, 0)

    stage.journey.execute(key)
    assert stage.state(key) is State.EXPIRED


def given_up(stage: Stage, meanwhile: Callable[[str], object] = bool) -> str:
    """No token at its last try; `meanwhile` happens while it is asked for."""
    stage.with_rules(retry=RetryRule(attempts=1))
    stage.clock.advance(4)  # put in since the worker began: so no worker looks for its card first
    key = stage.new()
    stage.sandbox.faults.add(Rule("token", "status", http_status=503, times=1))
    meanwhile(key)
    stage.journey.execute(key)
    return key


def _lost_on_the_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> str:
    """The vault gave the card out, and its answer never came; then the bank knew no order of it."""
    key = stage.new()
    take = stage.worker.custody.vault.take

    def unanswered(*args: Any) -> TakeUnanswered:
        take(*args)
        return TakeUnanswered()

    with monkeypatch.context() as patch:
        patch.setattr(stage.worker.custody.vault, "take", unanswered)
        stage.journey.execute(key)
    says(stage, StatusWord.NOT_FOUND)
    while stage.state(key) is State.IN_DOUBT:
        stage.clock.advance(3600)
        stage.journey.inquire(key)
    record = stage.record(key)
    assert (record.state, record.reason, record.evidence) == (State.DEAD, Reason.CARD_LOST, "not_sent")
    return key


@pytest.mark.parametrize("who", ["an operator", "its producer"])
def test_a_dead_one_whose_card_was_lost_on_the_way_ends_and_is_in_no_doubt_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """It may be paid another way: the tombstone is of its own last claim, whose worker never had the card."""
    key = _lost_on_the_way(stage, monkeypatch)

    if who == "an operator":
        asked(stage, key, "discard")
        stage.journey.inquire(key)
    else:
        move = partial(stage.ledger.move, actor="backend")
        cards = VaultPlace(stage.worker.custody.vault)
        withdraw(stage.record(key), Verb.CANCEL, reason=Reason.CANCELLED, cards=cards, move=move)

    assert (stage.state(key), stage.record(key).evidence) == (State.CANCELLED, "not_sent")


def test_a_tombstone_of_another_claim_is_a_doubt_also_where_the_card_counts_as_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger went back, say, and does not know who took the card out: that worker may have sent it."""
    key = _lost_on_the_way(stage, monkeypatch)
    record = replace(stage.record(key), claim_nonce="f" * 16)
    move = partial(stage.ledger.move, actor="backend")

    withdraw(record, Verb.CANCEL, reason=Reason.CANCELLED, cards=VaultPlace(stage.worker.custody.vault), move=move)

    assert stage.state(key) is State.IN_DOUBT
