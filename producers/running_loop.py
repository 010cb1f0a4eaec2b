"""A call that waits for the servers inside a running event loop holds up all else in it: this process says so once.

`AsyncTransfers` makes its calls in threads, where no loop runs, and a `FakeTransfers` waits for no server.
"""

import asyncio
import logging
import threading

from epay_transfers.ledger.log_lines import log_line

_LOG = logging.getLogger(__name__)

#: Set once this process has said so. The backend goes on: its calls are right, and slow for its other clients alone.
_TOLD = threading.Event()


def say_if_in_loop() -> None:
    """Costs less than a microsecond where no loop runs, and nothing once it is said."""
    if _TOLD.is_set():
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    _TOLD.set()
    log_line(
        _LOG.warning,
        "transfers.in_event_loop",
        "A call of Transfers waits for the servers inside a running event loop, which serves nothing else meanwhile; "
        "use AsyncTransfers, or await asyncio.to_thread(transfers.enqueue, intent). It is said once a process",
    )
