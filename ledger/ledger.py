"""The ledger: the truth about every transfer. It is changed by three scripts only: create, claim, move.

What may follow what stands in `ledger.states`; the scripts get the row of the verb and refuse every other from-state.
A reply is a value: `Moved`, `Refused`, or what `claim` and `create` can say besides. Redis errors end at its wall.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import redis

from ledger import keys
from ledger.clock import Clock
from ledger.draft import Draft, apart
from ledger.errors import LedgerBroken, LedgerUnavailable
from ledger.reader import Reader
from ledger.record import FIRST_EPOCH, Challenge, Record
from ledger.replies import (
    Behind,
    Created,
    Creation,
    Exhausted,
    Foreign,
    Full,
    Known,
    Moved,
    Noted,
    Refused,
    Stopped,
    Taken,
    Wait,
)
from ledger.scripts import Call, Scripts
from ledger.states import MOVES, Advance, State, Verb
from ledger.vault import Run
from ledger.wall import wall

#: How often a suffix is looked for anew before `create` gives up: each round asks the bitmap, so a second one is rare.
_ROUNDS = 50

#: How long the producer has to put the card in and ring, before the sweeper rings for it.
_GRACE_MS = 5_000

#: How long an MD leads to its transfer: longer than any challenge lives, so that a late client is told that it is late.
_CHALLENGE_MS = 7 * 86_400_000

#: What an event repeats of the fields that the move set; the tries are always in it.
_TOLD = ("code", "reason", "evidence", "next", "not_before", "asked", "attempts")


class Ledger(Reader):
    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        super().__init__(client, clock)
        self._scripts = Scripts(client, ("create", "claim", "move", "remember_vault"))
        self.seen = 0  #: the highest sequence that this process was told: the ledger can't be behind it
        self.behind = 0  #: a sequence that should have been higher: the ledger went back, and this process saw it

    def went_back(self) -> bool:
        """Has the ledger forgotten what this process saw it write? Then this process changes nothing more in it."""
        return self.behind != 0

    # Changing.

    def create(self, drafts: Sequence[Draft], *, actor: str, limit: int = 0) -> list[Creation]:
        """New transfers, `queued`; for each draft what became of it. One round trip, while suffixes are not rare."""
        now_ms = self._clock.now_ms()
        results: dict[int, Creation] = {}
        waiting = {at: draft.first_suffix() for at, draft in enumerate(drafts)}
        for _ in range(_ROUNDS):
            records = {at: drafts[at].record(suffix, now_ms) for at, suffix in waiting.items()}
            calls = [_creation(records[at], drafts[at], suffix, actor, limit) for at, suffix in waiting.items()]
            before = self.seen
            with wall(LedgerUnavailable):
                replies = self._scripts.run_many(calls)
            again: dict[int, int] = {}
            for at, reply in zip(waiting, replies, strict=True):
                if isinstance(reply, Exception):
                    raise LedgerUnavailable from None
                if reply[0] == "TRY":
                    again[at] = apart(again.values(), int(reply[1]))
                else:
                    results[at] = self._creation(records[at], reply, before)
            waiting = again
            if not waiting:
                break
        return [results.get(at, Exhausted()) for at in range(len(drafts))]

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
    ) -> Moved | Refused | Wait | Stopped | Behind:
        """From queued to sending, or from resumed to confirming. Durable before it returns."""
        if self.behind:
            return Behind(self.behind)
        until, nonce = self._clock.now_ms() + lease_ms, secrets.token_hex(8)
        fields: dict[str, str | int] = {"lease": until, "claim_nonce": nonce, "rings": 0}
        call = self._call(
            record, Verb.CLAIM, actor=actor, due=until, fields=fields, unset=("turn", "evidence"), vault=vault
        )
        extra_keys = (keys.LANES, keys.BREAKERS, keys.RATES)
        before = self.seen
        extra_args = (lane, record.terminal, host, gap_ms, before)
        with wall(LedgerUnavailable):
            reply = self._scripts.run("claim", (*call[1], *extra_keys), (*call[2], *extra_args))
        match reply[0]:
            case "WAIT":
                return Wait(int(reply[1]), reply[2])
            case "STOPPED":
                return Stopped(int(reply[1]))
            case "BEHIND":
                self.behind = int(reply[1]) or 1
                return Behind(self.behind)
            case _:
                moved = self._moved(reply, before)
                return replace(moved, claim_nonce=nonce) if isinstance(moved, Moved) else moved

    def remember_vault(self, run: Run) -> None:
        """What this process was told of the vault's server, for whoever compares it with what stands there later."""
        with wall(LedgerUnavailable):
            self._scripts.run("remember_vault", (keys.COUNTERS,), (run.id, run.writes))

    def move(self, record: Record, verb: Verb, *, actor: str, **details: Any) -> Moved | Refused:
        """Any other row of the table. `details` are those of `_call`."""
        _, script_keys, args = self._call(record, verb, actor=actor, **details)
        before = self.seen
        with wall(LedgerUnavailable):
            return self._moved(self._scripts.run("move", script_keys, args), before)

    def move_many(self, moves: Sequence[tuple[Record, Verb, dict[str, Any]]], *, actor: str) -> list[Moved | Refused]:
        """Many moves in one round trip."""
        calls = [self._call(record, verb, actor=actor, **details) for record, verb, details in moves]
        before = self.seen
        with wall(LedgerUnavailable):
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
        due: int | None = None,
        fields: Mapping[str, str | int] | None = None,
        unset: Sequence[str] = (),
        add: Sequence[str] = (),
        event: Mapping[str, str] | None = None,
        quiet: bool = False,
        challenge: Challenge | None = None,
        vault: Run | None = None,
        claim: str = "",
        as_seen: bool = False,
    ) -> Call:
        """`due`: when somebody must look again, for what is not final. `fields`: what to set, by `Record`'s names."""
        row = MOVES[verb]
        if verb is not Verb.CLAIM and {end.final or row.keeps_due for end in row.moves.values()} != {due is None}:
            raise AssertionError(f"{verb}: what is unfinished has its time in `due`, what has ended has none")
        changed = {name: str(value) for name, value in (fields or {}).items() if value != ""}
        gone = [*unset, *(name for name, value in (fields or {}).items() if value == "")]
        if row.advance is not Advance.KEEP:
            changed["epoch"] = str(_next_epoch(record, row.advance))
        if row.enters:
            changed["phase"] = row.enters
        told = {name: changed[name] for name in _TOLD if name in changed}
        if record.attempts and "attempts" not in changed:
            told["attempts"] = str(record.attempts)
        move: dict[str, Any] = {
            "key": record.key,
            "verb": verb,
            "actor": actor,
            "now": str(self._clock.now_ms()),
            "moves": row.moves,
            "epoch": str(record.epoch),
            "late": row.late or None,
            "version": str(record.version) if row.as_seen or as_seen else None,
            "claim": claim or None,
            "rings": str(record.rings) if verb is Verb.RING else None,
            "phase": row.phase,
            "unless_paid": row.unless_paid or None,
            "keep_due": row.keeps_due or None,
            "due": None if due is None else str(due),
            "set": changed,
            "unset": gone,
            "add": list(add),
            "event": told | dict(event or {}),
            "quiet": quiet or None,
            "challenge": json.dumps(asdict(challenge)) if challenge else None,
            "challenge_ms": str(_CHALLENGE_MS) if challenge else None,
            "vault": [vault.id, str(vault.writes)] if vault else None,
        }
        text = json.dumps({name: value for name, value in move.items() if value is not None}, separators=(",", ":"))
        more: tuple[str, ...] = (keys.bank_id(changed.get("bank_id", "")),) if challenge or "bank_id" in changed else ()
        more += (keys.md(challenge.md),) if challenge else ()
        return "move", (*_keys(record), *more), [text]

    # Replies.

    def _moved(self, reply: Sequence[str], before: int) -> Moved | Refused:
        """`before`: the highest sequence that was known ahead of the call. The call's own has to be higher."""
        match reply[0]:
            case "OK":
                if int(reply[4]) <= before:
                    self.behind = int(reply[4])
                self.seen = max(self.seen, int(reply[4]))
                return Moved(State(reply[1]), int(reply[2]), int(reply[3]), int(reply[4]))
            case "REFUSED":
                return Refused(_state(reply[1]), int(reply[2]))
            case "NOTED":
                return Noted(_state(reply[1]), int(reply[2]))
            case "FOREIGN":
                return Foreign(_state(reply[1]), int(reply[2]), reply[3])
            case "UNKNOWN":
                return Refused()
            case "BROKEN":
                raise LedgerBroken(reply[1])
            case word:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")

    def _creation(self, record: Record, reply: Sequence[str], before: int) -> Creation:
        match reply[0]:
            case "OK":
                self._moved(reply, before)
                return Created(record)
            case "REPLAYED":
                return Known(reply[1])
            case "TAKEN":
                return Taken(reply[1])
            case "FULL":
                return Full(int(reply[1]))
            case "STOPPED":
                return Stopped(int(reply[1]))
            case "EXHAUSTED":
                return Exhausted()
            case "BROKEN":
                raise LedgerBroken(reply[1])
            case word:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")


def _creation(record: Record, draft: Draft, suffix: int, actor: str, limit: int) -> Call:
    raw = asdict(record)
    fields = {name: str(value) for name, value in raw.items() if value not in {"", 0}}
    for name in ("state", "version", "since"):
        del fields[name]
    fields["epoch"] = str(FIRST_EPOCH)
    args = (
        json.dumps(fields, separators=(",", ":")),
        record.created,
        record.created + _GRACE_MS,
        actor,
        suffix,
        "given" if draft.invoice_id else "made",
        limit,
        record.expires,
    )
    more = (keys.reference(record.reference), keys.suffixes(record.space), keys.LANES)
    return "create", (*_keys(record), *more), args


def _keys(record: Record) -> tuple[str, ...]:
    return (
        keys.record(record.key),
        keys.DUE,
        keys.OPEN,
        keys.COUNTERS,
        keys.EVENTS,
        keys.handle(record.handle),
        keys.challenge(record.key),
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
