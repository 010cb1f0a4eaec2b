"""`Transfers` on the two real servers, with the queue on the ledger's server; and hands to play a worker with.

Nothing is patched: a server that is away is an address where nobody listens.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
import redis

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.queue.broker import NAMESPACE, QUEUES, Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record, StoredChallenge
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import NOTHING_ELSE, Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import KeyPair, Opener, Purpose, Sealer, generate
from epay_transfers.ledger.vault.vault import Taken, Vault
from epay_transfers.producers import PanCard, ProducerSettings, Receiver, SavedCard, TransferIntent, Transfers
from epay_transfers.producers.context import Context
from epay_transfers.runtime import embedded_servers
from tests.support.clocks import FakeClock
from tests.support.factories import NONCE
from tests.support.inbox import ReadAtOnce
from tests.support.servers import queue_url

#: Nobody listens here.
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def queue_client(ledger_server: embedded_servers.EmbeddedServer, ledger_client: redis.Redis) -> Iterator[redis.Redis]:
    client = connect(queue_url(ledger_server.url))
    yield client
    client.close()


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    return generate()


@pytest.fixture
def settings(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    pair: KeyPair,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> ProducerSettings:
    monkeypatch.chdir(tmp_path)
    return ProducerSettings.load(
        redis_url=ledger_server.url,
        vault_url=vault_server.url,
        vault_public_key=pair.public,
        fingerprint_keys=[fingerprint_keys.generate()],
        epay_terminals={"kiosk": {"space": "kiosk"}, "second": {}},
    )


@pytest.fixture
def parts(
    ledger: Ledger, vault: Vault, pair: KeyPair, clock: FakeClock, settings: ProducerSettings, queue_client: redis.Redis
) -> Context:
    wakeups = Wakeups(Broker(queue_client, [], {}))
    return Context(
        ledger=ledger,
        inboxes=ReadAtOnce(ledger, vault, wakeups, clock),
        vault=vault,
        sealer=Sealer(pair.public),
        wakeups=wakeups,
        clock=clock,
        settings=settings,
    )


def build(parts: Context, **others: Any) -> Transfers:
    """`Transfers` of these parts, with some of them exchanged."""
    own = [name for name in parts.__slots__ if name != "known_keys"]  # what a process has asked is its own
    mine = {name: getattr(parts, name) for name in own} | others
    return Transfers(**mine)


@pytest.fixture
def transfers(parts: Context) -> Transfers:
    return build(parts)


@pytest.fixture
def without_vault(parts: Context) -> Transfers:
    """The same, at a moment when the vault does not answer."""
    return build(parts, vault=Vault(connect(NOWHERE)))


@pytest.fixture
def without_ledger(parts: Context, clock: FakeClock) -> Transfers:
    return build(parts, ledger=Ledger(connect(NOWHERE), clock))


@pytest.fixture
def rung(queue_client: redis.Redis) -> Callable[[], list[tuple[str, str]]]:
    """Every (queue, key) that was rung and not heard, sorted; and what else stands in the messages is nothing."""

    def read() -> list[tuple[str, str]]:
        found = []
        for queue in QUEUES:
            for text in cast("dict[str, str]", queue_client.hgetall(f"{NAMESPACE}:{queue}.msgs")).values():
                message = json.loads(text)
                (key,) = message["args"]
                assert message["kwargs"] == {}
                found.append((queue, key))
        return sorted(found)

    return read


def by_pan(reference: str = "order-1", **bent: Any) -> TransferIntent:
    fields: dict[str, Any] = {
        "reference": reference,
        "amount": "100.50",
        "description": "TEST p2p",
        "sender": PanCard(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov", address="Abay 1"),
        "receiver": Receiver(number="5522042705066736"),
        "sender_email": "armanali@epay.kz",
        "sender_ip": "203.0.113.7",
    }
    return TransferIntent(**fields | bent)


def by_saved_card(reference: str = "payout-1", **bent: Any) -> TransferIntent:
    fields: dict[str, Any] = {
        "reference": reference,
        "amount": "15000",
        "description": "Payout",
        "sender": SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),
        "receiver": Receiver(number="5522042705066736"),
        "urgency": "batch",
    }
    return TransferIntent(**fields | bent)


@dataclass(frozen=True)
class Hands:
    """A worker and a sweeper, one move at a time."""

    ledger: Ledger
    vault: Vault
    opener: Opener
    clock: FakeClock

    def record(self, key: str) -> Record:
        record = self.ledger.get(key)
        assert record is not None
        return record

    def claim(self, key: str) -> Record:
        record = self.record(key)
        lane = "send" if record.state is State.QUEUED else "confirm"
        moved = self.ledger.claim(record, lane=lane, host="bank", gap_ms=0, lease_ms=60_000, actor="worker")
        assert isinstance(moved, Moved)
        return replace(record, state=moved.state, epoch=moved.epoch)

    def take(self, record: Record, purpose: Purpose = Purpose.CARD) -> bytes:
        taken = self.vault.take(purpose, record.key, record.epoch, 1, NONCE)
        assert isinstance(taken, Taken)
        return self.opener.open(taken.sealed, purpose, record.key)

    def move(self, key: str, verb: Verb, change: Change = NOTHING_ELSE) -> None:
        if verb is Verb.EXPIRE:
            self.wait_for(self.record(key))
        assert isinstance(self.ledger.move(self.record(key), verb, change, actor="worker"), Moved)

    def wait_for(self, record: Record) -> None:
        """Until its time is over."""
        ends_ms = record.parked_until if record.state is State.PARKED else record.deadline_at
        self.clock.advance(max(0, ends_ms - self.clock.now_ms()) / 1000)

    def park(self, key: str, md: str = "270469967-9CA5EC5779A3358E", seconds: int = 900) -> str:
        """Parked until so many seconds from now; its handle."""
        self.take(self.claim(key))
        until = self.clock.now_ms() + seconds * 1000
        challenge = StoredChallenge(pa_req="cGFSZXE=", md=md, action="https://acs.bank.kz/pareq")
        self.move(
            key,
            Verb.PARK,
            Change(due_at=until, challenge=challenge, fields={"parked_until": until, "bank_id": f"b-{key}"}),
        )
        return self.record(key).handle

    def bring(self, key: str, state: State) -> None:
        """A queued transfer with its card in the vault to the state; not to `resumed` or `confirming`."""
        due = self.clock.now_ms() + 60_000
        match state:
            case State.QUEUED:
                return
            case State.DEAD:
                self.move(key, Verb.FAIL_QUEUED, Change(due_at=due))
            case State.EXPIRED:
                self.move(key, Verb.EXPIRE)
            case State.CANCELLED:
                self.move(key, Verb.CANCEL)
            case State.PARKED:
                self.park(key)
            case _:
                self.take(self.claim(key))
                for verb in _AFTER_SENDING[state]:
                    self.move(key, verb, Change(due_at=due if verb in {Verb.DOUBT, Verb.SEND_TO_REVIEW} else None))
        assert self.record(key).state is state


_AFTER_SENDING: dict[State, list[Verb]] = {
    State.SENDING: [],
    State.PAID: [Verb.PAY],
    State.REVERSED: [Verb.PAY, Verb.OPERATOR_REVERSED],
    State.DECLINED: [Verb.DECLINE],
    State.IN_DOUBT: [Verb.DOUBT],
    State.NEEDS_REVIEW: [Verb.DOUBT, Verb.SEND_TO_REVIEW],
}


@pytest.fixture
def hands(ledger: Ledger, vault: Vault, pair: KeyPair, clock: FakeClock) -> Hands:
    return Hands(ledger, vault, Opener([pair.private]), clock)
