"""Limits on money, as a worker keeps them: nothing is sent beyond one, the terminal stops, and an operator is told."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.limits import Day, Limits
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content
from epay_transfers.worker.limits import MoneyLimits
from tests.journey.scenes import unreachable
from tests.support.pausing import end_pauses, pause_of
from tests.support.redis_state import events, everything
from tests.support.stage import CARDS, RECEIVER, Stage

AMOUNT = 1_500_000
RECEIVER_PAN = RECEIVER.cred.reveal()


def limit(stage: Stage, **most: int) -> None:
    limit_in("KZT", stage, Limits(**most))


def limit_in(currency: str, stage: Stage, limits: Limits) -> None:
    stage.with_rules(limits=MoneyLimits({"main": {currency: limits}}, Secret("the bank's client secret")))


def alarms(stage: Stage) -> list[dict[str, str]]:
    return [event for event in events(stage.ledger.client) if event["verb"] == "limit_reached"]


def counted_by_card(stage: Stage) -> dict[str, str]:
    return stage.ledger.client.hgetall(redis_keys.receiver_limits(Day.of(stage.clock.now_ms()).name))  # type: ignore[return-value]  # no pipeline


BEYOND = {
    "transfer": {"transfer": AMOUNT - 1},
    "terminal_day": {"terminal_day": 2 * AMOUNT - 1},
    "receiver_day": {"receiver_day": 2 * AMOUNT - 1},
}


@pytest.mark.parametrize("name", BEYOND)
def test_beyond_a_limit_nothing_is_sent_the_terminal_stops_and_an_alarm_says_why(stage: Stage, name: str) -> None:
    """The transfer waits in its queue with its card; the alarm names limit, terminal and transfer, and no card."""
    limit(stage, **BEYOND[name])
    first, second = stage.new(), stage.new()
    if name != "transfer":
        stage.journey.execute(first)
        assert stage.executions(first) == 1
    sent = stage.sandbox.book.calls["transfer"]

    stage.journey.execute(second)

    assert stage.sandbox.book.calls["transfer"] == sent
    assert stage.state(second) is State.QUEUED
    assert stage.vault.look(Purpose.CARD, second, stage.record(second).epoch) is Content.BLOB
    (alarm,) = alarms(stage)
    assert (alarm["key"], alarm["terminal"], alarm["limit"], alarm["currency"]) == (second, "main", name, "KZT")
    pause = pause_of(stage.pauses, Lane.SEND, "main")
    assert pause is not None
    assert pause.until_ms == 0
    assert name in pause.reason
    told = everything(stage.ledger.client)
    assert RECEIVER_PAN not in told


def test_what_a_producer_has_sent_again_counts_again(stage: Stage) -> None:
    """It calls a transfer queued that was sent, removes the tombstone and puts the card in once more."""
    limit(stage, terminal_day=2 * AMOUNT - 1, receiver_day=2 * AMOUNT - 1)
    key = stage.new()
    stage.journey.execute(key)
    calls = stage.sandbox.book.calls["transfer"]

    stage.ledger.client.hset(redis_keys.record(key), "state", "queued")
    stage.vault.client.delete(redis_keys.card(key))
    stage.put(stage.record(key))
    stage.journey.execute(key)

    assert stage.sandbox.book.calls["transfer"] == calls
    assert [alarm["limit"] for alarm in alarms(stage)] == ["terminal_day"]


@pytest.mark.parametrize("name", BEYOND)
def test_what_waits_is_sent_once_when_an_operator_has_raised_the_limit(stage: Stage, name: str) -> None:
    """And counts once, although it was claimed twice."""
    limit(stage, **BEYOND[name])
    first, second = stage.new(), stage.new()
    if name != "transfer":
        stage.journey.execute(first)
    stage.journey.execute(second)
    stage.later(60)
    assert stage.executions(second) == 0, "the lane is paused"

    limit(stage, **{name: 2 * AMOUNT})
    end_pauses(stage.pauses, Lane.SEND, "main")
    stage.pauses.refresh()
    stage.later(60)

    assert (stage.state(second), stage.executions(second)) == (State.PAID, 1)
    assert len(alarms(stage)) == 1


def test_what_was_not_sent_after_all_is_counted_once(stage: Stage) -> None:
    """Its first try met no bank; the second pays. Both limits have room for it alone."""
    limit(stage, terminal_day=AMOUNT, receiver_day=AMOUNT)
    key = stage.new()
    unreachable(stage)
    stage.journey.execute(key)
    assert stage.state(key) is State.QUEUED

    stage.journey.bank = stage.bank
    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)
    assert alarms(stage) == []


def test_what_the_bank_declines_has_been_sent(stage: Stage) -> None:
    limit(stage, terminal_day=AMOUNT)
    key, other = stage.new("[decline:484]"), stage.new()
    stage.journey.execute(key)
    assert stage.state(key) is State.DECLINED

    stage.journey.execute(other)

    assert (stage.state(other), stage.executions(other)) == (State.QUEUED, 0)


def test_a_worker_that_died_between_the_count_and_the_send_leaves_a_count_and_nothing_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is the safe side."""
    limit(stage, terminal_day=AMOUNT, receiver_day=AMOUNT)
    key = stage.new()
    steps = stage.journey.card_steps
    count = steps.count_receiver

    def dies(*args: Any) -> str:
        count(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "count_receiver", dies)
    with pytest.raises(KeyboardInterrupt):
        stage.journey.execute(key)

    assert stage.sandbox.book.calls["transfer"] == 0
    assert stage.state(key) is State.IN_DOUBT
    assert list(counted_by_card(stage).values()) == [str(AMOUNT)]


def test_where_the_ledger_does_not_say_whether_it_counted_nothing_is_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card goes back, and the next claim counts it once more: that is the safe side."""
    limit(stage, receiver_day=2 * AMOUNT)
    key = stage.new()
    count = stage.ledger.count_receiver

    def unheard(*args: Any, **more: Any) -> bool:
        count(*args, **more)
        raise LedgerUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(stage.ledger, "count_receiver", unheard)
        stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).reason) == (State.QUEUED, "ledger_unanswered")
    assert stage.sandbox.book.calls["transfer"] == 0

    stage.later(5)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)
    assert alarms(stage) == []


def test_a_currency_that_a_terminals_limits_do_not_name_is_not_sent(stage: Stage) -> None:
    """A producer chooses the currency: one without a limit would be a way round all of them."""
    limit_in("USD", stage, Limits(transfer=AMOUNT))
    key = stage.new()

    stage.journey.execute(key)

    assert (stage.state(key), stage.executions(key)) == (State.QUEUED, 0)
    assert alarms(stage)[0]["limit"] == "transfer"


def test_without_limits_nothing_is_counted(stage: Stage) -> None:
    key = stage.new()

    stage.journey.execute(key)

    assert stage.executions(key) == 1
    assert not stage.ledger.client.keys("transfers:{t}:limits:*")


def test_one_card_in_two_spellings_is_one_card(stage: Stage) -> None:
    """Of another card the limit says nothing."""
    limit(stage, receiver_day=AMOUNT)
    spaced = replace(CARDS, receiver=replace(RECEIVER, cred=Secret(" ".join((RECEIVER_PAN[:8], RECEIVER_PAN[8:])))))
    another = CardData(CARDS.sender, ReceiverCard("TYPEPAN", Secret("4405639704015096")))
    first, again, other = stage.new(), stage.new(cards=spaced), stage.new(cards=another)
    stage.journey.execute(first)

    stage.journey.execute(other)
    assert stage.executions(other) == 1
    stage.journey.execute(again)
    assert stage.executions(again) == 0
    assert alarms(stage)[0]["limit"] == "receiver_day"


def test_the_counts_hold_no_card_and_lead_to_none(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the number nor a part of it nor the transfer's key: a truncated number and a hash of it do not meet."""
    limit(stage, receiver_day=AMOUNT)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            stage.journey.execute(stage.new())

    unreachable(stage)
    stage.clock.advance(60)
    end_pauses(stage.pauses, Lane.SEND, "main")
    limit(stage, receiver_day=3 * AMOUNT)
    unreachable(stage)
    stage.journey.execute(stage.new())
    counts = counted_by_card(stage)
    assert len(counts) == 2, "a sum, and what was given back of one transfer"
    text = json.dumps(counts)
    record = stage.record(stage.new())
    for word in (RECEIVER_PAN, RECEIVER_PAN[:6], RECEIVER_PAN[-4:], record.key[:6], record.reference):
        assert word not in "".join(name.partition(":")[0] for name in counts), text
    assert RECEIVER_PAN not in caplog.text


def test_two_days_or_two_secrets_give_a_card_two_digests() -> None:
    """So yesterday's counts tell nothing of today's, and no process without the bank's secret finds a card."""
    today, tomorrow = Day("20261124", 0, 0), Day("20261125", 0, 0)
    ours, others = MoneyLimits({}, Secret("ours")), MoneyLimits({}, Secret("another's"))

    digests = {ours.card(RECEIVER, today), ours.card(RECEIVER, tomorrow), others.card(RECEIVER, today)}
    assert len(digests | {ours.mark(RECEIVER, today, "251124000001"), ours.mark(RECEIVER, today, "251124000002")}) == 5
    assert ours.card(RECEIVER, today) == MoneyLimits({}, Secret("ours")).card(RECEIVER, today)
