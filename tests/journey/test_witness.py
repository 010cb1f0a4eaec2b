"""The witnesses that a transfer was sent: the record's own word outlives the vault's. And words that are no proof."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import ALL, Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Gone
from epay_transfers.sandbox import Rule
from epay_transfers.worker.bank import Evidence, StatusReport, StatusWord, Unclear
from tests.journey.scenes import asked, parked, says, unreachable
from tests.support.factories import NONCE
from tests.support.pausing import end_pauses, pause_of
from tests.support.redis_state import empty
from tests.support.stage import Stage

DAY_S = 86_400

#: After the worker's start, so that it does not look for a card that it has no cause to miss.
LATER_S = 4


def killed(stage: Stage, *, taken: bool = True) -> str:
    """A worker that was killed between its claim and its record, with the card taken out or not."""
    key = stage.new()
    record = stage.record(key)
    claim = stage.worker.preflight.claim(record, Lane.SEND)
    assert isinstance(claim, Moved)
    if taken:
        stage.vault.take(Purpose.CARD, key, record.epoch, claim.sequence, claim.claim_nonce)
    return key


def forgets(stage: Stage, key: str) -> None:
    """The tombstone's seven days are over; the test's clock does not move the server's."""
    stage.vault.client.delete(redis_keys.card(key))


def ask_for(stage: Stage, seconds: float, every_s: float = 151) -> None:
    for _ in range(int(seconds / every_s) + 1):
        stage.later(every_s)


def test_a_doubt_that_outlives_the_tombstone_is_never_called_a_lost_card(stage: Stage) -> None:
    """The inquiries were paused for eight days: the record has kept what the vault knew."""
    key = killed(stage)
    stage.pauses.pause(Lane.INQUIRE, "main", actor="ops", reason="test")
    stage.pauses.refresh()
    stage.later(61)
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)

    forgets(stage, key)
    stage.clock.advance(8 * DAY_S)
    end_pauses(stage.pauses, Lane.INQUIRE, "main")
    stage.pauses.refresh()
    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 1000)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


def test_workers_that_were_away_for_a_week_take_an_empty_vault_for_no_proof(stage: Stage) -> None:
    key = killed(stage)
    forgets(stage, key)
    stage.clock.advance(60 + 6 * DAY_S)

    stage.sweeper.run_once()

    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)


@pytest.mark.parametrize("taken", [True, False])
def test_a_worker_that_was_lost_may_have_sent_whatever_the_vault_holds(stage: Stage, *, taken: bool) -> None:
    """It was killed, and the vault restarted empty: nothing tells the two cases apart, and the bank may be late."""
    key = killed(stage, taken=taken)
    forgets(stage, key)
    stage.clock.advance(61)
    stage.sweeper.run_once()
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)

    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 7500)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


def burns_nothing(stage: Stage, key: str, _: pytest.MonkeyPatch) -> None:
    forgets(stage, key)


def burns_a_blob_of_another_run(stage: Stage, key: str, _: pytest.MonkeyPatch) -> None:
    place = redis_keys.card(key)
    kind, epoch, _run, tag = str(stage.vault.client.get(place)).split(":")
    stage.vault.client.set(place, f"{kind}:{epoch}:00000000:{tag}", keepttl=True)


def burns_and_is_not_answered(stage: Stage, _: str, patch: pytest.MonkeyPatch) -> None:
    take = type(stage.vault).take

    def unanswered(*args: Any) -> Any:
        patch.setattr(type(stage.vault), "take", take)
        take(*args)
        raise VaultUnavailable

    patch.setattr(type(stage.vault), "take", unanswered)


@pytest.mark.parametrize("takes", [burns_nothing, burns_a_blob_of_another_run, burns_and_is_not_answered])
def test_a_worker_that_burns_nothing_says_that_it_sent_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, takes: Callable[[Stage, str, pytest.MonkeyPatch], None]
) -> None:
    """Under its own claim: so the bank's "not found" may end it as a lost card, after the horizon."""
    stage.clock.advance(LATER_S)
    key = stage.new()
    takes(stage, key, monkeypatch)

    stage.journey.execute(key)

    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.NOT_SENT)
    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 3000)
    assert stage.state(key) is State.IN_DOUBT, "before the horizon"
    ask_for(stage, 4500)
    assert (stage.state(key), stage.record(key).reason, stage.executions(key)) == (State.DEAD, "card_lost", 0)


def test_a_worker_that_was_not_answered_finds_its_card_there_and_queues_it_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The take never reached the vault."""
    key = stage.new()

    def unheard(*_: Any) -> Any:
        raise VaultUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(stage.vault), "take", unheard)
        stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.NOT_SENT)

    stage.later(6)
    stage.later(6)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_another_claims_tombstone_is_never_called_a_lost_card(stage: Stage) -> None:
    """The worker sent nothing; the claim that the ledger forgot may have."""
    stage.clock.advance(LATER_S)
    key = stage.new()
    forgets(stage, key)
    stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.NOT_SENT)
    stage.vault.client.set(redis_keys.card(key), f"X:{stage.record(key).epoch}:{NONCE}")

    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 7500)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


def test_a_worker_that_slept_is_no_sign_of_a_ledger_that_went_back(stage: Stage) -> None:
    """Its lease ended before its take; another worker has sent the transfer, and left its own tombstone."""
    key = stage.new()
    slow = stage.record(key)
    claim = stage.worker.preflight.claim(slow, Lane.SEND)
    assert isinstance(claim, Moved)
    stage.later(61)
    stage.later(61)
    assert stage.state(key) is State.PAID

    taken = stage.worker.custody.take(Purpose.CARD, slow, claim)
    assert taken == Gone(Content.TOMBSTONE)
    stage.journey._take_failed(slow, claim, taken)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)
    assert stage.pauses.standing() == []
    assert not stage.ledger.went_back()


@pytest.mark.parametrize("lower", [0, 1])
def test_a_tombstone_of_an_earlier_try_shows_a_vault_that_went_back_and_no_ledger_that_did(
    stage: Stage, lower: int
) -> None:
    """The card was given back, and the vault is its copy from before that: this transfer is in doubt, all others go on.

    One of the try itself, of a claim that the ledger knows nothing of, stops all sending.
    """
    unreachable(stage)
    key = stage.new()
    stage.journey.execute(key)
    stage.journey.bank = stage.bank
    stage.vault.client.set(redis_keys.card(key), f"X:{stage.record(key).epoch - lower}:{NONCE}")

    stage.later(5)

    record = stage.record(key)
    assert (record.state, record.reason, record.evidence) == (State.IN_DOUBT, "vault_tombstone", Evidence.MAYBE_SENT)
    assert stage.executions(key) == 0
    assert (pause_of(stage.pauses, Lane.SEND, ALL) is None) == bool(lower)
    assert stage.ledger.went_back() == (not lower)


def test_what_the_worker_knows_is_not_overruled_by_the_vault(stage: Stage) -> None:
    """It sent, and was not answered; the card stands there again, as after a copy of the vault was put back."""
    key = stage.new()
    sealed = stage.vault.client.get(redis_keys.sealed_card(key))
    blob = stage.vault.client.get(redis_keys.card(key))
    says(stage, StatusWord.NOT_FOUND, outcome=Unclear("timeout", Evidence.MAYBE_SENT))
    stage.journey.execute(key)
    stage.vault.client.set(redis_keys.card(key), str(blob))
    stage.vault.client.set(redis_keys.sealed_card(key), str(sealed))

    stage.later(6)

    assert stage.state(key) is State.IN_DOUBT


@pytest.mark.parametrize("said", [Evidence.MAYBE_SENT, Evidence.NOT_SENT])
def test_evidence_that_comes_late_is_not_overwritten_by_an_inquiry_that_was_under_way(
    stage: Stage, said: Evidence
) -> None:
    """An inquiry has judged "not found"; meanwhile the worker comes home with what it knows."""
    key = stage.new()
    forgets(stage, key)
    record = stage.record(key)
    claim = stage.worker.preflight.claim(record, Lane.SEND)
    assert isinstance(claim, Moved)
    stage.worker.recorder.doubt(record, "vault_nothing", evidence=Evidence.NOT_SENT, nonce=claim.claim_nonce)
    as_judged = stage.record(key)
    stage.worker.recorder.doubt(record, "timeout", evidence=said, nonce=claim.claim_nonce)

    stage.worker.recorder.fail(as_judged, "card_lost", verb=Verb.LOSE_CARD)

    is_new = said is Evidence.MAYBE_SENT
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT if is_new else State.DEAD, said)


def test_a_sweeper_that_comes_first_does_not_hide_that_nothing_was_sent(stage: Stage) -> None:
    """The worker left the tombstone itself, its lease is over by now, and it did not send."""
    record = stage.record(stage.new())
    claim = stage.worker.preflight.claim(record, Lane.SEND)
    assert isinstance(claim, Moved)
    stage.vault.take(Purpose.CARD, record.key, record.epoch, claim.sequence, claim.claim_nonce)
    stage.later(61)
    assert stage.record(record.key).evidence == Evidence.MAYBE_SENT

    stage.worker.recorder.doubt(record, "vault_unanswered", evidence=Evidence.NOT_SENT, nonce="another")
    assert stage.record(record.key).evidence == Evidence.MAYBE_SENT, "another claim may have sent"
    stage.worker.recorder.doubt(record, "vault_unanswered", evidence=Evidence.NOT_SENT, nonce=claim.claim_nonce)
    assert stage.record(record.key).evidence == Evidence.NOT_SENT


def tombstone_at_the_claim(stage: Stage) -> str:
    key = stage.new()
    stage.vault.take(Purpose.CARD, key, stage.record(key).epoch, 1, NONCE)
    stage.journey.execute(key)
    return key


def tombstone_at_the_deadline(stage: Stage) -> str:
    key = stage.new()
    stage.vault.take(Purpose.CARD, key, stage.record(key).epoch, 1, NONCE)
    stage.clock.advance(901)
    stage.journey.execute(key)
    return key


@pytest.mark.parametrize("meets", [tombstone_at_the_claim, tombstone_at_the_deadline])
def test_whoever_meets_a_tombstone_writes_it_down(stage: Stage, meets: Callable[[Stage], str]) -> None:
    key = meets(stage)

    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)


@pytest.mark.parametrize("what", ["", "cancel"])
def test_a_parked_one_of_which_the_bank_says_something_else_is_a_persons(stage: Stage, what: str) -> None:
    """No final word is no silence: it may be paid for another amount. It is never called expired or cancelled."""
    key = parked(stage)
    says(stage, StatusWord.NOT_YET)
    if what:
        asked(stage, key, what)

    stage.clock.advance(900)
    ask_for(stage, 3400)
    assert stage.state(key) is State.PARKED
    assert stage.events.newest(1)[0].fields["bank_said"] == "not_yet"
    ask_for(stage, 3700)  # it is asked once an hour by then
    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "bank_says_not_yet")
    assert stage.record(key).requested_action == ""

    ask_for(stage, 3600 + 3700)
    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_yet")


def test_a_bank_that_is_asked_too_often_is_believed_all_the_same(stage: Stage) -> None:
    """The next read keeps its time, however often somebody asks in between."""
    key = killed(stage)
    stage.later(61)
    says(stage, StatusWord.NOT_FOUND)

    for _ in range(40):
        stage.clock.advance(140)
        if stage.state(key) is State.IN_DOUBT:
            asked(stage, key, "inquire")

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


def test_a_bank_that_says_this_and_that_is_a_persons_in_the_end(stage: Stage) -> None:
    key = killed(stage)
    stage.later(61)
    says(stage, StatusWord.NOT_YET, StatusWord.NOT_FOUND)

    ask_for(stage, 7200 + 1000)

    assert stage.state(key) is State.NEEDS_REVIEW


@pytest.mark.parametrize("later", ["", "asked about meanwhile", "held meanwhile"])
def test_a_worker_that_comes_home_late_bears_witness_that_it_was_sent(stage: Stage, later: str) -> None:
    """Its lease was over, the sweeper came first, and the vault had forgotten: nobody else knows it any more."""
    key = stage.new()
    bank = SlowBank(stage, key, later)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge: what the journey asks of it is there

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason) == (
        State.NEEDS_REVIEW if later == "held meanwhile" else State.IN_DOUBT,
        bank.reason,
    )
    assert record.evidence == Evidence.MAYBE_SENT
    assert [event.fields["verb"] for event in stage.events.newest(99)].count("doubt") == 1

    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 7200)
    assert stage.state(key) is State.NEEDS_REVIEW, "and never a lost card"


@dataclass
class SlowBank:
    """It keeps silent for longer than the lease; meanwhile the vault forgets, and the sweeper comes."""

    stage: Stage
    key: str
    later: str
    has_status: bool = True
    reason: str = "lease_over"

    def transfer(self, *_: Any, **__: Any) -> Unclear:
        stage, key = self.stage, self.key
        empty(stage.vault.client)
        stage.clock.advance(61)
        stage.journey.sweep(stage.record(key))
        assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)
        if self.later == "asked about meanwhile":
            stage.worker.recorder.inquire_again(stage.record(key), 0, StatusReport(StatusWord.NOT_FOUND))
        elif self.later:
            self.reason = "a person's"
            stage.worker.recorder.send_to_review(stage.record(key), self.reason)
        return Unclear("timeout", Evidence.MAYBE_SENT)


def test_one_answer_that_is_missing_is_no_silence(stage: Stage) -> None:
    """The row is nearly complete when two horizons are over: it is completed, and the record says with what word."""
    key = killed(stage)
    stage.later(61)
    says(stage, StatusWord.UNANSWERED)
    ask_for(stage, 7200 - 300)
    says(stage, StatusWord.NOT_FOUND, StatusWord.NOT_FOUND, StatusWord.UNANSWERED, StatusWord.NOT_FOUND)

    ask_for(stage, 900)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_says_not_found")


@pytest.mark.parametrize("begins", ["in doubt", "parked"])
def test_a_terminal_whose_credentials_are_gone_is_a_silent_bank(stage: Stage, begins: str) -> None:
    """It ends, and does not wait for ever."""
    key = killed(stage) if begins == "in doubt" else parked(stage)
    stage.later(61)
    stage.worker.preflight._terminals.clear()

    ask_for(stage, 7200 + 1000)

    assert stage.state(key) is (State.NEEDS_REVIEW if begins == "in doubt" else State.EXPIRED)


def test_what_was_asked_for_is_over_where_doubt_begins(stage: Stage) -> None:
    """Else each ring would ask the bank at once, for as long as the doubt lasts."""
    key = stage.new()
    record = stage.record(key)
    stage.worker.preflight.claim(record, Lane.SEND)
    stage.worker.recorder.fail(record, "attempts_used_up")
    stage.vault.take(Purpose.CARD, key, record.epoch, 1, NONCE)

    asked(stage, key, "discard")

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "vault_remembers")
    assert stage.record(key).requested_action == ""


def test_a_stop_that_is_over_stops_nobody_whoever_has_read_it(stage: Stage) -> None:
    key = stage.new()
    stage.pauses.pause(Lane.SEND, "main", actor="ops", reason="test", until_ms=stage.clock.now_ms() + 1000)
    stage.pauses.refresh()
    stage.clock.advance(1)

    stage.journey.execute(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_batch_that_waits_for_the_rate_costs_no_token(stage: Stage) -> None:
    """The first that hears of it from the claim has fetched one; the others know."""
    stage.rules.preflight.gaps_ms["main"] = 1000
    batch = [stage.new() for _ in range(12)]
    for key in batch:
        stage.ledger.client.hset(redis_keys.record(key), "urgency", "batch")

    for key in batch:
        stage.journey.execute(key)

    assert [stage.state(key) for key in batch].count(State.PAID) == 1
    assert stage.sandbox.book.calls["token"] == 1 + 5 + 1
    waits = [stage.record(key).next_attempt_at - stage.clock.now_ms() for key in batch[7:]]
    assert waits == [6000] * 5

    stage.clock.advance(6)
    stage.journey.execute(batch[-1])
    assert stage.state(batch[-1]) is not State.DEAD
    assert stage.sandbox.book.calls["token"] == 8


def test_a_requeue_forgets_the_last_tries_words(stage: Stage) -> None:
    """`message` is the bank's: a paid one does not keep ours."""
    stage.sandbox.faults.add(Rule("token", "status", http_status=500, times=4))
    key = stage.new()
    for _ in range(9):
        stage.later(60)
    assert (stage.state(key), stage.record(key).message) == (State.DEAD, "token_http_500")

    asked(stage, key, "requeue")

    assert [event.fields["verb"] for event in stage.events.newest(1)] == [Verb.REQUEUE_DEAD]
    assert stage.record(key).message == ""
