"""The worker's process: its start, its threads and loops, and its end, which is loud or drained.

Dramatiq's own command would fork and keep its own time. Here one process is one process: wrong settings end it with
78, a server that is away with 75, a thread that died with 1, and SIGTERM lets what is on the wire be answered first.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Self

import dramatiq

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError
from epay_transfers.ledger.store import terminals
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import hardening, health, logs, sentry
from epay_transfers.runtime.settings import EX_CONFIG, Durability, SettingsWrong
from epay_transfers.worker.build import Worker, build
from epay_transfers.worker.settings import WorkerSettings
from epay_transfers.worker.sweeper import BATCH

_LOG = logging.getLogger(__name__)

#: `EX_TEMPFAIL`: a server is away; a supervisor may try again.
EX_TEMPFAIL = 75

#: After `HTTP_DEADLINE`: what was on the wire is recorded by then, and what is still at it is left behind ...
_DRAIN_S = 8.0

#: ... and the process has ended by then, whatever hangs in it.
_END_S = 10.0
_NOT_BOUND = (
    "REDIS_URL: the server did not say which space each TerminalID has; start it, or allow this user what "
    "users-ledger.acl allows a worker"
)

_REST_S = 0.5
_WATCH_S = 0.2


def main(*, only_check: bool = False) -> int:
    """Run the worker; or, with `only_check`, say what keeps it from running."""
    hardened = hardening.harden()
    try:
        settings = WorkerSettings.load()
    except SettingsWrong as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator's screen, before there is a log
        return EX_CONFIG
    logs.set_up(settings.log_level)
    logs.catch_the_rest()
    sentry.set_up(settings.sentry_dsn, "transfers", settings.epay_environment)
    if settings.durability is Durability.RELAXED:
        _LOG.warning("DURABILITY=relaxed: what is confirmed may be lost, and cards may be written to disk")
    for warning in health.vault_warnings(settings):
        _LOG.warning("servers.warning", extra={"why": str(warning)})
    findings = health.examine(settings, SystemClock())
    for finding in findings:
        print(finding, file=sys.stderr)  # noqa: T201 - the operator's screen
    if findings:
        return EX_TEMPFAIL if all(finding.passing for finding in findings) else EX_CONFIG
    try:
        wrong = _bound_elsewhere(settings, only_look=only_check)
    except LedgerUnavailable:
        print(_NOT_BOUND, file=sys.stderr)  # noqa: T201 - as above
        return EX_TEMPFAIL
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201 - as above
    if wrong:
        return EX_CONFIG
    if only_check:
        return 0
    _say_what_is_open(hardened=hardened)
    return Process.of(settings).run()


def _bound_elsewhere(settings: WorkerSettings, *, only_look: bool) -> list[str]:
    """The terminals whose TerminalID the ledger has bound to another space than these settings do."""
    client = connect(settings.redis_url.reveal())
    there = terminals.bound(client) if only_look else terminals.bind(client, settings.spaces)
    client.close()
    lines = []
    for name, its in sorted(settings.terminals.items()):
        space = settings.spaces[its.terminal_id]
        kept = there.get(its.terminal_id, space)
        if kept != space:
            lines.append(
                f"EPAY_TERMINALS: {name} is in the space {space}, and the transfers of its TerminalID are in the space "
                f"{kept}: two transfers could have one invoice id at the bank; give it that space, "
                "or see the runbook, 'A TerminalID in another space'"
            )
    return lines


def _say_what_is_open(*, hardened: bool) -> None:
    if not hardened:
        _LOG.warning("worker.open_to_debuggers")
    for place in hardening.cards_in(sys.argv[1:], os.environ):
        _LOG.error("worker.card_in_the_open", extra={"place": place})


class Process:
    """Signals, threads and loops around a worker that is built."""

    def __init__(self, worker: Worker, *, threads: int, deadline_s: float) -> None:
        """`deadline_s`: of one HTTP exchange, which is answered and recorded before the process ends."""
        self._worker = worker
        self._threads = threads
        self._deadline_s = deadline_s
        self._asked_to_stop = False
        self._stopping = threading.Event()

    @classmethod
    def of(cls, settings: WorkerSettings) -> Self:
        return cls(build(settings), threads=settings.worker_threads, deadline_s=settings.http_deadline)

    def run(self) -> int:
        """Until SIGTERM or SIGINT, or until a thread has died."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        worker = dramatiq.Worker(self._worker.broker, worker_timeout=200, worker_threads=self._threads)
        worker.start()
        loops = [
            threading.Thread(target=self._loop, args=(once,), name=name, daemon=True)
            for name, once in {"sweeper": self._sweep, "maintenance": self._maintain, "prober": self._probe}.items()
        ]
        for loop in loops:
            loop.start()
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

    def _loop(self, run_once: Callable[[], bool]) -> None:
        """One bounded batch after the other; a rest wherever nothing is left, or a server is away."""
        while not self._stopping.is_set():
            try:
                is_more = run_once()
            except TransfersError as error:
                _LOG.warning(
                    "loop.backing_off", extra={"loop": threading.current_thread().name, "why": type(error).__name__}
                )
                is_more = False
            if not is_more:
                self._stopping.wait(_REST_S)

    def _sweep(self) -> bool:
        return self._worker.sweeper.run_once() == BATCH

    def _maintain(self) -> bool:
        self._worker.maintenance.run_once()
        return False

    def _probe(self) -> bool:
        self._worker.maintenance.probe_once()
        return False

    def _end_undrained(self) -> None:
        """Where a server's name is not looked up, say, even the last words to the queue have no end."""
        _LOG.critical("worker.not_drained")
        os._exit(1)

    def _stop(self, _signal: int, _frame: object) -> None:
        """The handler. It takes no lock, for the thread that it interrupts may hold that very one."""
        if self._asked_to_stop:
            os._exit(1)  # asked twice: what is on the wire is left to the leases
        self._asked_to_stop = True
