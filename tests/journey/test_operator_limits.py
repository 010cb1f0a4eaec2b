"""What one operator alone requeues and ends a day, and what takes two: a worker counts, whatever command was typed."""

from collections.abc import Mapping

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.record import RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import LEASE_MS, Inboxes, Kind, operator
from epay_transfers.worker.backoff import RetryRule
from tests.journey import scenes
from tests.support.stage import Stage

AIGUL, BOLAT = operator("aigul"), operator("bolat")
AMOUNT = 1_500_000
REQUEUE, DISCARD = RequestedAction.REQUEUE, RequestedAction.DISCARD


def limit(stage: Stage, **limits: int) -> None:
    stage.with_rules(operator_limits=limits)


def dead(stage: Stage) -> str:
    stage.with_rules(retry=RetryRule(attempts=1))
    key = stage.new()
    bank = stage.journey.bank
    scenes.unreachable(stage)
    stage.journey.execute(key)
    stage.journey.bank = bank
    assert stage.state(key) is State.DEAD
    return key


def put(stage: Stage, sender: str, kind: Kind, fields: Mapping[str, str], entry_id: str = "") -> dict[str, str]:
    """Into the inbox, and a worker reads it; the newest answer."""
    fields = {"why": "a test", **fields}
    entry_id = Inboxes(stage.ledger.client, stage.clock).put(sender, kind, fields, entry_id)
    stage.worker.inbox.run_once()
    told = [each.fields for each in stage.events.newest(100) if each.fields.get("request") == entry_id]
    return told[-1] if told else {}


def request(stage: Stage, sender: str, key: str, what: RequestedAction = REQUEUE, **more: str) -> dict[str, str]:
    return put(stage, sender, Kind.REQUEST, {"key": key, "what": what}, **more)


def as_planned(stage: Stage, key: str) -> dict[str, str]:
    record = stage.record(key)
    return {"state": record.state, "since": str(record.state_since)}


@pytest.mark.parametrize("limits", [{"transfers": 1, "KZT": 10 * AMOUNT}, {"transfers": 9, "KZT": AMOUNT}])
def test_above_the_limit_a_requeue_waits_for_a_second_operator(stage: Stage, limits: dict[str, int]) -> None:
    """The second requeue of the day is not done, and its operator alone can't have it done; another operator can."""
    limit(stage, **limits)
    first, second = dead(stage), dead(stage)

    alone = request(stage, AIGUL, first)
    waits, again = request(stage, AIGUL, second), request(stage, AIGUL, second)

    assert alone["verb"] == Verb.REQUEST
    for told in (waits, again):
        assert (told["verb"], told["decided"], told["second"]) == (Verb.DECIDE, "requeue", "needed")
    assert stage.record(second).requested_action == ""
    stage.journey.inquire(second)
    assert stage.state(second) is State.DEAD

    agreed = request(stage, BOLAT, second)

    assert (agreed["verb"], stage.record(second).requested_action) == (Verb.REQUEST, REQUEUE)
    assert [each.by for each in decisions.read(stage.record(second).decisions)] == ["aigul", "bolat"]
    assert stage.ledger.client.hget(_counts(stage), "count:bolat") is None
    stage.journey.inquire(second)
    assert stage.state(second) is State.QUEUED


def _counts(stage: Stage) -> str:
    (key,) = stage.ledger.client.keys(redis_keys.every("limits:operators:"))
    return str(key)


def test_a_second_operator_agrees_to_the_same_thing_alone(stage: Stage) -> None:
    """One wants to requeue, another to discard: neither is done, and each has decided for itself."""
    limit(stage, transfers=0, KZT=0)
    key = dead(stage)

    told = [request(stage, AIGUL, key), request(stage, BOLAT, key, DISCARD)]

    assert [each["second"] for each in told] == ["needed", "needed"]
    assert stage.record(key).requested_action == ""
    request(stage, AIGUL, key, DISCARD)
    assert stage.record(key).requested_action == DISCARD


def test_a_discard_and_a_cancel_count_no_money_and_are_limited_in_number(stage: Stage) -> None:
    """No money moves by them. A thief of one password ends no more transfers than the limit has."""
    limit(stage, transfers=2, KZT=1)
    gone, queued, parked, last = dead(stage), stage.new(), scenes.parked(stage), stage.new()

    assert request(stage, AIGUL, gone, DISCARD)["verb"] == Verb.REQUEST
    assert put(stage, AIGUL, Kind.CANCEL, {"key": queued})["verb"] == Verb.CANCEL
    for key in (parked, last):
        assert put(stage, AIGUL, Kind.CANCEL, {"key": key})["second"] == "needed"

    assert stage.state(queued) is State.CANCELLED
    assert (stage.record(parked).requested_action, stage.state(last)) == ("", State.QUEUED)
    assert put(stage, BOLAT, Kind.CANCEL, {"key": last})["verb"] == Verb.CANCEL
    assert put(stage, BOLAT, Kind.CANCEL, {"key": parked})["requested_action"] == RequestedAction.CANCEL


def test_what_the_first_operator_asked_for_stands_for_a_day(stage: Stage) -> None:
    """A day later the first one may not want it any more: the second operator is the first one again."""
    limit(stage, KZT=0)
    key = dead(stage)
    request(stage, AIGUL, key)
    stage.later(86_401)

    assert request(stage, BOLAT, key)["second"] == "needed"
    assert request(stage, AIGUL, key)["verb"] == Verb.REQUEST


def test_the_next_day_has_a_limit_of_its_own(stage: Stage) -> None:
    """What was counted on one day of the bank does not count on the next one."""
    limit(stage, transfers=1, KZT=AMOUNT)
    first, second = dead(stage), dead(stage)
    request(stage, AIGUL, first)
    assert request(stage, AIGUL, second)["second"] == "needed"
    stage.later(86_401)

    assert request(stage, AIGUL, second)["verb"] == Verb.REQUEST


def test_a_currency_without_a_limit_needs_two_and_no_limits_need_one(stage: Stage) -> None:
    """Where there are limits, a currency that they do not name is needs two operators from the first transfer on."""
    key = dead(stage)
    limit(stage, USD=10 * AMOUNT)
    assert request(stage, AIGUL, key)["second"] == "needed"

    limit(stage)

    assert request(stage, AIGUL, key)["verb"] == Verb.REQUEST


def test_the_id_of_anothers_request_opens_no_way_round_the_limit(stage: Stage) -> None:
    """Operators read each other's ids. With the id of a discard that stands, a requeue took its place uncounted."""
    limit(stage, transfers=9, KZT=0)
    key = dead(stage)
    standing = request(stage, AIGUL, key, DISCARD)

    for what in (REQUEUE, DISCARD):
        told = request(stage, BOLAT, key, what, entry_id=standing["request"])
        assert (told["verb"], "discard stands already" in told["why"]) == ("request_refused", True)

    assert stage.record(key).requested_action == DISCARD
    assert [each.by for each in decisions.read(stage.record(key).decisions)] == ["aigul"]


def test_an_entry_of_a_plan_does_nothing_where_its_transfer_has_moved(stage: Stage) -> None:
    """The plan saw it dead. It was requeued and died again: the plan's operator has not seen that one."""
    key = dead(stage)
    seen = as_planned(stage, key)
    request(stage, AIGUL, key)
    stage.journey.inquire(key)
    assert stage.state(key) is State.QUEUED
    scenes.unreachable(stage)
    stage.later(1)
    stage.journey.execute(key)
    assert stage.state(key) is State.DEAD

    for kind, more in ((Kind.REQUEST, {"what": str(REQUEUE)}), (Kind.CANCEL, {})):
        told = put(stage, AIGUL, kind, {"key": key, **seen, **more})
        assert (told["verb"], "has moved since its operator saw it" in told["why"]) == ("request_refused", True)

    assert stage.record(key).requested_action == ""


def test_an_entry_that_comes_twice_is_done_once(stage: Stage) -> None:
    """A plan that is applied again puts in the same ids: nothing is done and nothing is refused the second time."""
    limit(stage, transfers=1, KZT=AMOUNT)
    key, entry_id = dead(stage), "0123456789abcdef01234567"
    more = as_planned(stage, key)
    for _ in range(2):
        put(stage, AIGUL, Kind.REQUEST, {"key": key, "what": REQUEUE, **more}, entry_id)
        assert stage.record(key).requested_action == REQUEUE
    stage.journey.inquire(key)
    told = put(stage, AIGUL, Kind.REQUEST, {"key": key, "what": REQUEUE, **more}, entry_id)

    assert stage.state(key) is State.QUEUED
    assert told["verb"] == Verb.REQUEUE_DEAD
    assert len(decisions.read(stage.record(key).decisions)) == 1


def test_a_worker_that_dies_after_it_has_counted_counts_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry comes again to another worker, and there is room for it: it was counted already."""
    limit(stage, transfers=1, KZT=AMOUNT)
    key = dead(stage)
    with monkeypatch.context() as dying:
        dying.setattr(stage.ledger, "move", _dies)
        with pytest.raises(KeyboardInterrupt):
            request(stage, AIGUL, key)
    stage.later(LEASE_MS / 1000 + 1)

    stage.worker.inbox.run_once()

    assert stage.record(key).requested_action == REQUEUE


def _dies(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
