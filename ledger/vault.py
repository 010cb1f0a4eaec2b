"""The vault: sealed blobs in a server without any persistence, each taken out once.

It is the second fence against sending twice: every script compares the epoch, `burn` is the only reader and leaves a
tombstone, and a `refence` that succeeds is the proof that no send began under the old epoch. Nothing there is never a
proof. The rules are those of `docs/design.md`, "The vault"; each was found by a model checker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import redis

from ledger import keys
from ledger.errors import VaultUnavailable
from ledger.scripts import Call, Scripts
from ledger.sealing import Purpose
from ledger.wall import wall


class There(StrEnum):
    """What stands at a transfer's place in the vault."""

    NOTHING = "nothing"
    BLOB = "blob"
    TOMBSTONE = "tombstone"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Burnt:
    """Taken out, once: a tombstone stands in its place."""

    sealed: str


@dataclass(frozen=True, slots=True)
class Later:
    """It was fenced off for a later epoch: this job is no longer anybody's."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing to take. That proves nothing: it is in doubt."""

    there: There


class Put(StrEnum):
    STORED = "STORED"
    SAME = "SAME"
    PRESENT = "PRESENT"


class Unburn(StrEnum):
    DONE = "OK"
    ALREADY = "ALREADY"
    NOTHING = "NOTHING"  #: the vault forgot: the card is lost
    OTHER = "OTHER"  #: somebody else is at it


#: How long a tombstone can be relied on: it is kept for seven days, and clocks and leases take their part of that.
TOMBSTONE_STANDS_S = 6 * 86_400

_NAMES = ("vault_put", "vault_burn", "vault_refence", "vault_unburn", "vault_close", "vault_drop", "vault_look")
_PLACES = {Purpose.CARD: keys.card, Purpose.PARES: keys.pares}
_SEALED = {Purpose.CARD: keys.sealed_card, Purpose.PARES: keys.sealed_pares}


class Vault:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._scripts = Scripts(client, _NAMES)

    def put(self, purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str = "") -> Put:
        """Over nothing; a card also over a blob of a lower epoch. Never over a tombstone. Never repeat it blindly."""
        return Put(self._run(_put(purpose, key, epoch, sealed, ttl_ms, tag))[0])

    def put_cards(self, blobs: Sequence[tuple[str, int, str, int]]) -> list[Put]:
        """Many cards in one round trip: (key, epoch, sealed, ms to live) each."""
        calls = [_put(Purpose.CARD, key, epoch, sealed, ttl_ms, "") for key, epoch, sealed, ttl_ms in blobs]
        with wall(VaultUnavailable):
            replies = self._scripts.run_many(calls)
        if any(isinstance(reply, Exception) for reply in replies):
            raise VaultUnavailable
        return [Put(reply[0]) for reply in replies if not isinstance(reply, Exception)]

    def burn(self, purpose: Purpose, key: str, epoch: int, sequence: int) -> Burnt | Later | Gone:
        """Take the blob out. `sequence` is the ledger's at the claim: the vault remembers the highest."""
        args = (epoch, sequence, _SEALED[purpose](key))
        reply = self._run(("vault_burn", (_PLACES[purpose](key), keys.HIGH_WATER), args))
        match reply[0]:
            case "OK":
                return Burnt(reply[1])
            case "LATER":
                return Later()
            case _:
                return Gone(There(reply[1]))

    def refence(self, purpose: Purpose, key: str, epoch: int) -> bool:
        """True: nothing was sent under this epoch, and nothing can be. False is no proof of anything."""
        return self._run(("vault_refence", (_PLACES[purpose](key),), (epoch,)))[0] in {"OK", "ALREADY"}

    def unburn(self, purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str = "") -> Unburn:
        """Only for who holds proof that nothing was sent: the blob again, for the next epoch."""
        args = (epoch, tag, sealed, ttl_ms, _SEALED[purpose](key))
        return Unburn(self._run(("vault_unburn", (_PLACES[purpose](key),), args))[0])

    def close(self, purpose: Purpose, key: str, epoch: int) -> bool:
        """Before a transfer ends unsent. False: something was taken out under this epoch or a later one after all."""
        return self._run(("vault_close", (_PLACES[purpose](key),), (epoch,)))[0] == "OK"

    def drop(self, key: str) -> None:
        """The transfer has ended: whatever is left of its card and its PaRes goes."""
        for purpose in Purpose:
            self._run(("vault_drop", (_PLACES[purpose](key),), (_SEALED[purpose](key),)))

    def look(self, purpose: Purpose, key: str, epoch: int = 0) -> There:
        """A blob of an epoch below this one counts as nothing: its put came late, and nobody can burn it."""
        kind, kept = self._run(("vault_look", (_PLACES[purpose](key),), ()))
        there = There(kind)
        return There.NOTHING if there is There.BLOB and int(kept) < epoch else there

    def high_water(self) -> int:
        """The highest sequence of the ledger that was told to the vault; 0 if it remembers none."""
        with wall(VaultUnavailable):
            return int(str(self.client.get(keys.HIGH_WATER) or 0))

    def run_id(self) -> str:
        """Which run of its server this is. Another one has forgotten all that was in the vault."""
        with wall(VaultUnavailable):
            return str(self.client.info("server")["run_id"])

    def _run(self, call: Call) -> list[str]:
        with wall(VaultUnavailable):
            return self._scripts.run(*call)


def _put(purpose: Purpose, key: str, epoch: int, sealed: str, ttl_ms: int, tag: str) -> Call:
    over = "over" if purpose is Purpose.CARD else ""
    return "vault_put", (_PLACES[purpose](key),), (epoch, tag, sealed, ttl_ms, over, _SEALED[purpose](key))
