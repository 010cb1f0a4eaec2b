"""A web tier in memory: the core on `FakeTransfers`, and what a browser and the bank would send it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import redis

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ledger.vault.sealing import Opener
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import Challenge, PanCard, Receipt, Receiver, TransferIntent
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Reply, Request, Web
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.web_addresses import Places
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.notifications import Notifications
from tests.support.clocks import FakeClock
from tests.support.servers import queue_url
from tests.web.real import RealTransfers

BASE = "https://shop.example/transfers"
SECRET = "a-secret-that-nobody-guesses"
FORM = "application/x-www-form-urlencoded"
PA_RES = "eJzVWF+T" * 200 + "a+b/c+d="


def intent(reference: str = "order-1", **bent: Any) -> TransferIntent:
    fields: dict[str, Any] = {
        "reference": reference,
        "amount": "12000",
        "description": "TEST p2p",
        "sender": PanCard(number="4405639704015096", expiry="01/30", cvc="815", name="Sergey Frolov"),
        "receiver": Receiver(number="5522042705066736"),
    }
    return TransferIntent(**fields | bent)


class WorkedTransfers(FakeTransfers):
    """Its worker's part in notifications is the real one, once it is played."""

    notifications: Notifications

    def play_worker(self, hash_key: Secret | None) -> None:
        events = Events(self._books.client, self._time)
        consequences = Consequences(Pauses(self._books.client, self._time), events, self._time, "worker")
        self.notifications = Notifications(
            ledger=self._books,
            consequences=consequences,
            wakeups=self._context.wakeups,
            opener=Opener([self._keys.private]),
            hash_key=hash_key,
        )

    def _work(self, kind: Kind, entry: Mapping[str, str]) -> None:
        record = self._named(entry["key"])
        match kind:
            case Kind.NOTIFICATION if hasattr(self, "notifications"):
                self.notifications.note(record, entry["sealed"])
            case Kind.SECURE_2 if hasattr(self, "notifications"):
                self.notifications.secure_2(record, entry["fields"])
            case _:
                super()._work(kind, entry)


@dataclass(frozen=True)
class Visitor:
    """A client's browser."""

    web: Web

    def get(self, route: str, name: str, languages: str = "en", method: str = "GET") -> Reply:
        return self.web.answer(route, name, Request(method, languages=languages))

    def post(self, route: str, name: str, body: bytes | None, content_type: str = FORM) -> Reply:
        return self.web.answer(route, name, Request("POST", content_type, "en", body))

    def comes_back(self, receipt: Receipt, **fields: str) -> Reply:
        """From the bank's page, with these fields."""
        return self.post("3ds", receipt.handle, urlencode(fields).encode())


@pytest.fixture
def fake() -> WorkedTransfers:
    fake = WorkedTransfers()
    fake.play_worker(None)
    return fake


@pytest.fixture
def web(fake: FakeTransfers) -> Web:
    return Web(fake, Places(BASE, Secret(SECRET)))


@pytest.fixture
def visitor(web: Web) -> Visitor:
    return Visitor(web)


@pytest.fixture
def receipt(fake: FakeTransfers) -> Receipt:
    return fake.enqueue(intent())


@pytest.fixture
def challenge(fake: FakeTransfers, receipt: Receipt) -> Challenge:
    return fake.park(receipt.key)


@pytest.fixture
def queue(ledger_server: embedded_servers.EmbeddedServer, ledger_client: redis.Redis) -> Iterator[redis.Redis]:
    client = connect(queue_url(ledger_server.url))
    yield client
    client.close()


@pytest.fixture
def real(ledger: Ledger, vault: Vault, queue: redis.Redis, clock: FakeClock) -> RealTransfers:
    return RealTransfers(ledger, vault, queue, clock)
