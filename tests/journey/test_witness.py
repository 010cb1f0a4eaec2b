"""The witnesses that a transfer was sent: the record's own word outlives the vault's. And words that are no proof."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ledger import keys
from ledger.lanes import Lane
from ledger.replies import Moved
from ledger.sealing import Purpose
from ledger.states import State, Verb
from sandbox import Rule
from tests.journey.conftest import Stage
from tests.journey.scenes import asked, parked, says
from worker.bank import Evidence, StatusReport, StatusWord, Unclear

DAY_S = 86_400


def killed(stage: Stage, *, burnt: bool = True) -> str:
    """A worker that was killed between its claim and its record, with the card taken out or not."""
    key = stage.new()
    record = stage.record(key)
    claim = stage.worker.gate.claim(record, Lane.SEND)
    assert isinstance(claim, Moved)
    if burnt:
        stage.vault.burn(Purpose.CARD, key, record.epoch, claim.sequence)
    return key


def forgets(stage: Stage, key: str) -> None:
    """The tombstone's seven days are over; the test's clock does not move the server's."""
    stage.vault.client.delete(keys.card(key))


def ask_for(stage: Stage, seconds: float, every_s: float = 151) -> None:
    for _ in range(int(seconds / every_s) + 1):
        stage.later(every_s)


def test_a_doubt_that_outlives_the_tombstone_is_never_called_a_lost_card(stage: Stage) -> None:
    """The inquiries were paused for eight days: the record has kept what the vault knew."""
    key = killed(stage)
    stage.lanes.pause(Lane.INQUIRE, "main", actor="ops", reason="test")
    stage.lanes.refresh()
    stage.later(61)
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)

    forgets(stage, key)
    stage.clock.advance(8 * DAY_S)
    stage.lanes.unpause(Lane.INQUIRE, "main", actor="ops", reason="test")
    stage.lanes.refresh()
    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 1000)

    assert (stage.state(key), stage.record(key).reason) == (State.HELD, "bank_says_not_found")


def test_workers_that_were_away_for_a_week_take_an_empty_vault_for_no_proof(stage: Stage) -> None:
    key = killed(stage)
    forgets(stage, key)
    stage.clock.advance(60 + 6 * DAY_S)

    stage.sweeper.run_once()

    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, Evidence.MAYBE_SENT)


def test_a_vault_that_never_had_the_card_witnesses_nothing(stage: Stage) -> None:
    key = killed(stage, burnt=False)
    forgets(stage, key)
    stage.clock.advance(61)
    stage.sweeper.run_once()
    assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, "")

    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 7500)

    assert (stage.state(key), stage.record(key).reason) == (State.DEAD, "card_lost")


def tombstone_at_the_claim(stage: Stage) -> str:
    key = stage.new()
    stage.vault.burn(Purpose.CARD, key, stage.record(key).epoch, 1)
    stage.journey.execute(key)
    return key


def tombstone_at_the_deadline(stage: Stage) -> str:
    key = stage.new()
    stage.vault.burn(Purpose.CARD, key, stage.record(key).epoch, 1)
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
    assert stage.events.newest(1)[0].fields["said"] == "not_yet"
    ask_for(stage, 3700)  # it is asked once an hour by then
    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "bank_says_not_yet")
    assert stage.record(key).asked == ""

    ask_for(stage, 3600 + 3700)
    assert (stage.state(key), stage.record(key).reason) == (State.HELD, "bank_says_not_yet")


def test_a_bank_that_is_asked_too_often_is_believed_all_the_same(stage: Stage) -> None:
    """The next read keeps its time, however often somebody asks in between."""
    key = killed(stage)
    stage.later(61)
    says(stage, StatusWord.NOT_FOUND)

    for _ in range(40):
        stage.clock.advance(140)
        if stage.state(key) is State.IN_DOUBT:
            asked(stage, key, "inquire")

    assert (stage.state(key), stage.record(key).reason) == (State.HELD, "bank_says_not_found")


def test_a_bank_that_says_this_and_that_is_a_persons_in_the_end(stage: Stage) -> None:
    key = killed(stage)
    stage.later(61)
    says(stage, StatusWord.NOT_YET, StatusWord.NOT_FOUND)

    ask_for(stage, 7200 + 1000)

    assert stage.state(key) is State.HELD


@pytest.mark.parametrize("later", ["", "asked about meanwhile", "held meanwhile"])
def test_a_worker_that_comes_home_late_bears_witness_that_it_was_sent(stage: Stage, later: str) -> None:
    """Its lease was over, the sweeper came first, and the vault had forgotten: nobody else knows it any more."""
    key = stage.new()
    bank = SlowBank(stage, key, later)
    stage.journey.bank = bank  # type: ignore[assignment]  # the edge: what the journey asks of it is there

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason) == (State.HELD if later == "held meanwhile" else State.IN_DOUBT, bank.reason)
    assert record.evidence == Evidence.MAYBE_SENT
    assert [event.fields["verb"] for event in stage.events.newest(99)].count("doubt") == 1

    says(stage, StatusWord.NOT_FOUND)
    ask_for(stage, 7200)
    assert stage.state(key) is State.HELD, "and never a lost card"


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
        stage.vault.client.flushall()
        stage.clock.advance(61)
        stage.journey.sweep(stage.record(key))
        assert (stage.state(key), stage.record(key).evidence) == (State.IN_DOUBT, "")
        if self.later == "asked about meanwhile":
            stage.worker.scribe.ask_again(stage.record(key), 0, StatusReport(StatusWord.NOT_FOUND))
        elif self.later:
            self.reason = "a person's"
            stage.worker.scribe.hold(stage.record(key), self.reason)
        return Unclear("timeout", Evidence.MAYBE_SENT)


def test_one_answer_that_is_missing_is_no_silence(stage: Stage) -> None:
    """The row is nearly complete when two horizons are over: it is completed, and the record says with what word."""
    key = killed(stage)
    stage.later(61)
    says(stage, StatusWord.UNANSWERED)
    ask_for(stage, 7200 - 300)
    says(stage, StatusWord.NOT_FOUND, StatusWord.NOT_FOUND, StatusWord.UNANSWERED, StatusWord.NOT_FOUND)

    ask_for(stage, 900)

    assert (stage.state(key), stage.record(key).reason) == (State.HELD, "bank_says_not_found")


@pytest.mark.parametrize("begins", ["in doubt", "parked"])
def test_a_terminal_whose_credentials_are_gone_is_a_silent_bank(stage: Stage, begins: str) -> None:
    """It ends, and does not wait for ever."""
    key = killed(stage) if begins == "in doubt" else parked(stage)
    stage.later(61)
    stage.worker.gate._terminals.clear()

    ask_for(stage, 7200 + 1000)

    assert stage.state(key) is (State.HELD if begins == "in doubt" else State.EXPIRED)


def test_what_was_asked_for_is_over_where_doubt_begins(stage: Stage) -> None:
    """Else each ring would ask the bank at once, for as long as the doubt lasts."""
    key = stage.new()
    record = stage.record(key)
    stage.worker.gate.claim(record, Lane.SEND)
    stage.worker.scribe.die(record, "attempts_used_up")
    stage.vault.burn(Purpose.CARD, key, record.epoch, 1)

    asked(stage, key, "discard")

    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "vault_remembers")
    assert stage.record(key).asked == ""


def test_a_stop_that_is_over_stops_nobody_whoever_has_read_it(stage: Stage) -> None:
    key = stage.new()
    stage.lanes.pause(Lane.SEND, "main", actor="ops", reason="test", until_ms=stage.clock.now_ms() + 1000)
    stage.lanes.refresh()
    stage.clock.advance(1)

    stage.journey.execute(key)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def test_a_batch_that_waits_for_the_rate_costs_no_token(stage: Stage) -> None:
    """The first that hears of it from the claim has fetched one; the others know."""
    stage.rules.gate.gaps_ms["main"] = 1000
    batch = [stage.new() for _ in range(12)]
    for key in batch:
        stage.ledger.client.hset(keys.record(key), "urgency", "batch")

    for key in batch:
        stage.journey.execute(key)

    assert [stage.state(key) for key in batch].count(State.PAID) == 1
    assert stage.sandbox.book.calls["token"] == 1 + 5 + 1
    waits = [stage.record(key).next - stage.clock.now_ms() for key in batch[7:]]
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

    assert [event.fields["verb"] for event in stage.events.newest(1)] == [Verb.REVIVE]
    assert stage.record(key).message == ""
