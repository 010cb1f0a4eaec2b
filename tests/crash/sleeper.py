"""A worker that stops itself (SIGSTOP) the first time it is between its look at the lease and the exchange.

No part of the product knows of it: the bank's two money calls are wrapped here. It goes on when the test says so.
"""

import functools
import signal
import threading
from typing import Any

from epay_transfers.worker.bank import Bank
from epay_transfers.worker.process import Process
from epay_transfers.worker.settings import WorkerSettings


def stop_before(method: str) -> None:
    call = getattr(Bank, method)

    @functools.wraps(call)
    def stops_once(*args: Any, **kwargs: Any) -> Any:
        setattr(Bank, method, call)
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # to this thread: it takes no step more
        return call(*args, **kwargs)

    setattr(Bank, method, stops_once)


if __name__ == "__main__":
    stop_before("transfer")
    stop_before("confirm")
    Process.of(WorkerSettings.load()).run()
