"""Events and states in words: what happened, and what happens next. A verb's own sentences stand in `ledger.states`."""

import re
from collections.abc import Mapping

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Row, State, Verb
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.transfer import moment
from epay_transfers.ops import typed

#: What comes next, and by whom.
NEXT: Mapping[State, str] = {
    State.QUEUED: "a worker sends it, if its card has come; a missing card comes with the same intent, enqueued again",
    State.SENDING: "the bank answers; or the lease ends, and the vault tells whether it was sent",
    State.PARKED: "the client answers 3-D Secure; at the end of its time the bank is asked, and it expires",
    State.RESUMED: "a worker confirms it at the bank",
    State.CONFIRMING: "the bank answers; or the lease ends, and the bank is asked",
    State.IN_DOUBT: "the bank is asked again",
    State.NEEDS_REVIEW: "you: find out at the bank, then `transfers settle {key} --paid|--not-paid|--reversed`; "
    "the bank is asked once a day all the same",
    State.DEAD: "you: `transfers dead requeue {key}` (the bank is asked first), or `transfers dead discard {key}`",
}
_CARD_LOST = "you: `transfers dead discard {key}`, and pay it under a new reference: its card is gone"
_ORDER_CHANGED = "you: find out what changed its record (the runbook, 'An order was changed'), then discard it"

_ROWS: Mapping[str, Row] = {verb.value: verb.row for verb in Verb}
_SENTENCES: Mapping[str, str] = {name: row.happened for name, row in _ROWS.items()} | {
    alarm.value: alarm.sentence for alarm in Alarm
}

_NAMED_IN_SENTENCE = frozenset(name for sentence in _SENTENCES.values() for name in re.findall(r"\{(\w+)\}", sentence))


_TELLS_THE_BANKS_WORDS = frozenset(
    {Verb.INQUIRY_PAID, Verb.INQUIRY_DECLINED, Verb.INQUIRY_REVERSED}
    | {Verb.OPERATOR_PAID, Verb.OPERATOR_NOT_PAID, Verb.OPERATOR_REVERSED}
    | {Verb.CORRECT_PAID, Verb.CORRECT_NOT_PAID, Verb.CORRECT_REVERSED}
    | {Verb.INQUIRY_INCONCLUSIVE, Verb.SEND_TO_REVIEW, Verb.DOUBT, Verb.ADD_EVIDENCE}
    | {Verb.FOUND_TAKEN, Verb.FOUND_TAKEN_CONFIRM}
)

#: Beside what `unbelieved` says.
ASK_WITH_THESE = "they prove nothing: ask the bank about exactly these"


def happened(event: Event) -> str:
    """The event as a sentence, with the code and the reason that it carries."""
    fields = event.fields
    verb = fields.get("verb", "")
    sentence = _SENTENCES.get(verb, verb)
    for name in _NAMED_IN_SENTENCE:
        sentence = sentence.replace(
            f"{{{name}}}", "all terminals" if fields.get(name) == "*" else fields.get(name, "?")
        )
    more = [code(fields.get("code", "")), *(fields.get(name, "") for name in ("reason", "why", "proof"))]
    if verb in _TELLS_THE_BANKS_WORDS:
        more.append(fields.get("bank_said", ""))
    if fields.get("second"):
        more.append("a second operator is needed")
    told = "; ".join(filter(None, more))
    return f"{sentence} ({told})" if told else sentence


def code(text: str) -> str:
    """The bank's code, where it says more than yes."""
    return f"code {text}" if text not in {"", "0"} else ""


def unbelieved(record: Record) -> str:
    """What the bank said in an answer that was not believed; empty where it said nothing."""
    named = (
        ("id", record.unbelieved_bank_id),
        ("reference", record.unbelieved_reference),
        ("message", record.unbelieved_message),
    )
    return ", ".join(f"{name} {value}" for name, value in named if value)


def archived(record: Record) -> str:
    """When, and where its details are; empty for one that is whole."""
    if not record.archived_at:
        return ""
    return f"archived on {moment(record.archived_at):%F}; its details are in {record.archive}"


def decision(of: Decision) -> str:
    """An operator's, as the record keeps it."""
    when = f"{moment(of.at):%F %H:%M}" if of.at else ""
    return "; ".join(filter(None, (f"{of.what} by {of.by} {when}".strip(), of.why, of.proof)))


def step(event: Event) -> str:
    """The event in a word or two, with the bank's code or, where nothing was sent, with the reason."""
    fields = event.fields
    verb = fields.get("verb", "")
    word = _ROWS[verb].short if verb in _ROWS else verb
    for name in _NAMED_IN_SENTENCE:
        word = word.replace(f"{{{name}}}", fields.get(name, "?"))
    if verb == Verb.CLAIM and fields.get("state") == State.CONFIRMING:
        word = "confirm sent"
    if verb == Verb.DECLINE:
        word = f"{word} ({fields.get('code', '?')})"
    if verb in {Verb.DEFER, Verb.REQUEUE, Verb.REQUEUE_CONFIRM, Verb.DOUBT}:
        word = f"{word} ({fields.get('reason', '?')})"
    return word


def as_typed(step_text: str, key: str) -> str:
    """With the transfer's key, and each command as this one was called: so it works as it stands there."""
    return typed.named(step_text).format(key=key)


def next_step(record: Record) -> str:
    """Who moves it on, and how. Empty where nothing comes any more."""
    if record.state is State.DEAD and record.reason in {Reason.CARD_LOST, Reason.CARD_UNREADABLE}:
        return as_typed(_CARD_LOST, record.key)
    if record.state is State.DEAD and record.reason == Reason.ORDER_CHANGED:
        return _ORDER_CHANGED
    return as_typed(NEXT.get(record.state, ""), record.key)


def next_moment(record: Record) -> int:
    """When that is, in ms since 1970; 0 where it has no time of its own."""
    if record.state.final:
        return 0
    return record.lease_until if record.state in {State.SENDING, State.CONFIRMING} else record.next_attempt_at
