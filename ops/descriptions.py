"""Events and states in words: what happened, and who does what next. One sentence a verb, so that no list explains."""

from collections.abc import Mapping

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.events import Event

#: What a verb tells a person. `{from}` and other names are the event's own fields.
HAPPENED: Mapping[str, str] = {
    Verb.CREATE: "accepted",
    Verb.REPLACE_CARD: "its card was brought again",
    Verb.DEFER: "nothing was sent; the next try has its time",
    Verb.CLAIM: "written down as {state}, and only then sent to the bank",
    Verb.PAY: "the bank paid",
    Verb.DECLINE: "the bank declined",
    Verb.PARK: "the bank wants 3-D Secure: it waits for the client",
    Verb.DOUBT: "sent, and no answer that can be believed: in doubt",
    Verb.REQUEUE: "proved not sent: queued again",
    Verb.REQUEUE_CONFIRM: "the confirm is proved not sent: it will be sent again",
    Verb.FAIL_QUEUED: "no more tries, and never sent: dead",
    Verb.FAIL_CLAIMED: "no more tries, and proved not sent: dead",
    Verb.LOSE_CARD: "its card is gone, no worker sent it, and the bank has no such order: dead",
    Verb.ADD_EVIDENCE: "its worker says how far its request got",
    Verb.RESUME: "the client answered 3-D Secure",
    Verb.FOUND_TAKEN: "its card was taken out after all: in doubt",
    Verb.FOUND_TAKEN_CONFIRM: "the client's answer may have reached the bank after all: in doubt",
    Verb.INQUIRY_PAID: "asked, the bank says that it paid",
    Verb.INQUIRY_DECLINED: "asked, the bank says that it did not pay",
    Verb.INQUIRY_REVERSED: "asked, the bank says that it paid and gave it back",
    Verb.NOTIFICATION_PAID: "the bank's notification says that it paid",
    Verb.NOTIFICATION_DECLINED: "the bank's notification says that it did not pay",
    Verb.INQUIRY_INCONCLUSIVE: "asked, the bank can't say yet",
    Verb.SEND_TO_REVIEW: "asked, the bank does not settle it: a person must",
    Verb.EXPIRE: "its deadline passed, and no money moved",
    Verb.CHALLENGE_EXPIRED: "its challenge was never answered, and no money moved",
    Verb.CANCEL: "taken back before any money could move",
    Verb.REQUEUE_DEAD: "the bank knows nothing of it: queued again",
    Verb.REQUEST: "a worker was asked for: {asked}",
    Verb.REFUSE_REQUEST: "what was asked can't be done: {said}",
    Verb.SCHEDULE_WAKEUP: "a worker was called again",
    Verb.KEEP_NOTIFICATION: "the bank's notification is proved, and kept until a worker can hear it",
    Verb.OPERATOR_PAID: "settled by a person: paid",
    Verb.OPERATOR_NOT_PAID: "settled by a person: not paid",
    Verb.OPERATOR_REVERSED: "settled by a person: paid and given back",
    "pause": "the lane {lane} was stopped for {terminal}",
    "unpause": "the lane {lane} was opened for {terminal}",
    "vault_forgot": "the vault was restarted, and the cards in it are gone: see the runbook, 'The vault was lost'",
    "vault_went_back": "the vault is an older copy of itself, and stands still: see the runbook, 'The vault went back'",
    "ledger_went_back": "the ledger has forgotten what it confirmed: see the runbook, 'The ledger went back'",
    "foreign_bank_id": "the bank said {said} with the id of {other}, another transfer: look at both now",
    "record_unreadable": "its record can't be read: run the version that wrote it",
    "contradiction": "the bank said {said}, and the ledger says {ledger}: look at it now",
    "clock_wrong": "a worker stands still: its clock and the ledger's disagree; see the runbook, 'A clock is wrong'",
    "clock_right": "a worker's clock and the ledger's agree again, and it goes on",
}

#: The same in a word or two, for a story told on one line.
STEP: Mapping[str, str] = {
    Verb.CREATE: "accepted",
    Verb.REPLACE_CARD: "card again",
    Verb.DEFER: "not sent",
    Verb.CLAIM: "sent",
    Verb.PAY: "paid",
    Verb.DECLINE: "declined",
    Verb.PARK: "3-D Secure asked",
    Verb.DOUBT: "in doubt",
    Verb.REQUEUE: "not sent",
    Verb.REQUEUE_CONFIRM: "not sent",
    Verb.FAIL_QUEUED: "dead",
    Verb.FAIL_CLAIMED: "dead",
    Verb.LOSE_CARD: "dead: card lost",
    Verb.ADD_EVIDENCE: "worker's evidence",
    Verb.RESUME: "client answered",
    Verb.FOUND_TAKEN: "in doubt",
    Verb.FOUND_TAKEN_CONFIRM: "in doubt",
    Verb.INQUIRY_PAID: "bank asked: paid",
    Verb.INQUIRY_DECLINED: "bank asked: not paid",
    Verb.INQUIRY_REVERSED: "bank asked: given back",
    Verb.NOTIFICATION_PAID: "bank notified: paid",
    Verb.NOTIFICATION_DECLINED: "bank notified: not paid",
    Verb.INQUIRY_INCONCLUSIVE: "bank asked: not yet",
    Verb.SEND_TO_REVIEW: "needs_review",
    Verb.EXPIRE: "expired",
    Verb.CHALLENGE_EXPIRED: "expired",
    Verb.CANCEL: "cancelled",
    Verb.REQUEUE_DEAD: "bank asked: unknown there; queued again",
    Verb.REQUEST: "{asked} asked",
    Verb.REFUSE_REQUEST: "refused",
    Verb.SCHEDULE_WAKEUP: "rung",
    Verb.KEEP_NOTIFICATION: "bank notified",
    Verb.OPERATOR_PAID: "settled: paid",
    Verb.OPERATOR_NOT_PAID: "settled: not paid",
    Verb.OPERATOR_REVERSED: "settled: given back",
}

#: What comes next, and by whom.
NEXT: Mapping[State, str] = {
    State.QUEUED: "a worker sends it",
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

_NAMED_IN_SENTENCE = frozenset({"requested_action", "said", "lane", "terminal", "ledger", "state", "other"})


def happened(event: Event) -> str:
    """The event as a sentence, with the code and the reason that it carries."""
    fields = event.fields
    verb = fields.get("verb", "")
    sentence = HAPPENED.get(verb, verb)
    for name in _NAMED_IN_SENTENCE:
        sentence = sentence.replace(
            f"{{{name}}}", "all terminals" if fields.get(name) == "*" else fields.get(name, "?")
        )
    more = [code(fields.get("code", "")), *(fields.get(name, "") for name in ("reason", "why", "proof"))]
    if verb == Verb.INQUIRY_INCONCLUSIVE:
        more.append(fields.get("said", ""))
    told = "; ".join(filter(None, more))
    return f"{sentence} ({told})" if told else sentence


def code(text: str) -> str:
    """The bank's code, where it says more than yes."""
    return f"code {text}" if text not in {"", "0"} else ""


def step(event: Event) -> str:
    """The event in a word or two, with the bank's code or, where nothing was sent, with the reason."""
    fields = event.fields
    verb = fields.get("verb", "")
    word = STEP.get(verb, verb).replace("{asked}", fields.get("requested_action", ""))
    if verb == Verb.CLAIM and fields.get("state") == State.CONFIRMING:
        word = "confirm sent"
    if verb == Verb.DECLINE:
        word = f"{word} ({fields.get('code', '?')})"
    if verb in {Verb.DEFER, Verb.REQUEUE, Verb.REQUEUE_CONFIRM, Verb.DOUBT}:
        word = f"{word} ({fields.get('reason', '?')})"
    return word


def next_step(record: Record) -> str:
    """Who moves it on, and how. Empty where nothing comes any more."""
    if record.state is State.DEAD and record.reason == "card_lost":
        return _CARD_LOST.format(key=record.key)
    return NEXT.get(record.state, "").format(key=record.key)


def next_moment(record: Record) -> int:
    """When that is, in ms since 1970; 0 where it has no time of its own."""
    if record.state.final:
        return 0
    return record.lease_until if record.state in {State.SENDING, State.CONFIRMING} else record.next_attempt_at
