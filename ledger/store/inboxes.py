"""Inboxes: what the web tier and the operators ask of the workers. They write no record and no event themselves.

Each sender has a list to which its server user may only add: that proves the sender, whatever an entry says. A worker
takes an entry, checks it, makes the move and writes the event in the sender's name. An entry is durable once `put`
returns, and a worker that dies with it leaves it to another: so what an entry asks for has to bear being done twice.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import redis

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ledger.clock import Clock, ledger_ms
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as
from epay_transfers.ledger.store.scripts import Scripts

#: The web tier's inbox. An operator's is `ops:NAME`.
WEB = "web"
_OPERATOR = "ops:"

#: After so long another worker takes what a worker took and did not finish.
LEASE_MS = 30_000

#: How long a minute's count is kept.
_MINUTES_MS = 120_000

#: The name of an operator, and how many of them are looked at in a batch: chosen by chance where there are more.
OPERATOR_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_MOST_OPERATORS = 200

#: Of an operator's reason, evidence or label.
_LONGEST_WORDS = 300

_ID = re.compile(r"[0-9a-f]{24}")

#: What any version calls an entry.
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")

#: A longer entry is none of ours.
_LONGEST = 8192  # as `inbox_take.lua` has it


class Kind(StrEnum):
    """What an entry asks for."""

    # The web tier.
    CONFIRM = "confirm"  #: a client's PaRes lies in the vault: key, epoch, digest
    NOTIFICATION = "notification"  #: the bank's notification: key, sealed: JSON of what proves and says something
    SECURE_2 = "secure_2"  #: a client came back with 3-D Secure 2 fields: key, fields

    # Operators. All have the reason (`why`), and a label. Those of a plan have the transfer's state, and since when.
    REQUEST = "request"  #: key, what: a `RequestedAction`
    CANCEL = "cancel"  #: key
    SETTLE = "settle"  #: key, version (as the operator saw it), verb, proof: an operator's decision, of two or of one
    TAKE_BACK = "take_back"  #: key: the operator's own decision
    ASK = "ask"  #: key: the bank is to be asked now
    DOUBT = "doubt"  #: key, proof: a statement has what the ledger calls not sent: nothing is sent, the bank is asked
    PAUSED = "paused"  #: pause (its id): it stands already, and a worker writes down by whom
    UNPAUSE = "unpause"  #: pause (its id), seen (since when it stands), tries: let so many through, and end nothing
    REBUILD = "rebuild"  #: send a wake-up for each unfinished transfer

    UNKNOWN = ""  #: an operator's entry that only another version knows: it is refused, and the operator reads why


_OF_THE_WEB_TIER = frozenset({Kind.CONFIRM, Kind.NOTIFICATION, Kind.SECURE_2})


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as a worker took it."""

    sender: str
    id: str
    kind: Kind
    fields: Mapping[str, str]
    text: str = field(default="", repr=False)  #: as it is kept while a worker is at it
    is_again: bool = field(default=False, compare=False)  #: a worker took it before, and may have dealt with it

    @property
    def operator(self) -> str:
        """The operator's name, by the inbox; "" for the web tier."""
        return self.sender.removeprefix(_OPERATOR) if self.sender.startswith(_OPERATOR) else ""


class Added(StrEnum):
    """What became of a pause that an operator adds."""

    ADDED = "ADDED"
    UNASKED = "UNASKED"  #: it holds, and the inbox is too full to ask a worker to write down by whom and why
    KNOWN = "KNOWN"  #: there is another of this id
    MANY = "MANY"  #: nothing was added: there are so many that they hold everything


class Inboxes:
    """For a sender, `put`; for a worker, `take` and `done`."""

    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        self._client = client
        self._scripts = Scripts(client, ("inbox_take", "add_pause"))
        self._test_clock = test_clock
        self._senders: list[str] = []  #: as they were with the last `take`; none: they are asked for first

    def put(self, sender: str, kind: Kind, fields: Mapping[str, str], entry_id: str = "") -> str:
        """The entry's id. It is in the ledger when this returns. Raises `LedgerUnavailable`: it may be, or not.

        With an id of the caller's it may be put in again: a worker does once what it asks for of one transfer.
        """
        entry_id = entry_id or secrets.token_hex(12)
        text = _entry(entry_id, kind, fields)
        with redis_errors_as(LedgerUnavailable):
            if sender.startswith(_OPERATOR):
                self._client.sadd(redis_keys.OPERATORS, sender.removeprefix(_OPERATOR))
            self._client.rpush(redis_keys.inbox(sender), text)
        return entry_id

    def put_pause(self, sender: str, pause_id: str, pause: str, fields: Mapping[str, str], entry_id: str = "") -> Added:
        """An operator's pause, and the entry that asks a worker to write it down, in one: also on a full ledger.

        Without a sender no worker is asked.
        """
        entry_id = entry_id or secrets.token_hex(12)
        text = _entry(entry_id, Kind.PAUSED, {"pause": pause_id, **fields}) if sender else ""
        keys = (redis_keys.ADDED_PAUSES, redis_keys.OPERATORS, redis_keys.inbox(sender or _OPERATOR))
        with redis_errors_as(LedgerUnavailable):
            reply = self._scripts.run("add_pause", keys, (pause_id, pause, sender.removeprefix(_OPERATOR), text))
        return Added(reply[0])

    def count_guess(self) -> int:
        """One more request came to a web tier with a handle, an MD or an address that is none. How many this minute."""
        with read_errors_as(LedgerUnavailable):
            key = redis_keys.guesses(ledger_ms(self._client, self._test_clock) // 60_000)
            pipeline = self._client.pipeline(transaction=False)
            pipeline.incr(key)
            pipeline.pexpire(key, _MINUTES_MS)
            return int(pipeline.execute()[0])

    def waiting(self) -> dict[str, int]:
        """Sender → how many of its entries no worker has taken."""
        with read_errors_as(LedgerUnavailable):
            names = sorted(cast("set[str]", self._client.smembers(redis_keys.OPERATORS)))
            senders = [WEB, *(operator(name) for name in names if OPERATOR_NAME.fullmatch(name))][:_MOST_OPERATORS]
            pipeline = self._client.pipeline(transaction=False)
            for sender in senders:
                pipeline.llen(redis_keys.inbox(sender))
            return {sender: count for sender, count in zip(senders, pipeline.execute(), strict=True) if count}

    def take(self, limit: int) -> list[Entry]:
        """About `limit` entries: this worker's for `LEASE_MS`. What is no entry is removed, and not returned.

        One round trip takes entries and asks for the operators, for a worker does it five times a second. An operator
        that no `take` has met yet is served at once, by a second one.
        """
        with redis_errors_as(LedgerUnavailable):
            known = self._senders or [WEB, *_operators(self._client.srandmember(redis_keys.OPERATORS, _MOST_OPERATORS))]
            again, texts = self._take(known, limit)
            if self._senders and not set(self._senders) <= set(known) and len(texts) < limit:
                again_too, more = self._take(self._senders, limit - len(texts))
                entries = _entries(texts, again) + _entries(more, again_too)
                texts += more
            else:
                entries = _entries(texts, again)
            wrong = [text for text, entry in zip(texts, entries, strict=True) if entry is None]
            if wrong:
                self._client.zrem(redis_keys.TAKEN, *wrong)
        return [entry for entry in entries if entry is not None]

    def _take(self, senders: Sequence[str], limit: int) -> tuple[int, list[str]]:
        """How many of the entries another worker had taken before, those first; and the entries."""
        now = str(self._test_clock.now_ms()) if self._test_clock else ""
        keys = (redis_keys.TAKEN, *(redis_keys.inbox(sender) for sender in senders))
        (again, *texts), names = self._scripts.run_beside(
            "inbox_take",
            keys,
            (now, LEASE_MS, limit, *senders),
            lambda pipeline: pipeline.srandmember(redis_keys.OPERATORS, _MOST_OPERATORS),
        )
        # What was taken is dealt with all the same: the next `take` asks first, and raises what keeps it from that.
        self._senders = [] if isinstance(names, Exception) else [WEB, *_operators(names)]
        return int(again), texts

    def done(self, entries: Sequence[Entry]) -> None:
        """They were dealt with. If this is lost they come again."""
        if entries:
            with redis_errors_as(LedgerUnavailable):
                self._client.zrem(redis_keys.TAKEN, *(entry.text for entry in entries))


def _operators(names: Any) -> list[str]:
    """Of names that are none of an operator, and of very many, a thief of an operator's password is the author."""
    return sorted(operator(name) for name in names if OPERATOR_NAME.fullmatch(name))


def _entries(texts: Sequence[str], again: int) -> list[Entry | None]:
    return [_read(text, is_again=at < again) for at, text in enumerate(texts)]


def complaint_of(text: str) -> str:
    """Why an operator's reason, evidence or label can't be kept for ever; "" where it can."""
    if not text or len(text) > _LONGEST_WORDS or not text.isprintable():
        return f"must be one line of 1 to {_LONGEST_WORDS} characters"
    if holds_card_number(text):
        return "looks like a card number; it would be kept for ever, so leave it out"
    return ""


def operator(name: str) -> str:
    """The sender of an operator's entries."""
    return f"{_OPERATOR}{name}"


def _entry(entry_id: str, kind: Kind, fields: Mapping[str, str]) -> str:
    """Its text, which is ASCII alone."""
    return json.dumps({"id": entry_id, "kind": kind} | dict(fields), separators=(",", ":"))


def _read(text: str, *, is_again: bool) -> Entry | None:
    """None for what is no entry: an inbox takes whatever its sender puts in."""
    sender, _, body = text.partition(" ")
    try:
        raw = json.loads(body) if len(body) <= _LONGEST else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        return None
    key = raw.get("key")
    if not all(text.isprintable() for pair in raw.items() for text in pair) or (key is not None and not is_key(key)):
        return None
    kind = next((kind for kind in Kind if kind == raw.get("kind")), Kind.UNKNOWN)
    if (
        (kind is Kind.UNKNOWN and not _KIND.fullmatch(raw.get("kind", "")))
        or not _ID.fullmatch(raw.get("id", ""))
        or (sender == WEB) != (kind in _OF_THE_WEB_TIER)
    ):
        return None
    return Entry(sender, raw.pop("id"), kind, raw, text, is_again)
