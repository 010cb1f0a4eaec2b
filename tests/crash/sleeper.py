"""A worker that stops itself (SIGSTOP) the first time it comes to each of the steps that it is given.

`Bank.transfer` and `Bank.confirm` come between its look at the lease and the exchange, `Ledger.move:lose_card` after an
inquiry has judged. No part of the product knows of it: the steps are wrapped here. It goes on when the test says so.
"""

import functools
import signal
import sys
import threading
from typing import Any

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.worker.bank import Bank
from epay_transfers.worker.process import Process
from epay_transfers.worker.settings import WorkerSettings
from tests.crash.points import Step

STEPS = {
    step.name: step for step in (Step(Bank, "transfer"), Step(Bank, "confirm"), Step(Ledger, "move", Verb.LOSE_CARD))
}


def stop_before(step: Step) -> None:
    call = getattr(step.part, step.method)

    @functools.wraps(call)
    def stops_once(*args: Any, **kwargs: Any) -> Any:
        if step.is_meant(args, kwargs):
            setattr(step.part, step.method, call)
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # to this thread: it takes no step more
        return call(*args, **kwargs)

    setattr(step.part, step.method, stops_once)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        stop_before(STEPS[name])
    Process.of(WorkerSettings.load()).run()
