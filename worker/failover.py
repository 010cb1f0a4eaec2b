"""After a restart, a restore or a failover of the ledger: it is compared with what the vault keeps of it.

The ledger's server writes each move to disk before it answers, so a restart of it loses nothing, and sending goes on by
itself. A replica that took its place may lack the last moves, and so may a restored copy: then a person must look. The
vault knows a sequence that the ledger had, and each pause; a process knows the highest sequence that it was told.

What if we die here? `claim` refuses for every worker, until one of them has compared this very server.
"""

import logging
from collections.abc import Sequence

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_server import LedgerServer, ServerLook
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.store.pauses import Cause as PauseCause
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.preflight import Cause, Preflight

_LOG = logging.getLogger(__name__)

#: So long each process has time to compare the server with the highest sequence that it knows. It looks twice a second.
COMPARE_S = 3.0

#: How often the vault is asked whether it knows a sequence at all.
_MARK_S = 5.0

_RUNBOOK = "see the runbook, 'The ledger went back'"


class Failover:
    def __init__(
        self,
        *,
        server: LedgerServer,
        ledger: Ledger,
        custody: CardCustody,
        pauses: Pauses,
        mirror: PauseMirror,
        preflight: Preflight,
        clock: Clock,
        actor: str,
    ) -> None:
        self._server = server
        self._ledger = ledger
        self._custody = custody
        self._pauses = pauses
        self._mirror = mirror
        self._preflight = preflight
        self._clock = clock
        self._actor = actor
        self._known = ""  #: the server that this process has compared
        self._other, self._other_since, self._why = "", 0.0, ""
        self._next_mark = 0.0

    def look(self) -> None:
        """Is it the server that was compared? Until it is, this worker stands still. Raises `VaultUnavailable`."""
        look = self._server.look()
        if look.is_compared and self._known in {"", look.server}:
            self._go_on(look)
            self._keep_a_mark()
            return
        self._preflight.set_fit(Cause.FAILOVER, is_fit=False)
        own, mark = self._ledger.seen, self._custody.high_water()
        look = self._server.look()  # after these: a ledger that has lost nothing can only be ahead of them
        if look.server != self._other:
            self._other, self._other_since, self._why = look.server, self._clock.monotonic(), ""
            if look.compared:
                _LOG.critical("ledger.other_server", extra={"sequence": look.sequence})
        if not self._why:  # once: the pauses themselves raise the sequence
            self._why = why_closed(look, mark, own, self._mirror.lost())
        if self._why:
            self._close(self._why)  # before the lost pauses are set again, which another worker would not see as lost
        self._mirror.keep()
        if look.is_compared:  # by another worker: what this process knows has been compared now, too
            self._go_on(look)
        elif not look.compared and not self._why:
            self._server.take_first(look)
            self._go_on(look)
            self._keep_a_mark()
        elif not look.compared or self._clock.monotonic() >= self._other_since + COMPARE_S:
            self._take(look)

    def _go_on(self, look: ServerLook) -> None:
        self._known, self._other = look.server, ""
        self._preflight.set_fit(Cause.FAILOVER, is_fit=True)

    def _take(self, look: ServerLook) -> None:
        found = "nothing shows that it has lost anything, and sending goes on, as far as no pause stands"
        if self._why:
            found = f"{self._why}, so send and confirm are paused"
        sequence = self._server.take(look, found)
        if sequence:
            self._custody.raise_mark(sequence)
            self._go_on(look)

    def _close(self, why: str) -> None:
        """Two pauses of its own cause: a person opens them."""
        for lane in (Lane.SEND, Lane.CONFIRM):
            reason = f"{why}: {_RUNBOOK}"
            self._pauses.pause(lane, ALL, actor=self._actor, reason=reason, cause=PauseCause.FAILOVER)

    def _keep_a_mark(self) -> None:
        """A new vault, or one that was restarted, gets a sequence that is no move's, after the pauses that it keeps.

        The mark of a claim's own sequence would say that the ledger went back.
        """
        if self._clock.monotonic() < self._next_mark:
            return
        self._next_mark = self._clock.monotonic() + _MARK_S
        if not self._custody.high_water():
            self._mirror.keep()
            counted = self._server.count()
            if counted.is_compared:
                self._custody.raise_mark(counted.sequence)


def why_closed(look: ServerLook, mark: int, own: int, lost: Sequence[str]) -> str:
    """Why a person must look before this server's ledger is sent from; empty where it has lost nothing.

    `mark`: the vault's. `own`: the highest sequence that this process was told. `lost`: pauses that the vault keeps and
    the ledger has not. Producers go on meanwhile, so a ledger that went back may have passed the mark by now.
    """
    if look.sequence < max(mark, own):
        return f"the ledger has lost moves: its sequence is {look.sequence}, and it was {max(mark, own)} before"
    if look.is_compared or not look.compared:
        return ""
    if lost:
        return f"the ledger has lost moves: {', '.join(lost)} paused a lane, and was not there any more"
    if look.was_replica or look.ran_beside:
        return "a replica took the place of the ledger's server, and may lack its last moves"
    if not mark:
        return "the vault is empty at the same time, so nothing shows whether the ledger has lost moves"
    return ""
