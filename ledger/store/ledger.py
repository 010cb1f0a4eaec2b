"""The ledger: the truth about every transfer. Three scripts change a transfer: create, claim, move. Others only count.

What may follow what stands in `ledger.states`; the scripts get the row of the verb and refuse every other from-state.
A reply is a value: `Moved`, `Refused`, or what `claim` and `create` can say besides. Redis errors leave it as ours.
Times are the ledger's: a caller says how long something is to last, or gives a time back that it has from the ledger.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import cast

import redis

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.limits import NO_LIMITS, Counts, Day, Limit, Limits
from epay_transfers.ledger.record import FIRST_EPOCH, SCHEMA, Record, kept_as
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import reference_digest
from epay_transfers.ledger.store.change import NOTHING_ELSE, Change, script_argument
from epay_transfers.ledger.store.ledger_format import broken
from epay_transfers.ledger.store.new_transfer import SAID, Names, NewTransfer, apart, values_said
from epay_transfers.ledger.store.reader import Reader
from epay_transfers.ledger.store.redis_errors import (
    of_its_type,
    read_errors_as,
    redis_errors_as,
    unavailable_for,
)
from epay_transfers.ledger.store.replicas import NO_REPLICAS, Replicas, TooFewReplicas
from epay_transfers.ledger.store.replies import (
    Behind,
    Claim,
    ClockApart,
    Created,
    Creation,
    Exhausted,
    Foreign,
    Full,
    LimitReached,
    Lost,
    Moved,
    Noted,
    OtherServer,
    Paused,
    ReferenceKnown,
    Refused,
    Run,
    SuffixUsed,
    Wait,
)
from epay_transfers.ledger.store.scripts import Call, Scripts

#: How often a suffix is looked for anew before `create` gives up: each round asks the bitmap, so a second one is rare.
_ROUNDS = 50

#: How long the producer has to put the card in and send a wake-up, before the sweeper sends one.
_GRACE_MS = 5_000

#: So many new transfers a script makes: other commands wait for about two milliseconds.
_TRANSFERS_A_SCRIPT = 25

#: What the KEYS of `create` begin with, whatever it makes.
_COMMON_KEYS = (
    redis_keys.LOST,
    redis_keys.DUE,
    redis_keys.BY_STATE,
    redis_keys.COUNTERS,
    redis_keys.EVENTS,
    redis_keys.PAUSES,
    redis_keys.ADDED_PAUSES,
)

#: What is asked about beside `due` comes again after so long, if no worker has asked; so far apart for all workers; and
#: the name of that rate, which no terminal can have.
_WATCHED_AGAIN_MS = 60_000
_BETWEEN_WATCHED_MS = 200
_BETWEEN_WATCHED_AGAIN_MS = 1000
_WATCHED_RATE = ":watched"

#: Inquiries about doubt, for all workers together. Thousands are in doubt after an outage: a bank that comes back is
#: not to be held down by questions. So 2,000 take 100 s, which is little beside the minutes of such an outage.
INQUIRIES_A_SECOND = 20

#: The names of two rates that no terminal can have: wake-ups for an inquiry, and inquiries.
_CALLED_RATE, _ASKED_RATE = ":called", ":asked"

#: What a new record has, by the names in the hash: what it says, and what is the same in each of them. State, version
#: and times the script writes by itself.
_SAID = tuple(map(kept_as, SAID))
_HANDLE = kept_as("handle")
_SAME = {"schema": str(SCHEMA), "phase": str(Phase.SEND), "epoch": str(FIRST_EPOCH)}

_JSON = json.JSONEncoder(separators=(",", ":"))

#: A rotation a year adds one.
_MOST_FINGERPRINT_KEYS = 100


class Ledger(Reader):
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None, replicas: Replicas = NO_REPLICAS) -> None:
        super().__init__(client, test_clock)
        self.replicas = replicas  #: how many must have a claim before it counts as one
        self._scripts = Scripts(
            client,
            (
                "create",
                "claim",
                "move",
                "remember_vault",
                "count_receiver",
                "count_operator",
                "remember_fingerprint_keys",
                "watched",
                "leave_waiting",
                "rate",
            ),
        )
        self.seen = 0  #: the highest sequence that this process was told: the ledger can't be behind it
        self.on_moved: Callable[[Verb], None] = _nothing  #: is told each move that was written; it may not raise
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
            names = {at: new_transfers[at].names(suffix) for at, suffix in waiting.items()}
            now = self._test_time or ""
            each = [_creation(names[at], new_transfers[at], suffix) for at, suffix in waiting.items()]
            before = self.seen
            with redis_errors_as(LedgerUnavailable):
                answers = self._scripts.run_many(
                    [
                        _create(each[first : first + _TRANSFERS_A_SCRIPT], (now, _GRACE_MS, actor, limit))
                        for first in range(0, len(each), _TRANSFERS_A_SCRIPT)
                    ]
                )
            replies: list[list[str]] = []
            for answer in answers:
                if isinstance(answer, Exception):
                    raise unavailable_for(answer, LedgerUnavailable)
                replies += cast("list[list[str]]", answer)
            again: dict[int, int] = {}
            for at, reply in zip(waiting, replies, strict=True):
                if reply[0] == "TRY":
                    again[at] = apart(again.values(), int(reply[1]))
                else:
                    results[at] = self._creation(names[at], new_transfers[at], reply, before)
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
        limits: Limits = NO_LIMITS,
        counts: Counts | None = None,
    ) -> Claim:
        """From queued to sending, or from resumed to confirming. Durable before it returns, with what it counts.

        A claim that is `too_few` was made as well, and is on fewer replicas than it must: its worker gives it up.
        `own_ms`: what time it is by the caller's machine, which gets nothing if that is too far off the ledger's.
        `limits`: of the record's terminal and currency. `counts`: as what the claim counts, by these.
        """
        if self.behind:
            return Behind(self.behind)
        nonce = secrets.token_hex(8)
        change = Change(
            due_in=lease_ms,
            fields={"claim_nonce": nonce, "rate_slot_at": 0, "evidence": ""},
            times_in={"lease_until": lease_ms},
        )
        script_keys, text = self._call(record, Verb.CLAIM, change, actor=actor, vault=vault)
        extra_keys: tuple[str, ...] = (
            redis_keys.PAUSES,
            redis_keys.BREAKERS,
            redis_keys.RATES,
            redis_keys.ADDED_PAUSES,
            redis_keys.SERVER,
            redis_keys.TURNS,
        )
        if counts and counts.terminal:
            extra_keys += (redis_keys.limits(counts.day.name),)
        before = self.seen
        extra_args = (
            *(lane, record.terminal, host, gap_ms, before, "" if own_ms is None else own_ms),
            *(record.amount, counts.terminal if counts else "", *_most(limits)),
            *((counts.day.ends_ms, counts.unsent_of_terminal) if counts else (0, "")),
        )
        with redis_errors_as(LedgerUnavailable):
            reply, too_few = self._run_copied("claim", (*script_keys, *extra_keys), (text, *extra_args))
        answer: Claim
        match reply[0]:
            case "WAIT":
                answer = Wait(int(reply[1]), reply[2], int(reply[3]))
            case "PAUSED":
                answer = Paused(int(reply[1]), int(reply[2]))
            case "OTHER_SERVER":
                answer = OtherServer(int(reply[1]))
            case "CLOCK_APART":
                answer = ClockApart(int(reply[1]))
            case "LIMIT":
                answer = LimitReached(Limit(reply[1]), int(reply[2]))
            case "BEHIND":
                self.behind = int(reply[1]) or 1
                answer = Behind(self.behind, int(reply[2]))
            case _:
                moved = self._told(Verb.CLAIM, self._moved(reply, before))
                answer = replace(moved, claim_nonce=nonce, too_few=too_few) if isinstance(moved, Moved) else moved
        return answer

    def why_too_few(self) -> str:
        """Why the replicas have not all that the ledger has now; empty where enough of them have it."""
        with read_errors_as(LedgerUnavailable):
            return self.replicas.ask(self.client)

    def _run_copied(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> tuple[list[str], str]:
        """A script without which no money moves, and why too few replicas have what it wrote."""
        if not self.replicas.count:
            return self._scripts.run(name, keys, args), ""
        reply, answers = self._scripts.run_then(name, keys, args, self.replicas.commands)
        return reply, self.replicas.why_not(answers)

    def count_receiver(self, counts: Counts, *, most: int) -> bool:
        """May this much go to the card on that day? Then it is counted.

        Raises `TooFewReplicas` where it may, and is counted on fewer than it must.
        """
        with redis_errors_as(LedgerUnavailable):
            keys = (redis_keys.receiver_limits(counts.day.name),)
            args = (counts.card, counts.unsent_of_card, counts.amount, most)
            reply, too_few = self._run_copied("count_receiver", keys, args)
        if reply[0] == "OK" and too_few:
            raise TooFewReplicas(too_few)
        return reply[0] == "OK"

    def count_operator(
        self, record: Record, operator: str, *, money: int, day: Day, most: int | None, most_money: int | None
    ) -> bool:
        """May this operator alone do this with the transfer on that day? Then it is counted. `money`: that may move."""
        limits = ("" if each is None else each for each in (most, most_money))
        with redis_errors_as(LedgerUnavailable):
            args = (operator, record.key, record.currency, money, *limits)
            return self._scripts.run("count_operator", (redis_keys.operator_limits(day.name),), args)[0] == "OK"

    def give_back(self, counts: Counts) -> None:
        """Its claim is proved not to have sent anything: the next claim of the transfer on that day counts no more.

        Only the worker whose claim it was may say so, by what it saw itself: records and vault may be forged.
        """
        with redis_errors_as(LedgerUnavailable):
            if counts.terminal:
                self.client.hset(redis_keys.limits(counts.day.name), counts.unsent_of_terminal, str(counts.amount))
            if counts.card:
                self.client.hset(redis_keys.receiver_limits(counts.day.name), counts.unsent_of_card, str(counts.amount))

    def watched(self, limit: int) -> list[Record]:
        """Those that the bank is to be asked about now beside `due`: each comes again until a worker has asked."""
        with redis_errors_as(LedgerUnavailable):
            args = (
                self._test_time or "", limit, _WATCHED_AGAIN_MS, _BETWEEN_WATCHED_MS, _WATCHED_RATE,
                _BETWEEN_WATCHED_AGAIN_MS,
            )  # fmt: skip
            names = self._scripts.run("watched", (redis_keys.WATCHED, redis_keys.RATES), args)
        return self.get_many(names) if names else []

    def leave_waiting(
        self, names: Sequence[str], *, now: int | None, batch: int | None, confirms: int | None, soonest_ms: int = 0
    ) -> list[str]:
        """Of the transfers that are due, those that do not wait their turn in their queue. The others are due later.

        For each queue: since when what is at its head was called for; None: nothing waits there. `soonest_ms`: so long
        none of the others is looked at again, beside what is the rule for few.
        """
        known = [name for name in names if is_key(name)]
        heads = ("" if head is None else head for head in (now, batch, confirms))
        with redis_errors_as(LedgerUnavailable):
            keys = (redis_keys.DUE, *(redis_keys.record(name) for name in known))
            left = self._scripts.run("leave_waiting", keys, (self._test_time or "", *heads, soonest_ms, *known))
        return [*left, *(name for name in names if name not in set(known))]

    def may_call_for_inquiries(self, most: int) -> int:
        """For how many inquiries a worker may be called now, by the rate that all workers share."""
        return self._by_rate(_CALLED_RATE, most)

    def may_inquire(self) -> bool:
        """May the bank be asked about a doubt now, by the same rate? Wake-ups that waited may come all at once."""
        return self._by_rate(_ASKED_RATE, 1) > 0

    def _by_rate(self, name: str, most: int) -> int:
        if most < 1:
            return 0
        with redis_errors_as(LedgerUnavailable):
            args = (self._test_time or "", most, 1000 // INQUIRIES_A_SECOND, name)
            return int(self._scripts.run("rate", (redis_keys.RATES,), args)[0])

    def remember_vault(self, run: Run) -> None:
        """What this process was told of the vault's server, to compare what stands there later with."""
        with redis_errors_as(LedgerUnavailable):
            self._scripts.run("remember_vault", (redis_keys.COUNTERS,), (run.id, run.writes))

    def remember_fingerprint_keys(self, key_ids: Sequence[str]) -> list[str]:
        """Nothing, if the ledger knows one of these keys, or had none: now it knows them all. Else those that it knows.

        It is one script: of two lists that meet an empty ledger, the first one's keys are the ledger's. It reads first:
        where that raises `LedgerBroken`, for a key of another type, nothing was changed.
        """
        with redis_errors_as(LedgerUnavailable), of_its_type("fingerprint keys"):
            keys, args = (redis_keys.FINGERPRINT_KEYS,), (" ".join(key_ids), _MOST_FINGERPRINT_KEYS)
            word, *known = self._scripts.run("remember_fingerprint_keys", keys, args)
        return known[0].split(" ") if word == "UNKNOWN" else []

    def move(
        self, record: Record, verb: Verb, change: Change = NOTHING_ELSE, *, actor: str, vault: Run | None = None
    ) -> Moved | Refused:
        """Any row of the table but `create` and `claim`. `vault`: what the caller was told of the vault's writes."""
        script_keys, text = self._call(record, verb, change, actor=actor, vault=vault)
        before = self.seen
        with redis_errors_as(LedgerUnavailable):
            return self._told(verb, self._moved(self._scripts.run("move", script_keys, [text]), before))

    def move_many(self, moves: Sequence[tuple[Record, Verb, Change]], *, actor: str) -> list[Moved | Refused]:
        """Many moves in one round trip."""
        calls: list[Call] = []
        for record, verb, change in moves:
            script_keys, text = self._call(record, verb, change, actor=actor)
            calls.append(("move", script_keys, [text]))
        before = self.seen
        with redis_errors_as(LedgerUnavailable):
            replies = self._scripts.run_many(calls)
        for reply in replies:
            if isinstance(reply, Exception):
                raise unavailable_for(reply, LedgerUnavailable)
        answers = [self._moved(cast("list[str]", reply), before) for reply in replies]
        return [self._told(verb, answer) for (_, verb, _), answer in zip(moves, answers, strict=True)]

    def _call(
        self, record: Record, verb: Verb, change: Change, *, actor: str, vault: Run | None = None
    ) -> tuple[tuple[str, ...], str]:
        text, more = script_argument(record, verb, change, actor=actor, test_time=self._test_time, vault=vault)
        return (*_keys(record), *more), text

    # Replies.

    def _told(self, verb: Verb, answer: Moved | Refused) -> Moved | Refused:
        if isinstance(answer, Moved):
            self.on_moved(verb)
        return answer

    def _made(self, words: str, before: int) -> Moved:
        """`before`: the highest sequence that was known ahead of the call. The call's own has to be higher."""
        state, *numbers = words.split(" ")
        epoch, version, sequence, now = map(int, numbers)
        if sequence <= before:
            self.behind = sequence
        self.seen = max(self.seen, sequence)
        return Moved(State(state), epoch, version, sequence, now)

    def _moved(self, reply: Sequence[str], before: int) -> Moved | Refused:
        match reply[0]:
            case "OK":
                return self._made(reply[1], before)
            case "REFUSED":
                return Refused(_state(reply[1]), int(reply[2]), int(reply[4]))
            case "NOTED":
                return Noted(_state(reply[1]), int(reply[2]))
            case "FOREIGN":
                return Foreign(_state(reply[1]), int(reply[2]), key=reply[3])
            case "UNKNOWN":
                return Refused()
            case "BROKEN":
                raise broken(reply[1])
            case word:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")

    def _creation(  # noqa: PLR0911 - a word of the script each
        self, names: Names, new_transfer: NewTransfer, reply: Sequence[str], before: int
    ) -> Creation:
        match reply[0]:
            case "OK":
                return Created(new_transfer.record(names, self._made(reply[1], before).at_ms))
            case "REPLAYED":
                return ReferenceKnown(reply[1])
            case "TAKEN":
                return SuffixUsed(reply[1])
            case "LOST":
                return Lost(reply[1])
            case "FULL":
                return Full(int(reply[1]))
            case "PAUSED":
                return Paused(int(reply[1]))
            case "EXHAUSTED":
                return Exhausted()
            case "BROKEN":
                raise broken(reply[1])
            case word:
                raise AssertionError(f"the script answered a word that is not in its header: {word}")


def _nothing(_verb: Verb) -> None:
    """A process without metrics."""


def _creation(names: Names, new: NewTransfer, suffix: int) -> tuple[tuple[str, ...], tuple[str | int, ...]]:
    """What is one transfer's, of the KEYS and of the ARGV of `create`."""
    said = {kept: str(value) for kept, value in zip(_SAID, values_said(new), strict=True) if value}
    digest = reference_digest(new.reference)
    keys = (
        redis_keys.record(names.key),
        redis_keys.handle(names.handle),
        redis_keys.reference(new.reference),
        redis_keys.suffixes(new.space),
        redis_keys.prints(names.key),
        redis_keys.archived(digest),
    )
    args = (
        _JSON.encode(_SAME | {"key": names.key, _HANDLE: names.handle} | said),
        suffix,
        "given" if new.invoice_id else "made",
        new.lasts_ms,
        new.card_prints,
        digest,
    )
    return keys, args


def _create(each: Sequence[tuple[tuple[str, ...], tuple[str | int, ...]]], common: tuple[str | int, ...]) -> Call:
    keys, args = zip(*each, strict=True)
    return "create", (*_COMMON_KEYS, *chain.from_iterable(keys)), (*common, *chain.from_iterable(args))


def _keys(record: Record) -> tuple[str, ...]:
    return (
        redis_keys.record(record.key),
        redis_keys.DUE,
        redis_keys.BY_STATE,
        redis_keys.COUNTERS,
        redis_keys.EVENTS,
        redis_keys.handle(record.handle),
        redis_keys.challenge(record.key),
    )


def _most(limits: Limits) -> tuple[str | int, str | int]:
    """For one transfer, and for the terminal's day; empty: no limit."""
    return tuple("" if most is None else most for most in (limits.transfer, limits.terminal_day))  # type: ignore[return-value]  # two of them


def _state(name: str) -> State | None:
    """None: another version of this project has moved the transfer to a state that this one does not know."""
    return next((state for state in State if state == name), None)
