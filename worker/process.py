"""The worker's process: built here, at the root, and nowhere else; it ends loudly, or drained.

Dramatiq's own command would fork and keep its own time. Here one process is one process: wrong settings end it with
78, a server that is away with 75, a thread that died with 1, and SIGTERM lets what is on the wire be answered first.
"""

import logging
import os
import signal
import socket
import sys
import threading
from random import SystemRandom

import dramatiq

from ledger import doorbell, health, logs, reports
from ledger.clock import SystemClock
from ledger.doorbell import Broker
from ledger.errors import LedgerUnavailable
from ledger.ledger import Ledger
from ledger.sealing import Opener
from ledger.servers import connect
from ledger.settings import EX_CONFIG, SettingsWrong
from ledger.vault import Vault
from worker import actors
from worker.bank import Bank
from worker.build import Rules, build
from worker.settings import WorkerSettings
from worker.sweeper import BATCH

_LOG = logging.getLogger(__name__)

#: `EX_TEMPFAIL`: a server is away; a supervisor may try again.
EX_TEMPFAIL = 75

#: A bank that hangs may not take every thread from a client who waits: a batch leaves a quarter of them free.
_SHARE_OF_BATCH = 0.75

_SWEEP_S = 0.5
_WATCH_S = 1.0


def main(*, only_check: bool = False) -> int:
    """Run the worker; or, with `only_check`, say what keeps it from running."""
    try:
        settings = WorkerSettings.load()
    except SettingsWrong as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator's screen, before there is a log
        return EX_CONFIG
    logs.set_up(settings.log_level)
    reports.set_up(settings.sentry_dsn, "transfers", settings.epay_environment)
    findings = health.examine(settings, SystemClock())
    for finding in findings:
        print(finding, file=sys.stderr)  # noqa: T201 - the operator's screen
    if findings:
        return EX_TEMPFAIL if all(finding.passing for finding in findings) else EX_CONFIG
    return 0 if only_check else Process(settings).run()


class Process:
    def __init__(self, settings: WorkerSettings) -> None:
        clock = SystemClock()
        places = {doorbell.BATCH: max(1, int(settings.worker_threads * _SHARE_OF_BATCH))}
        places |= {name: settings.worker_threads for name in doorbell.QUEUES if name != doorbell.BATCH}
        self._broker = Broker(connect(settings.queue_url), [], places)
        self._worker = build(
            ledger=Ledger(connect(settings.redis_url.reveal()), clock),
            vault=Vault(connect(settings.vault_url.reveal())),
            opener=Opener(settings.vault_private_keys),
            bank=Bank(settings.bank, clock),
            broker=self._broker,
            terminals=settings.terminals,
            rules=Rules.of(settings),
            clock=clock,
            actor=f"worker {socket.gethostname()} {os.getpid()}",
            chance=SystemRandom().random,
        )
        actors.declare(self._broker, self._worker.journey)
        self._settings = settings
        self._stopping = threading.Event()

    def run(self) -> int:
        """Until SIGTERM or SIGINT, or until a thread has died."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        worker = dramatiq.Worker(self._broker, worker_timeout=200, worker_threads=self._settings.worker_threads)
        worker.start()
        sweeping = threading.Thread(target=self._sweep, name="sweeper", daemon=True)
        sweeping.start()
        _LOG.info("worker.started", extra={"threads": self._settings.worker_threads})
        while not self._stopping.wait(_WATCH_S):
            threads = [*worker.workers, *worker.consumers.values(), sweeping]
            if not all(thread.is_alive() for thread in threads):
                _LOG.critical("worker.thread_died")
                return 1
        _LOG.info("worker.draining")
        worker.stop(timeout=int((self._settings.http_deadline + 10) * 1000))
        _LOG.info("worker.stopped")
        return 0

    def _sweep(self) -> None:
        while not self._stopping.is_set():
            try:
                is_full = self._worker.sweeper.run_once() == BATCH
            except LedgerUnavailable:
                _LOG.warning("sweeper.waits", extra={"why": "the ledger is away"})
                is_full = False
            if not is_full:
                self._stopping.wait(_SWEEP_S)

    def _stop(self, _signal: int, _frame: object) -> None:
        if self._stopping.is_set():
            os._exit(1)  # asked twice: what is on the wire is left to the leases
        self._stopping.set()
        self._worker.scribe.stop_insisting()
