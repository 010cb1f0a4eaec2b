"""What changes something: dead, settle, cancel, pause. Who and why stand in the event; what can't be is a sentence."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import INQUIRIES
from epay_transfers.ledger.queue.stats import Queues
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Vault
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.ops.conftest import Into
from tests.support.command_line import OPERATOR, Cli
from tests.support.factories import NONCE
from tests.support.inbox import ReadAtOnce

WHY = ("--reason", "the client called")


def last(events: Events) -> dict[str, str]:
    return events.newest(1)[-1].fields


def found(ledger: Ledger, record: Record) -> Record:
    fresh = ledger.get(record.key)
    assert fresh is not None
    return fresh


# The dead.


@pytest.mark.parametrize("what", ["requeue", "discard"])
def test_the_dead_are_asked_for_in_the_ledger_and_a_bell_is_rung(
    transfers: Cli, into: Into, ledger: Ledger, events: Events, environment: dict[str, str], what: str
) -> None:
    record = into(State.DEAD)

    said = transfers("dead", what, "payout-1", "--wait", "0", *WHY)

    told = last(events)
    assert said.status == 0
    assert found(ledger, record).requested_action == what
    assert (told["verb"], told["actor"], told["why"]) == (Verb.REQUEST, f"operator {OPERATOR}", "the client called")
    assert [due.key for due in ledger.due(10).records] == [record.key]
    client = connect(environment["REDIS_URL"].removesuffix("/0") + "/1", text=False)
    assert {queue.name: queue.waiting for queue in Queues(client, SystemClock()).read()}[INQUIRIES] == 1
    client.close()


@pytest.mark.parametrize("state", sorted(set(State) - {State.DEAD}))
@pytest.mark.parametrize("what", ["requeue", "discard"])
def test_only_the_dead_are_requeued_or_discarded(
    transfers: Cli, into: Into, ledger: Ledger, what: str, state: State
) -> None:
    record = into(state)

    said = transfers("dead", what, "payout-1", *WHY)

    assert said.status == 1
    assert said.err.startswith(f"{record.key} is {state}: only a dead transfer")
    assert found(ledger, record) == record


def test_one_without_its_card_is_not_requeued(transfers: Cli, into: Into, ledger: Ledger) -> None:
    record = into(State.SENDING)
    ledger.move(record, Verb.FAIL_CLAIMED, Change(due_at=1, fields={"reason": "card_lost"}), actor="worker")

    said = transfers("dead", "requeue", record.key, *WHY)

    assert said.status == 1
    assert "pay it under a new reference" in said.err


@pytest.mark.parametrize(
    ("verb", "change", "status", "sentence"),
    [
        (Verb.REQUEUE_DEAD, Change(due_at=1, fields={"reason": "requeued"}), 0, "queued again"),
        (
            Verb.REFUSE_REQUEST,
            Change(due_at=1, event={"why": "the bank says not yet"}),
            1,
            "can't be done (the bank says not yet)",
        ),
    ],
)
def test_who_waits_is_told_what_came_of_it(
    transfers: Cli, into: Into, ledger: Ledger, verb: Verb, change: Change, status: int, sentence: str
) -> None:
    record = into(State.DEAD)
    with _worker(ledger, lambda: ledger.move(found(ledger, record), verb, change, actor="worker")):
        said = transfers("dead", "requeue", record.key, "--wait", "30", *WHY)

    assert said.status == status
    assert sentence in said.out + said.err


def test_an_answer_about_another_transfer_is_none_to_this_one(
    transfers: Cli, into: Into, ledger: Ledger, worker: ReadAtOnce
) -> None:
    """Another operator puts in a question about another transfer, with the id of this operator's entry."""
    record, other = into(State.DEAD), into(State.DECLINED, "payout-2")

    def forge() -> object:
        asked = {"key": other.key, "why": "w"}
        return worker.put("ops:bolat", Kind.ASK, asked, found(ledger, record).request_id)

    with _worker(ledger, forge):
        said = transfers("dead", "requeue", record.key, "--wait", "3", *WHY)

    assert said.status == 75
    assert "the bank says" not in said.out


def test_who_waits_for_nobody_is_told_so(transfers: Cli, into: Into) -> None:
    into(State.DEAD)

    said = transfers("dead", "discard", "payout-1", "--wait", "0.1", *WHY)

    assert said.status == 75
    assert "Does a worker run?" in said.err


def test_the_dead_are_listed_and_shown(transfers: Cli, into: Into) -> None:
    record = into(State.DEAD)

    assert [dead["key"] for dead in transfers("dead", "list", "--json").json["transfers"]] == [record.key]
    assert transfers("dead", "show", record.key, "--json").json["state"] == "dead"


# Settling.


@pytest.mark.parametrize(
    ("option", "state"),
    [("--paid", State.PAID), ("--not-paid", State.DECLINED), ("--reversed", State.REVERSED)],
)
def test_a_held_one_is_settled_by_two_with_evidence_that_is_kept(
    transfers: Cli,
    into: Into,
    ledger: Ledger,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    state: State,
) -> None:
    """The bank is silent: the first is told what the second has to type, and nothing is settled yet."""
    record = into(State.NEEDS_REVIEW)
    settle = ("settle", "payout-1", option, "--evidence", "letter 17 of the bank", *WHY)

    first = transfers(*settle)
    again = transfers(*settle)

    assert (first.status, again.status) == (75, 75)
    assert "the bank, asked now, says unanswered timeout" in first.err
    assert f"settle {record.key} {option} --evidence" in first.err
    assert found(ledger, record).state is State.NEEDS_REVIEW
    monkeypatch.setenv("OPERATOR", "bolat")
    second = transfers(*settle)

    told = last(events)
    assert second.status == 0
    assert found(ledger, record).state is state
    assert told["actor"] == f"operators {OPERATOR} and bolat"
    assert told["proof"] == "letter 17 of the bank / letter 17 of the bank"
    assert [each.why for each in decisions.read(found(ledger, record).decisions)] == ["the client called"] * 2
    assert ledger.due(10).records == []


def test_the_banks_own_word_settles_and_the_operator_hears_it(
    transfers: Cli, into: Into, ledger: Ledger, bank_says: Callable[[StatusReport], None]
) -> None:
    """Where it agrees, one operator is enough; where it does not, the decision did not count."""
    agreed, against = into(State.NEEDS_REVIEW), into(State.NEEDS_REVIEW, "payout-2")
    bank_says(StatusReport(StatusWord.PAID, status_name="CHARGE"))

    heard = transfers("settle", "payout-1", "--paid", "--evidence", "a letter", *WHY)
    told = transfers("settle", "payout-2", "--not-paid", "--evidence", "a letter", *WHY)

    assert (heard.status, told.status) == (0, 1)
    assert "asked, the bank says that it paid" in heard.out
    assert "the bank says that it paid" in told.err
    assert "Your decision did not count" in told.err
    assert {found(ledger, each).state for each in (agreed, against)} == {State.PAID}


def test_a_decision_is_taken_back(transfers: Cli, into: Into, ledger: Ledger) -> None:
    record = into(State.NEEDS_REVIEW)
    transfers("settle", "payout-1", "--paid", "--evidence", "a letter", *WHY)

    assert transfers("settle", "payout-1", "--take-back", *WHY).status == 0
    assert found(ledger, record).decisions == ""
    assert transfers("settle", "payout-1", "--take-back", *WHY).status == 1


@pytest.mark.parametrize("state", sorted(State))
def test_the_bank_is_asked_in_every_state_and_nothing_else_changes(
    transfers: Cli, into: Into, ledger: Ledger, state: State
) -> None:
    """Its word is printed beside the record's."""
    record = into(state)

    said = transfers("ask", "payout-1")

    assert said.status == 0
    assert "the bank says: unanswered timeout" in said.out
    assert f"the record says: {state}" in said.out
    after = found(ledger, record)
    assert replace(after, version=record.version, bank_said="", history="") == replace(record, bank_said="", history="")


@pytest.mark.parametrize("state", [State.DECLINED, State.EXPIRED, State.CANCELLED, State.REVERSED])
def test_what_ended_wrongly_is_corrected_by_two(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    record = into(state)
    correct = ("correct", "payout-1", "--paid", "--evidence", "statement, line 17", *WHY)

    first = transfers(*correct)
    assert (first.status, found(ledger, record).state) == (75, state)
    assert f"correct {record.key} --paid --evidence" in first.err
    monkeypatch.setenv("OPERATOR", "bolat")

    assert transfers(*correct).status == 0
    assert (found(ledger, record).state, found(ledger, record).reason) == (State.PAID, "corrected_by_operators")


def test_only_what_has_ended_is_corrected_and_to_another_end(transfers: Cli, into: Into) -> None:
    into(State.NEEDS_REVIEW)
    into(State.PAID, "payout-2")

    for name, option in (("payout-1", "--paid"), ("payout-2", "--paid"), ("payout-2", "--reversed")):
        said = transfers("correct", name, option, "--evidence", "a letter", *WHY)
        assert said.status == 1
    assert "settle` --reversed" in said.err


@pytest.mark.parametrize("state", sorted(set(State) - {State.NEEDS_REVIEW}))
@pytest.mark.parametrize("option", ["--paid", "--not-paid"])
def test_no_other_one_is_settled_and_the_sentence_says_why(
    transfers: Cli, into: Into, ledger: Ledger, state: State, option: str
) -> None:
    record = into(state)

    said = transfers("settle", "payout-1", option, "--evidence", "a letter", *WHY)

    assert said.status == 1
    assert said.err.startswith(f"{record.key} is {state}: ")
    assert found(ledger, record) == record


def test_a_paid_one_is_settled_as_reversed_by_two(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = into(State.PAID)
    settle = ("settle", record.key, "--reversed", "--evidence", "a letter", *WHY)

    assert "only --reversed" in transfers("settle", record.key, "--paid", "--evidence", "a letter", *WHY).err
    assert (transfers(*settle).status, found(ledger, record).state) == (75, State.PAID)
    monkeypatch.setenv("OPERATOR", "bolat")
    assert transfers(*settle).status == 0
    assert found(ledger, record).state is State.REVERSED


@pytest.mark.parametrize("options", [[], ["--paid", "--reversed"]])
def test_it_is_one_of_the_three(transfers: Cli, into: Into, options: list[str]) -> None:
    into(State.NEEDS_REVIEW)

    assert transfers("settle", "payout-1", *options, "--evidence", "a letter", *WHY).status == 2


# Cancelling.


def test_a_queued_one_is_cancelled_after_its_card_was_locked_away(
    transfers: Cli, into: Into, ledger: Ledger, events: Events, vault: Vault
) -> None:
    """No worker can take the card out any more, whatever it has read before."""
    record = into(State.QUEUED)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)

    said = transfers("cancel", "payout-1", *WHY)

    assert said.status == 0
    assert found(ledger, record).state is State.CANCELLED
    assert vault.look(Purpose.CARD, record.key) is not Content.BLOB
    assert (last(events)["actor"], last(events)["why"]) == (f"operator {OPERATOR}", "the client called")


def test_one_whose_card_was_taken_out_is_in_doubt_and_not_cancelled(
    transfers: Cli, into: Into, ledger: Ledger, vault: Vault
) -> None:
    record = into(State.QUEUED)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)
    vault.take(Purpose.CARD, record.key, record.epoch, 1, NONCE)

    said = transfers("cancel", "payout-1", *WHY)

    assert said.status == 1
    assert "taken out" in said.err
    assert found(ledger, record).state is State.IN_DOUBT


def test_a_queued_one_is_cancelled_without_the_vaults_address(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has it, so an operator's machine needs none."""
    record = into(State.QUEUED)
    monkeypatch.delenv("VAULT_URL")

    assert transfers("cancel", "payout-1", *WHY).status == 0
    assert found(ledger, record).state is State.CANCELLED


@pytest.mark.parametrize(("state", "asked"), [(State.PARKED, "cancel"), (State.DEAD, "discard")])
def test_for_the_others_a_worker_is_asked(
    transfers: Cli, into: Into, ledger: Ledger, events: Events, state: State, asked: str
) -> None:
    record = into(state)

    assert transfers("cancel", "payout-1", "--wait", "0", *WHY).status == 0
    assert found(ledger, record).requested_action == asked
    assert last(events)["why"] == "the client called"


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED, State.PARKED, State.DEAD}))
def test_it_may_be_too_late(transfers: Cli, into: Into, ledger: Ledger, state: State) -> None:
    record = into(state)

    said = transfers("cancel", "payout-1", *WHY)

    assert said.status == 1
    assert said.err.startswith(f"{record.key} is {state}: ")
    assert found(ledger, record) == record


# Pauses.


def test_a_lane_is_stopped_and_opened_with_who_and_why(
    transfers: Cli, ledger: Ledger, events: Events, environment: dict[str, str]
) -> None:
    pauses = Pauses(ledger.client)

    transfers("pause", "send", "--terminal", "main", *WHY)
    (stop,) = pauses.standing()
    told = last(events)

    assert (stop.lane, stop.terminal, stop.actor) == (Lane.SEND, "main", f"operator {OPERATOR}")
    assert (told["verb"], told["reason"]) == ("pause", "the client called")
    assert transfers("unpause", stop.id, *WHY).status == 0
    assert pauses.standing() == []


def test_a_pause_for_longer_than_any_rule_gives_is_refused(transfers: Cli, ledger: Ledger) -> None:
    """An audit takes it for what a wrong clock has left behind."""
    assert transfers("pause", "send", "--until", "32d", *WHY).status == 2
    assert Pauses(ledger.client).standing() == []

    assert transfers("pause", "send", "--until", "31d", *WHY).status == 0
    assert len(Pauses(ledger.client).standing()) == 1


@pytest.mark.parametrize("span", ["0min", "1s", "59s"])
def test_a_pause_that_would_be_over_before_it_is_read_is_refused(transfers: Cli, ledger: Ledger, span: str) -> None:
    """The command would say that the lane is paused, and it would not be."""
    said = transfers("pause", "send", "--until", span, *WHY)

    assert said.status == 2
    assert "until" in said.err
    assert ledger.client.hlen(redis_keys.ADDED_PAUSES) == 0
    assert transfers("pause", "send", "--until", "1min", *WHY).status == 0


def test_on_a_full_ledger_a_lane_is_paused_and_unpause_says_that_nothing_was_asked(
    transfers: Cli, ledger: Ledger
) -> None:
    was = ledger.client.config_get("maxmemory")["maxmemory"]
    ledger.client.config_set("maxmemory", "1mb")
    try:
        said = transfers("pause", "send", "--cause", "fraud", *WHY)
        (pause,) = Pauses(ledger.client).standing()
        ended = transfers("unpause", pause.id, *WHY)
    finally:
        ledger.client.config_set("maxmemory", str(was))

    assert (said.status, pause.cause) == (0, Cause.FRAUD)
    assert ended.status == 75
    assert re.match("nothing was asked, and nothing has changed: .* is full", ended.err)
    assert "may be stored" not in ended.err
    assert [each.id for each in Pauses(ledger.client).standing()] == [pause.id]


def test_a_pause_that_stands_anew_is_not_ended_by_the_id_of_before(transfers: Cli, ledger: Ledger) -> None:
    """487 was on the screen; since then the bank said 464. An operator reads both before the end of both is typed."""
    pauses = Pauses(ledger.client)
    seen = pauses.pause(Lane.SEND, "main", actor="worker", reason="code 487", cause=Cause.SETUP_CODE)
    anew = pauses.pause(Lane.SEND, "main", actor="worker", reason="464: fraud suspected", cause=Cause.SETUP_CODE)

    said = transfers("unpause", seen, *WHY)

    assert said.status == 1
    assert said.err == f"{seen} stands anew as {anew}: code 487; 464: fraud suspected (worker)\n"
    assert [pause.id for pause in pauses.standing()] == [anew]
    assert transfers("unpause", anew, *WHY).status == 0


def test_too_many_pauses_are_said_by_the_commands_and_end_with_no_request(transfers: Cli, ledger: Ledger) -> None:
    ledger.client.hset(redis_keys.ADDED_PAUSES, mapping={f"n{n}": "1 send * - - []" for n in range(201)})

    said, doctor = transfers("pauses"), transfers("doctor")

    assert "more than 200 pauses that operators added" in " ".join(said.out.split())
    assert doctor.status != 0
    assert transfers("unpause", "too-many-send", *WHY).status == 1


def test_a_pause_that_does_not_stand_is_not_ended_and_those_that_do_are_named(transfers: Cli, ledger: Ledger) -> None:
    transfers("pause", "send", *WHY)
    (stop,) = Pauses(ledger.client).standing()

    said = transfers("unpause", "send", *WHY)

    assert said.status == 1
    assert said.err == f"no pause send stands; these do: {stop.id}\n"
    assert [stop.terminal for stop in Pauses(ledger.client).standing()] == [ALL]


def test_a_lane_that_another_pause_holds_is_said_to_stay_paused(transfers: Cli, ledger: Ledger) -> None:
    """An operator who ends the pause of all terminals would think that the lane is open."""
    transfers("pause", "send", *WHY)
    transfers("pause", "send", "--terminal", "main", *WHY)
    of_all, of_main = sorted(Pauses(ledger.client).standing(), key=lambda stop: stop.terminal)

    said = transfers("unpause", of_all.id, *WHY)

    assert said.status == 0
    assert f"send stays paused, by {of_main.id}" in said.out
    assert [stop.id for stop in Pauses(ledger.client).standing()] == [of_main.id]


@pytest.mark.parametrize("arguments", [("teleport",), ("send", "--terminal", "kiosk")])
def test_unknown_lanes_and_terminals_are_refused(transfers: Cli, ledger: Ledger, arguments: tuple[str, ...]) -> None:
    assert transfers("pause", *arguments, *WHY).status in {1, 2}
    assert Pauses(ledger.client).standing() == []


class _worker:  # noqa: N801 - reads as the statement that it is
    """Somebody who does it, as soon as it is asked."""

    def __init__(self, ledger: Ledger, act: Callable[[], object]) -> None:
        self._events = Events(ledger.client)
        self._act = act
        self._place = self._events.newest(1)[-1].id
        self._thread = threading.Thread(target=self._wait_and_act)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _wait_and_act(self) -> None:
        for batch in self._events.follow(self._place, block_ms=100):
            if any(_is_asked(event) for event in batch):
                self._act()
                return


def _is_asked(event: Event) -> bool:
    return event.fields["verb"] == Verb.REQUEST


# What the bank says against an end.


def test_a_contradiction_stands_where_an_operator_looks_until_it_is_corrected(
    transfers: Cli,
    into: Into,
    ledger: Ledger,
    bank_says: Callable[[StatusReport], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`audit` and `doctor` saw nothing of a settlement against the bank's own word once."""
    record = into(State.DECLINED)
    bank_says(StatusReport(StatusWord.PAID, status_name="CHARGE"))
    transfers("ask", "payout-1")

    findings = [each for each in transfers("doctor", "--json").json["findings"] if each["name"] == "contradiction"]
    assert [record.key in each["problem"] for each in findings] == [True]
    assert transfers("doctor").status == 78
    assert transfers("status", "payout-1", "--json").json["contradicted_by_bank"] == "paid CHARGE"
    assert "the bank says paid CHARGE" in transfers("status", "payout-1").out
    audited = transfers("audit", "--json").json["discrepancies"]
    assert {"where": "ledger, bank", "key": record.key, "says": "declined, but the bank says paid CHARGE"} in audited

    for name in ("aigul", "bolat"):
        monkeypatch.setenv("OPERATOR", name)
        transfers("correct", "payout-1", "--paid", "--evidence", "a letter", *WHY)

    assert found(ledger, record).state is State.PAID
    assert "contradiction" not in transfers("doctor").out
    assert transfers("status", "payout-1", "--json").json["contradicted_by_bank"] == ""
    kept = transfers("status", "payout-1", "--json").json["decisions"]
    assert [(each["by"], each["proof"]) for each in kept] == [("aigul", "a letter"), ("bolat", "a letter")]
