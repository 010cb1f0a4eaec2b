"""Plans for many: a file freezes which transfers are meant, and `transfers apply` does exactly that, once."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ops import typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.answers import Answers
from epay_transfers.ops.plans.plan import How, Item, Plan, What
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.ops.conftest import Into
from tests.ops.test_schemas import validator_of
from tests.support import factories
from tests.support.command_line import OPERATOR, Cli, Said
from tests.support.inbox import ReadAtOnce


def _item(number: int, amount: int = 1_500_000, currency: str = "KZT") -> Item:
    return Item(
        key=f"{100_000_000_000_000 + number}",
        reference=f"payout-{number}",
        state=State.DEAD,
        state_since=1_700_000_000_000 + number,
        version=number,
        amount=amount,
        currency=currency,
        verdict="not_found",
    )


def _plan(*items: Item) -> Plan:
    return Plan(what=What.REQUEUE, items=items, made_at=1_700_000_000_123, made_by="aigul", chosen_by="dead")


def _written(plan: Plan) -> str:
    file = io.StringIO()
    plans.write(plan, file)
    return file.getvalue()


def test_a_plan_is_read_as_it_was_written() -> None:
    """What is read from the file is the plan that was written, with its count and its sum for each currency."""
    plan = _plan(_item(1), _item(2, 50), _item(3, 7, "USD"))

    text = _written(plan)

    assert plans.read(text) == plan
    assert json.loads(text)["count"] == 3
    assert json.loads(text)["sums"] == {"KZT": "15000.50", "USD": "0.07"}
    assert sum('"key"' in line for line in text.splitlines()) == 3
    assert plans.read(_written(_plan())) == _plan()


def test_a_plan_to_settle_keeps_its_evidence() -> None:
    """How the transfers ended, and the evidence for it, are part of the plan and of its digest."""
    item = replace(_item(1), state=State.NEEDS_REVIEW)
    plan = replace(_plan(item), what=What.SETTLE, how=How.NOT_PAID, evidence="statement of 2026-11-28, page 4")

    assert plans.read(_written(plan)) == plan
    assert plan.digest != replace(plan, how=How.PAID).digest
    assert plan.digest != replace(plan, evidence="another").digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"amount": "15000.00"', '"amount": "1.00"'),
        ('"what": "requeue"', '"what": "discard"'),
        ('"version": 2', '"version": 3'),
        ('"verdict": "not_found"', '"verdict": "declined"'),
        ("aigul", "bolat"),
    ],
)
def test_an_edited_plan_is_refused(before: str, after: str) -> None:
    """A plan in which anything was changed by hand is refused with a sentence."""
    text = _written(_plan(_item(1), _item(2)))
    assert before in text

    with pytest.raises(Refusal, match="its digest is another"):
        plans.read(text.replace(before, after))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"digest": 1}', "[" * 100_000, '{"schema": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    """Any other file is refused with a sentence too, and none ends in a traceback."""
    with pytest.raises(Refusal):
        plans.read(text)


def test_a_well_digested_plan_with_a_wrong_state_is_refused() -> None:
    """Anyone can compute a digest, so the fields are checked as well: a paid transfer is in no plan."""
    with pytest.raises(Refusal, match="Make it anew"):
        plans.read(_written(_plan(replace(_item(1), state=State.PAID))))


def test_a_repeat_has_the_same_request_id_and_another_operator_has_another() -> None:
    """The id of an entry comes from the plan, the transfer and the operator: a repeat is harmless."""
    plan = _plan(_item(1), _item(2))

    ids = {plans.request_id(each, key, by) for each in (plan, plans.read(_written(plan))) for key, by in (("1", "a"),)}
    others = {plans.request_id(plan, "2", "a"), plans.request_id(plan, "1", "b")}

    assert len(ids) == 1
    assert len(ids | others) == 3
    assert all(len(each) == 24 for each in ids | others)


# `transfers plan`.


PLAN = "plan.json"
WHY = ("--reason", "the client called")
SETTLE = ("--not-paid", "--evidence", "statement, page 4")


@pytest.fixture
def ten_queued(into: Into) -> list[Record]:
    return [into(State.QUEUED, f"payout-{number}", amount=1_000_00) for number in range(10)]


def in_review(into: Into, count: int) -> list[Record]:
    return [into(State.NEEDS_REVIEW, f"payout-{number}", amount=1_000_00) for number in range(count)]


def make(transfers: Cli, *arguments: str) -> Said:
    said = transfers("plan", *arguments)
    if said.status == 0:
        Path(PLAN).write_text(said.out)
    return said


def made() -> Plan:
    return plans.read(Path(PLAN).read_text())


def apply(transfers: Cli, *more: str) -> Said:
    return transfers("apply", PLAN, *WHY, *more)


def became(said: Said) -> dict[str, int]:
    if find_spec("jsonschema"):  # the environment of the lowest versions has none
        assert [error.message for error in validator_of("apply").iter_errors(said.json)] == []
    return {word: each["count"] for word, each in said.json["became"].items()}


def done_lines() -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(f"{PLAN}.done").read_text().splitlines()]


def states(ledger: Ledger, records: Sequence[Record]) -> set[State]:
    return {factories.found(ledger, record).state for record in records}


def test_a_plan_freezes_what_the_filter_means_with_the_banks_fresh_word(
    transfers: Cli, into: Into, ledger: Ledger, bank_says: Callable[[StatusReport], None]
) -> None:
    """Keys, versions, count, sum and the bank's word of this moment; nothing of the transfers' state has changed."""
    bank_says(StatusReport(StatusWord.NOT_FOUND))
    dead = [into(State.DEAD, f"payout-{number}", amount=1_000_00) for number in range(3)]
    into(State.QUEUED, "another")

    said = make(transfers, "requeue")

    assert said.status == 0
    plan = made()
    assert {item.key for item in plan.items} == {record.key for record in dead}
    assert (plan.what, plan.count, plan.sums, plan.made_by) == (What.REQUEUE, 3, {"KZT": 3_000_00}, OPERATOR)
    assert {item.verdict for item in plan.items} == {"not_found"}
    assert [item.version for item in plan.items] == [
        factories.found(ledger, record).version for record in (ledger.get(item.key) for item in plan.items) if record
    ]
    assert states(ledger, dead) == {State.DEAD}
    assert "3 transfers, 3 000.00 KZT: to requeue" in said.err


def test_a_transfer_that_the_banks_word_ended_is_left_out_of_the_plan(
    transfers: Cli, into: Into, ledger: Ledger, bank_says: Callable[[StatusReport], None]
) -> None:
    """Asked about it for the plan, the bank says that it paid: there is nothing to settle, and it is said."""
    bank_says(StatusReport(StatusWord.PAID, status_name="CHARGE"))
    (record,) = in_review(into, 1)

    said = make(transfers, "settle", *SETTLE)

    assert (made().count, factories.found(ledger, record).state) == (0, State.PAID)
    assert "1 left out: it is paid by now" in said.err


def test_without_asking_the_banks_word_is_unknown(transfers: Cli, ten_queued: list[Record], events: Events) -> None:
    """`--no-ask` asks nothing, and the plan says that it does not know."""
    before = len(events.newest(1000))

    make(transfers, "cancel", "--no-ask")

    assert {item.verdict for item in made().items} == {"?"}
    assert len(events.newest(1000)) == before
    assert made().count == len(ten_queued)


@pytest.mark.parametrize(
    ("caps", "sentence"),
    [
        (("--max-count", "9"), "these are 10 transfers, and --max-count is 9"),
        (("--max-sum", "9999.99"), "the sum is 10 000.00 KZT, and --max-sum is 9999.99"),
    ],
)
def test_a_filter_that_chose_too_much_is_refused(
    transfers: Cli, ten_queued: list[Record], ledger: Ledger, caps: tuple[str, ...], sentence: str
) -> None:
    """Neither a plan is made, nor is one applied, that is larger than its operator said."""
    said = make(transfers, "cancel", "--no-ask", *caps)
    assert (said.status, said.out) == (1, "")
    assert sentence in said.err
    assert make(transfers, "cancel", "--no-ask").status == 0

    said = apply(transfers, *caps)

    assert (said.status, sentence in said.err) == (1, True)
    assert states(ledger, ten_queued) == {State.QUEUED}


def test_filters_choose_as_those_of_list(transfers: Cli, into: Into) -> None:
    """Why, amount and last four are looked up in the records; what has no card is in no plan to requeue."""
    into(State.DEAD, "other", amount=2_000_00)
    wanted = into(State.DEAD, "wanted", amount=1_000_00)
    lost = into(State.SENDING, "lost")

    assert make(transfers, "discard", "--no-ask", "--amount", "1000").status == 0
    assert [item.key for item in made().items] == [wanted.key]
    assert made().chosen_by == "dead --amount 1000"
    assert lost.state is State.SENDING


def test_an_unknown_terminal_is_refused_as_list_refuses_it(transfers: Cli) -> None:
    """A misspelt one would choose none, and the plan would look as if there was nothing to do."""
    said = transfers("plan", "requeue", "--terminal", "Main", "--no-ask")

    assert said.status == transfers("list", "dead", "--terminal", "Main").status != 0
    assert "no settings and no transfer know it" in said.err


def test_a_requeue_of_what_has_no_card_is_left_out(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """Its card is gone, so a worker could only refuse it: the plan says how many, and what to do."""
    record = into(State.SENDING)
    ledger.move(record, Verb.FAIL_CLAIMED, Change(due_at=1, fields={"reason": "card_lost"}), actor="worker")

    said = make(transfers, "requeue", "--no-ask")

    assert made().count == 0
    assert "1 left out: its card is gone" in said.err


@pytest.mark.parametrize("arguments", [("requeue",), ("settle", *SETTLE)])
def test_no_plan_comes_out_where_no_worker_asks(
    transfers: Cli, into: Into, worker: ReadAtOnce, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """A plan that says nothing of the bank's word is made only where its operator says so."""
    monkeypatch.setattr(worker, "put", partial(Inboxes.put, worker))
    into(State.DEAD, "payout-1")
    into(State.NEEDS_REVIEW, "payout-2")

    said = make(transfers, *arguments, "--wait", "1")

    assert (said.status, said.out) == (75, "")
    assert "--no-ask makes the plan without" in said.err


# `transfers apply`.


def test_exactly_the_transfers_of_the_plan_are_acted_on(
    transfers: Cli, into: Into, ledger: Ledger, ten_queued: list[Record]
) -> None:
    """Not what came since; what has moved since is left alone; and the file says of each what became of it."""
    make(transfers, "cancel", "--no-ask")
    late = into(State.QUEUED, "late")
    moved = ten_queued[0]
    factories.made(factories.claim(ledger, moved))

    said = apply(transfers, "--json")

    assert (said.status, became(said)) == (0, {"done": 9, "moved": 1})
    assert states(ledger, ten_queued[1:]) == {State.CANCELLED}
    assert states(ledger, [late]) == {State.QUEUED}
    assert factories.found(ledger, moved).state is State.SENDING
    lines = {line["key"]: line for line in done_lines()}
    assert (lines[moved.key]["became"], lines[moved.key]["by"]) == ("moved", OPERATOR)
    assert "is sending" in lines[moved.key]["says"]
    assert lines.keys() == {record.key for record in ten_queued}


def test_applied_again_nothing_is_done_twice(transfers: Cli, ten_queued: list[Record], events: Events) -> None:
    """With its file, and without it: the records' histories have the answers to the same ids."""
    make(transfers, "cancel", "--no-ask")
    first = apply(transfers, "--json")
    before = len(events.newest(1000))

    again = apply(transfers, "--json")
    Path(f"{PLAN}.done").unlink()
    without = apply(transfers, "--json")

    assert [became(said) for said in (first, again, without)] == [{"done": len(ten_queued)}] * 3
    assert len(events.newest(1000)) == before


def test_after_ctrl_c_it_goes_on_where_it_was(
    transfers: Cli, ten_queued: list[Record], ledger: Ledger, worker: ReadAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 130, and a sentence of how many are done and how to go on; the rest is done by the next run."""
    make(transfers, "cancel", "--no-ask")
    put, puts = worker.put, []

    def interrupted(*arguments: Any) -> str:
        puts.append(arguments)
        if len(puts) == 5:
            raise KeyboardInterrupt
        return put(*arguments)

    monkeypatch.setattr(worker, "put", interrupted)
    said = apply(transfers)
    assert said.status == 130
    assert "Stopped. Of 10: none yet. What was asked already is done all the same." in said.err
    assert f"{typed.command()} apply {PLAN} --reason ...` goes on" in said.err
    assert states(ledger, ten_queued) == {State.QUEUED, State.CANCELLED}
    monkeypatch.setattr(worker, "put", put)

    again = apply(transfers, "--json")

    assert (again.status, became(again)) == (0, {"done": 10})
    assert states(ledger, ten_queued) == {State.CANCELLED}


def test_a_line_that_its_process_died_in_is_no_trouble(transfers: Cli, ten_queued: list[Record]) -> None:
    """Half a line at the end of the file is left alone, and the next line begins on its own."""
    make(transfers, "cancel", "--no-ask")
    assert apply(transfers).status == 0
    journal = Path(f"{PLAN}.done")
    text = journal.read_bytes()
    journal.write_bytes(text[: len(text) - 20])

    again = apply(transfers, "--json")

    assert (again.status, became(again)) == (0, {"done": len(ten_queued)})
    assert json.loads(journal.read_text().splitlines()[-1])["became"] == "done"


def test_where_no_worker_runs_it_stops_and_what_was_asked_stays_asked(
    transfers: Cli, ten_queued: list[Record], ledger: Ledger, worker: ReadAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """75, with a sentence; when a worker comes it does them, and the next run reports that."""
    make(transfers, "cancel", "--no-ask")
    with monkeypatch.context() as away:
        away.setattr(worker, "put", partial(Inboxes.put, worker))
        said = apply(transfers, "--wait", "1")
    assert said.status == 75
    assert "no worker has done anything in 1 s" in said.err
    assert {line["became"] for line in done_lines()} == {"unanswered"}
    assert states(ledger, ten_queued) == {State.QUEUED}
    worker.read()

    again = apply(transfers, "--json")

    assert (again.status, became(again)) == (0, {"done": 10})


def test_an_edited_plan_does_nothing(transfers: Cli, ten_queued: list[Record], ledger: Ledger) -> None:
    """One transfer was taken out by hand: the sentence says that the plan is not as it was written."""
    make(transfers, "cancel", "--no-ask")
    lines = Path(PLAN).read_text().splitlines()
    Path(PLAN).write_text("\n".join(line for line in lines if ten_queued[3].key not in line))

    said = apply(transfers)

    assert (said.status, said.out) == (1, "")
    assert "its digest is another" in said.err
    assert states(ledger, ten_queued) == {State.QUEUED}
    assert not Path(f"{PLAN}.done").exists()


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"no plan"])
def test_another_file_is_a_sentence(transfers: Cli, content: bytes | None) -> None:
    """A file that isn't there, isn't text or isn't a plan."""
    if content is not None:
        Path(PLAN).write_bytes(content)

    said = apply(transfers)

    assert (said.status, said.out) == (1, "")
    assert "Traceback" not in said.err


def test_a_card_number_in_the_reason_is_refused(transfers: Cli, ten_queued: list[Record], ledger: Ledger) -> None:
    """It would be kept for ever, a thousand times."""
    make(transfers, "cancel", "--no-ask")

    said = transfers("apply", PLAN, "--reason", "4405 6397 0401 5096")

    assert said.status == 1
    assert "looks like a card number" in said.err
    assert states(ledger, ten_queued) == {State.QUEUED}


# Plans to settle, and two operators.


def as_operator(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OPERATOR", name)


def test_a_settlement_of_many_takes_two_operators_where_the_bank_does_not_agree(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's decisions stand; applied again by the same one nothing changes; the second one settles them."""
    records = in_review(into, 4)
    make(transfers, "settle", *SETTLE, "--no-ask")

    first, again = apply(transfers, "--json"), apply(transfers, "--json")
    assert [(said.status, became(said)) for said in (first, again)] == [(75, {"second_needed": 4})] * 2
    assert "A second operator, with a server user of their own, applies the same file" in first.err
    assert states(ledger, records) == {State.NEEDS_REVIEW}
    as_operator(monkeypatch, "bolat")
    second = apply(transfers, "--json")

    assert (second.status, became(second)) == (0, {"done": 4})
    assert states(ledger, records) == {State.DECLINED}
    for record in records:
        kept = decisions.read(factories.found(ledger, record).decisions)
        assert [(each.by, each.proof) for each in kept] == [
            (OPERATOR, "statement, page 4"),
            ("bolat", "statement, page 4"),
        ]
    as_operator(monkeypatch, OPERATOR)
    assert became(apply(transfers, "--json")) == {"moved": 4}


def test_the_banks_word_goes_before_a_plans(
    transfers: Cli, into: Into, ledger: Ledger, bank_says: Callable[[StatusReport], None]
) -> None:
    """Planned as not paid; asked again when it is applied, the bank says that it paid."""
    records = in_review(into, 2)
    make(transfers, "settle", *SETTLE, "--no-ask")
    bank_says(StatusReport(StatusWord.PAID, status_name="CHARGE"))

    said = apply(transfers, "--json")

    assert (said.status, became(said)) == (0, {"otherwise": 2})
    assert states(ledger, records) == {State.PAID}


@pytest.mark.parametrize(("how", "what"), [("--paid", "done"), ("--not-paid", "otherwise")])
def test_the_banks_notification_is_its_word_too(
    transfers: Cli, into: Into, ledger: Ledger, worker: ReadAtOnce, monkeypatch: pytest.MonkeyPatch, how: str, what: str
) -> None:
    """Where the bank can't be asked, its proved notification settles what the plan is about."""

    def notified(record: Record, _report: StatusReport) -> None:
        change = Change(fields={"question_id": "", "reason": Reason.BANK_NOTIFIED}, unwatch=True)
        assert isinstance(ledger.move(record, Verb.NOTIFICATION_PAID, change, actor="worker"), Moved)

    monkeypatch.setattr(worker._questions, "answered", notified)
    records = in_review(into, 2)
    make(transfers, "settle", "needs_review", how, "--evidence", "a letter", "--no-ask")

    said = apply(transfers, "--json")

    assert (said.status, became(said)) == (0, {what: 2})
    assert states(ledger, records) == {State.PAID}


@pytest.mark.parametrize("key", ["of another", ""])
def test_an_answer_about_another_transfer_is_no_answer(into: Into, events: Events, key: str) -> None:
    """Whose password adds events can put in any id: of what became of this transfer, its own events tell."""
    record, other = into(State.DEAD), into(State.DEAD, "payout-2")
    answers = Answers(Context.connect(), 5)
    forged = {"key": other.key} if key else {}
    events.alarm(Alarm.REQUEST_REFUSED, actor="worker", request="a" * 24, why="forged", **forged)
    events.alarm(Alarm.REQUEST_REFUSED, actor="worker", request="a" * 24, why="own", key=record.key)

    (found,) = answers.to({"a" * 24: record.key})

    assert (found[0], found[1].fields["why"]) == ("a" * 24, "own")


def test_of_what_is_in_doubt_the_bank_alone_is_asked(
    transfers: Cli, into: Into, ledger: Ledger, bank_says: Callable[[StatusReport], None]
) -> None:
    """No operator settles it yet. A bank that says nothing leaves it as it is, and its word settles it."""
    record = into(State.IN_DOUBT)
    make(transfers, "settle", "in_doubt", *SETTLE, "--no-ask")

    silent = apply(transfers, "--json")
    assert (silent.status, became(silent)) == (75, {"unsettled": 1})
    assert decisions.read(factories.found(ledger, record).decisions) == ()
    bank_says(StatusReport(StatusWord.NOT_PAID, status_name="FAILED"))
    said = apply(transfers, "--json")

    assert (said.status, became(said)) == (0, {"done": 1})
    assert states(ledger, [record]) == {State.DECLINED}


def test_what_is_beyond_an_operators_limit_waits_for_a_second_one(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """101 cancels of one plan: a worker does a hundred of them for one operator, and the last for two."""
    records = [into(State.QUEUED, f"payout-{number}", amount=100) for number in range(101)]
    make(transfers, "cancel", "--no-ask")

    first = apply(transfers, "--json")
    assert (first.status, became(first)) == (75, {"done": 100, "second_needed": 1})
    as_operator(monkeypatch, "bolat")
    second = apply(transfers, "--json")

    assert (second.status, became(second)) == (0, {"done": 1, "moved": 100})
    assert states(ledger, records) == {State.CANCELLED}
