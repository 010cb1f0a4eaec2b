"""What a page asks for by the commands' own functions: it names the transfer as it was seen, and its request."""

from collections.abc import Callable, Mapping

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.acts import one_transfer
from epay_transfers.ops.acts.possible import Act, possible
from epay_transfers.ops.acts.wish import Seen, Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal
from epay_transfers.ops.settings import OpsSettings
from tests.ops.conftest import HOUR_MS, Into
from tests.support.factories import found
from tests.support.inbox import ReadAtOnce

ENTRY = "0123456789abcdef01234567"

Do = Callable[[Context, str, Wish], None]


@pytest.fixture
def context(environment: dict[str, str], ledger: Ledger) -> Context:
    return Context(OpsSettings.load(), SystemClock(), ledger.client)


def wish(record: Record) -> Wish:
    return Wish("the client called", 5, ENTRY, Seen(record.state, str(record.state_since), str(record.version)))


def settle(context: Context, key: str, asked: Wish) -> None:
    one_transfer.settle(context, key, Verb.OPERATOR_PAID, evidence="a letter", wish=asked, is_typed=False)


@pytest.mark.parametrize(
    ("state", "do", "away"),
    [
        (State.QUEUED, one_transfer.cancel, (Verb.FAIL_QUEUED, Verb.REQUEUE_DEAD)),
        (State.DEAD, one_transfer.discard, (Verb.REQUEUE_DEAD, Verb.FAIL_QUEUED)),
        (State.DEAD, one_transfer.requeue, (Verb.REQUEUE_DEAD, Verb.FAIL_QUEUED)),
        (State.NEEDS_REVIEW, settle, (Verb.ANSWER,)),
    ],
)
def test_the_worker_refuses_what_moved_after_it_was_looked_at(
    context: Context,
    into: Into,
    ledger: Ledger,
    worker: ReadAtOnce,
    monkeypatch: pytest.MonkeyPatch,
    state: State,
    do: Do,
    away: tuple[Verb, ...],
) -> None:
    """It moves between the look and the request, and is back in the state that was seen: since then it moved."""
    record = into(state)
    put = worker.put

    def put_late(sender: str, kind: Kind, fields: Mapping[str, str], entry_id: str = "") -> str:
        for verb in away:
            change = Change() if verb is Verb.ANSWER else Change(due_in=HOUR_MS)
            ledger.move(found(ledger, record), verb, change, actor="worker")
        return put(sender, kind, fields, entry_id)

    monkeypatch.setattr(worker, "put", put_late)

    with pytest.raises(Refusal, match=r"since (its|the) operator saw it"):
        do(context, record.key, wish(record))

    after = found(ledger, record)
    assert (after.state, after.requested_action, after.decisions) == (state, "", "")


def test_an_entry_has_the_id_of_its_form(context: Context, into: Into, ledger: Ledger) -> None:
    record = into(State.NEEDS_REVIEW)

    with pytest.raises(NotYet, match="on this page, with evidence and a reason of their own"):
        settle(context, record.key, wish(record))

    assert ENTRY in found(ledger, record).decisions


def test_a_page_names_a_transfer_by_its_key_alone(context: Context, into: Into) -> None:
    record = into(State.DEAD)

    with pytest.raises(Refusal, match="no transfer with this key"):
        one_transfer.discard(context, record.reference, wish(record))


@pytest.mark.parametrize("state", State)
def test_what_is_possible_is_what_the_commands_do_not_refuse_by_its_state(
    context: Context, into: Into, state: State
) -> None:
    """A form is shown for exactly these. A cancel of a dead one is its discard, by another name."""
    ways: dict[Act, Do] = {Act.REQUEUE: one_transfer.requeue, Act.DISCARD: one_transfer.discard}
    if state is not State.DEAD:
        ways[Act.CANCEL] = one_transfer.cancel
    records = {act: into(state, f"payout-{act}") for act in ways}

    taken = {act for act, do in ways.items() if not _refuses_its_state(do, context, records[act])}

    acts = {each.act for record in records.values() for each in possible(record)}
    assert Act.ASK in acts
    assert acts & {Act.CANCEL, Act.REQUEUE, Act.DISCARD} == taken


def _refuses_its_state(do: Do, context: Context, record: Record) -> bool:
    try:
        do(context, record.key, Wish("why", 0))
    except Refusal as error:
        return f"is {record.state}: " in str(error)
    return False
