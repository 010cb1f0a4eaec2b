"""A worker's time: the ledger's, as it was told last, counted on by the clock that never goes backwards.

By this time a worker decides whether a deadline is past or a time has come. Its machine's own time decides nothing: it
only has to agree. Where it does not, one of the two is wrong, no worker can know which, and this one stands still.
"""

import threading

from epay_transfers.ledger.clock import AGAIN_MS, APART_MS, Clock


class LedgerClock:
    """A `Clock`. Before it is told anything it goes by the machine's: a worker starts on servers that agree with it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead_ms: float | None = None  #: the ledger's time, less the monotonic one
        self._agreed = True

    def now_ms(self) -> int:
        with self._lock:
            if self._ahead_ms is None:
                return self._clock.now_ms()
            return round(self._ahead_ms + self._clock.monotonic() * 1000)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def own_ms(self) -> int:
        """What the machine says: to be compared, and to decide nothing by."""
        return self._clock.now_ms()

    def told(self, ledger_ms: int, asked_at: float) -> bool:
        """The ledger said so in answer to what was asked at `asked_at` (monotonic). True: the machine agrees.

        When in between the server looked at its clock is not known: as long as the answer took, both may be right. A
        time that the machine disagrees with is not taken over: a server's clock may have jumped.
        """
        with self._lock:
            own_ms, monotonic = self._clock.now_ms(), self._clock.monotonic()
            took_ms = (monotonic - asked_at) * 1000
            apart_ms = APART_MS if self._agreed else AGAIN_MS
            self._agreed = -apart_ms <= own_ms - ledger_ms <= took_ms + apart_ms
            if not self._agreed:
                return False
            soonest_ms = ledger_ms - monotonic * 1000
            known_ms = soonest_ms if self._ahead_ms is None else self._ahead_ms
            self._ahead_ms = min(max(known_ms, soonest_ms), soonest_ms + took_ms)
            return True
