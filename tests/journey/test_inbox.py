"""What a worker makes of the inboxes: an entry is a request; record, vault and bank say what it leads to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import LEASE_MS, WEB, Inboxes, Kind, operator
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.worker.bank import StatusWord
from tests.journey import scenes
from tests.support.stage import Stage

AIGUL, BOLAT = operator("aigul"), operator("bolat")
WHY = {"why": "a test"}
DIGEST = "0123456789abcdef" * 2


@pytest.fixture
def inboxes(stage: Stage) -> Inboxes:
    return Inboxes(stage.ledger.client, stage.clock)


def put(stage: Stage, sender: str, kind: Kind, fields: Mapping[str, str]) -> str:
    """Into the inbox, and a worker reads it; the entry's id."""
    entry_id = Inboxes(stage.ledger.client, stage.clock).put(sender, kind, fields)
    stage.worker.inbox.run_once()
    return entry_id


def answers_to(stage: Stage, entry_id: str) -> list[dict[str, str]]:
    return [event.fields for event in stage.events.newest(100) if event.fields.get("request") == entry_id]


def answered(stage: Stage, key: str, epoch: int | None = None) -> dict[str, str]:
    """The web tier has put the client's answer into the vault; its entry."""
    record = stage.record(key)
    stage.vault.put(Purpose.PARES, key, record.epoch + 1, "sealed", 900_000, tag=DIGEST)
    return {"key": key, "epoch": str(record.epoch if epoch is None else epoch), "digest": DIGEST}


# The web tier.


def test_an_answer_in_the_vault_resumes_its_transfer_and_a_worker_is_called(stage: Stage) -> None:
    key = scenes.parked(stage)

    put(stage, WEB, Kind.CONFIRM, answered(stage, key))

    record = stage.record(key)
    assert (record.state, record.pares_digest) == (State.RESUMED, DIGEST)
    assert stage.events.newest(1)[0].fields["actor"] == "web"
    assert stage.worker.broker.client.llen("{transfers}:confirms") == 1


def test_an_entry_without_an_answer_in_the_vault_does_nothing(stage: Stage) -> None:
    """A thief of the web tier's password would send transfers into doubt with it."""
    key = scenes.parked(stage)
    before = stage.record(key)

    put(stage, WEB, Kind.CONFIRM, {"key": key, "epoch": str(before.epoch), "digest": DIGEST})

    assert stage.record(key) == before


@pytest.mark.parametrize("off", [-1, 1, 1_000_000])
def test_an_answer_is_for_the_try_that_was_asked_about(stage: Stage, off: int) -> None:
    key = scenes.parked(stage)
    before = stage.record(key)

    put(stage, WEB, Kind.CONFIRM, answered(stage, key, before.epoch + off))

    assert stage.record(key) == before


def test_an_entry_that_is_read_twice_resumes_once(stage: Stage, inboxes: Inboxes) -> None:
    """Its first worker died before it could say that it was done."""
    key = scenes.parked(stage)
    inboxes.put(WEB, Kind.CONFIRM, answered(stage, key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inboxes, "done", lambda *_: None)
        stage.worker.inbox.run_once()
    resumed = stage.record(key)
    stage.clock.advance(LEASE_MS / 1000)

    assert stage.worker.inbox.run_once() == 1

    assert stage.record(key) == resumed
    assert resumed.state is State.RESUMED


def test_an_entry_waits_for_a_vault_that_is_away(stage: Stage, inboxes: Inboxes) -> None:
    key = scenes.parked(stage)
    inboxes.put(WEB, Kind.CONFIRM, answered(stage, key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.vault), "look", scenes_away)
        stage.worker.inbox.run_once()
    assert stage.state(key) is State.PARKED

    stage.clock.advance(LEASE_MS / 1000)
    stage.worker.inbox.run_once()

    assert stage.state(key) is State.RESUMED


def test_one_entry_that_fails_keeps_up_no_other(stage: Stage, inboxes: Inboxes) -> None:
    """A thief could put in one that no server takes."""
    key, queued = scenes.parked(stage), stage.new()
    inboxes.put(WEB, Kind.CONFIRM, answered(stage, key))
    inboxes.put(AIGUL, Kind.CANCEL, {"key": queued} | WHY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.vault), "look", scenes_away)
        stage.worker.inbox.run_once()

    assert (stage.state(key), stage.state(queued)) == (State.PARKED, State.CANCELLED)


def test_a_server_that_is_away_ends_the_batch(stage: Stage, inboxes: Inboxes) -> None:
    key = scenes.parked(stage)
    for _ in range(5):
        inboxes.put(WEB, Kind.CONFIRM, answered(stage, key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.vault), "look", scenes_away)
        with pytest.raises(VaultUnavailable):
            stage.worker.inbox.run_once()


def test_a_cancel_that_stands_is_not_overridden_by_an_answer(stage: Stage) -> None:
    """A thief of the web tier's password puts one in for a transfer that its producer takes back."""
    key = scenes.parked(stage)
    put(stage, AIGUL, Kind.CANCEL, {"key": key} | WHY)

    put(stage, WEB, Kind.CONFIRM, answered(stage, key))

    assert (stage.state(key), stage.record(key).requested_action) == (State.PARKED, "cancel")


def test_an_answer_that_lies_in_the_vault_refuses_a_cancel(stage: Stage) -> None:
    """The client was told that the answer is accepted."""
    key = scenes.parked(stage)
    answered(stage, key)

    entry_id = put(stage, AIGUL, Kind.CANCEL, {"key": key} | WHY)

    assert stage.record(key).requested_action == ""
    assert "has answered" in answers_to(stage, entry_id)[0]["why"]


def scenes_away(*_: object) -> object:
    raise VaultUnavailable


def test_an_entry_of_an_unknown_transfer_is_no_error(stage: Stage) -> None:
    put(stage, WEB, Kind.CONFIRM, {"key": "251124999999", "epoch": "1", "digest": DIGEST})
    put(stage, WEB, Kind.NOTIFICATION, {"key": "251124999998", "sealed": "nothing"})

    assert stage.worker.inbox.run_once() == 0


def test_an_entry_that_breaks_a_worker_is_refused_once_and_keeps_up_no_other(stage: Stage, inboxes: Inboxes) -> None:
    """Else it would end each worker that takes it."""
    broken = inboxes.put(AIGUL, Kind.CANCEL, {"key": stage.new()} | WHY)
    key = stage.new()
    inboxes.put(AIGUL, Kind.CANCEL, {"key": key} | WHY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.vault), "close", breaking(type(stage.vault).close))
        stage.worker.inbox.run_once()

    assert stage.state(key) is State.CANCELLED
    assert [told["verb"] for told in answers_to(stage, broken)] == ["request_refused"]
    stage.clock.advance(LEASE_MS / 1000)
    assert stage.worker.inbox.run_once() == 0


def breaking(close: Callable[..., bool]) -> Callable[..., bool]:
    """The first call of it raises what is no error of ours."""
    calls: list[int] = []

    def once(*args: object) -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        return close(*args)

    return once


def test_an_unfit_worker_reads_no_entry(stage: Stage, inboxes: Inboxes) -> None:
    """Servers that are not what they must be: another worker may be fit."""
    key = scenes.parked(stage)
    inboxes.put(WEB, Kind.CONFIRM, answered(stage, key))
    stage.worker.inbox._is_fit = lambda: False

    assert stage.worker.inbox.run_once() == 0
    assert stage.state(key) is State.PARKED


def test_a_notification_that_nothing_proves_only_makes_a_worker_ask(stage: Stage) -> None:
    """Invented by a thief of the web tier's password: it says that the bank declined."""
    stage.without_status()
    key = scenes.parked(stage)
    said = {"secret_hash": "0" * 64, "amount": "15000", "currency": "KZT", "code": "484"}
    sealed = stage.sealer.seal(json.dumps(said).encode(), Purpose.NOTIFICATION, key)

    put(stage, WEB, Kind.NOTIFICATION, {"key": key, "sealed": sealed})

    record = stage.record(key)
    assert (record.state, record.notification, record.requested_action) == (State.PARKED, "", "inquire")


@pytest.mark.parametrize("fields", ["", "cres", "cres:12 pan:4405639704015096", "x" * 5000, "cres:1\n", "cres:1 <b>:2"])
def test_of_3d_secure_2_nothing_is_kept_but_names_and_sizes(stage: Stage, fields: str) -> None:
    key = scenes.parked(stage)
    before = stage.record(key)

    put(stage, WEB, Kind.SECURE_2, {"key": key, "fields": fields})
    assert stage.record(key) == before

    put(stage, WEB, Kind.SECURE_2, {"key": key, "fields": "cres:1234 threeDSSessionData:56"})
    assert stage.record(key).three_ds2_fields == "cres:1234 threeDSSessionData:56"


@pytest.mark.parametrize("digest", ["", "d", "0" * 31, "0" * 33, "G" * 32, "x" * 5000])
def test_a_digest_is_one(stage: Stage, digest: str) -> None:
    key = scenes.parked(stage)
    before = stage.record(key)

    put(stage, WEB, Kind.CONFIRM, answered(stage, key) | {"digest": digest})

    assert stage.record(key) == before


# Operators.


def test_an_operators_move_has_the_operators_name_and_the_id_of_the_entry(stage: Stage) -> None:
    """The name is the inbox's; what the operator calls themselves stands beside it."""
    key = stage.new()

    entry_id = put(stage, AIGUL, Kind.CANCEL, {"key": key, "why": "the client left", "label": "A., night shift"})

    (told,) = answers_to(stage, entry_id)
    assert stage.state(key) is State.CANCELLED
    assert (told["verb"], told["actor"], told["why"], told["label"]) == (
        "cancel", "operator aigul", "the client left", "A., night shift",
    )  # fmt: skip


def test_a_request_is_refused_where_another_stands_and_each_hears_its_own_answer(stage: Stage) -> None:
    """Two operators in one second: the one's discard was overwritten by the other's requeue once."""
    key = scenes.parked(stage)

    first = put(stage, AIGUL, Kind.REQUEST, {"key": key, "what": "cancel"} | WHY)
    second = put(stage, BOLAT, Kind.REQUEST, {"key": key, "what": "inquire"} | WHY)

    assert stage.record(key).requested_action == "cancel"
    assert [told["verb"] for told in answers_to(stage, first)] == ["request"]
    (refused,) = answers_to(stage, second)
    assert (refused["verb"], refused["actor"], refused["key"]) == ("request_refused", "operator bolat", key)
    assert "cancel stands already" in refused["why"]

    stage.journey.inquire(key)

    assert [told["verb"] for told in answers_to(stage, first)] == ["request", "cancel"]
    assert len(answers_to(stage, second)) == 1
    assert stage.record(key).request_id == ""


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.REQUEST, {"what": "requeue"}),
        (Kind.REQUEST, {"what": "cancel"}),
        (Kind.REQUEST, {"what": "pay"}),
        (Kind.SETTLE, {"verb": "operator_paid", "proof": "x", "version": "1"}),
        (Kind.SETTLE, {"verb": "pay", "proof": "x", "version": "1"}),
        (Kind.SETTLE, {"verb": "operator_not_paid", "version": "1"}),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_reason_and_changes_nothing(
    stage: Stage, kind: Kind, fields: Mapping[str, str]
) -> None:
    """The command looks first; a worker looks again, for an entry may come from elsewhere."""
    key = stage.new()
    before = stage.record(key)

    entry_id = put(stage, AIGUL, kind, {"key": key, **fields} | WHY)

    (refused,) = answers_to(stage, entry_id)
    assert (refused["verb"], stage.record(key)) == ("request_refused", before)


def test_a_settlement_counts_for_the_transfer_as_the_operator_saw_it(stage: Stage) -> None:
    """What the bank or another operator said meanwhile is not overwritten."""
    key = in_review(stage)
    seen = str(stage.record(key).version)
    stage.ledger.move(stage.record(key), Verb.REQUEST, scenes.to_inquire(), actor="producer")
    fields = {"key": key, "verb": "operator_not_paid", "proof": "a letter"} | WHY

    late = put(stage, AIGUL, Kind.SETTLE, fields | {"version": seen})
    assert [told["verb"] for told in answers_to(stage, late)] == ["request_refused"]
    assert stage.state(key) is State.NEEDS_REVIEW

    heeded = put(stage, AIGUL, Kind.SETTLE, fields | {"version": str(stage.record(key).version)})
    assert [told["verb"] for told in answers_to(stage, heeded)] == ["decide"]
    assert stage.record(key).question_id == heeded


def in_review(stage: Stage) -> str:
    stage.without_status()
    key = stage.new("[drop-after] Payout")
    stage.journey.execute(key)
    stage.later(10)
    assert stage.state(key) is State.NEEDS_REVIEW
    return key


def test_what_a_worker_did_before_it_died_is_not_refused_by_the_next(stage: Stage, inboxes: Inboxes) -> None:
    """The operator was told that it is done."""
    key = stage.new()
    entry_id = inboxes.put(AIGUL, Kind.CANCEL, {"key": key} | WHY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inboxes, "done", lambda *_: None)
        stage.worker.inbox.run_once()
    assert stage.state(key) is State.CANCELLED
    stage.clock.advance(LEASE_MS / 1000)

    assert stage.worker.inbox.run_once() == 1

    assert [told["verb"] for told in answers_to(stage, entry_id)] == ["cancel"]


def test_a_card_that_was_taken_out_is_not_cancelled_away(stage: Stage) -> None:
    key = stage.new()
    record = stage.record(key)
    stage.vault.take(Purpose.CARD, key, record.epoch, 1, "n" * 16)

    entry_id = put(stage, AIGUL, Kind.CANCEL, {"key": key} | WHY)

    assert stage.state(key) is State.IN_DOUBT
    assert [told["verb"] for told in answers_to(stage, entry_id)] == ["found_taken"]


@pytest.mark.parametrize(
    "words",
    [
        {"why": "paid with 4405 6397 0401 5096"},
        {"why": "x" * 301},
        {"why": ""},
        {"why": "a test", "label": "4405639704015096"},
    ],
)
def test_what_an_operator_may_not_say_is_not_kept(stage: Stage, words: Mapping[str, str]) -> None:
    """An entry may come from elsewhere than the command, which checks it first."""
    key = stage.new()

    entry_id = put(stage, AIGUL, Kind.CANCEL, {"key": key, **words})

    (refused,) = answers_to(stage, entry_id)
    assert (refused["verb"], stage.state(key)) == ("request_refused", State.QUEUED)
    assert "4405" not in str(refused)


# Pauses.


def test_a_pause_holds_before_a_worker_has_read_of_it_and_is_written_down_after(stage: Stage, inboxes: Inboxes) -> None:
    key = stage.new()
    pause_id = stage.pauses.add(Lane.SEND, ALL, Cause.FRAUD)
    inboxes.put(AIGUL, Kind.PAUSED, {"pause": pause_id, "why": "the fraud team asked"})

    stage.journey.execute(key)
    assert stage.state(key) is State.QUEUED
    (pause,) = stage.pauses.standing()
    assert (pause.lane, pause.terminal, pause.until_ms, pause.written) == (Lane.SEND, ALL, 0, "")

    stage.worker.inbox.run_once()
    (pause,) = stage.pauses.standing()
    told = (pause.id, pause.cause, pause.actor, pause.reason)
    assert told == (pause_id, Cause.FRAUD, "operator aigul", "the fraud team asked")


def test_an_operator_can_not_speak_as_another_or_as_a_worker(stage: Stage, inboxes: Inboxes) -> None:
    """What stands in the added pause is the operator's own text: by whom it is, the inbox says."""
    forged = '0 send * - - ["ledger_back", "operator bolat", "not mine", 7]'
    stage.ledger.client.hset(redis_keys.ADDED_PAUSES, "k7f3", forged)
    inboxes.put(AIGUL, Kind.PAUSED, {"pause": "k7f3", "why": "mine"})
    assert "bolat" not in str(stage.pauses.standing())

    stage.worker.inbox.run_once()

    (pause,) = stage.pauses.standing()
    assert (pause.cause, pause.actor, pause.reason) == (Cause.OTHER, "operator aigul", "mine")


def test_only_the_pause_that_is_named_ends(stage: Stage) -> None:
    """Maintenance ends, and the fraud stop stands."""
    for cause in (Cause.FRAUD, Cause.MAINTENANCE):
        stage.pauses.pause(Lane.SEND, ALL, actor="operator bolat", reason=str(cause), cause=cause)
    mine = stage.pauses.standing()[1]

    entry_id = put(stage, AIGUL, Kind.UNPAUSE, {"pause": mine.id, "seen": str(mine.since_ms)} | WHY)

    assert [pause.field_name for pause in stage.pauses.standing()] == ["fraud-send-all"]
    assert answers_to(stage, entry_id)[0]["verb"] == "unpause"
    key = stage.new()
    stage.journey.execute(key)
    assert stage.state(key) is State.QUEUED


def test_a_pause_that_stands_anew_is_not_ended_by_an_old_request(stage: Stage) -> None:
    """Its cause came again after the operator had looked, and nobody has read that."""
    stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="a limit is reached")
    (seen,) = stage.pauses.standing()
    fields = {"pause": seen.id, "seen": str(seen.since_ms)} | WHY
    put(stage, AIGUL, Kind.UNPAUSE, fields)
    stage.clock.advance(1)
    anew = stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="a limit is reached")

    refused = put(stage, AIGUL, Kind.UNPAUSE, fields)

    assert f"stands anew as {anew}" in answers_to(stage, refused)[0]["why"]
    assert len(stage.pauses.standing()) == 1


def test_a_pause_that_was_ended_before_it_was_written_down_does_not_come_back(stage: Stage, inboxes: Inboxes) -> None:
    pause_id = stage.pauses.add(Lane.SEND, ALL, Cause.OTHER)
    put(stage, BOLAT, Kind.UNPAUSE, {"pause": pause_id, "seen": "0"} | WHY)

    put(stage, AIGUL, Kind.PAUSED, {"pause": pause_id, "why": "a mistake"})

    assert stage.pauses.standing() == []


def test_the_first_fields_of_3d_secure_2_count(stage: Stage) -> None:
    """Each further ones would ask the bank again."""
    key = scenes.parked(stage)
    put(stage, WEB, Kind.SECURE_2, {"key": key, "fields": "cres:1"})
    version = stage.record(key).version

    put(stage, WEB, Kind.SECURE_2, {"key": key, "fields": "cres:2"})

    assert (stage.record(key).version, stage.record(key).three_ds2_fields) == (version, "cres:1")


def test_a_rebuild_calls_a_worker_for_what_waits_for_one_and_for_nothing_twice(stage: Stage) -> None:
    """A parked one waits for its client; and the queue that is there is not doubled."""
    stage.new()
    scenes.parked(stage)
    stage.worker.broker.client.flushdb()

    first = put(stage, AIGUL, Kind.REBUILD, WHY)
    second = put(stage, AIGUL, Kind.REBUILD, WHY)

    (told,) = answers_to(stage, first)
    assert (told["verb"], told["sent"], told["actor"]) == ("queue_rebuilt", "1", "operator aigul")
    assert answers_to(stage, second)[0]["sent"] == "0"


# What a statement has, and the ledger calls not sent.


@pytest.mark.parametrize("state", ["queued", "dead", "parked", "resumed"])
def test_what_the_statement_has_is_put_in_doubt_and_never_sent(stage: Stage, state: str) -> None:
    """A ledger that went back, beside a vault that remembers nothing: the bank's "not found" leads to a person."""
    ways: dict[str, Callable[[Stage], str]] = {
        "queued": Stage.new,
        "dead": dead,
        "parked": scenes.parked,
        "resumed": scenes.resumed,
    }
    key = ways[state](stage)
    executed = stage.executions(key)

    put(stage, AIGUL, Kind.DOUBT, {"key": key, "proof": "statement of 28 November, row 3"} | WHY)

    record = stage.record(key)
    assert (record.state, record.reason) == (State.IN_DOUBT, "statement_has_it")
    assert '"proof":"statement of 28 November, row 3"' in record.decisions
    scenes.says(stage, StatusWord.NOT_FOUND)
    stage.journey.rule = replace(stage.journey.rule, not_found_letter="letter of 3 May 2026, No 17")
    for _ in range(40):
        stage.later(900)
        stage.journey.execute(key)
    assert (stage.state(key), stage.executions(key)) == (State.NEEDS_REVIEW, executed)


def dead(stage: Stage) -> str:
    key = stage.new()
    change = Change(look_again_in=86_400_000, fields={"reason": "attempts_used_up"})
    stage.worker.recorder.move(stage.record(key), Verb.FAIL_QUEUED, change)
    return key


def test_what_has_ended_or_has_no_proof_is_not_put_in_doubt(stage: Stage) -> None:
    paid, queued = stage.new(), stage.new()
    stage.journey.execute(paid)

    put(stage, AIGUL, Kind.DOUBT, {"key": paid, "proof": "statement"} | WHY)
    put(stage, AIGUL, Kind.DOUBT, {"key": queued} | WHY)

    assert (stage.state(paid), stage.state(queued)) == (State.PAID, State.QUEUED)
