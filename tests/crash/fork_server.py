"""A process that has everything imported and forks: each child is a real worker or producer, killed at a point.

No part of the product knows of it: the methods are wrapped here, in the child. A line of JSON comes in for each child;
when it is dead, a line goes out: how many transfers stood at the point, and by which signal it died.
"""

import functools
import json
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.record import RequestedAction
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context
from epay_transfers.producers import Transfers
from epay_transfers.worker.process import Process
from epay_transfers.worker.settings import WorkerSettings
from tests.crash.points import STEPS, Step
from tests.support.intents import payout

#: How long the child waits for more transfers at its point, once the first has come; and for the first.
_MORE_S = 1.0
_FIRST_S = 60.0


class Trap:
    """At a step, before it or after it: whoever comes waits there, and when enough have come the process is killed."""

    def __init__(self, step: Step, when: str, together: int, report: int) -> None:
        self._step = step
        self._when = when
        self._left = together
        self._report = report
        self._lock = threading.Lock()

    def set(self) -> None:
        call = getattr(self._step.part, self._step.method)

        @functools.wraps(call)
        def trapped(*args: Any, **kwargs: Any) -> Any:
            if not self._step.is_meant(args, kwargs):
                return call(*args, **kwargs)
            if self._when == "before":
                self._spring()
            answer = call(*args, **kwargs)
            if self._when == "after":
                self._spring()
            return answer

        setattr(self._step.part, self._step.method, trapped)

    def _spring(self) -> None:
        with self._lock:
            os.write(self._report, b".")
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(_MORE_S, os.kill, (os.getpid(), signal.SIGKILL)).start()
        threading.Event().wait()


def _be(role: str, said: dict[str, Any]) -> None:
    if role == "worker":
        Process.of(WorkerSettings.load()).run()
        return
    if role == "ops":
        desk, why = Context.connect(), "it is to be tried again"
        _together(
            [
                functools.partial(requests.put_action, desk, desk.find(key), RequestedAction.REQUEUE, why)
                for key in said["keys"]
            ]
        )
        return
    transfers = Transfers.from_env()
    if role == "backend":
        transfers.enqueue_many([payout(reference) for reference in said["references"]])
    elif role == "web":
        _together([functools.partial(transfers.confirm, **answer) for answer in said["answers"]])
    else:
        _together([functools.partial(transfers.cancel, key, reason="not wanted") for key in said["keys"]])


def _together(calls: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _child(said: dict[str, Any], report: int) -> None:
    os.environ.update(said["env"])
    Trap(STEPS[said["work"], said["role"], said["step"]], said["when"], said["together"], report).set()
    try:
        _be(said["role"], said)
    except TransfersError:
        os._exit(3)
    os._exit(4)  # it came to its end and by no point


def main() -> None:
    ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]  # the same call
    Process.of(WorkerSettings.load())  # not run: what it imports and reads from disk, no child needs to once more
    for line in sys.stdin:
        said = json.loads(line)
        come, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(come)
            _child(said, report)
        os.close(report)
        died = _await(pid)
        stood = len(os.read(come, 1000))
        os.close(come)
        print(json.dumps({"stood": stood, "died": died}), flush=True)  # noqa: T201 - the answer


def _await(pid: int) -> int:
    """The signal that it died of, or minus its exit status. One that does not come to its point is ended."""
    end = time.monotonic() + _FIRST_S
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    main()
