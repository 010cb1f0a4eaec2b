"""What a move changes beside the state. An unknown name, or two times at once, can't be built.

`Change` is all that a caller says of a move; `script_argument` adds what the verb's row says, and what the record's
fields declare of their lifetimes. A caller says how long something lasts, or gives back a time that the ledger gave.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, TypedDict, cast, get_args

from epay_transfers.ledger.order import way_home
from epay_transfers.ledger.record import CLEARED, KEPT_AS, Lifetime, Record, StoredChallenge, cleared_up_to, kept_as
from epay_transfers.ledger.states import Advance, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.replies import Run

#: How long an MD leads to its transfer: longer than any challenge lives, so that a late client is told that it is late.
_CHALLENGE_MS = 7 * 86_400_000

#: What an event repeats of the fields that the move set; the attempts are always in it.
_TOLD = ("code", "reason", "evidence", "next_attempt_at", "not_before_at", "requested_action", "attempts")


class RecordFields(TypedDict, total=False):
    """The fields of `Record` that a move may set. 0 and "" clear one. Times (ms) are the ledger's own, given back."""

    attempts: int
    wakeups: int
    woken_at: int
    requested_action: str
    request_id: str
    next_attempt_at: int
    lease_until: int
    claim_nonce: str
    rate_slot_at: int
    parked_until: int
    three_ds2_fields: str
    notification: str
    in_doubt_since: int
    inquiries: int
    agreeing_reads: int
    last_read: str
    unanswered: int
    bank_said: str
    pares_digest: str
    question_id: str
    decisions: str
    watch_at: int
    watches: int
    unbelieved_bank_id: str
    unbelieved_reference: str
    unbelieved_message: str
    code: str
    reason: str
    message: str
    evidence: str
    bank_id: str
    bank_reference: str
    int_reference: str
    sender_card: str
    receiver_card: str
    sender_card_id: str
    receiver_card_id: str
    not_before_at: int


class RecordTimes(TypedDict, total=False):
    """The fields that are times, as durations: in how many ms from the ledger's now."""

    next_attempt_at: int
    woken_at: int
    lease_until: int
    parked_until: int
    in_doubt_since: int


class EventFields(TypedDict, total=False):
    """What the event says beside the move and the fields of `_TOLD`."""

    by: str  #: what brought it: a notification, 3-D Secure 2
    why: str  #: a person's reason, in the person's words; or why a request was refused
    proof: str  #: an operator's evidence
    bank_said: str  #: the bank's word, its status name and why it was read so
    refused: str  #: the request that was refused
    decided: str  #: what an operator decided: paid, not_paid, reversed
    second: str  #: `needed`: the decision of another operator
    request: str  #: the id of the operator's entry that this answers
    label: str  #: what the operator calls themselves, where that is not the name of their server user
    fields: str  #: names and sizes of 3-D Secure 2


#: How many KEYS every move has; what a move needs besides comes after them.
_KEYS = 7

#: Silent moves leave the version as it is: so these compare the count of wake-ups, and one of many sweepers makes them.
_SWEEPERS = frozenset({Verb.SCHEDULE_WAKEUP, Verb.LOOK_LATER})

Counter = Literal["attempts", "wakeups", "inquiries"]

_COUNTERS = frozenset(get_args(Counter))
_KNOWN = tuple(
    (name, frozenset(kind.__annotations__))
    for name, kind in (("fields", RecordFields), ("times_in", RecordTimes), ("event", EventFields))
)


#: What most changes say of times or of the event.
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`look_again_*` is when the transfer is looked at again *and* not before: `due` and the record's
    `next_attempt_at` together. `due_*` moves `due` alone. One of the four, for what is unfinished.
    """

    fields: RecordFields = field(default_factory=RecordFields)
    times_in: RecordTimes = field(default_factory=RecordTimes)
    look_again_in: int | None = None  #: ms
    look_again_at: int | None = None  #: ms since 1970, a time that the ledger gave
    due_in: int | None = None
    due_at: int | None = None
    no_later: int | None = None  #: bounds what is given in ms: ms since 1970
    increments: tuple[Counter, ...] = ()
    event: EventFields = field(default_factory=EventFields)
    challenge: StoredChallenge | None = None  #: kept until the transfer ends
    watch_in: int | None = None  #: ms: the bank is asked about it then, beside `due` and whatever its state
    asker: str = ""  #: with `watch_in`: the operator for whom the bank is asked, in turn with the others
    unwatch: bool = False  #: the bank is not asked any more, but as `due` has it
    agrees: bool = False  #: the bank and the record say the same again: no contradiction stands any more
    silent: bool = False  #: no event and no new version: nothing happened to the transfer

    # What must hold besides the verb's row.
    only_after: int | None = None  #: the move is made from this time on (ms since 1970), by the ledger's time
    claim: str = ""  #: the record's last claim must have had this nonce: another claim's worker may be sending
    as_seen: bool = False  #: nothing may have happened to the transfer since the record was read

    def __post_init__(self) -> None:
        for name, known in _KNOWN:
            given = getattr(self, name)
            _must_know(given, known)
            object.__setattr__(self, name, MappingProxyType(dict(given)) if given else _NONE)  # nothing is added later
        _must_know(self.increments, _COUNTERS)
        twice = self.fields.keys() & self.times_in.keys()
        if self.look_again_in is not None or self.look_again_at is not None:
            twice |= {"next_attempt_at"} & {*self.fields, *self.times_in}
        if twice:
            raise ValueError(f"two values for {', '.join(sorted(twice))}")
        if sum(time is not None for time in (self.look_again_in, self.look_again_at, self.due_in, self.due_at)) > 1:
            raise ValueError("one time to look again is enough")
        if self.watch_in is not None and self.unwatch:
            raise ValueError("it is watched, or it is not")

    @property
    def has_due(self) -> bool:
        times = (self.look_again_in, self.look_again_at, self.due_in, self.due_at)
        return any(time is not None for time in times)


def script_argument(
    record: Record, verb: Verb, change: Change, *, actor: str, test_time: str | None, vault: Run | None
) -> tuple[str, tuple[str, ...]]:
    """The move as JSON, as `_move.lua` reads it, and the keys that it needs beside those of every move.

    What does not apply is not in it.
    """
    row, ends = verb.row, _ends(verb)
    if verb is not Verb.CLAIM and (ends or row.keeps_due) == change.has_due:
        raise AssertionError(f"{verb}: what is unfinished has its time in `due`, what has ended has none")
    times = dict(cast("Mapping[str, int]", change.times_in))
    values = _values(change)
    due_in, due_at = change.due_in, change.due_at
    if change.look_again_in is not None:
        due_in = times["next_attempt_at"] = change.look_again_in
    elif change.look_again_at is not None:
        due_at = values["next_attempt_at"] = change.look_again_at
    if change.watch_in is not None:
        times["watch_at"] = change.watch_in
    cleared = CLEARED[: _cleared_by(verb)]
    if State.IN_DOUBT in row.moves.values() and not _stays(verb):
        times["in_doubt_since"] = 0
    changed = {name: str(value) for name, value in values.items() if value not in {"", 0}}
    gone = [name for name in values if name not in changed and name not in cleared]
    event = _told(record, verb, values, changed) | change.event
    if row.advance is not Advance.KEEP:
        changed["epoch"] = str(_next_epoch(record, row.advance))
    if row.enters:
        changed["phase"] = row.enters
    keys = _keys(record, verb, change, changed)
    move: dict[str, Any] = {
        "key": record.key,
        "actor": actor,
        "set": {kept_as(name): value for name, value in changed.items()},
        **_of_row(verb),
        **_must_hold(record, verb, change),
        **_beside(keys, change, changed),
    }
    more = {
        "now": test_time,
        "due_in": due_in,
        "due": None if due_at is None else str(due_at),
        "no_later": change.no_later,
        "unset": [*gone, *(KEPT_AS[name] for name in gone if name in KEPT_AS)] if gone else None,
        "set_in": times,
        "told": [name for name in times if name in _TOLD],
        "add": change.increments,
        "event": event,
        "quiet": True if change.silent else None,
        "prints": redis_keys.prints(record.key) if ends else None,
        "home": way_home(record.order_details) if ends and record.order_details else None,
        "vault": [vault.id, str(vault.writes)] if vault else None,
    }
    move |= {name: value for name, value in more.items() if value or value == 0}
    return _as_json(move), keys


@cache
def _of_row(verb: Verb) -> Mapping[str, Any]:
    """What the table says of the verb, whatever the record."""
    row = verb.row
    said = {
        "verb": verb,
        "moves": _moves(verb),
        "late": row.late,
        "phase": row.phase,
        "unless_paid": row.unless_paid,
        "keep_due": row.keeps_due,
        "clears": _cleared_by(verb),
    }
    return {name: value for name, value in said.items() if value}


def _must_hold(record: Record, verb: Verb, change: Change) -> dict[str, Any]:
    """What the script is to find in this record; else it refuses the move."""
    row = verb.row
    held: dict[str, Any] = {"epoch": str(record.epoch)}
    after = change.only_after
    if name := row.after.get(record.state):
        after = max(after or 0, getattr(record, name))
    if after is not None:
        held["after"] = after
    if name := row.before.get(record.state):
        held["before"] = getattr(record, name)
    if row.as_seen or change.as_seen:
        held["version"] = str(record.version)
    if change.claim:
        held["claim"] = change.claim
    if verb in _SWEEPERS:
        held["wakeups"] = str(record.wakeups)
    return held


def _beside(keys: tuple[str, ...], change: Change, changed: Mapping[str, str]) -> dict[str, Any]:
    """What is written beside the record, and where its keys are."""
    said: dict[str, Any] = {}
    if change.challenge:
        said |= {"challenge": json.dumps(asdict(change.challenge)), "challenge_ms": str(_CHALLENGE_MS)}
    if bank_id := changed.get("bank_id"):
        said |= {"ids": _place(keys, redis_keys.bank_ids(bank_id)[0]), "id": redis_keys.bank_id_name(bank_id)}
    if reference := changed.get("bank_reference"):
        said |= {"references": _place(keys, redis_keys.references(reference)[0]), "reference": reference}
    if redis_keys.WATCHED in keys:
        said["watched"] = _place(keys, redis_keys.WATCHED)
    if change.asker:
        said |= {"rates": _place(keys, redis_keys.RATES), "asker": change.asker}
    if redis_keys.CONTRADICTED in keys:
        said["contradicted"] = _place(keys, redis_keys.CONTRADICTED)
    return said


def _keys(record: Record, verb: Verb, change: Change, changed: Mapping[str, str]) -> tuple[str, ...]:
    bank_id = changed.get("bank_id", "")
    keys: tuple[str, ...] = (redis_keys.bank_id(bank_id),) if change.challenge or bank_id else ()
    keys += (redis_keys.md(change.challenge.md),) if change.challenge else ()
    keys += redis_keys.bank_ids(bank_id) if bank_id else ()
    keys += redis_keys.references(changed["bank_reference"]) if "bank_reference" in changed else ()
    keys += (redis_keys.WATCHED,) if change.watch_in is not None or change.unwatch else ()
    keys += (redis_keys.RATES,) if change.asker else ()
    is_other_end = record.state.final and verb.row.moves.get(record.state, record.state) is not record.state
    keys += (redis_keys.CONTRADICTED,) if change.agrees or is_other_end else ()
    return keys


def _place(keys: tuple[str, ...], key: str) -> int:
    """In KEYS, as a script counts."""
    return keys.index(key) + _KEYS + 1


def _values(change: Change) -> dict[str, str | int]:
    """A requested action and the id of its request come and go together."""
    values = dict(cast("Mapping[str, str | int]", change.fields))
    if "requested_action" in values:
        values.setdefault("request_id", "")
    if change.unwatch:
        values |= {"watch_at": 0, "watches": 0}
    return values


def _told(record: Record, verb: Verb, values: Mapping[str, str | int], changed: Mapping[str, str]) -> dict[str, str]:
    """What the event repeats. It names the requests that it answers: an action's, and a question's that is answered.

    A move that only adds a note does nothing of what was requested.
    """
    told = {name: changed[name] for name in _TOLD if name in changed}
    if record.attempts and "attempts" not in values:
        told["attempts"] = str(record.attempts)
    is_answered = "question_id" in values and not values["question_id"]
    is_note = verb.row.keeps_due or verb is Verb.ADD_EVIDENCE
    requests = ("" if is_note else record.request_id, record.question_id if is_answered else "")
    return told | ({"request": " ".join(filter(None, requests))} if any(requests) else {})


@cache
def _moves(verb: Verb) -> dict[str, str]:
    """To each state, from these."""
    starts: dict[str, str] = {}
    for start, end in verb.row.moves.items():
        starts[end] = f"{starts.get(end, ' ')}{start} "
    return starts


@cache
def _cleared_by(verb: Verb) -> int:
    """How many of `CLEARED` the verb clears, wherever it starts from."""
    row = verb.row
    if _ends(verb):
        return cleared_up_to(Lifetime.UNFINISHED)
    if _stays(verb):
        return 0
    return cleared_up_to(Lifetime.STATE if State.NEEDS_REVIEW in row.moves.values() else Lifetime.DOUBT)


@cache
def _ends(verb: Verb) -> bool:
    return verb.row.ends


@cache
def _stays(verb: Verb) -> bool:
    return all(start is end for start, end in verb.row.moves.items())


def _must_know(given: Collection[str], known: frozenset[str]) -> None:
    if given and not known.issuperset(given):
        raise TypeError(f"a move can't change {', '.join(name for name in given if name not in known)}")


def _next_epoch(record: Record, advance: Advance) -> int:
    match advance:
        case Advance.TRY:
            return record.epoch + 1
        case Advance.GENERATION:
            return record.next_generation
        case _:
            return record.epoch


#: `json.dumps` with separators makes an encoder each time.
_as_json = json.JSONEncoder(separators=(",", ":")).encode

#: A move that changes the state alone.
NOTHING_ELSE = Change()
