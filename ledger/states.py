"""The table of states. Everything that says which state may follow which lives here, and nothing does I/O.

A transfer is in one state at a time. A move is a verb; the table names the states that it may start from and where each
leads. `Ledger` hands the verb's row to the script as it stands here, and the script refuses every other from-state,
changing nothing then. The diagram in the README and the docs is generated from this table:
`python -m epay_transfers.ledger.states`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Money(StrEnum):
    """Where the money is: what a payer asks before it pays another way."""

    NONE = "none"
    MOVED = "moved"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """Which of the bank's two money calls the transfer stands before, in, or after."""

    SEND = "send"
    CONFIRM = "confirm"


class State(StrEnum):
    """The states. Each paragraph: who enters, who leaves, what if we die here."""

    QUEUED = "queued"
    """Accepted, or waiting for its next try; no money. `create` enters it, a requeue comes back, `claim` leaves it.
    Whoever dies here leaves a transfer in `due`: the sweeper rings for it again until its deadline."""

    SENDING = "sending"
    """The transfer may be on the wire; money unknown. Only `claim` enters it, with an epoch and a lease. Its worker
    leaves it by what the bank answered. If the worker dies, the lease runs out and the sweeper looks into the vault:
    the card still there under this epoch proves that nothing was sent; anything else means that it may have been."""

    PARKED = "parked"
    """The bank wants 3-D Secure, and the challenge is kept; no money, for the bank moves none before the confirm. The
    client's answer (`resume`) leaves it, or its deadline, after the bank was asked. Dying here loses nothing."""

    RESUMED = "resumed"
    """The client's PaRes lies in the vault and a worker is to confirm; no money. `resume` enters it, `claim` leaves it.
    Dying here: the sweeper rings again. If the PaRes is gone when it is claimed, that is doubt, not failure."""

    CONFIRMING = "confirming"
    """The confirm may be on the wire; money unknown. A confirm is never fenced off and tried again: if its worker dies,
    the lease runs out into doubt."""

    IN_DOUBT = "in_doubt"
    """Sent, and no answer that can be believed; money unknown. Inquiries leave it by the bank's word; a late answer of
    the worker counts too. Time alone leads only to `needs_review`. Dying here: the next inquiry stands in `due`."""

    NEEDS_REVIEW = "needs_review"
    """In doubt, and the bank's answers do not settle it; money unknown. An operator leaves it, with evidence; one
    inquiry a day goes on, in case that the bank finds its voice."""

    DEAD = "dead"
    """Retries used up, or its card is gone; proved not sent, so no money. An operator requeues or discards it, the
    producer cancels it. It stands in `due` once a day, so that nobody forgets it."""

    PAID = "paid"
    """The bank moved the money. Final, but for `reversed`."""

    REVERSED = "reversed"
    """The bank moved the money and gave it back. Final."""

    DECLINED = "declined"
    """The bank said no, with a code that is final. No money moved."""

    EXPIRED = "expired"
    """Its deadline passed before any money could move. Final."""

    CANCELLED = "cancelled"
    """Its producer or an operator took it back before any money could move. Final."""

    @property
    def final(self) -> bool:
        return self in FINAL

    @property
    def money(self) -> Money:
        return MONEY[self]


FINAL = frozenset({State.PAID, State.REVERSED, State.DECLINED, State.EXPIRED, State.CANCELLED})
UNFINISHED = frozenset(State) - FINAL

#: The ends that say: no money has moved.
NOT_MOVED = frozenset({State.DECLINED, State.EXPIRED, State.CANCELLED})

MONEY: Mapping[State, Money] = MappingProxyType(
    dict.fromkeys(State, Money.NONE)
    | dict.fromkeys((State.SENDING, State.CONFIRMING, State.IN_DOUBT, State.NEEDS_REVIEW), Money.UNKNOWN)
    | {State.PAID: Money.MOVED}
)


class Verb(StrEnum):
    """The moves, named by who makes them and why."""

    CREATE = "create"  #: a producer brings an intent; there is no from-state
    REPLACE_CARD = "replace_card"  #: a producer brings the card again: a new generation of it
    DEFER = "defer"  #: a worker: this try ended before anything was at stake, the next one has a time
    CLAIM = "claim"  #: a worker, before the first byte
    PAY = "pay"  #: a worker: the bank said yes
    DECLINE = "decline"  #: a worker: the bank said no
    PARK = "park"  #: a worker: the bank wants 3-D Secure
    DOUBT = "doubt"  #: a worker, or the sweeper after the lease: nobody knows
    REQUEUE = "requeue"  #: a worker or the sweeper, with proof that nothing was sent
    REQUEUE_CONFIRM = "requeue_confirm"  #: a worker, with proof that the confirm was not sent
    FAIL_QUEUED = "fail_queued"  #: a worker: no token, and the tries are used up; nobody has it in hand
    FAIL_CLAIMED = "fail_claimed"  #: a worker, by its own claim: nothing was sent, and tries or card are gone
    LOSE_CARD = "lose_card"  #: an inquiry: no claim took the card out, the card is gone, and the bank has no such order
    ADD_EVIDENCE = "add_evidence"  #: a worker whose lease was over: what it knows of its own try
    RESUME = "resume"  #: the web tier: the client answered the challenge
    FOUND_TAKEN = "found_taken"  #: a process that closes the vault finds that the card was taken out of it
    FOUND_TAKEN_CONFIRM = "found_taken_confirm"  #: parked, and the client's answer may have reached the bank after all
    INQUIRY_PAID = "inquiry_paid"  #: an inquiry
    INQUIRY_DECLINED = "inquiry_declined"  #: an inquiry
    INQUIRY_REVERSED = "inquiry_reversed"  #: an inquiry
    NOTIFICATION_PAID = (
        "notification_paid"  #: a worker: the bank's proved notification, where there is no status address
    )
    NOTIFICATION_DECLINED = "notification_declined"  #: the same, of a code that is final
    INQUIRY_INCONCLUSIVE = "inquiry_inconclusive"  #: an inquiry that settled nothing: ask again later
    SEND_TO_REVIEW = "send_to_review"  #: an inquiry: the bank's words do not settle it
    EXPIRE = "expire"  #: the sweeper or an inquiry, after the deadline of what was never sent
    CHALLENGE_EXPIRED = "challenge_expired"  #: an inquiry: the challenge is still open after the horizon
    CANCEL = "cancel"  #: the producer, or an operator who discards
    REQUEUE_DEAD = "requeue_dead"  #: an operator's requeue of a dead transfer, after the bank was asked
    REQUEST = "request"  #: ops or a producer ask for what only a worker can do
    REFUSE_REQUEST = "refuse_request"  #: a worker: what was asked can't be done
    SCHEDULE_WAKEUP = "schedule_wakeup"  #: the sweeper sent a wake-up, or looks again later
    KEEP_NOTIFICATION = "keep_notification"  #: the web tier, of the bank's proved notification
    OPERATOR_PAID = "operator_paid"  #: an operator, with evidence
    OPERATOR_NOT_PAID = "operator_not_paid"  #: an operator, with evidence
    OPERATOR_REVERSED = "operator_reversed"  #: an operator, with evidence


class Advance(StrEnum):
    """What a move does to the epoch, which the ledger alone counts up."""

    KEEP = "keep"
    TRY = "try"
    GENERATION = "generation"
    GIVEN = "given"  #: a late answer brings the epoch that it was asked under


@dataclass(frozen=True, slots=True)
class Row:
    """One verb: from which states it leads where, and what else must hold."""

    moves: Mapping[State, State]
    as_seen: bool = False  #: nothing may have happened to the transfer since the caller read it
    late: bool = False  #: the caller's epoch may be higher than the record's; elsewhere the two must be equal
    phase: Phase | None = None  #: the record must be in this phase
    after: Mapping[State, str] = field(default_factory=dict)  #: by from-state: which field's time must have come
    before: Mapping[State, str] = field(default_factory=dict)  #: by from-state: which field's time must not have come
    advance: Advance = Advance.KEEP
    enters: Phase | None = None  #: the phase that the move leads to
    unless_paid: bool = False  #: not while the bank's proved notification that it paid stands in the record
    keeps_due: bool = False  #: it only adds a note: when to look again stays as it is


def _stay(*states: State) -> dict[State, State]:
    return {state: state for state in states}


def _to(end: State, *starts: State) -> dict[State, State]:
    return dict.fromkeys(starts, end)


_S = State
_OPEN = sorted(UNFINISHED)
_ASKED = (_S.PARKED, _S.IN_DOUBT, _S.NEEDS_REVIEW, _S.DEAD)

#: The table. A worker's definitive answer counts in every unfinished state: late is true too. What the bank has proved
#: to be paid is not sent, and no move but a person's says that no money moved.
MOVES: Mapping[Verb, Row] = MappingProxyType({
    Verb.CREATE: Row({}),
    Verb.REPLACE_CARD: Row(_stay(_S.QUEUED), advance=Advance.GENERATION),
    Verb.DEFER: Row(_stay(_S.QUEUED, _S.RESUMED)),
    Verb.CLAIM: Row(
        {_S.QUEUED: _S.SENDING, _S.RESUMED: _S.CONFIRMING}, before={_S.QUEUED: "deadline_at"}, unless_paid=True
    ),
    Verb.PAY: Row(_to(_S.PAID, *_OPEN), late=True, advance=Advance.GIVEN),
    Verb.DECLINE: Row(_to(_S.DECLINED, *_OPEN), late=True, unless_paid=True, advance=Advance.GIVEN),
    Verb.PARK: Row(_to(_S.PARKED, _S.SENDING, _S.IN_DOUBT), phase=Phase.SEND),
    Verb.DOUBT: Row(_to(_S.IN_DOUBT, _S.SENDING, _S.CONFIRMING, _S.RESUMED)),
    Verb.REQUEUE: Row(_to(_S.QUEUED, _S.SENDING, _S.IN_DOUBT), phase=Phase.SEND, advance=Advance.TRY),
    Verb.REQUEUE_CONFIRM: Row(
        _to(_S.RESUMED, _S.CONFIRMING, _S.IN_DOUBT), phase=Phase.CONFIRM, advance=Advance.TRY
    ),
    Verb.FAIL_QUEUED: Row(_to(_S.DEAD, _S.QUEUED), unless_paid=True),
    Verb.FAIL_CLAIMED: Row(_to(_S.DEAD, _S.SENDING, _S.IN_DOUBT), phase=Phase.SEND, unless_paid=True),
    Verb.LOSE_CARD: Row(_to(_S.DEAD, _S.IN_DOUBT), as_seen=True, phase=Phase.SEND, unless_paid=True),
    Verb.ADD_EVIDENCE: Row(_stay(_S.IN_DOUBT, _S.NEEDS_REVIEW), as_seen=True),
    Verb.RESUME: Row(_to(_S.RESUMED, _S.PARKED), advance=Advance.TRY, enters=Phase.CONFIRM),
    Verb.FOUND_TAKEN: Row(_to(_S.IN_DOUBT, _S.QUEUED, _S.DEAD)),
    Verb.FOUND_TAKEN_CONFIRM: Row(_to(_S.IN_DOUBT, _S.PARKED), enters=Phase.CONFIRM),
    Verb.INQUIRY_PAID: Row(_to(_S.PAID, *_ASKED)),
    Verb.INQUIRY_DECLINED: Row(_to(_S.DECLINED, *_ASKED), unless_paid=True),
    Verb.INQUIRY_REVERSED: Row(_to(_S.REVERSED, *_ASKED)),
    Verb.NOTIFICATION_PAID: Row(_to(_S.PAID, _S.PARKED, _S.IN_DOUBT, _S.NEEDS_REVIEW)),
    Verb.NOTIFICATION_DECLINED: Row(_to(_S.DECLINED, _S.PARKED, _S.IN_DOUBT, _S.NEEDS_REVIEW)),
    Verb.INQUIRY_INCONCLUSIVE: Row(_stay(_S.PARKED, _S.IN_DOUBT, _S.NEEDS_REVIEW), as_seen=True),
    Verb.SEND_TO_REVIEW: Row(_to(_S.NEEDS_REVIEW, _S.IN_DOUBT), as_seen=True),
    Verb.EXPIRE: Row(
        _to(_S.EXPIRED, _S.QUEUED, _S.PARKED),
        as_seen=True,
        unless_paid=True,
        after={_S.QUEUED: "deadline_at", _S.PARKED: "parked_until"},
    ),
    Verb.CHALLENGE_EXPIRED: Row(_to(_S.EXPIRED, _S.IN_DOUBT), unless_paid=True),
    Verb.CANCEL: Row(_to(_S.CANCELLED, _S.QUEUED, _S.PARKED, _S.DEAD), as_seen=True, unless_paid=True),
    Verb.REQUEUE_DEAD: Row(_to(_S.QUEUED, _S.DEAD), as_seen=True, unless_paid=True, advance=Advance.TRY),
    Verb.REQUEST: Row(_stay(*_ASKED), as_seen=True),
    Verb.REFUSE_REQUEST: Row(_stay(*_ASKED), as_seen=True),
    Verb.SCHEDULE_WAKEUP: Row(_stay(*_OPEN), as_seen=True),
    Verb.KEEP_NOTIFICATION: Row(_stay(*_OPEN), as_seen=True, keeps_due=True),
    Verb.OPERATOR_PAID: Row(_to(_S.PAID, _S.NEEDS_REVIEW)),
    Verb.OPERATOR_NOT_PAID: Row(_to(_S.DECLINED, _S.NEEDS_REVIEW)),
    Verb.OPERATOR_REVERSED: Row(_to(_S.REVERSED, _S.NEEDS_REVIEW, _S.PAID)),
})  # fmt: skip


def diagram() -> str:
    """The table as a Mermaid state diagram, without moves that stay where they are and the wide net of late answers."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for verb, row in MOVES.items():
        for start, end in row.moves.items():
            late = verb in {Verb.PAY, Verb.DECLINE} and start not in {_S.SENDING, _S.CONFIRMING}
            if start is not end and not late:
                arrows.setdefault((start, end), []).append(verb)
    lines = ["stateDiagram-v2", "    [*] --> queued: create"]
    lines += [f"    {start} --> {end}: {', '.join(verbs)}" for (start, end), verbs in arrows.items()]
    lines += [f"    {state} --> [*]" for state in State if state.final]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())  # noqa: T201 - the one thing that this module says when asked
