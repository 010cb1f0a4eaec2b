"""The vault: sealed blobs in a server without any persistence, each taken out once.

It is the second fence against sending twice: every script compares the epoch, `take` is the only reader and leaves a
tombstone, and a `refence` that succeeds is the proof that no send began under the old epoch. Nothing there is never a
proof, nor is a blob that another run of the server wrote, nor anything that stands in a vault that went back. The rules
are those of `docs/design.md`, "The vault"; `tests/model` checks them.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import redis

from epay_transfers.ledger.errors import VaultUnavailable, VaultWentBack
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import redis_errors_as
from epay_transfers.ledger.store.replies import Run
from epay_transfers.ledger.store.scripts import Call, Scripts
from epay_transfers.ledger.vault.sealing import Purpose


class Content(StrEnum):
    """What stands at a transfer's place in the vault."""

    NOTHING = "nothing"
    STALE = "stale"  #: a blob that another run of the server wrote: it can't be taken, and proves nothing
    BLOB = "blob"
    TOMBSTONE = "tombstone"
    CLOSED = "closed"


#: Where a card can be put, and none can be taken out.
FREE = frozenset({Content.NOTHING, Content.STALE})


@dataclass(frozen=True, slots=True)
class Taken:
    """SuffixUsed out, once: a tombstone with this claim's nonce stands in its place.

    `mark` is the highest sequence of the ledger at which the vault saw anything taken out before.
    """

    sealed: str
    nonce: str
    mark: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """It was fenced off for a later epoch: this job is no longer anybody's."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing to take. This claim sent nothing; whether an earlier one did, it does not prove."""

    there: Content
    epoch: int = field(default=0, compare=False)  #: of what stands there


@dataclass(frozen=True, slots=True)
class TakeUnanswered:
    """It may have been taken out under this very claim, and the reply was lost: this claim sent nothing."""


class Put(StrEnum):
    STORED = "STORED"
    SAME = "SAME"
    PRESENT = "PRESENT"


class PutBack(StrEnum):
    DONE = "OK"
    ALREADY = "ALREADY"
    NOTHING = "NOTHING"  #: the vault forgot: the card is lost
    OTHER = "OTHER"  #: somebody else is at it


#: How long a tombstone can be relied on: it is kept for seven days, and clocks and leases take their part of that.
TOMBSTONE_STANDS_S = 6 * 86_400

_NAMES = (
    "vault_put", "vault_take", "vault_refence", "vault_put_back", "vault_close", "vault_drop", "vault_look",
    "vault_count",
)  # fmt: skip
_PLACES = {Purpose.CARD: redis_keys.card, Purpose.PARES: redis_keys.pares}
_SEALED = {Purpose.CARD: redis_keys.sealed_card, Purpose.PARES: redis_keys.sealed_pares}


class Vault:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._scripts = Scripts(client, _NAMES)
        self._most: dict[str, int] = {}  #: by run: the most writes that this process was told of
        self._run_id = ""  #: of the last answer
        self._lock = threading.Lock()

    def put(self, purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str = "") -> Put:
        """Over nothing; a card also over a blob of a lower epoch. Never over a tombstone. Never repeat it blindly."""
        args = _put(purpose, key, epoch, sealed, ttl_ms, tag)
        return Put(self._run("vault_put", _PLACES[purpose](key), (), args)[0])

    def put_cards(self, blobs: Sequence[tuple[str, int, str, int]]) -> list[Put]:
        """Many cards in one round trip: (key, epoch, sealed, ms to live) each."""
        calls = [
            self._call("vault_put", _PLACES[Purpose.CARD](key), (), _put(Purpose.CARD, key, epoch, sealed, ttl_ms, ""))
            for key, epoch, sealed, ttl_ms in blobs
        ]
        with redis_errors_as(VaultUnavailable):
            replies = self._scripts.run_many(calls)
        if any(isinstance(reply, Exception) for reply in replies):
            raise VaultUnavailable
        return [Put(self._heard(reply)[0]) for reply in replies if not isinstance(reply, Exception)]

    def take(
        self, purpose: Purpose, key: str, epoch: int, sequence: int, nonce: str
    ) -> Taken | Fenced | Gone | TakeUnanswered:
        """Take the blob out. `sequence` is the ledger's at the claim: the vault remembers the highest."""
        args = (epoch, sequence, nonce, _SEALED[purpose](key))
        reply = self._run("vault_take", _PLACES[purpose](key), (redis_keys.HIGH_WATER,), args)
        match reply[0]:
            case "OK":
                return Taken(reply[1], nonce, int(reply[2]))
            case "MINE":
                return TakeUnanswered()
            case "LATER":
                return Fenced()
            case _:
                return Gone(Content(reply[1]), int(reply[2]))

    def refence(self, purpose: Purpose, key: str, epoch: int) -> bool:
        """True: nothing was sent under this epoch, and nothing can be. False is no proof of anything."""
        return self._run("vault_refence", _PLACES[purpose](key), (), (epoch,))[0] in {"OK", "ALREADY"}

    def know(self, run: Run) -> None:
        """What others were told of a run counts as if this process had been told: the server is held to it."""
        with self._lock:
            self._most[run.id] = max(run.writes, self._most.get(run.id, 0))

    def put_back(self, purpose: Purpose, key: str, epoch: int, taken: Taken, ttl_ms: int, tag: str = "") -> PutBack:
        """Only with proof that nothing was sent: the blob again, over this take's own tombstone, for the next epoch."""
        args = (epoch, taken.nonce, tag, taken.sealed, ttl_ms, _SEALED[purpose](key))
        return PutBack(self._run("vault_put_back", _PLACES[purpose](key), (), args)[0])

    def close(self, purpose: Purpose, key: str, epoch: int) -> bool:
        """Before a transfer ends unsent. False: something was taken out under this epoch or a later one after all."""
        args = (epoch, _SEALED[purpose](key))
        return self._run("vault_close", _PLACES[purpose](key), (), args)[0] == "OK"

    def drop(self, key: str) -> None:
        """The transfer has ended: whatever is left of its card and its PaRes goes."""
        for purpose in Purpose:
            self._run("vault_drop", _PLACES[purpose](key), (), (_SEALED[purpose](key),))

    def look(self, purpose: Purpose, key: str, epoch: int = 0) -> Content:
        """A blob of an epoch below this one counts as nothing: its put came late, and nobody can take it."""
        kind, kept, _ = self._look(purpose, key)
        there = Content(kind)
        return Content.NOTHING if there is Content.BLOB and int(kept) < epoch else there

    def tombstone(self, purpose: Purpose, key: str) -> str | None:
        """The nonce of the claim under which it was taken out; None where no tombstone stands."""
        kind, _, nonce = self._look(purpose, key)
        return nonce if Content(kind) is Content.TOMBSTONE else None

    def count(self) -> Run:
        """Which run of its server this is, and how many writes it has seen."""
        self._run("vault_count", redis_keys.WRITES, (), ())
        with self._lock:
            return Run(self._run_id, self._most[self._run_id])

    @property
    def seen(self) -> Run | None:
        """The run that answered last, and the most writes of it that this process was told of."""
        with self._lock:
            return Run(self._run_id, self._most[self._run_id]) if self._run_id else None

    def high_water(self) -> int:
        """The highest sequence of the ledger that was told to the vault; 0 if it remembers none."""
        with redis_errors_as(VaultUnavailable):
            return int(str(self.client.get(redis_keys.HIGH_WATER) or 0))

    def _look(self, purpose: Purpose, key: str) -> list[str]:
        return self._run("vault_look", _PLACES[purpose](key), (), ())

    def _run(self, name: str, place: str, more: Sequence[str], args: Sequence[str | int]) -> list[str]:
        call = self._call(name, place, more, args)
        with redis_errors_as(VaultUnavailable):
            reply = self._scripts.run(*call)
        return self._heard(reply)

    def _call(self, name: str, place: str, more: Sequence[str], args: Sequence[str | int]) -> Call:
        with self._lock:
            known = (self._run_id, self._most.get(self._run_id, 0))
        return name, (place, redis_keys.WRITES, *more), (*known, *args)

    def _heard(self, reply: Sequence[str]) -> list[str]:
        """The reply without the run and its writes."""
        run, writes, *said = reply
        if said[0] == "BEHIND":
            raise VaultWentBack
        with self._lock:
            self._run_id = run
            self._most[run] = max(int(writes), self._most.get(run, 0))
        return said


def _put(purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str) -> tuple[str | int, ...]:
    over = "over" if purpose is Purpose.CARD else ""
    return epoch, tag, sealed, ttl_ms, over, _SEALED[purpose](key)
