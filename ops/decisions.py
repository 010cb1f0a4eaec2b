"""An operator's decision about how a transfer ended: put into the inbox, and what became of it, for people.

The bank is asked in that moment. Its own word settles it, whatever the operator said; else two operators are needed.
"""

from collections.abc import Mapping

from epay_transfers.ledger import decisions
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import descriptions, requests, screen, typed
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


def submit(
    context: Context, record: Record, verb: Verb, *, evidence: str, reason: str, again: str, wait_s: float
) -> None:
    """`again`: what a second operator types. Raises `Refusal` where the bank says otherwise, and `NotYet`."""
    fields = {"key": record.key, "version": str(record.version), "verb": verb.value, "why": reason, "proof": evidence}
    answer = requests.ask(context, Kind.SETTLE, fields, subject=record.key, wait_s=wait_s)
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
            f"{_bank(answer)} A second operator, with a server user of their own, decides the same: "
            f"`{typed.command()} {again}`"
        )
    else:
        raise Refusal(f"{said}. Your decision did not count")


def take_back(context: Context, record: Record, *, reason: str, wait_s: float) -> None:
    """The newest that this operator is seen to have made: where a newer one stands by then, a worker refuses."""
    fields = {"key": record.key, "why": reason}
    standing = decisions.standing(record.decisions, record.state, record.state_since, _ABOUT_AN_END)
    for own in standing:
        if own.by == context.operator:
            fields["decision"] = own.request
    requests.submit(context, Kind.TAKE_BACK, fields, subject=record.key, wait_s=wait_s)


def _bank(answer: Event) -> str:
    return f"the bank, asked now, says {answer.fields.get('bank_said', 'nothing')}."
