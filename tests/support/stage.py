"""A worker without its threads: the real journey on the real servers against the sandbox bank, one step at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import redis
import requests

from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Created, Moved
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard, SenderCard
from epay_transfers.ledger.vault.sealed_card import PaymentOrder, SealedCard
from epay_transfers.ledger.vault.sealing import Opener, Purpose, Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime.health import Finding
from epay_transfers.sandbox import PUBLIC_TEST, Options, RunningSandbox, running
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import Addresses, Bank, BankConfig, Terminal
from epay_transfers.worker.build import Rules, assemble
from epay_transfers.worker.inquiry_rules import InquiryRule
from epay_transfers.worker.preflight import PreflightRule
from tests.support.clocks import FakeClock, MachineClock

SAVED = SenderCard("TYPECARDID", Secret("88481433-595e-4c01-941f-34569db2426e"))
RECEIVER = ReceiverCard("TYPEPAN", Secret("5522042705066736"))
CARDS = CardData(SAVED, RECEIVER)


def in_clear(record: Record, cards: CardData = CARDS) -> bytes:
    """What a producer seals, if the record says what it ordered."""
    return SealedCard(PaymentOrder.of(record), cards).to_bytes()


@dataclass
class Stage:
    """One worker, on a clock that the test moves."""

    ledger: Ledger
    vault: Vault
    sandbox: RunningSandbox
    clock: FakeClock
    broker: Broker
    rules: Rules = field(
        default_factory=lambda: Rules(
            retry=RetryRule(attempts=4),
            doubt=InquiryRule(horizon_s=3600, reads=3),
            preflight=PreflightRule(60, 45, True, "bank", {Lane.SEND: "bank", Lane.CONFIRM: "bank"}, {}),  # noqa: FBT003
            park_s=900,
            has_status=True,
            threads=2,
        )
    )
    keys: sealing.KeyPair = field(default_factory=sealing.generate)
    answers_within_s: float = 10  #: by the real clock: a machine with more to do is no bank that hangs
    secrets: tuple[str, ...] = (PUBLIC_TEST.client_secret,)  #: the worker's, for the bank: one, or the next as well
    _number: int = 0

    def __post_init__(self) -> None:
        self.sealer = Sealer(self.keys.public)
        self.machine = MachineClock(self.clock)  #: what time it is by the worker's own machine
        self.build()

    def examine(self) -> list[Finding]:
        """What maintenance finds at the servers."""
        return []

    def build(self) -> None:
        at = self.sandbox.addresses
        status = at.status if self.rules.has_status else None
        addresses = Addresses(at.token, at.transfer, at.confirm, status)
        self.bank = Bank(BankConfig(addresses, 10, self.answers_within_s, 20), self.clock)
        self.worker = assemble(
            ledger=self.ledger,
            vault=self.vault,
            opener=Opener([self.keys.private]),
            bank=self.bank,
            broker=self.broker,
            terminals={"main": Terminal("main", PUBLIC_TEST.terminals[0], "test", *map(Secret, self.secrets))},
            rules=self.rules,
            examine=self.examine,
            clock=self.machine,
            actor="worker",
            chance=lambda: 0.5,
        )
        self.journey, self.sweeper = self.worker.journey, self.worker.sweeper
        self.events, self.pauses = self.worker.events, self.worker.pauses

    def with_secrets(self, *secrets: str) -> None:
        """The worker is started anew, with these for the bank."""
        self.secrets = secrets
        self.build()

    def without_status(self) -> None:
        self.with_rules(has_status=False)

    def impatient(self) -> None:
        """For a bank that hangs."""
        self.answers_within_s = 2
        self.build()

    def with_rules(self, **changes: object) -> None:
        self.rules = replace(self.rules, **changes)  # type: ignore[arg-type]  # names are checked by replace
        self.build()

    def new(self, description: str = "Payout", *, cards: CardData | None = CARDS, amount: int = 1_500_000) -> str:
        """A queued transfer with its card in the vault, as a producer leaves it."""
        self._number += 1
        links = ("back_link", "failure_back_link", "post_link", "failure_post_link", "merchant_id_for_saving_cards")
        order = {"description": description, "foreign": False} | dict.fromkeys(links, "")
        new_transfer = NewTransfer(
            reference=f"payout-{self._number}",
            space="main",
            terminal="main",
            amount=amount,
            currency="KZT",
            urgency="now",
            order_details=json.dumps(order),
            fingerprints="",
            lasts_ms=900_000,
            day_ms=self.clock.now_ms(),
            sender_card="",
            receiver_card="552204******6736",
        )
        (created,) = self.ledger.create([new_transfer], actor="test")
        assert isinstance(created, Created)
        if cards is not None:
            self.put(created.record, cards)
        return created.record.key

    def put(self, record: Record, cards: CardData = CARDS) -> None:
        sealed = self.sealer.seal(in_clear(record, cards), Purpose.CARD, record.key)
        self.vault.put(Purpose.CARD, record.key, record.epoch, sealed, 900_000)

    def answer_challenge(self, key: str, password: str = "secret") -> None:
        """What the client and the web tier do: the bank's page, then the confirm message."""
        record = self.record(key)
        self.put_answer(key, "d", password)
        moved = self.ledger.move(
            record,
            Verb.RESUME,
            Change(due_at=self.clock.now_ms(), fields={"pares_digest": "d", "next_attempt_at": 0, "wakeups": 0}),
            actor="web",
        )
        assert isinstance(moved, Moved)

    def put_answer(self, key: str, tag: str, password: str = "secret", *, later: int = 0) -> None:
        """The first half of it: the answer lies in the vault, and nothing says so. `later`: of so many tries later."""
        record = self.record(key)
        challenge = self.ledger.challenge(record)
        assert challenge is not None
        sealed = self.sealer.seal(self._pa_res(challenge.md, password).encode(), Purpose.PARES, key)
        self.vault.put(Purpose.PARES, key, record.epoch + 1 + later, sealed, 900_000, tag=tag)

    def _pa_res(self, md: str, password: str) -> str:
        answer = requests.post(f"{self.sandbox.url}/acs/answer", json={"md": md, "password": password}, timeout=5)
        return str(answer.json()["PaRes"])

    def record(self, key: str) -> Record:
        record = self.ledger.get(key)
        assert record is not None
        return record

    def state(self, key: str) -> State:
        return self.record(key).state

    def executions(self, key: str) -> int:
        order = self.sandbox.book.get(key)
        return order.executions if order else 0

    def later(self, seconds: float) -> None:
        """Time passes, and the sweeper and the wakeups do what is due."""
        self.clock.advance(seconds)
        self.settle_down()

    def settle_down(self, rounds: int = 5) -> None:
        """Sweep, and run what was rung for, until nothing is due."""
        for _ in range(rounds):
            due = self.ledger.due(1000).records
            if not due:
                return
            self.sweeper.run_once()
            for record in due:
                self.run(record.key)

    def run(self, key: str) -> None:
        """What each actor would do of this transfer: at most one of them does anything."""
        self.journey.confirm(key)
        self.journey.execute(key)
        self.journey.inquire(key)


@pytest.fixture(scope="session")
def _bank() -> Iterator[RunningSandbox]:
    with running(Options()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_bank: RunningSandbox) -> RunningSandbox:
    _bank.book.clear()
    _bank.faults.clear()
    _bank.bank.decisions.tokens.change_secrets(PUBLIC_TEST.client_id, PUBLIC_TEST.client_secret)
    return _bank


@pytest.fixture
def stage(
    ledger: Ledger, vault: Vault, clock: FakeClock, sandbox: RunningSandbox, ledger_client: redis.Redis
) -> Iterator[Stage]:
    client = connect(queue_url(ledger_client), text=False)
    stage = Stage(ledger, vault, sandbox, clock, Broker(client, [], {}))
    yield stage
    client.close()


def queue_url(client: redis.Redis) -> str:
    where = client.connection_pool.connection_kwargs
    return f"redis://{where['host']}:{where['port']}/1"
