"""The worker's process: signals, threads and loops around a worker that is built; it ends loudly, or drained.

Dramatiq's own command would fork and keep its own time. Here one process is one process: a thread that died ends it
with 1, and SIGTERM lets what is on the wire be answered first. What comes before is in `startup.py`.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from typing import Self

import dramatiq

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.store.heartbeats import TELL_S
from epay_transfers.runtime.endpoint import Endpoint, NotListening
from epay_transfers.worker import inbox
from epay_transfers.worker.build import Worker, build
from epay_transfers.worker.one_core import Linux, OneCore
from epay_transfers.worker.settings import WorkerSettings
from epay_transfers.worker.sweeper import BATCH

_LOG = logging.getLogger(__name__)

#: After `HTTP_DEADLINE`: what was on the wire is recorded by then, and what is still at it is left behind ...
_DRAIN_S = 8.0

#: ... and the process has ended by then, whatever hangs in it.
_END_S = 10.0

_REST_S = 0.5
_THREAD_REST_MS = 1_000  #: how long a thread waits for work before it looks whether it is to end
_INBOX_REST_S = 0.2  #: a client waits for the confirm
_WATCH_S = 0.2


class Process:
    """Signals, threads and loops around a worker that is built."""

    def __init__(
        self,
        worker: Worker,
        *,
        threads: int,
        deadline_s: float,
        metrics_address: str = "",
        one_core: OneCore | None = None,
    ) -> None:
        """`deadline_s`: of one HTTP exchange, which is answered and recorded before the process ends.

        `metrics_address`: where metrics, liveness and readiness are; empty for none. `one_core`: keeps the threads on
        one core; None: they are where the system puts them.
        """
        self._worker = worker
        self._threads = threads
        self._deadline_s = deadline_s
        self._metrics_address = metrics_address
        self._one_core = one_core
        self._asked_to_stop = False
        self._stopping = threading.Event()

    @classmethod
    def of(cls, settings: WorkerSettings) -> Self:
        return cls(
            build(settings),
            threads=settings.worker_threads,
            deadline_s=settings.http_deadline,
            metrics_address=settings.metrics_address,
            one_core=OneCore(Linux(), SystemClock(), SystemRandom().random) if settings.worker_one_core else None,
        )

    def run(self) -> int:
        """Until SIGTERM or SIGINT, or until a thread has died."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        if self._one_core:
            self._one_core.begin()
        worker = dramatiq.Worker(self._worker.broker, worker_timeout=_THREAD_REST_MS, worker_threads=self._threads)
        self._look_first()
        worker.start()
        loops = [
            threading.Thread(target=self._loop, args=(once,), name=name, daemon=True)
            for name, once in {
                "sweeper": self._sweep,
                "inbox": self._read_inbox,
                "maintenance": self._maintain,
                "prober": self._probe,
            }.items()
        ]
        loops.append(threading.Thread(target=self._beat, name="heartbeat", daemon=True))
        for loop in loops:
            loop.start()
        self._listen()
        _LOG.info("worker.started", extra={"threads": self._threads})
        while not self._asked_to_stop:
            self._stopping.wait(_WATCH_S)
            threads = [*worker.workers, *worker.consumers.values(), *loops]
            if not all(thread.is_alive() for thread in threads):
                _LOG.critical("worker.thread_died")
                return 1
        _LOG.info("worker.draining")
        self._stopping.set()
        self._worker.recorder.stop_insisting()
        end = threading.Timer(self._deadline_s + _END_S, self._end_undrained)
        end.daemon = True
        end.start()
        worker.stop(timeout=int((self._deadline_s + _DRAIN_S) * 1000))
        end.cancel()
        _LOG.info("worker.stopped")
        return 0

    def _look_first(self) -> None:
        """Before anything is claimed, and before a heartbeat tells whether this worker is fit.

        What keeps it from looking is said by the loop of maintenance, which looks again.
        """
        with suppress(Exception):
            self._maintain()

    def _loop(self, run_once: Callable[[], bool]) -> None:
        """One bounded batch after the other; a rest wherever nothing is left, or a server is away."""
        name, said = threading.current_thread().name, ""
        self._worker.activity.came_round(name)  # else one that hangs in its first round would never show
        while not self._stopping.is_set():
            try:
                is_more = run_once()
                said = ""
            except TransfersError as error:
                if str(error) != said:  # once, and as it changes: it comes twice a second
                    said = str(error)
                    _LOG.warning("loop.backing_off", extra={"loop": name, "why": type(error).__name__, "says": said})
                is_more = False
            except Exception:  # noqa: BLE001 - whatever a thief put where a loop looks, it must not end each worker
                _LOG.exception("loop.broken", extra={"loop": name})
                is_more = False
            self._worker.activity.came_round(name)
            if not is_more:
                self._stopping.wait(_REST_S)

    def _listen(self) -> None:
        """An address that is taken keeps no money from moving: it is said, and the worker runs without."""
        if not self._metrics_address:
            return
        worker = self._worker
        try:
            Endpoint(
                self._metrics_address,
                metrics=lambda: worker.metrics.text(worker.activity, self._threads, is_fit=worker.preflight.is_fit),
                live=worker.pulse.hung,
                ready=self._not_ready,
            ).start()
        except NotListening as error:
            _LOG.error("endpoint.not_listening", extra={"why": f"METRICS_ADDRESS: {error}; give this worker another"})

    def _not_ready(self) -> list[str]:
        """Why this worker does no work, or is not heard."""
        worker = self._worker
        found = [f"hangs: {each}" for each in worker.pulse.hung()]
        found += [f"unfit: {cause}" for cause in worker.preflight.unfit]
        if not worker.pulse.is_heard():
            found.append("not heard: the ledger has no heartbeat of it")
        if self._asked_to_stop:
            found.append("stopping")
        return found

    def _sweep(self) -> bool:
        return self._worker.sweeper.run_once() == BATCH

    def _read_inbox(self) -> bool:
        if self._worker.inbox.run_once() < inbox.BATCH:
            self._stopping.wait(_INBOX_REST_S)
        return True

    def _maintain(self) -> bool:
        if self._one_core:
            self._one_core.look()
        self._worker.maintenance.run_once()
        return False

    def _probe(self) -> bool:
        self._worker.maintenance.probe_once()
        return False

    def _beat(self) -> None:
        """The thread that tells is the thread that takes its word back: so nothing is told after the end."""
        self._loop(self._beat_once)
        with suppress(TransfersError):
            self._worker.pulse.leave()

    def _beat_once(self) -> bool:
        self._worker.pulse.run_once()
        self._stopping.wait(TELL_S)
        return True

    def _end_undrained(self) -> None:
        """Where a server's name is not looked up, say, even the last words to the queue have no end."""
        _LOG.critical("worker.not_drained")
        os._exit(1)

    def _stop(self, _signal: int, _frame: object) -> None:
        """The handler. It takes no lock, for the thread that it interrupts may hold that very one."""
        if self._asked_to_stop:
            os._exit(1)  # asked twice: what is on the wire is left to the leases
        self._asked_to_stop = True
