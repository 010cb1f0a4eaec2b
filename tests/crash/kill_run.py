"""A run of kills: what is prepared for each, and what is looked at once a healthy worker has run afterwards."""

from dataclasses import dataclass, field
from functools import cached_property

import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Vault
from epay_transfers.ops import requests
from epay_transfers.ops.context import Context
from epay_transfers.producers import Receipt, Transfers
from tests.crash.conftest import ForkServer
from tests.support.books import BUSY
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.servers import queue_url
from tests.support.waiting import until


@dataclass
class KillRun:
    platform: Platform
    fork_server: ForkServer
    transfers: Transfers
    clock: SystemClock = field(default_factory=SystemClock)
    forgotten: set[str] = field(default_factory=set)  #: of which the ledger went back to an earlier record
    parked: list[tuple[str, str]] = field(default_factory=list)  #: key and handle
    answers: dict[str, str] = field(default_factory=dict)  #: the client's, by MD
    wanted: dict[str, tuple[State, ...]] = field(default_factory=dict)  #: how some may end, by key
    _number: int = 0

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.platform.ledger_client)

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.platform.vault_client)

    @cached_property
    def queue(self) -> redis.Redis:
        return connect(queue_url(self.platform.env["REDIS_URL"]), text=False)

    @cached_property
    def wakeups(self) -> Wakeups:
        return Wakeups(Broker(self.queue, [], {}))

    # Before a kill.

    def enqueue(self, description: str, count: int) -> list[Receipt]:
        answers = self.transfers.enqueue_many([payout(self.reference(), description) for _ in range(count)])
        receipts = [answer for answer in answers if isinstance(answer, Receipt)]
        assert len(receipts) == count, answers
        return receipts

    def park(self, count: int) -> None:
        """So many clients stand at the bank's page."""
        receipts = self.enqueue("Payout [3ds]", count)
        worker = self.platform.start_worker()
        until(lambda: self.ledger.totals().of(State.PARKED).count == count)
        self.platform.workers.remove(worker)
        worker.kill()
        worker.wait(10)
        self.parked = [(receipt.key, receipt.handle) for receipt in receipts]

    def answer(self) -> dict[str, str]:
        _, handle = self.parked.pop()
        challenge = self.transfers.challenge(handle)
        assert challenge is not None
        self.answers[challenge.md] = self.platform.answer(challenge.md)
        return {"md": challenge.md, "pa_res": self.answers[challenge.md]}

    def ask_and_ring(self, what: str, names: list[str]) -> None:
        """Somebody asks something of the bank or the vault, and nothing else is rung for."""
        for name in names:
            self.ledger.move(
                self.record(name),
                Verb.REQUEST,
                Change(due_in=0, fields={"requested_action": what, "wakeups": 0}),
                actor="test",
            )
        self.ring_for(names)

    def ring_for(self, names: list[str]) -> None:
        self.queue.flushdb()
        self.wakeups.send_all(self.record(name) for name in names)

    def work(self, work: str, step: str, together: int) -> None:
        """A worker that dies after another step, on the way to this one."""
        self.fork_server.fork(work=work, role="worker", step=step, when="after", together=together, env={})

    def want(self, names: list[str], *states: State) -> None:
        self.wanted |= dict.fromkeys(names, states)

    def record(self, key: str) -> Record:
        record = self.ledger.get(key)
        assert record is not None
        return record

    def reference(self) -> str:
        self._number += 1
        return f"payout-{self._number}"

    # After all of them.

    def overdue(self) -> list[Record]:
        """Whose challenge's time is over, and no worker has seen it yet. It is `busy` from then on."""
        now_ms = self.clock.now_ms()
        return [record for record in self.ledger.all_in_state(State.PARKED, 500) if record.parked_until <= now_ms]

    def unheard(self) -> list[Record]:
        """Of whom somebody asked something that no worker has done yet."""
        asked = (State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW, State.DEAD)
        return [record for state in asked for record in self.ledger.all_in_state(state, 500) if record.requested_action]

    def is_unread(self) -> bool:
        """Does an entry wait in an inbox, or with a worker that was killed?"""
        client = self.platform.ledger_client
        return bool(client.exists(redis_keys.TAKEN) or client.keys(redis_keys.every("inbox:")))

    def ring_for_all(self) -> None:
        """What `transfers queue rebuild` does: who was rung for in vain waits up to five minutes for the next ring."""
        for state in BUSY:
            self.wakeups.send_all(self.ledger.all_in_state(state, 500))
        self.wakeups.send_all([*self.overdue(), *self.unheard()])

    def resume_sending(self) -> None:
        """Where the worker of an earlier point saw that the ledger went back, no later point would be reached."""
        if Pauses(self.platform.ledger_client).standing():
            self.follow_the_runbook()

    def follow_the_runbook(self) -> None:
        """What it says of a ledger that went back, as it did for some here.

        What is queued, and taken out of the vault, is cancelled: that makes it in doubt. Then sending is opened.
        """
        for record in list(self.ledger.all_in_state(State.QUEUED, 500)):
            if self.vault.look(Purpose.CARD, record.key) is Content.TOMBSTONE:
                self.transfers.cancel(record.key, reason="the ledger went back; the bank may have it")
        pauses = Pauses(self.platform.ledger_client)
        mirror = PauseMirror(pauses, self.platform.vault_client, "test")
        for pause in pauses.standing():
            if pause.lane in {Lane.SEND, Lane.CONFIRM} and pause.terminal == ALL:
                assert mirror.end(pause, actor="test", reason="looked at")

    def come_again(self, references: list[str]) -> None:
        """Whoever was not answered, asks again: backend, operator and client the same as before."""
        self.queue.flushdb()
        desk = Context.connect()
        self.transfers.enqueue_many([payout(reference, "Payout") for reference in references])
        for name, states in self.wanted.items():
            if State.CANCELLED in states:
                self.transfers.cancel(name, reason="not wanted")
            elif self.record(name).state is State.DEAD and not self.record(name).requested_action:
                requests.put_action(desk, desk.find(name), RequestedAction.REQUEUE, "it is to be tried again")
        for md, pa_res in self.answers.items():
            self.transfers.confirm(md=md, pa_res=pa_res)
