"""A call that waits for the servers inside a running event loop holds up all else in it: this process says so once.

`AsyncTransfers` makes its calls in threads, where no loop runs, and a `FakeTransfers` waits for no server.
"""

import asyncio
import logging
import threading
from collections.abc import Callable

from epay_transfers.ledger.log_lines import log_line

_LOG = logging.getLogger(__name__)

#: Set once this process has said so. The backend goes on: its calls are right, and slow for its other clients alone.
_TOLD = threading.Event()


#: The public one raises where no loop runs, which costs a microsecond of every call; asyncio exports this one, too.
_running_loop: Callable[[], object | None] = asyncio._get_running_loop  # noqa: SLF001


def say_if_in_loop() -> None:
    """Where no loop runs it costs next to nothing."""
    if _running_loop() is None or _TOLD.is_set():
        return
    _TOLD.set()
    log_line(
        _LOG.warning,
        "transfers.in_event_loop",
        "A call of Transfers waits for the servers inside a running event loop, which serves nothing else meanwhile; "
        "use AsyncTransfers, or await asyncio.to_thread(...) with this call. It is said once a process",
    )
