"""Whether the queue's server can be used, said once: when it goes away, each reason of that, and when it is back.

Every consumer and every sender of a process meets the same trouble, again and again. No transfer depends on the queue:
the sweeper sends a wake-up again.
"""

import logging
import threading

from epay_transfers.ledger.errors import ServerProblem
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.store.server_problems import known_problem

_LOG = logging.getLogger(__name__)

_UNKNOWN = "BROKER_URL: the queue's server can't be used"


class QueueWatch:
    """Shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing: dict[str, str] = {}  #: what could not be done last time, and why
        self._said: set[str] = set()  #: why, since it went away: connections meet the reasons by turns

    def failed(self, what: str, error: Exception) -> None:
        """The client raised this. `what` was to be done: a server may do one thing and refuse another."""
        why = _sentence(known_problem(error))
        with self._lock:
            is_new = why not in self._said
            self._failing[what] = why
            self._said.add(why)
        if is_new:
            log_line(_LOG.error, "queue.away", "No wake-up can be sent or received now: %(why)s", why=why)

    @property
    def why(self) -> str:
        """Why the server can't be used; empty where it can."""
        with self._lock:
            return next(iter(self._failing.values()), "")

    def did(self, what: str) -> None:
        if what not in self._failing:  # nearly always, so without the lock
            return
        with self._lock:
            self._failing.pop(what, None)
            is_back = not self._failing
            if is_back:
                self._said.clear()
        if is_back:
            log_line(_LOG.warning, "queue.back", "The queue's server is back, and wake-ups are sent and received")


def _sentence(problem: ServerProblem | None) -> str:
    return str(problem) if problem else _UNKNOWN
