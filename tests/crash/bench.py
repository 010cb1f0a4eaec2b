"""The bench: what is prepared for a kill, and what is looked at when a healthy worker has been there afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import redis

from ledger import keys
from ledger.clock import SystemClock
from ledger.doorbell import Broker, Doorbell
from ledger.draft import Draft
from ledger.ledger import Ledger
from ledger.record import Record
from ledger.replies import Created
from ledger.sealing import Purpose, Sealer
from ledger.servers import connect
from ledger.states import State, Verb
from ledger.vault import Vault
from producers import Receipt, Transfers
from tests.crash.conftest import Zygote
from tests.crash.points import Way
from tests.crash.zygote import intent
from tests.e2e.conftest import Platform

_DESCRIPTIONS = {
    "pays": "Payout",
    "declines": "Payout [decline:484]",
    "challenges": "Payout [3ds]",
    "silent": "Payout [drop-after]",
    "asked": "Payout [drop-after]",
    "asked-declined": "Payout [decline:484] [drop-after]",
    "asked-unheard": "Payout [drop-before]",
    "left": "Payout",
    "queued": "Payout",
}


#: With whom nobody is done but the machines.
BUSY = (State.QUEUED, State.SENDING, State.RESUMED, State.CONFIRMING, State.IN_DOUBT)


@dataclass
class Bench:
    platform: Platform
    zygote: Zygote
    transfers: Transfers
    clock: SystemClock = field(default_factory=SystemClock)
    parked: list[tuple[str, str]] = field(default_factory=list)  #: key and handle
    answers: dict[str, str] = field(default_factory=dict)  #: the client's, by MD
    _number: int = 0

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.platform.ledger_client, self.clock)

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.platform.vault_client)

    @cached_property
    def queue(self) -> redis.Redis:
        return connect(self.platform.env["REDIS_URL"].removesuffix("/0") + "/1", text=False)

    @cached_property
    def bells(self) -> Doorbell:
        return Doorbell(Broker(self.queue, [], {}))

    # Before a kill.

    def prepare(self, way: Way) -> dict[str, Any]:
        """Fresh transfers that come by the point, and what the child must be told of them."""
        self.queue.flushdb()  # a ring is nothing: so none of an earlier round disturbs this one
        self.platform.ledger_client.delete(keys.BREAKERS)  # a host where nobody listens has one, which would open
        match way.work:
            case "new":
                return {"references": [self._reference() for _ in range(way.batch)]}
            case "late":
                self._late(way.together)
            case "answered":
                for _ in range(way.together):
                    self.transfers.confirm(**self._answer())
            case "parked":
                return {"answers": [self._answer() for _ in range(way.together)]}
            case "asked" | "asked-declined" | "asked-unheard":
                self._in_doubt(way)
            case "left":
                self._left(way.batch)
            case work:
                receipts = self.enqueue(_DESCRIPTIONS[work], way.together)
                return {"keys": [receipt.key for receipt in receipts]}
        return {}

    def enqueue(self, description: str, count: int) -> list[Receipt]:
        answers = self.transfers.enqueue_many([intent(self._reference(), description) for _ in range(count)])
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        assert len(receipts) == count, answers
        return receipts

    def park(self, count: int, until: Callable[[Callable[[], bool]], None]) -> None:
        """So many clients stand at the bank's page."""
        receipts = self.enqueue(_DESCRIPTIONS["challenges"], count)
        worker = self.platform.start_worker()
        until(lambda: self.ledger.counters().get("n:parked:KZT", 0) == count)
        self.platform.workers.remove(worker)
        worker.kill()
        worker.wait(10)
        self.parked = [(receipt.key, receipt.handle) for receipt in receipts]

    def _answer(self) -> dict[str, str]:
        _, handle = self.parked.pop()
        challenge = self.transfers.challenge(handle)
        assert challenge is not None
        self.answers[challenge.md] = self.platform.answer(challenge.md)
        return {"md": challenge.md, "pa_res": self.answers[challenge.md]}

    def _late(self, count: int) -> None:
        """Queued, with their cards, and past their deadline."""
        sealer, now_ms = Sealer(self.platform.env["VAULT_PUBLIC_KEY"]), self.clock.now_ms()
        drafts = [
            Draft(
                reference=self._reference(),
                space="main",
                terminal="main",
                amount=15000,
                currency="KZT",
                urgency="now",
                order="{}",
                prints="",
                expires=now_ms,
                sender_card="",
                receiver_card="",
            )
            for _ in range(count)
        ]
        records = [made.record for made in self.ledger.create(drafts, actor="test") if isinstance(made, Created)]
        self.vault.put_cards([(r.key, r.epoch, sealer.seal(b"{}", Purpose.CARD, r.key), 60_000) for r in records])
        self.bells.ring_all(records)

    def _in_doubt(self, way: Way) -> None:
        """A worker that was killed just when it had written down that it does not know; and somebody who asks."""
        receipts = self.enqueue(_DESCRIPTIONS[way.work], way.together)
        self.zygote.fork(
            work="silent", role="worker", step="Ledger.move:doubt", when="after", together=way.together, env={}
        )
        for receipt in receipts:
            record = self.record(receipt.key)
            self.ledger.move(
                record, Verb.ASK, actor="test", due=self.clock.now_ms(), fields={"asked": "inquire", "rings": 0}
            )
        self.queue.flushdb()
        self.bells.ring_all(self.record(receipt.key) for receipt in receipts)

    def _left(self, count: int) -> None:
        """Nobody was rung for them, and the sweeper's time has come."""
        receipts = self.enqueue(_DESCRIPTIONS["left"], count)
        self.queue.flushdb()
        self.platform.ledger_client.zadd(keys.DUE, dict.fromkeys((r.key for r in receipts), self.clock.now_ms()))

    def record(self, key: str) -> Record:
        record = self.ledger.get(key)
        assert record is not None
        return record

    def _reference(self) -> str:
        self._number += 1
        return f"payout-{self._number}"

    # After all of them.

    def ring_for_all(self) -> None:
        """What `transfers queue rebuild` does: who was rung for in vain waits up to five minutes for the next ring."""
        for state in BUSY:
            self.bells.ring_all(self.ledger.all_in_state(state, 500))

    def come_again(self, references: list[str]) -> None:
        """Whoever was not answered, asks again: the backend with its reference, the client with its PaRes."""
        self.queue.flushdb()
        self.transfers.enqueue_many([intent(reference, "Payout") for reference in references])
        for md, pa_res in self.answers.items():
            self.transfers.confirm(md=md, pa_res=pa_res)


def busy(ledger_client: redis.Redis) -> int:
    """How many are under way."""
    counters = Ledger(ledger_client, SystemClock()).counters()
    return sum(counters.get(f"n:{state}:KZT", 0) for state in BUSY)


def ends(ledger_client: redis.Redis) -> dict[str, tuple[State, str]]:
    """Every transfer's state and reason, by its key."""
    found = {}
    for place in ledger_client.scan_iter(match="transfers:{t}:r:*", count=1000):
        record = Record.from_hash(ledger_client.hgetall(place))  # type: ignore[arg-type]  # it is not awaitable here
        found[record.key] = (record.state, record.reason)
    return found


def differences(found: dict[str, tuple[State, str]], books: dict[str, Any]) -> list[str]:
    """Where the bank's books and the ledger's do not say the same. A held one is a person's, whatever the bank did."""
    executed = {key for key, order in books["orders"].items() if order["executions"]}
    twice = [f"{key} was executed twice" for key in books["totals"]["executed_twice"]]
    lost = [f"{key} was executed, and nobody knows it" for key in executed - set(found)]
    for key, (state, reason) in found.items():
        if (state is State.PAID) != (key in executed) and state is not State.HELD:
            lost.append(f"{key} is {state} ({reason}); executed: {key in executed}")
    return twice + lost
