"""The vault: sealed card data in a server without persistence. Each sealed text can be taken once.

It is the second protection against sending twice. Every script compares the epoch. `take` is the only reader and
leaves a tombstone. A `refence` that succeeds proves that no send began under the old epoch. An empty place proves
nothing, nor does a blob that another run of the server wrote, nor anything in a vault that was restored from a copy.
The rules are those of `docs/design.md`, "The vault"; `tests/model` checks them.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import redis

from epay_transfers.ledger.errors import VaultUnavailable, VaultWentBack
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.redis_errors import read_errors_as, redis_errors_as, unavailable_for
from epay_transfers.ledger.store.replies import Run
from epay_transfers.ledger.store.scripts import Call, Scripts
from epay_transfers.ledger.vault.sealing import Purpose


class Content(StrEnum):
    """What the vault holds for a transfer."""

    NOTHING = "nothing"
    STALE = "stale"  #: a blob that another run of the server wrote: it can't be taken, and proves nothing
    BLOB = "blob"
    TOMBSTONE = "tombstone"
    CLOSED = "closed"


#: What the vault keeps of a transfer.
KEPT = (Purpose.CARD, Purpose.PARES)

#: A card can be put here, and none can be taken.
FREE = frozenset({Content.NOTHING, Content.STALE})


@dataclass(frozen=True, slots=True)
class Taken:
    """The sealed text was taken, once: a tombstone with this claim's nonce replaces it.

    `mark` is the ledger's highest sequence at any earlier take, as the vault remembers it.
    """

    sealed: str
    nonce: str
    mark: int
    left_ms: int = field(default=0, compare=False)  #: how long it would still have lived in the vault
    ends_at: float = field(default=0.0, compare=False)  #: until when that is, by its taker's monotonic clock


@dataclass(frozen=True, slots=True)
class Fenced:
    """A later epoch owns the transfer: this claim is obsolete."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing to take. This claim sent nothing; an earlier claim may have sent."""

    there: Content
    epoch: int = field(default=0, compare=False)  #: of the tombstone or the blob there


@dataclass(frozen=True, slots=True)
class TakeUnanswered:
    """An earlier call of this same claim may have taken it, and its reply was lost: this claim sent nothing."""


class Put(StrEnum):
    STORED = "STORED"
    SAME = "SAME"
    PRESENT = "PRESENT"


class PutBack(StrEnum):
    DONE = "OK"
    ALREADY = "ALREADY"
    NOTHING = "NOTHING"  #: the vault lost it: the card is gone
    OTHER = "OTHER"  #: another claim's tombstone is there


#: How long a tombstone can be relied on: it is kept for seven days, less a margin for clocks and leases.
TOMBSTONE_STANDS_S = 6 * 86_400

_NAMES = (
    "vault_put", "vault_take", "vault_refence", "vault_put_back", "vault_close", "vault_drop", "vault_look",
    "vault_count", "vault_mark",
)  # fmt: skip
_READ = {"vault_look", "vault_count"}  #: what these change is no transfer's
_PLACES = {Purpose.CARD: redis_keys.card, Purpose.PARES: redis_keys.pares}
_SEALED = {Purpose.CARD: redis_keys.sealed_card, Purpose.PARES: redis_keys.sealed_pares}


#: So many a script stores at once: other commands wait for about a millisecond.
_CARDS_A_SCRIPT = 100

#: Of a server's run id: `_vault.lua` has it as well.
_RUN_LENGTH = 8

#: What a process knows of a run that went back: more writes than any server has seen. `_vault.lua` has it as well.
MOST_WRITES = 999_999_999_999_999


class Vault:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._scripts = Scripts(client, _NAMES)
        self._most: dict[str, int] = {}  #: by run: the highest count of writes that this process knows of
        self._run_id = ""  #: of the last answer
        self._lock = threading.Lock()

    def put(self, purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str = "") -> Put:
        """Store a sealed text where nothing is; a card also over a lower epoch's blob, but never over a tombstone.

        Never repeat it blindly.
        """
        args = (purpose, epoch, tag, sealed, ttl_ms, _SEALED[purpose](key))
        return Put(self._run("vault_put", (_PLACES[purpose](key),), args)[0])

    def put_cards(self, blobs: Sequence[tuple[str, int, str, int]]) -> list[Put]:
        """Many cards in one round trip: (key, epoch, sealed, ms to live) each."""
        calls = []
        for first in range(0, len(blobs), _CARDS_A_SCRIPT):
            some = blobs[first : first + _CARDS_A_SCRIPT]
            places = [redis_keys.card(key) for key, *_ in some]
            args: list[str | int] = [Purpose.CARD]
            for key, epoch, sealed, ttl_ms in some:
                args += (epoch, "", sealed, ttl_ms, redis_keys.sealed_card(key))
            calls.append(self._call("vault_put", places, args))
        with redis_errors_as(VaultUnavailable):
            replies = self._scripts.run_many(calls)
        puts: list[Put] = []
        for reply in replies:
            if isinstance(reply, Exception):
                raise unavailable_for(reply, VaultUnavailable)
            puts += map(Put, self._heard(reply))
        return puts

    def take(
        self, purpose: Purpose, key: str, epoch: int, sequence: int, nonce: str
    ) -> Taken | Fenced | Gone | TakeUnanswered:
        """Take the blob out. `sequence` is the ledger's at the claim: the vault remembers the highest."""
        args = (epoch, sequence, nonce, _SEALED[purpose](key))
        reply = self._run("vault_take", (_PLACES[purpose](key), redis_keys.HIGH_WATER), args)
        match reply[0]:
            case "OK":
                return Taken(reply[1], nonce, int(reply[2]), int(reply[3]))
            case "MINE":
                return TakeUnanswered()
            case "LATER":
                return Fenced()
            case _:
                return Gone(Content(reply[1]), int(reply[2]))

    def refence(self, purpose: Purpose, key: str, epoch: int) -> bool:
        """True: nothing was sent under this epoch, and nothing can be. False proves nothing."""
        return self._run("vault_refence", (_PLACES[purpose](key),), (epoch,))[0] in {"OK", "ALREADY"}

    def know(self, run: Run) -> None:
        """Take over another process's count of a run's writes: a server with fewer writes than that went back."""
        with self._lock:
            self._most[run.id] = max(run.writes, self._most.get(run.id, 0))

    def put_back(self, purpose: Purpose, key: str, epoch: int, taken: Taken, ttl_ms: int, tag: str = "") -> PutBack:
        """Put the blob back for the next epoch over this take's tombstone. Only with proof that nothing was sent."""
        args = (epoch, taken.nonce, tag, taken.sealed, ttl_ms, _SEALED[purpose](key))
        return PutBack(self._run("vault_put_back", (_PLACES[purpose](key),), args)[0])

    def close(self, purpose: Purpose, key: str, epoch: int) -> bool:
        """Close the place before a transfer ends unsent. False: the card was taken under this epoch or a later one."""
        args = (epoch, _SEALED[purpose](key))
        return self._run("vault_close", (_PLACES[purpose](key),), args)[0] == "OK"

    def drop(self, key: str) -> None:
        """Delete what is left of the card and the PaRes of a transfer that has ended."""
        for purpose in KEPT:
            self._run("vault_drop", (_PLACES[purpose](key),), (_SEALED[purpose](key),))

    def look(self, purpose: Purpose, key: str, epoch: int = 0) -> Content:
        """What is there. A blob of a lower epoch than this counts as nothing: it was put too late to be taken."""
        kind, kept, _ = self._look(purpose, key)
        there = Content(kind)
        return Content.NOTHING if there is Content.BLOB and int(kept) < epoch else there

    def tombstone(self, purpose: Purpose, key: str) -> str | None:
        """The nonce of the claim that took the card; None where there is no tombstone."""
        kind, _, nonce = self._look(purpose, key)
        return nonce if Content(kind) is Content.TOMBSTONE else None

    def tag(self, purpose: Purpose, key: str, epoch: int) -> str:
        """The tag of the blob that can be taken under this epoch or a later one; empty where there is none."""
        kind, kept, tag = self._look(purpose, key)
        return tag if Content(kind) is Content.BLOB and int(kept) >= epoch else ""

    def glance(self, key: str) -> Content:
        """What stands in a card's place, for a person: an operator's user may run no script. It proves nothing."""
        with read_errors_as(VaultUnavailable):
            text = str(self.client.get(redis_keys.card(key)) or "")
            run = str(self.client.info("server").get("run_id", ""))[:_RUN_LENGTH]
        match text.split(":"):
            case ["B", _, of_run, *_]:
                return Content.BLOB if of_run == run else Content.STALE
            case ["X", *_]:
                return Content.TOMBSTONE
            case ["C", *_]:
                return Content.CLOSED
            case _:
                return Content.NOTHING

    def uptime_s(self) -> int:
        """For how long its server has run."""
        with read_errors_as(VaultUnavailable):
            return int(self.client.info("server").get("uptime_in_seconds", 0))

    def count(self) -> Run:
        """The present run of the vault's server, with its count of writes."""
        self._run("vault_count", (), ())
        with self._lock:
            return Run(self._run_id, self._most[self._run_id])

    @property
    def seen(self) -> Run | None:
        """The run that answered last, and the highest count of its writes that this process knows of."""
        with self._lock:
            return Run(self._run_id, self._most[self._run_id]) if self._run_id else None

    def high_water(self) -> int:
        """The ledger's highest sequence that the vault has seen; 0 if it has seen none."""
        with read_errors_as(VaultUnavailable):
            return int(str(self.client.get(redis_keys.HIGH_WATER) or 0))

    def raise_mark(self, sequence: int) -> None:
        """To the sequence of a move, and to no other number: where a claim has the mark's, the ledger has forgotten."""
        self._run("vault_mark", (redis_keys.HIGH_WATER,), (sequence,))

    def _look(self, purpose: Purpose, key: str) -> list[str]:
        return self._run("vault_look", (_PLACES[purpose](key),), ())

    def _run(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> list[str]:
        call = self._call(name, keys, args)
        with (read_errors_as if name in _READ else redis_errors_as)(VaultUnavailable):
            reply = self._scripts.run(*call)
        return self._heard(reply)

    def _call(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Call:
        with self._lock:
            known = (self._run_id, self._most.get(self._run_id, 0))
        return name, keys, (*known, redis_keys.WRITES, *args)

    def _heard(self, reply: Sequence[str]) -> list[str]:
        """The reply without the run and its writes. A run that went back once is refused until the server restarts.

        Else its count could grow level by the writes of others, and what was taken out could be taken again.
        """
        run, writes, *answer = reply
        if answer[0] == "BEHIND":
            self.know(Run(run, MOST_WRITES))
            raise VaultWentBack
        with self._lock:
            self._run_id = run
            self._most[run] = max(int(writes), self._most.get(run, 0))
        return answer
