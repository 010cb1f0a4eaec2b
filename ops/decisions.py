"""An operator's decision about how a transfer ended: put into the inbox, and what became of it, for people.

The bank is asked in that moment. Its own word settles it, whatever the operator said; else two operators are needed.
"""

from collections.abc import Callable, Mapping, Sequence

from epay_transfers.ledger import decisions
from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import descriptions, requests, screen
from epay_transfers.ops.acts.wish import Wish
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, Refusal

#: What the bank's own word makes of it, for each decision: its answer to an inquiry, or its proved notification.
BY_THE_BANK: Mapping[Verb, frozenset[Verb]] = {
    Verb.OPERATOR_PAID: frozenset({Verb.INQUIRY_PAID, Verb.NOTIFICATION_PAID}),
    Verb.OPERATOR_NOT_PAID: frozenset({Verb.INQUIRY_DECLINED}),
    Verb.OPERATOR_REVERSED: frozenset({Verb.INQUIRY_REVERSED}),
}

#: What an operator decides about an end, and may take back.
_ABOUT_AN_END = frozenset({*BY_THE_BANK, Verb.CORRECT_PAID, Verb.CORRECT_NOT_PAID, Verb.CORRECT_REVERSED})


#: What the limits of a day are about.
_LIMITED = frozenset({RequestedAction.REQUEUE, RequestedAction.DISCARD, RequestedAction.CANCEL, Verb.CANCEL})


def submit(
    context: Context, record: Record, verb: Verb, *, evidence: str, wish: Wish, again: Callable[[str], str]
) -> None:
    """`again`: by a record's key, how a second operator decides the same.

    Raises `Refusal` where the bank says otherwise, and `NotYet`.
    """
    version = wish.seen.version if wish.seen else str(record.version)
    fields = {"key": record.key, "version": version, "verb": verb.value, "why": wish.reason, "proof": evidence}
    answer = requests.ask(context, Kind.SETTLE, fields, subject=record.key, wait_s=wish.wait_s, entry_id=wish.entry_id)
    if answer is None:
        screen.say(f"{record.key}: asked; a worker does it")
        return
    said = f"{record.key}: {descriptions.happened(answer)}"
    done = answer.fields.get("verb")
    if done in {verb, *BY_THE_BANK.get(verb, ())}:
        screen.say(said)
    elif answer.fields.get("second"):
        raise NotYet(
            f"{record.key}: your decision stands in the record for three days, and nothing has changed yet: "
            f"{_bank(answer)} A second operator, with a server user of their own, decides the same{again(record.key)}"
        )
    else:
        raise Refusal(f"{said}. Your decision did not count")


def take_back(context: Context, record: Record, wish: Wish, decision: str = "") -> None:
    """`decision`: the id of the one that its operator saw; else the newest that this operator is seen to have made.

    Where a newer one stands by then, a worker refuses.
    """
    fields = {"key": record.key, "why": wish.reason}
    for own in standing(record):
        if own.by == context.operator:
            fields["decision"] = own.request
    if decision:
        fields["decision"] = decision
    requests.submit(context, Kind.TAKE_BACK, fields, subject=record.key, wait_s=wish.wait_s, entry_id=wish.entry_id)


def standing(record: Record, *, after: int = 0) -> Sequence[Decision]:
    """What operators decided about how it ended. `after`: a time in ms."""
    return decisions.standing(record.decisions, record.state, record.state_since, _ABOUT_AN_END, after=after)


def all_standing(record: Record, now_ms: int) -> Sequence[Decision]:
    """With what waits for a second operator since one may not do it alone that day (`OPERATOR_LIMITS`)."""
    of_the_end = standing(record, after=now_ms - decisions.STANDS_MS)
    limited = decisions.standing(
        record.decisions, record.state, record.state_since, _LIMITED, after=now_ms - decisions.LIMITED_STANDS_MS
    )
    return [*of_the_end, *limited]


def _bank(answer: Event) -> str:
    return f"the bank, asked now, says {answer.fields.get('bank_said', 'nothing')}."
