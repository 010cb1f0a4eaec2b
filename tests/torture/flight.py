"""What was in flight of which trouble: the troubles as they came, beside the ledger's events.

An event says who claimed a transfer and when; what came of it stands in the next one. So of each trouble it can be told
which claims it met, and of each transfer that did not end which trouble its last claim met.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import redis

from epay_transfers.ledger.store import redis_keys

_PAGE = 5_000

#: A claim is out from the event that tells it to the transfer's next one; these tell nothing of it.
_NOTES = frozenset({"add_evidence", "keep_notification"})
_CLAIM = "claim"

#: Why a claim ends in doubt, but for what comes from the bank; by the beginning of the reason.
_OURS = ("lease_over", "vault_", "pares_", "worker_error", "card_lost", "ledger_")

#: Of these, what the vault is the cause of.
_VAULTS = ("vault_", "pares_", "card_lost")

#: Troubles that meet every claim that is out; a kill meets those of its worker.
_OF_ALL = ("vault put back", "vault restarted empty", "ledger restarted")

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """It came at some moment of this span: a machine under load takes its time."""

    begins_ms: int
    ends_ms: int
    what: str
    pid: int = 0


@dataclass(slots=True)
class Log:
    troubles: list[Trouble] = field(default_factory=list)

    @contextmanager
    def during(self, what: str, pid: int = 0) -> Iterator[None]:
        begins_ms = _now_ms()
        yield
        self.troubles.append(Trouble(begins_ms, _now_ms(), what, pid))


@dataclass(frozen=True, slots=True)
class Flight:
    """One claim, or a client's answer that waited in the vault, from its event to the transfer's next one."""

    key: str
    begins_ms: int
    ends_ms: int
    pid: int  #: 0: nobody had it in hand, its PaRes waited in the vault
    reason: str  #: of the move that ended it

    def met(self, trouble: Trouble) -> bool:
        if trouble.ends_ms < self.begins_ms or self.ends_ms < trouble.begins_ms:
            return False
        if not self.pid:
            return trouble.what.startswith("vault")
        return trouble.what in _OF_ALL or self.pid == trouble.pid


@dataclass(frozen=True, slots=True)
class Flights:
    all: dict[str, list[Flight]]
    log: Log

    @classmethod
    def of(cls, client: redis.Redis, log: Log) -> "Flights":
        found: dict[str, list[Flight]] = defaultdict(list)
        out: dict[str, Fields] = {}
        for event in _events(client):
            key, verb = event.get("key", ""), event.get("verb", "")
            if verb in _NOTES or not key:
                continue
            if begun := out.pop(key, None):
                pid = int(begun["actor"].rpartition(" ")[2]) if begun["verb"] == _CLAIM else 0
                found[key].append(Flight(key, int(begun["at"]), int(event["at"]), pid, event.get("reason", "")))
            if verb == _CLAIM or event.get("state") == "resumed":
                out[key] = event
        return cls(dict(found), log)

    def met(self) -> Counter[str]:
        """How many claims, and answers that waited in the vault, each kind of trouble met."""
        counts: Counter[str] = Counter()
        for flights in self.all.values():
            for flight in flights:
                for what in {trouble.what for trouble in self.log.troubles if flight.met(trouble)}:
                    counts[f"{what}: claims" if flight.pid else f"{what}: answers in the vault"] += 1
        return counts

    def trouble_of(self, key: str) -> str:
        """Which trouble the last claim of a transfer met, and what was said of it; empty where it met none."""
        flights = [flight for flight in self.all.get(key, []) if flight.pid]
        if not flights:
            return ""
        last = flights[-1]
        if not last.reason.startswith(_OURS):
            return ""
        met = sorted({trouble.what for trouble in self.log.troubles if last.met(trouble)})
        if not met and last.reason.startswith(_VAULTS):
            met = [f"{trouble.what} before its claim" for trouble in self._of_the_vault_before(last)]
        return f"{' and '.join(met)} ({last.reason})" if met else ""

    def is_of_the_bank(self, key: str) -> bool:
        """Was its last claim answered by one of the bank's own faults?"""
        flights = [flight for flight in self.all.get(key, []) if flight.pid]
        return bool(flights) and not flights[-1].reason.startswith(_OURS)

    def said_of(self, key: str) -> str:
        """What was said of its last claim."""
        flights = [flight for flight in self.all.get(key, []) if flight.pid]
        return flights[-1].reason if flights else "never claimed"

    def _of_the_vault_before(self, flight: Flight) -> list[Trouble]:
        """The last one: what waited there, a card or a client's answer, was gone when a worker came for it."""
        return [
            trouble
            for trouble in self.log.troubles
            if trouble.what.startswith("vault") and trouble.begins_ms <= flight.ends_ms
        ][-1:]


def _now_ms() -> int:
    return round(time.time() * 1000)


def _events(client: redis.Redis) -> list[Fields]:
    found: list[Fields] = []
    after = "-"
    while True:
        page = cast("list[tuple[str, dict[str, str]]]", client.xrange(redis_keys.EVENTS, after, "+", count=_PAGE))
        found += [fields for _, fields in page]
        if len(page) < _PAGE:
            return found
        after = f"({page[-1][0]}"
