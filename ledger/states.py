"""The table of states: which state may follow which, by which verb, and what each verb tells a person. No I/O.

A transfer is in one state at a time, and a move is a verb. One entry of `Verb` is all that the project knows of one:
from which states it leads where, what else must hold, who makes it, and its two sentences. `Ledger` hands the row to
the script, which refuses every other from-state and changes nothing then. `state_tables` writes it for the documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self


class Money(StrEnum):
    """Where the money is: what a payer asks before it pays another way."""

    NONE = "none"  #: the sender has it; once the state is final it may be paid another way
    MOVED = "moved"  #: the receiver has it
    UNKNOWN = "unknown"  #: it may have moved, so it may not be paid another way


class Phase(StrEnum):
    """Which of the bank's two money calls the transfer stands before, in, or after."""

    SEND = "send"
    CONFIRM = "confirm"


class State(StrEnum):
    """The states. Each paragraph: who enters, who leaves, what if we die here."""

    QUEUED = "queued"
    """Accepted, or waiting for its next try; no money. `create` enters it, a requeue comes back, `claim` leaves it.
    A process that dies here leaves it in `due`: the sweeper sends wake-ups for it until its deadline."""

    SENDING = "sending"
    """The transfer may be on the wire; money unknown. Only `claim` enters it, with an epoch and a lease. Its worker
    leaves it by what the bank answered. If the worker dies, the lease runs out and the sweeper looks into the vault:
    the card still there under this epoch proves that nothing was sent; anything else means that it may have been."""

    PARKED = "parked"
    """The bank wants 3-D Secure, and the challenge is kept; no money, for the bank moves none before the confirm. The
    client's answer (`resume`) leaves it, or its deadline, after the bank was asked. Dying here loses nothing."""

    RESUMED = "resumed"
    """The client's PaRes lies in the vault and a worker is to confirm; no money. `resume` enters it, `claim` leaves it.
    Dying here: the sweeper sends a wake-up. If the PaRes is gone when it is claimed, that is doubt, not failure."""

    CONFIRMING = "confirming"
    """The confirm may be on the wire; money unknown. A confirm is never fenced off and tried again: if its worker dies,
    the lease runs out into doubt."""

    IN_DOUBT = "in_doubt"
    """Sent, and no answer that can be believed; money unknown. Inquiries leave it by the bank's word; a late answer of
    the worker counts too. Time alone leads only to `needs_review`. Dying here: the next inquiry stands in `due`."""

    NEEDS_REVIEW = "needs_review"
    """In doubt, and the bank's answers do not settle it; money unknown. Two operators leave it, with
    evidence, or the bank's word; one inquiry a day goes on."""

    DEAD = "dead"
    """Retries used up, or its card is gone; proved not sent, so no money. An operator requeues or discards it, the
    producer cancels it. It is looked at once a day, so that it is not forgotten."""

    PAID = "paid"
    """The bank moved the money. Final, but for `reversed`, and for a correction by two operators."""

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
        """Nothing leads on from here but the bank's word that it gave `paid` back, and two operators' correction."""
        return self in FINAL

    @property
    def money(self) -> Money:
        """Where the money of a transfer in this state is."""
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


class Advance(StrEnum):
    """What a move does to the epoch, which the ledger alone counts up."""

    KEEP = "keep"
    TRY = "try"
    GENERATION = "generation"
    GIVEN = "given"  #: a late answer brings the epoch that it was asked under


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One verb: from which states it leads where, what else must hold, who makes it, and how a person is told."""

    moves: Mapping[State, State]
    by: str  #: who makes it
    happened: str  #: a sentence; `{name}` is a field of the event
    short: str  #: a word or two, for a history told on one line
    as_seen: bool = False  #: nothing may have happened to the transfer since the caller read it
    late: bool = False  #: the caller's epoch may be higher than the record's; elsewhere the two must be equal
    phase: Phase | None = None  #: the record must be in this phase
    after: Mapping[State, str] = field(default_factory=dict)  #: by from-state: which field's time must have come
    before: Mapping[State, str] = field(default_factory=dict)  #: by from-state: which field's time must not have come
    advance: Advance = Advance.KEEP
    enters: Phase | None = None  #: the phase that the move leads to
    unless_paid: bool = False  #: not while the bank's proved notification that it paid stands in the record
    keeps_due: bool = False  #: it only adds a note: when to look again stays as it is

    @property
    def ends(self) -> bool:
        """Does it lead to an end? A verb that only notes something at what has ended does not."""
        return any(end.final and start is not end for start, end in self.moves.items())


def _stay(*states: State) -> dict[State, State]:
    return {state: state for state in states}


def _to(end: State, *starts: State) -> dict[State, State]:
    return dict.fromkeys(starts, end)


_S = State
_OPEN = sorted(UNFINISHED)
_ASKABLE = (_S.PARKED, _S.IN_DOUBT, _S.NEEDS_REVIEW, _S.DEAD)
_NOTIFIABLE = (_S.PARKED, _S.IN_DOUBT, _S.NEEDS_REVIEW)
_DECIDABLE = (_S.NEEDS_REVIEW, *sorted(FINAL))


class Verb(StrEnum):
    """The table. A worker's definitive answer counts in every unfinished state: late is true too."""

    row: Row

    def __new__(cls, word: str, row: Row) -> Self:
        verb = str.__new__(cls, word)
        verb._value_ = word
        verb.row = row
        return verb

    # The producer and the web tier.

    CREATE = (
        "create",
        Row(moves={}, by="a producer, with an intent", happened="accepted", short="accepted"),
    )
    REPLACE_CARD = (
        "replace_card",
        Row(
            moves=_stay(_S.QUEUED),
            advance=Advance.GENERATION,
            by="a producer, which brings the card again: a new generation of it",
            happened="its producer brought the card again",
            short="card again",
        ),
    )
    RESUME = (
        "resume",
        Row(
            moves=_to(_S.RESUMED, _S.PARKED),
            advance=Advance.TRY,
            enters=Phase.CONFIRM,
            by="a worker, by the web tier's entry or by the answer in the vault: the client answered the challenge",
            happened="the client answered 3-D Secure",
            short="client answered",
        ),
    )
    REQUEST = (
        "request",
        Row(
            moves=_stay(*_ASKABLE),
            as_seen=True,
            by="a producer; or a worker, by an entry of an operator or of the web tier",
            happened="a worker was asked for: {requested_action}",
            short="{requested_action} requested",
        ),
    )
    KEEP_NOTIFICATION = (
        "keep_notification",
        Row(
            moves=_stay(*_OPEN),
            as_seen=True,
            keeps_due=True,
            by="a worker, of the bank's proved notification that the web tier passed on",
            happened="the bank's notification is proved, and kept until a worker can read it",
            short="bank notified",
        ),
    )
    CANCEL = (
        "cancel",
        Row(
            moves=_to(_S.CANCELLED, _S.QUEUED, _S.PARKED, _S.DEAD),
            as_seen=True,
            unless_paid=True,
            by="the producer, or an operator who discards",
            happened="cancelled before any money could move",
            short="cancelled",
        ),
    )

    # A worker, and the bank's answer to it.

    DEFER = (
        "defer",
        Row(
            moves=_stay(_S.QUEUED, _S.RESUMED),
            by="a worker, whose try ended before anything was sent",
            happened="nothing was sent; the next try has its time",
            short="not sent",
        ),
    )
    CLAIM = (
        "claim",
        Row(
            moves={_S.QUEUED: _S.SENDING, _S.RESUMED: _S.CONFIRMING},
            before={_S.QUEUED: "deadline_at"},
            unless_paid=True,
            by="a worker, before the first byte",
            happened="written down as {state}, before anything may be sent",
            short="sent",
        ),
    )
    PAY = (
        "pay",
        Row(
            moves=_to(_S.PAID, *_OPEN),
            late=True,
            advance=Advance.GIVEN,
            by="a worker: the bank said yes",
            happened="the bank paid",
            short="paid",
        ),
    )
    DECLINE = (
        "decline",
        Row(
            moves=_to(_S.DECLINED, *_OPEN),
            late=True,
            unless_paid=True,
            advance=Advance.GIVEN,
            by="a worker: the bank said no",
            happened="the bank declined",
            short="declined",
        ),
    )
    PARK = (
        "park",
        Row(
            moves=_to(_S.PARKED, _S.SENDING, _S.IN_DOUBT),
            phase=Phase.SEND,
            by="a worker: the bank wants 3-D Secure",
            happened="the bank wants 3-D Secure: it waits for the client",
            short="3-D Secure asked",
        ),
    )
    DOUBT = (
        "doubt",
        Row(
            moves=_to(_S.IN_DOUBT, _S.SENDING, _S.CONFIRMING, _S.RESUMED),
            by="a worker, or the sweeper after the lease",
            happened="sent, and no answer that can be believed: in doubt",
            short="in doubt",
        ),
    )
    REQUEUE = (
        "requeue",
        Row(
            moves=_to(_S.QUEUED, _S.SENDING, _S.IN_DOUBT),
            phase=Phase.SEND,
            advance=Advance.TRY,
            by="a worker or the sweeper, with proof that nothing was sent",
            happened="proved not sent: queued again",
            short="not sent",
        ),
    )
    REQUEUE_CONFIRM = (
        "requeue_confirm",
        Row(
            moves=_to(_S.RESUMED, _S.CONFIRMING, _S.IN_DOUBT),
            phase=Phase.CONFIRM,
            advance=Advance.TRY,
            by="a worker, with proof that the confirm was not sent",
            happened="the confirm is proved not sent: it will be sent again",
            short="not sent",
        ),
    )
    FAIL_QUEUED = (
        "fail_queued",
        Row(
            moves=_to(_S.DEAD, _S.QUEUED),
            unless_paid=True,
            by="a worker: no token came until the tries were used up, and no worker has claimed it",
            happened="no more tries, and never sent: dead",
            short="dead",
        ),
    )
    FAIL_CLAIMED = (
        "fail_claimed",
        Row(
            moves=_to(_S.DEAD, _S.SENDING, _S.IN_DOUBT),
            phase=Phase.SEND,
            unless_paid=True,
            by="a worker, by its own claim: nothing was sent, and the tries are used up or the card is gone",
            happened="no more tries, and proved not sent: dead",
            short="dead",
        ),
    )
    ADD_EVIDENCE = (
        "add_evidence",
        Row(
            moves=_stay(_S.IN_DOUBT, _S.NEEDS_REVIEW),
            as_seen=True,
            by="a worker whose lease was over: what it knows of its own try",
            happened="its worker says how far its request got",
            short="worker's evidence",
        ),
    )

    # An inquiry, and the bank's notification where there is no status address.

    INQUIRY_PAID = (
        "inquiry_paid",
        Row(
            moves=_to(_S.PAID, *_ASKABLE),
            by="an inquiry",
            happened="asked, the bank says that it paid",
            short="bank asked: paid",
        ),
    )
    INQUIRY_DECLINED = (
        "inquiry_declined",
        Row(
            moves=_to(_S.DECLINED, *_ASKABLE),
            unless_paid=True,
            by="an inquiry",
            happened="asked, the bank says that it did not pay",
            short="bank asked: not paid",
        ),
    )
    INQUIRY_REVERSED = (
        "inquiry_reversed",
        Row(
            moves=_to(_S.REVERSED, *_ASKABLE, _S.PAID),
            by="an inquiry",
            happened="asked, the bank says that it paid and gave it back",
            short="bank asked: given back",
        ),
    )
    NOTIFICATION_PAID = (
        "notification_paid",
        Row(
            moves=_to(_S.PAID, *_NOTIFIABLE),
            by="a worker, by the bank's proved notification, where there is no status address",
            happened="the bank's notification says that it paid",
            short="bank notified: paid",
        ),
    )
    INQUIRY_INCONCLUSIVE = (
        "inquiry_inconclusive",
        Row(
            moves=_stay(*_NOTIFIABLE),
            as_seen=True,
            by="an inquiry that settled nothing",
            happened="what the bank says settles nothing yet",
            short="bank asked: not yet",
        ),
    )
    SEND_TO_REVIEW = (
        "send_to_review",
        Row(
            moves=_to(_S.NEEDS_REVIEW, _S.IN_DOUBT),
            as_seen=True,
            by="an inquiry: the bank's words do not settle it",
            happened="the bank's words do not settle it: an operator must",
            short="needs review",
        ),
    )
    LOSE_CARD = (
        "lose_card",
        Row(
            moves=_to(_S.DEAD, _S.IN_DOUBT),
            as_seen=True,
            phase=Phase.SEND,
            unless_paid=True,
            by="an inquiry: no claim took the card out, the card is gone, and the bank has no such order",
            happened="its card is gone, no worker sent it, and the bank has no such order: dead",
            short="dead: card lost",
        ),
    )
    CHALLENGE_EXPIRED = (
        "challenge_expired",
        Row(
            moves=_to(_S.EXPIRED, _S.IN_DOUBT),
            unless_paid=True,
            by="an inquiry: the challenge is still open after the horizon",
            happened="its challenge was never answered, and no money moved",
            short="expired",
        ),
    )
    REFUSE_REQUEST = (
        "refuse_request",
        Row(
            moves=_stay(*_ASKABLE),
            as_seen=True,
            by="a worker: what was requested can't be done",
            happened="what was requested can't be done",
            short="refused",
        ),
    )
    REQUEUE_DEAD = (
        "requeue_dead",
        Row(
            moves=_to(_S.QUEUED, _S.DEAD),
            as_seen=True,
            unless_paid=True,
            advance=Advance.TRY,
            by="a worker, for an operator, after the bank was asked",
            happened="the bank knows nothing of it: queued again",
            short="bank asked: unknown there; queued again",
        ),
    )

    # The sweeper, and each process that closes the card's place in the vault.

    SCHEDULE_WAKEUP = (
        "schedule_wakeup",
        Row(
            moves=_stay(*_OPEN),
            as_seen=True,
            by="the sweeper, which sends a wake-up",
            happened="the sweeper sent a wake-up",
            short="wake-up sent",
        ),
    )
    LOOK_LATER = (
        "look_later",
        Row(
            moves=_stay(*_OPEN),
            as_seen=True,
            by="the sweeper or a worker, where there is nothing to do now",
            happened="nothing is to be done now; it is looked at again later",
            short="looked at later",
        ),
    )
    EXPIRE = (
        "expire",
        Row(
            moves=_to(_S.EXPIRED, _S.QUEUED, _S.PARKED),
            as_seen=True,
            unless_paid=True,
            after={_S.QUEUED: "deadline_at", _S.PARKED: "parked_until"},
            by="the sweeper or an inquiry, after the deadline of what was never sent",
            happened="its deadline passed, and no money moved",
            short="expired",
        ),
    )
    FOUND_TAKEN = (
        "found_taken",
        Row(
            moves=_to(_S.IN_DOUBT, _S.QUEUED, _S.DEAD),
            by="a process that closes the card's place in the vault, and finds that the card was taken out of it",
            happened="its card was taken out after all: in doubt",
            short="in doubt",
        ),
    )
    FOUND_TAKEN_CONFIRM = (
        "found_taken_confirm",
        Row(
            moves=_to(_S.IN_DOUBT, _S.PARKED),
            enters=Phase.CONFIRM,
            by="a worker: the client's answer may have reached the bank",
            happened="the client's answer may have reached the bank after all: in doubt",
            short="in doubt",
        ),
    )

    # Operators.

    ASK = (
        "ask",
        Row(
            moves=_stay(*sorted(State)),
            as_seen=True,
            keeps_due=True,
            by="a worker, by an operator's entry: the bank is to be asked now",
            happened="the bank is to be asked now",
            short="bank to be asked",
        ),
    )
    DECIDE = (
        "decide",
        Row(
            moves=_stay(*_DECIDABLE, _S.QUEUED, _S.PARKED, _S.DEAD),
            as_seen=True,
            keeps_due=True,
            by="a worker, by an operator's entry: what the operator decides; the bank, or another, is to agree",
            happened="an operator decided: {decided}",
            short="decided: {decided}",
        ),
    )
    TAKE_BACK = (
        "take_back",
        Row(
            moves=_stay(*_DECIDABLE),
            as_seen=True,
            keeps_due=True,
            by="a worker, by the entry of the operator whose decision it is",
            happened="the operator took the decision back: {decided}",
            short="decision taken back",
        ),
    )
    ANSWER = (
        "answer",
        Row(
            moves=_stay(*sorted(State)),
            as_seen=True,
            keeps_due=True,
            by="an inquiry that an operator asked for, or of what has ended: it changes no state",
            happened="asked, the bank says: {bank_said}; the record stays {state}",
            short="bank asked: {bank_said}",
        ),
    )
    OPERATOR_PAID = (
        "operator_paid",
        Row(
            moves=_to(_S.PAID, _S.NEEDS_REVIEW),
            by="a worker, for two operators with evidence, after the bank was asked",
            happened="settled by two operators: paid",
            short="settled: paid",
        ),
    )
    OPERATOR_NOT_PAID = (
        "operator_not_paid",
        Row(
            moves=_to(_S.DECLINED, _S.NEEDS_REVIEW),
            by="a worker, for two operators with evidence, after the bank was asked",
            happened="settled by two operators: not paid",
            short="settled: not paid",
        ),
    )
    OPERATOR_REVERSED = (
        "operator_reversed",
        Row(
            moves=_to(_S.REVERSED, _S.NEEDS_REVIEW, _S.PAID),
            by="a worker, for two operators with evidence, after the bank was asked",
            happened="settled by two operators: paid and given back",
            short="settled: given back",
        ),
    )
    CORRECT_PAID = (
        "correct_paid",
        Row(
            moves=_to(_S.PAID, _S.REVERSED, *sorted(NOT_MOVED)),
            by="a worker, for two operators with evidence, after the bank was asked",
            happened="corrected by two operators: it is paid",
            short="corrected: paid",
        ),
    )
    CORRECT_NOT_PAID = (
        "correct_not_paid",
        Row(
            moves=_to(_S.DECLINED, _S.PAID, _S.REVERSED),
            by="a worker, for two operators with evidence, after the bank was asked",
            happened="corrected by two operators: it was not paid",
            short="corrected: not paid",
        ),
    )
    CORRECT_REVERSED = (
        "correct_reversed",
        Row(
            moves=_to(_S.REVERSED, *sorted(NOT_MOVED)),
            by="a worker, for two operators with evidence, after the bank was asked",
            happened="corrected by two operators: it was paid and given back",
            short="corrected: given back",
        ),
    )
