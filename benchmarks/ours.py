"""Our side of a benchmark: servers, a bank, a worker's process, and intents that are enqueued by another process.

`python -m benchmarks.ours FIRST COUNT BATCH` enqueues payouts with the settings of the environment, one by one where
BATCH is 0, and prints the seconds of CPU and of the wall.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks import processes
from benchmarks.processes import RunningBank
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.lists import Lists
from epay_transfers.producers import PanCard, Receiver, TransferIntent, Transfers
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from epay_transfers.sandbox.server import SandboxAddresses
from tests.support.environment import environment_of

THREADS = 16


@dataclass(frozen=True, slots=True)
class Ours:
    bank: RunningBank
    ledger: EmbeddedServer
    vault: EmbeddedServer
    client: redis.Redis  #: of the ledger
    environment: dict[str, str]

    def enqueue(
        self, count: int, *, first: int = 0, batch: int = 500, description: str = "Payout"
    ) -> tuple[float, float]:
        """Seconds of the producer's CPU and of the wall."""
        words = ["-m", "benchmarks.ours", str(first), str(count), str(batch), description]
        cpu, wall = processes.run(words, self.environment).split()
        return float(cpu), float(wall)

    def until(self, state: State, count: int) -> None:
        """Wait until so many transfers are in this state. It asks seldom, for the server's work is counted."""
        lists = Lists(self.client)
        processes.until(lambda: lists.count(state, "main") >= count, f"{count} transfers {state}", every_s=0.5)

    @contextmanager
    def worker(self, **settings: str) -> Iterator[int]:
        """A worker's process: its number. It runs in an empty folder, for it reads a `.env` of where it starts."""
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            processes.python(
                ["-P", "-m", "epay_transfers.worker"], self.environment | settings, folder=Path(folder)
            ) as process,
        ):
            yield process.pid


#: A worker looks for each card that may be older than the vault's start, which is told in seconds. A vault in use was
#: started long ago.
_STEADY_S = 4.0


@contextmanager
def running(latency_s: float = 0.0, *, tls: bool = False, **settings: str) -> Iterator[Ours]:
    """Servers and a bank; no worker yet. `settings` are a worker's or a producer's."""
    with ExitStack() as stack:
        bank = stack.enter_context(processes.bank(latency_s, tls=tls))
        ledger = stack.enter_context(processes.ledger_server())
        vault = stack.enter_context(processes.vault_server())
        client = connect(ledger.url)
        stack.callback(client.close)
        time.sleep(_STEADY_S)
        yield Ours(bank, ledger, vault, client, environment(bank, ledger.url, vault.url, **settings))


def environment(bank: RunningBank, ledger_url: str, vault_url: str, **settings: str) -> dict[str, str]:
    given = {"WORKER_THREADS": str(THREADS), "REDIS_URL": ledger_url, "VAULT_URL": vault_url} | settings
    if bank.ca_file:
        given["BANK_CA_FILE"] = bank.ca_file
    addresses = SandboxAddresses(
        token=f"{bank.url}/epay2/oauth2/token",
        transfer=f"{bank.url}/api/p2p/transfer",
        confirm=f"{bank.url}/p2p/api/confirm",
        status=f"{bank.url}/api/check-status/p2p/transaction/{{invoice_id}}",
    )
    return environment_of(addresses, **given)


def payout(number: int, description: str = "Payout") -> TransferIntent:
    return TransferIntent(
        reference=f"payout-{number}",
        amount=100,
        description=description,
        urgency="now",
        sender=PanCard(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov"),
        receiver=Receiver(number="5522042705066736"),
        sender_email="a@example.kz",
        back_link="https://shop.example.kz/ok",
        failure_back_link="https://shop.example.kz/no",
        post_link="https://shop.example.kz/n",
        failure_post_link="https://shop.example.kz/f",
    )


def main() -> None:
    first, count, batch = (int(word) for word in sys.argv[1:4])
    description = sys.argv[4] if len(sys.argv) > 4 else "Payout"
    numbers = range(first, first + count)
    with Transfers.from_env() as transfers:
        cpu, wall = time.process_time(), time.perf_counter()
        if batch:
            for start in range(0, count, batch):
                intents = [payout(number, description) for number in numbers[start : start + batch]]
                for receipt in transfers.enqueue_many(intents):
                    if isinstance(receipt, Exception):
                        raise receipt
        else:
            for number in numbers:
                transfers.enqueue(payout(number, description))
        print(time.process_time() - cpu, time.perf_counter() - wall)


if __name__ == "__main__":
    main()
