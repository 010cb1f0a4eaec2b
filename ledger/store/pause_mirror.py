"""The vault keeps a copy of each pause: a ledger that is restored, or another server in its place, may have lost it.

A pause stops a fraud, so it may not be lost with the last writes of one server. Where the copy is there and the pause
is not, a worker sets the pause again, with an event. To end one, the copy goes first: a worker that dies in between
leaves the pause, and the copy is made again.
"""

from collections.abc import Callable
from typing import cast

import redis

from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import Pause, Pauses
from epay_transfers.ledger.store.redis_errors import redis_errors_as


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

    def end(self, pause: Pause, *, actor: str, reason: str, request: str = "") -> bool:
        """As `Pauses.unpause`. Raises `VaultUnavailable`: without the vault nothing is sent anyway."""
        self._drop(pause.id)
        is_done = self._pauses.unpause(pause, actor=actor, reason=reason, request=request)
        self._mark()
        return is_done

    def keep(self) -> None:
        """Copy what is new or has changed, and set again what the ledger has lost. Raises `VaultUnavailable`."""
        copies = self._copies()  # read first: one that ends meanwhile is gone from here before it is gone from there
        written = self._pauses.written()
        for pause_id, text in written.items():
            if copies.get(pause_id) != text:
                with redis_errors_as(VaultUnavailable):
                    self._vault.hset(redis_keys.KEPT_PAUSES, pause_id, text)
        for pause_id in copies.keys() - written.keys():
            kept = self._copies().get(pause_id)
            if kept and not self._pauses.restore(pause_id, kept, actor=self._actor):
                self._drop(pause_id)  # its time is over
        self._mark()

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
