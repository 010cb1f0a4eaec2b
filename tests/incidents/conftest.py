"""The whole system as real processes for one incident: servers and a bank of its own, which a test may kill.

The test is backend and operator. Every page that an operator would see is 100 columns and 40 lines at the most.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
import redis
from typer.testing import CliRunner

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.heartbeats import Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.samples import Sample, Samples
from epay_transfers.ops import typed
from epay_transfers.ops.cli import app
from epay_transfers.ops.context import Context
from epay_transfers.ops.exporter.exporter import Exporter
from epay_transfers.producers import Transfers
from epay_transfers.runtime.embedded_servers import LEDGER_OPTIONS, VAULT_OPTIONS
from epay_transfers.sandbox import Options, RunningSandbox, running
from tests.support import promtool
from tests.support.command_line import Said
from tests.support.console_pages import console_of, headline_of, shown
from tests.support.environment import environment_of
from tests.support.intents import payout
from tests.support.servers import KillableServer, start_worker
from tests.support.waiting import until

COLUMNS, LINES = 100, 40

#: Where the pages are kept that the incidents showed, if it is set: for people to read.
PAGES = os.environ.get("INCIDENT_PAGES", "")

#: Two heartbeats.
SETTLED_MS = 11_000


@dataclass
class System:
    """Everything that runs, and what an operator sees of it."""

    env: dict[str, str]
    ledger_server: KillableServer
    vault_server: KillableServer
    queue_server: KillableServer
    bank: RunningSandbox
    client: redis.Redis
    log: IO[bytes]
    monkeypatch: pytest.MonkeyPatch
    stack: ExitStack
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.client)

    def start_worker(self, **more: str) -> subprocess.Popen[bytes]:
        """It is heard when this returns."""
        worker = start_worker(self.env | more, self.log)
        self.workers.append(worker)
        until(lambda: any(told.pid == worker.pid for told in Heartbeats(self.client).alive()))
        return worker

    def enqueue(self, count: int, description: str = "Payout", first: int = 0) -> list[str]:
        transfers = Transfers.from_env()
        receipts = [
            transfers.enqueue(payout(f"payout-{number}", description)) for number in range(first, first + count)
        ]
        transfers.close()
        return [receipt.key for receipt in receipts]

    def pay_one(self) -> None:
        """So the system is seen to work."""
        (key,) = self.enqueue(1, first=900)
        until(lambda: self.state(key) is State.PAID)

    def state(self, key: str) -> State:
        record = self.ledger.get(key)
        assert record is not None
        return record.state

    def count(self, *states: State) -> int:
        return self.ledger.totals().of(*states).count

    def five_minutes_ago(self, used: int = 10) -> None:
        """What the samples of a quiet time say: none of anything, and calls that took a tenth of a second."""
        samples, now_ms = Samples(self.client), self.ledger.now_ms()
        self.client.delete(redis_keys.SAMPLES)
        usual = dict.fromkeys(("token", "transfer", "confirm", "status"), 100)
        for minutes in (20, 18, 16, 14, 12, 5):
            samples.put(Sample(at_ms=now_ms - minutes * 60_000, p95_ms=usual, used={"main": used}))

    def says(self, *arguments: str) -> Said:
        result = CliRunner().invoke(app, list(arguments), prog_name="transfers")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def in_a_browser(self) -> dict[str, str]:
        """What the console's first page says first, in a console that was started by now."""
        context = Context.connect()
        try:
            page = shown(console_of(context), "/")
        finally:
            context.client.close()
        assert page.status == 200
        return headline_of(page.text)

    def found(self) -> list[str]:
        """The names of the judgements, the gravest first."""
        return [each["what"] for each in self.says("overview", "--json").json["judgements"]]

    def is_first(self, what: str) -> bool:
        return self.found()[:1] == [what]

    def firing(self) -> set[str]:
        """The alerts of `deploy/` that fire, where what is exported now stays as it is."""
        return promtool.firing(self.folder, Exporter(Context.connect()).metrics().decode())

    def page(self) -> list[str]:
        """The operator's screen; it is kept under the test's name, where pages are kept.

        There the incident goes on for some seconds first: an operator does not look in its first one.
        """
        began_ms = time.monotonic_ns() // 1_000_000
        until(lambda: not PAGES or time.monotonic_ns() // 1_000_000 > began_ms + SETTLED_MS)
        said = self.says("overview")
        lines = said.out.splitlines()
        assert len(lines) <= LINES, "it is one screen"
        assert [line for line in lines if len(line) > COLUMNS] == []
        if PAGES:
            name = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].partition(" ")[0]
            text = f"$ transfers overview\n{said.out}$ echo $?\n{said.status}\n"
            Path(PAGES, f"{name}.txt").write_text(text, encoding="utf-8")
        return lines

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
                worker.wait(10)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with ExitStack() as stack:
        servers = []
        for name, options in (("ledger", LEDGER_OPTIONS), ("vault", VAULT_OPTIONS), ("queue", VAULT_OPTIONS)):
            server = KillableServer.start(tmp_path / name, options)
            stack.callback(_stop, server)
            servers.append(server)
        ledger, vault, queue = servers
        bank = stack.enter_context(running(Options()))
        env = environment_of(
            bank.addresses,
            REDIS_URL=ledger.server.url,
            VAULT_URL=vault.server.url,
            BROKER_URL=queue.server.url,
            WEB_BASE_URL="http://127.0.0.1:1",
            HTTP_CONNECT_TIMEOUT="2",
            HTTP_READ_TIMEOUT="5",
            HTTP_DEADLINE="6",
            LEASE="8",
            DOUBT_HORIZON="600",
            RETRY_MIN_BACKOFF="1",
            RETRY_MAX_BACKOFF="2",
        )
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(typed, "command", lambda: "transfers")  # on an operator's machine it is found by its name
        log = stack.enter_context((tmp_path / "worker.log").open("wb"))
        client = connect(ledger.server.url)
        stack.callback(client.close)
        system = System(env, ledger, vault, queue, bank, client, log, monkeypatch, stack, tmp_path)
        stack.callback(system.stop)
        yield system


def _stop(server: KillableServer) -> None:
    """The process that runs by then: a test may have started it again."""
    server.server.stop()


@pytest.fixture
def well(system: System) -> System:
    """A system of which nothing is wrong: a worker runs, a payout was paid, and the overview says so."""
    with suppress(redis.RedisError):
        system.five_minutes_ago()
    system.start_worker()
    system.pay_one()
    until(lambda: system.found() == [])  # the first worker of a new ledger compares it with the vault for some seconds
    assert system.says("overview").status == 0
    return system
