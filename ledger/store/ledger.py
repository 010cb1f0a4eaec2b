"""The ledger: the truth about every transfer. It is changed by three scripts only: create, claim, move.

What may follow what stands in `ledger.states`; the scripts get the row of the verb and refuse every other from-state.
A reply is a value: `Moved`, `Refused`, or what `claim` and `create` can say besides. Redis errors end at its wall.
Times are the ledger's: a caller says how long something is to last, or gives a time back that it has from the ledger.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import redis

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.record import FIRST_EPOCH, Challenge, Record
from epay_transfers.ledger.states import MOVES, Advance, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.new_transfer import NewTransfer, apart
from epay_transfers.ledger.store.reader import Reader
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.replies import (
    Behind,
    Claim,
    ClockApart,
    Created,
    Creation,
    Exhausted,
    Foreign,
    Full,
    Known,
    Moved,
    Noted,
    Paused,
    Refused,
    SuffixUsed,
    Wait,
)
from epay_transfers.ledger.store.scripts import Call, Scripts
from epay_transfers.ledger.vault.vault import Run

#: How often a suffix is looked for anew before `create` gives up: each round asks the bitmap, so a second one is rare.
_ROUNDS = 50

#: How long the producer has to put the card in and ring, before the sweeper rings for it.
_GRACE_MS = 5_000

#: How long an MD leads to its transfer: longer than any challenge lives, so that a late client is told that it is late.
_CHALLENGE_MS = 7 * 86_400_000

#: What an event repeats of the fields that the move set; the tries are always in it.
_TOLD = ("code", "reason", "evidence", "next_attempt_at", "not_before_at", "requested_action", "attempts")


class Ledger(Reader):
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        super().__init__(client, test_clock)
        self._scripts = Scripts(client, ("create", "claim", "move", "remember_vault"))
        self.seen = 0  #: the highest sequence that this process was told: the ledger can't be behind it
        self.behind = 0  #: a sequence that should have been higher: the ledger went back, and this process saw it

    def went_back(self) -> bool:
        """Has the ledger forgotten what this process saw it write? Then this process changes nothing more in it."""
        return self.behind != 0

    # Changing.

    def create(self, new_transfers: Sequence[NewTransfer], *, actor: str, limit: int = 0) -> list[Creation]:
        """New transfers, `queued`; for each what became of it. One round trip, while suffixes are not rare."""
        results: dict[int, Creation] = {}
        waiting = {at: new.first_suffix() for at, new in enumerate(new_transfers)}
        for _ in range(_ROUNDS):
            records = {at: new_transfers[at].record(suffix) for at, suffix in waiting.items()}
            now = self._test_time or ""
            calls = [
                _creation(records[at], new_transfers[at], suffix, actor, limit, now) for at, suffix in waiting.items()
            ]
            before = self.seen
            with redis_errors_as(LedgerUnavailable):
                replies = self._scripts.run_many(calls)
            again: dict[int, int] = {}
            for at, reply in zip(waiting, replies, strict=True):
                if isinstance(reply, Exception):
                    raise LedgerUnavailable from None
                if reply[0] == "TRY":
                    again[at] = apart(again.values(), int(reply[1]))
                else:
                    results[at] = self._creation(records[at], new_transfers[at], reply, before)
            waiting = again
            if not waiting:
                break
        return [results.get(at, Exhausted()) for at in range(len(new_transfers))]

    def claim(
        self,
        record: Record,
        *,
        lane: str,
        host: str,
        gap_ms: int,
        lease_ms: int,
        actor: str,
        vault: Run | None = None,
        own_ms: int | None = None,
    ) -> Claim:
        """From queued to sending, or from resumed to confirming. Durable before it returns.

        `own_ms`: what time it is by the caller's machine, which gets nothing if that is too far off the ledger's.
        """
        if self.behind:
            return Behind(self.behind)
        nonce = secrets.token_hex(8)
        call = self._call(
            record,
            Verb.CLAIM,
            actor=actor,
            due_in=lease_ms,
            fields={"claim_nonce": nonce, "wakeups": 0},
            fields_in={"lease_until": lease_ms},
            unset=("rate_slot_at", "evidence"),
            vault=vault,
        )
        extra_keys = (redis_keys.LANES, redis_keys.BREAKERS, redis_keys.RATES)
        before = self.seen
        extra_args = (lane, record.terminal, host, gap_ms, before, "" if own_ms is None else own_ms)
        with redis_errors_as(LedgerUnavailable):
            reply = self._scripts.run("claim", (*call[1], *extra_keys), (*call[2], *extra_args))
        match reply[0]:
            case "WAIT":
                return Wait(int(reply[1]), reply[2], int(reply[3]))
            case "PAUSED":
                return Paused(int(reply[1]), int(reply[2]))
            case "CLOCK_APART":
                return ClockApart(int(reply[1]))
            case "BEHIND":
                self.behind = int(reply[1]) or 1
                return Behind(self.behind, int(reply[2]))
            case _:
                moved = self._moved(reply, before)
                return replace(moved, claim_nonce=nonce) if isinstance(moved, Moved) else moved

    def remember_vault(self, run: Run) -> None:
        """What this process was told of the vault's server, to compare what stands there later with."""
        with redis_errors_as(LedgerUnavailable):
            self._scripts.run("remember_vault", (redis_keys.COUNTERS,), (run.id, run.writes))

    def move(self, record: Record, verb: Verb, *, actor: str, **details: Any) -> Moved | Refused:
        """Any other row of the table. `details` are those of `_call`."""
        _, script_keys, args = self._call(record, verb, actor=actor, **details)
        before = self.seen
        with redis_errors_as(LedgerUnavailable):
            return self._moved(self._scripts.run("move", script_keys, args), before)

    def move_many(self, moves: Sequence[tuple[Record, Verb, dict[str, Any]]], *, actor: str) -> list[Moved | Refused]:
        """Many moves in one round trip."""
        calls = [self._call(record, verb, actor=actor, **details) for record, verb, details in moves]
        before = self.seen
        with redis_errors_as(LedgerUnavailable):
            replies = self._scripts.run_many(calls)
        if any(isinstance(reply, Exception) for reply in replies):
            raise LedgerUnavailable
        return [self._moved(cast("list[str]", reply), before) for reply in replies]

    def _call(
        self,
        record: Record,
        verb: Verb,
        *,
        actor: str,
        due_in: int | None = None,
        due: int | None = None,
        no_later: int | None = None,
        after: int | None = None,
        fields: Mapping[str, str | int] | None = None,
        fields_in: Mapping[str, int] | None = None,
        unset: Sequence[str] = (),
        add: Sequence[str] = (),
        event: Mapping[str, str] | None = None,
        quiet: bool = False,
        challenge: Challenge | None = None,
        vault: Run | None = None,
        claim: str = "",
        as_seen: bool = False,
    ) -> Call:
        """`fields`: what to set, by `Record`'s names; `fields_in`: those that are times, in so many ms.

        `due_in`: in how many ms somebody must look again, for what is not final; `due`: the same as a time that the
        ledger gave, as are `no_later`, which bounds what is given in ms, and `after`, before which nothing is done.
        """
        row = MOVES[verb]
        if due_in is not None and due is not None:
            raise AssertionError(f"{verb}: in how many ms, or when: one of them")
        has_no_due = due_in is None and due is None
        if verb is not Verb.CLAIM and {end.final or row.keeps_due for end in row.moves.values()} != {has_no_due}:
            raise AssertionError(f"{verb}: what is unfinished has its time in `due`, what has ended has none")
        changed = {name: str(value) for name, value in (fields or {}).items() if value != ""}
        gone = [*unset, *(name for name, value in (fields or {}).items() if value == "")]
        if row.advance is not Advance.KEEP:
            changed["epoch"] = str(_next_epoch(record, row.advance))
        if row.enters:
            changed["phase"] = row.enters
        told = {name: changed[name] for name in _TOLD if name in changed}
        times = dict(fields_in or {})
        if field := row.after.get(record.state):
            after = max(after or 0, getattr(record, field))
        if record.attempts and "attempts" not in changed:
            told["attempts"] = str(record.attempts)
        move: dict[str, Any] = {
            "key": record.key,
            "verb": verb,
            "actor": actor,
            "now": self._test_time,
            "after": after,
            "before": getattr(record, row.before[record.state]) if record.state in row.before else None,
            "moves": row.moves,
            "epoch": str(record.epoch),
            "late": row.late or None,
            "version": str(record.version) if row.as_seen or as_seen else None,
            "claim": claim or None,
            "wakeups": str(record.wakeups) if verb is Verb.SCHEDULE_WAKEUP else None,
            "phase": row.phase,
            "unless_paid": row.unless_paid or None,
            "keep_due": row.keeps_due or None,
            "due_in": due_in,
            "due": None if due is None else str(due),
            "no_later": no_later,
            "set": changed,
            "unset": gone,
            "set_in": times,
            "told": [name for name in times if name in _TOLD],
            "add": list(add),
            "event": told | dict(event or {}),
            "quiet": quiet or None,
            "challenge": json.dumps(asdict(challenge)) if challenge else None,
            "challenge_ms": str(_CHALLENGE_MS) if challenge else None,
            "vault": [vault.id, str(vault.writes)] if vault else None,
        }
        text = json.dumps({name: value for name, value in move.items() if value is not None}, separators=(",", ":"))
        more: tuple[str, ...] = (
            (redis_keys.bank_id(changed.get("bank_id", "")),) if challenge or "bank_id" in changed else ()
        )
        more += (redis_keys.md(challenge.md),) if challenge else ()
        return "move", (*_keys(record), *more), [text]

    # Replies.

    def _moved(self, reply: Sequence[str], before: int) -> Moved | Refused:
        """`before`: the highest sequence that was known ahead of the call. The call's own has to be higher."""
        match reply[0]:
            case "OK":
                if int(reply[4]) <= before:
                    self.behind = int(reply[4])
                self.seen = max(self.seen, int(reply[4]))
                return Moved(State(reply[1]), int(reply[2]), int(reply[3]), int(reply[4]), int(reply[5]))
            case "REFUSED":
                return Refused(_state(reply[1]), int(reply[2]), int(reply[4]))
            case "NOTED":
                return Noted(_state(reply[1]), int(reply[2]))
            case "FOREIGN":
                return Foreign(_state(reply[1]), int(reply[2]), key=reply[3])
            case "UNKNOWN":
                return Refused()
            case "BROKEN":
                raise LedgerBroken(reply[1])
            case word:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")

    def _creation(self, record: Record, new_transfer: NewTransfer, reply: Sequence[str], before: int) -> Creation:
        match reply[0]:
            case "OK":
                self._moved(reply, before)
                now_ms = int(reply[5])
                return Created(
                    replace(record, state_since=now_ms, created_at=now_ms, deadline_at=now_ms + new_transfer.lasts_ms)
                )
            case "REPLAYED":
                return Known(reply[1])
            case "TAKEN":
                return SuffixUsed(reply[1])
            case "FULL":
                return Full(int(reply[1]))
            case "PAUSED":
                return Paused(int(reply[1]))
            case "EXHAUSTED":
                return Exhausted()
            case "BROKEN":
                raise LedgerBroken(reply[1])
            case word:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")


def _creation(record: Record, new_transfer: NewTransfer, suffix: int, actor: str, limit: int, now: str) -> Call:
    raw = asdict(record)
    fields = {name: str(value) for name, value in raw.items() if value not in {"", 0}}
    for name in ("state", "version"):
        del fields[name]
    fields["epoch"] = str(FIRST_EPOCH)
    args = (
        json.dumps(fields, separators=(",", ":")),
        now,
        _GRACE_MS,
        actor,
        suffix,
        "given" if new_transfer.invoice_id else "made",
        limit,
        new_transfer.lasts_ms,
    )
    more = (redis_keys.reference(record.reference), redis_keys.suffixes(record.space), redis_keys.LANES)
    return "create", (*_keys(record), *more), args


def _keys(record: Record) -> tuple[str, ...]:
    return (
        redis_keys.record(record.key),
        redis_keys.DUE,
        redis_keys.OPEN,
        redis_keys.COUNTERS,
        redis_keys.EVENTS,
        redis_keys.handle(record.handle),
        redis_keys.challenge(record.key),
    )


def _state(name: str) -> State | None:
    """None: another version of this project has moved the transfer to a state that this one does not know."""
    return next((state for state in State if state == name), None)


def _next_epoch(record: Record, advance: Advance) -> int:
    match advance:
        case Advance.TRY:
            return record.epoch + 1
        case Advance.GENERATION:
            return record.next_generation
        case _:
            return record.epoch
