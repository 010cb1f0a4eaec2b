"""The vault keeps a copy of each pause: a ledger that is restored, or another server in its place, may have lost it.

A pause stops a fraud, so it may not be lost with the last writes of one server. Where the copy is there and the pause
is not, a worker sets the pause again, with an event. To end one, the copy goes first: a worker that dies in between
leaves the pause, and the copy is made again. The ledger knows the pauses that were ended, by the script that ended
them: so a copy that another worker made in that moment sets none again, and goes with the next look.
"""

from collections.abc import Callable
from typing import cast

import redis

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import Pause, Pauses, uses_more_tries
from epay_transfers.ledger.store.redis_errors import redis_errors_as

#: A pause whose time is over is kept for so long, in case that a clock was wrong.
_OVER_MS = 3_600_000


class PauseMirror:
    def __init__(
        self, pauses: Pauses, vault: redis.Redis, actor: str, raise_mark: Callable[[int], None] = lambda _: None
    ) -> None:
        """`raise_mark`: tell the vault the sequence of the ledger at a pause."""
        self._pauses = pauses
        self._raise_mark = raise_mark
        self._marked = 0
        self._vault = vault
        self._actor = actor

    @property
    def has_news(self) -> bool:
        """Has this process set or ended a pause since the vault was told last?"""
        return self._pauses.sequence > self._marked

    def end(self, pause: Pause, *, actor: str, reason: str, request: str = "") -> bool:
        """As `Pauses.unpause`. Raises `VaultUnavailable`: without the vault nothing is sent anyway."""
        self._drop(pause.field_name)
        is_done = self._pauses.unpause(pause, actor=actor, reason=reason, request=request)
        self._mark()
        return is_done

    def lost(self) -> list[str]:
        """Which the vault keeps, and the ledger has not any more. Raises `VaultUnavailable`."""
        copies = self._copies()
        missing = copies.keys() - self._pauses.there().keys()
        return sorted(
            pause_id
            for pause_id in missing
            if not self._pauses.is_over(pause_id, text := copies[pause_id])
            and not self._pauses.has_ended(pause_id, text)
        )

    def keep(self) -> None:
        """Copy what is new or has changed, and set again what the ledger has lost. Raises `VaultUnavailable`.

        Nothing is forgotten here by its time: the ledger's clock may be wrong at this moment.
        """
        copies = self._copies()  # read first: one that ends meanwhile is gone from here before it is gone from there
        there = self._pauses.there()
        for pause_id, text in there.items():
            copy = copies.get(pause_id)
            if copy and copy != text and uses_more_tries(copy, text):
                self._pauses.restore(pause_id, copy, actor=self._actor, was=text)
            elif copy != text:
                self._copy(pause_id, text)
        for pause_id in copies.keys() - there.keys():
            kept = self._copies().get(pause_id)
            if not kept or self._pauses.is_there(pause_id):
                continue
            if self._pauses.has_ended(pause_id, kept):
                self._forget_ended(pause_id)
            elif not self._pauses.is_over(pause_id, kept):
                self._pauses.restore(pause_id, kept, actor=self._actor)
        self._mark()

    def forget(self) -> None:
        """End what has been over for an hour, each with an event. Only a worker that trusts the clocks may do so."""
        for pause in self._pauses.over(since_ms=_OVER_MS):
            self.end(pause, actor=self._actor, reason="its time is over")
        self._pauses.clear_added(since_ms=_OVER_MS, actor=self._actor)
        copies = self._copies()
        for pause_id in copies.keys() - self._pauses.there().keys():
            if self._pauses.is_over(pause_id, copies[pause_id], since_ms=_OVER_MS):
                self._drop(pause_id)

    def _forget_ended(self, pause_id: str) -> None:
        """Another of this name may have been set and copied since the look: that copy is made again at once."""
        self._drop(pause_id)
        if text := self._pauses.there().get(pause_id):
            self._copy(pause_id, text)

    def _copy(self, pause_id: str, text: str) -> None:
        with redis_errors_as(VaultUnavailable):
            self._vault.hset(redis_keys.KEPT_PAUSES, pause_id, text)

    def _mark(self) -> None:
        """A ledger that is restored to before the last pause stands below the vault's mark from then on."""
        sequence = self._pauses.sequence
        if sequence > self._marked:
            self._raise_mark(sequence)
            self._marked = sequence

    def _copies(self) -> dict[str, str]:
        with redis_errors_as(VaultUnavailable):
            return cast("dict[str, str]", self._vault.hgetall(redis_keys.KEPT_PAUSES))

    def _drop(self, pause_id: str) -> None:
        with redis_errors_as(VaultUnavailable):
            self._vault.hdel(redis_keys.KEPT_PAUSES, pause_id)
