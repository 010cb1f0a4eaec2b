"""One transfer explained: why it is where it is, what it waits for now, what comes next, and what an operator may do.

Pure: from its record, its history, what the vault holds in its card's place, and the facts of the overview.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from epay_transfers.ledger.reasons import sentence_of
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.events import Event, History
from epay_transfers.ledger.store.pauses import Lane, Pause
from epay_transfers.ledger.vault.vault import Content
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.acts.possible import Act, possible
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge_workers import unheld_terminals

#: The lane that a transfer of this state waits for.
_LANES = {
    State.QUEUED: Lane.SEND,
    State.RESUMED: Lane.CONFIRM,
    State.IN_DOUBT: Lane.INQUIRE,
    State.NEEDS_REVIEW: Lane.INQUIRE,
}
_KINDS = {State.QUEUED: ("token", "transfer"), State.RESUMED: ("token", "confirm")}


@dataclass(frozen=True, slots=True)
class Option:
    """What an operator may do, and what may go wrong by it. Without a command it is done elsewhere, or not at all."""

    command: str
    what: str
    risk: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claim, and what became of it. `evidence`: how far its request got."""

    at_ms: int
    actor: str
    phase: str
    became: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    why: str
    attempts: Sequence[Attempt]
    waits_for: Sequence[str]
    comes_next: str
    next_at_ms: int
    may: Sequence[Option] = field(default_factory=tuple)


def explain(record: Record, history: History, card: Content | None, facts: Facts) -> Explanation:
    """`card`: what lies in its place in the vault; None where that is unknown from here."""
    return Explanation(
        why=_why(record),
        attempts=_attempts(record, history.events),
        waits_for=list(_waits_for(record, card, facts)),
        comes_next=descriptions.next_step(record) or "nothing: it has ended",
        next_at_ms=descriptions.next_moment(record),
        may=_may(record),
    )


def _why(record: Record) -> str:
    words = [descriptions.code(record.code), sentence_of(record.reason), record.message, record.bank_said]
    words.append(descriptions.archived(record))
    return "; ".join(dict.fromkeys(filter(None, words))) or "it is where a transfer of its age may be"


def _attempts(record: Record, events: Sequence[Event]) -> list[Attempt]:
    found: list[Attempt] = []
    claim: Event | None = None
    for event in events:
        verb = event.fields.get("verb", "")
        if verb == Verb.CLAIM:
            if claim is not None:
                found.append(_attempt(claim, None, record))
            claim = event
        elif claim is not None and event.fields.get("from") in {State.SENDING, State.CONFIRMING}:
            found.append(_attempt(claim, event, record))
            claim = None
    if claim is not None:
        found.append(_attempt(claim, None, record))
    return found


#: What a move out of `sending` or `confirming` proves by itself.
_PROVES = {
    Verb.PAY: "ANSWERED: the bank said so",
    Verb.DECLINE: "ANSWERED: the bank said so",
    Verb.PARK: "ANSWERED: the bank said so",
    Verb.REQUEUE: "NOT_SENT: proved",
    Verb.REQUEUE_CONFIRM: "NOT_SENT: proved",
    Verb.FAIL_CLAIMED: "NOT_SENT: proved",
}


def _attempt(claim: Event, end: Event | None, record: Record) -> Attempt:
    phase = "confirm" if claim.fields.get("state") == State.CONFIRMING else "transfer"
    actor = claim.fields.get("actor", "?")
    if end is None:
        open_ = record.state in {State.SENDING, State.CONFIRMING}
        became = "no answer yet: it may be on the wire" if open_ else "?"
        return Attempt(claim.at_ms, actor, phase, became, "?")
    verb = end.fields.get("verb", "")
    evidence = next((words for known, words in _PROVES.items() if known == verb), "")
    told = end.fields.get("evidence", "") or (record.evidence if verb == Verb.DOUBT else "")
    became = f"{descriptions.happened(end)} after {screen.span(end.at_ms - claim.at_ms)}"
    return Attempt(claim.at_ms, actor, phase, became, evidence or told or "MAYBE_SENT: not proved otherwise")


def _waits_for(record: Record, card: Content | None, facts: Facts) -> Iterator[str]:
    yield from _question(record, facts)
    if record.state.final:
        return
    yield from _holding(record, facts)
    if record.state in {State.SENDING, State.CONFIRMING}:
        yield f"its worker's result, until its lease is over ({screen.away(record.lease_until, facts.now_ms)})"
    if record.state is State.PARKED:
        yield f"its client at 3-D Secure, until {screen.when(record.parked_until)}"
    if record.state in {State.NEEDS_REVIEW, State.DEAD}:
        yield "a person: see what may be done"
    if record.state is State.QUEUED:
        yield from _card(card, record)
    if record.requested_action:
        yield f"a worker, which was asked to {record.requested_action}"
    if record.next_attempt_at > facts.now_ms and record.state in _LANES:
        what = "its next try" if record.state in _KINDS else "the next question to the bank"
        yield f"the time of {what}: {screen.away(record.next_attempt_at, facts.now_ms)}"
    if record.state is State.QUEUED:
        yield f"not longer than its deadline: {screen.away(record.deadline_at, facts.now_ms)}, then it expires, unsent"


def _question(record: Record, facts: Facts) -> Iterator[str]:
    """An operator's request to ask the bank, in whatever state, and what any question to the bank waits for."""
    if record.question_id:
        yield "a worker, which asks the bank for an operator's request"
    if record.terminal in unheld_terminals(facts):
        yield f"a worker that holds the credentials of the terminal {record.terminal}: no worker that is heard does"


def _holding(record: Record, facts: Facts) -> Iterator[str]:
    """What keeps back all transfers of its kind."""
    if facts.workers is None:
        yield "? (the workers can't be asked about)"
    elif not facts.alive:
        yield "a worker: none is heard"
    elif all(worker.unfit for worker in facts.alive):
        yield f"workers that are fit: all stand still ({', '.join(facts.alive[0].unfit)})"
    lane = _LANES.get(record.state)
    if lane is not None:
        if facts.pauses is None:
            yield f"? (the pauses of {lane} can't be read)"
        for pause in facts.pauses or ():
            if pause.is_for(lane, record.terminal):
                yield _pause(pause, facts)
    yield from _of_the_bank(record, facts)
    if facts.vault is not None and facts.vault.is_away and record.state in _KINDS:
        yield "the vault: it can't be used"


def _of_the_bank(record: Record, facts: Facts) -> Iterator[str]:
    kinds = _KINDS.get(record.state, ())
    hosts = {worker.hosts.get(kind) for worker in facts.alive for kind in kinds}
    for breaker in facts.breakers or ():
        if breaker.host in hosts:
            yield f"the breaker of {breaker.host}: the bank did not answer, and workers try it now and then"


def _pause(pause: Pause, facts: Facts) -> str:
    until = screen.away(pause.until_ms, facts.now_ms) if pause.until_ms else "when it is ended by hand"
    return f"pause {pause.id} of {pause.lane} ({pause.cause}, by {pause.actor}: {pause.reason}), which ends {until}"


def _card(card: Content | None, record: Record) -> Iterator[str]:
    match card:
        case None:
            yield "? (whether its card is in the vault is not known from here: no VAULT_URL, or the vault is away)"
        case Content.NOTHING | Content.STALE:
            again = "its producer enqueues it again, with the same reference"
            yield f"its card: it is not in the vault (never brought, or lost by a restart); {again}"
        case Content.TOMBSTONE:
            yield "a look of a worker: its card was taken out, so it may have been sent, and becomes in doubt"
        case Content.CLOSED:
            yield f"its end: its place in the vault is closed ({'cancel' if record.requested_action else 'withdrawn'})"
        case _:
            return


_PAY_AGAIN = Option("", "pay it another way, or under a new reference", "a SECOND PAYMENT: its money may have moved")
_NEW_REFERENCE = Option("", "its producer may pay it under a new reference", "none: no money moved, and none will")


_WAIT = Option("", "wait", "none: the bank is asked by itself")

#: What an operator does elsewhere, or not at all.
_BESIDE = {
    **dict.fromkeys((State.SENDING, State.CONFIRMING, State.RESUMED, State.IN_DOUBT), (_WAIT, _PAY_AGAIN)),
    State.NEEDS_REVIEW: (_PAY_AGAIN,),
    **dict.fromkeys((State.DECLINED, State.EXPIRED, State.CANCELLED), (_NEW_REFERENCE,)),
}

#: To ask the bank, and to correct an end, is possible always: only where something speaks for it is it told.
_UNTOLD = frozenset({Act.ASK, Act.CORRECT})


def _may(record: Record) -> list[Option]:
    told = (each for each in possible(record) if each.act not in _UNTOLD)
    return [*(Option(each.command, each.what, each.risk) for each in told), *_BESIDE.get(record.state, ())]
