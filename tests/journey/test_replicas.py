"""`LEDGER_REPLICAS`: no money is sent before a claim is on so many replicas. Real servers, of both products.

A replica is stopped (SIGSTOP), so that its connection stands and it says nothing, or is told to follow no more.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest
import redis

from epay_transfers.ledger.limits import Limits
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import replicas
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Cause, Lane
from epay_transfers.ledger.store.replicas import WAIT_DISK_MS, Replicas
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Vault
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from epay_transfers.sandbox import RunningSandbox
from epay_transfers.worker.failover import COMPARE_S
from epay_transfers.worker.limits import MoneyLimits
from epay_transfers.worker.preflight import Cause as Unfit
from tests.support.clocks import FakeClock
from tests.support.servers import queue_url
from tests.support.stage import Stage
from tests.support.tools import PRODUCTS, server_binary
from tests.support.waiting import until

AMOUNT = 1_500_000


@dataclass
class Pair:
    """A ledger whose replica follows it, a vault, and one worker on them that has looked once."""

    stage: Stage
    ledger: EmbeddedServer
    replica: EmbeddedServer
    knows_disks: bool  #: has this product WAITAOF?

    def tell(self, *words: str) -> None:
        """The replica, by a connection of its own."""
        with connect(self.replica.url) as client:
            client.execute_command(*words)

    def follow(self) -> None:
        self.tell("REPLICAOF", "127.0.0.1", str(port_of(self.ledger)))
        with connect(self.replica.url) as client:
            until(lambda: client.info("replication")["master_link_status"] == "up")
        with connect(self.ledger.url) as client:
            until(lambda: _is_acknowledged(client.info("replication")))

    def cut_off(self) -> None:
        """It is promoted, and hears nothing more."""
        self.tell("REPLICAOF", "NO", "ONE")

    def stop(self) -> None:
        self.replica.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.replica.process.send_signal(signal.SIGCONT)

    def take_its_place(self) -> None:
        """The ledger's server dies, its address leads to the replica, and that has a replica of its own."""
        self.ledger.process.kill()
        self.ledger.process.wait(10)
        pool = self.stage.ledger.client.connection_pool
        pool.connection_kwargs["port"] = port_of(self.replica)
        pool.disconnect()
        pool.reset()

    def looks(self) -> None:
        """A worker looks, and looks again when every process has had its time."""
        for _ in range(2):
            self.stage.worker.maintenance.run_once()
            self.stage.clock.advance(COMPARE_S)
        self.stage.worker.maintenance.run_once()

    def starts_anew(self, count: Replicas) -> Stage:
        """Another process in the worker's place, on the replica that took the ledger's."""
        old, url = self.stage, self.replica.url
        ledger, broker = Ledger(connect(url), old.clock, count), Broker(connect(queue_url(url), text=False), [], {})
        self.stage = Stage(ledger, old.vault, old.sandbox, old.clock, broker, keys=old.keys, _number=100)
        return self.stage

    def knows_record(self, key: str) -> Record:
        """What the replica has of a transfer."""
        with connect(self.replica.url) as client:
            record = Ledger(client, self.stage.clock).get(key)
            assert record is not None
            return record


def port_of(server: EmbeddedServer) -> int:
    return urlsplit(server.url).port or 0


@pytest.fixture(params=PRODUCTS)
def pair(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sandbox: RunningSandbox,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pair]:
    binary = server_binary(request.param)
    with ExitStack() as stack:

        def started(name: str, options: dict[str, str]) -> EmbeddedServer:
            server = embedded_servers.start(tmp_path / name, options, binary=binary)
            stack.callback(server.stop)
            stack.callback(server.process.send_signal, signal.SIGCONT)
            return server

        ledger, replica = (started(name, embedded_servers.LEDGER_OPTIONS) for name in ("ledger", "replica"))
        vault = started("vault", embedded_servers.VAULT_OPTIONS)
        stage = Stage(
            Ledger(connect(ledger.url), clock, Replicas(1)),
            Vault(connect(vault.url)),
            sandbox,
            clock,
            Broker(connect(queue_url(ledger.url), text=False), [], {}),
            keys=sealing.generate(),
        )
        made = Pair(stage, ledger, replica, _knows_disks(stage.ledger.client))
        made.follow()
        made.looks()  # as long as it takes, on a busy machine: a replica that is thought to lack is an event
        monkeypatch.setattr(replicas, "WAIT_MS", 300)
        monkeypatch.setattr(replicas, "WAIT_DISK_MS", 300)
        yield made


def _is_acknowledged(told: dict[str, Any]) -> bool:
    """Does the ledger's server know that its replica has all that it has?"""
    replica = told.get("slave0", {})
    return bool(replica.get("state") == "online" and int(replica["offset"]) >= told["master_repl_offset"])


def _knows_disks(client: redis.Redis) -> bool:
    with suppress(redis.ResponseError):
        client.execute_command("WAITAOF", 0, 0, 1)  # type: ignore[no-untyped-call]  # redis-py does not type it
        return True
    return False


def _never(*_: object) -> NoReturn:
    raise AssertionError("the card was taken out")


def alarms(stage: Stage) -> list[str]:
    told = [event.fields["verb"] for event in stage.events.newest(99)]
    return [verb for verb in told if verb.startswith("replicas_")]


def test_money_is_sent_once_a_replica_has_the_claim(pair: Pair) -> None:
    """At the moment the bank is called, the replica says `sending`."""
    stage = pair.stage
    key = stage.new()
    seen = list[State]()
    call = stage.bank.transfer

    def asked(*args: object, **words: object) -> object:
        seen.append(pair.knows_record(key).state)
        return call(*args, **words)  # type: ignore[arg-type]  # as it came

    stage.journey.bank.transfer = asked  # type: ignore[method-assign,assignment]
    stage.journey.execute(key)

    assert seen == [State.SENDING]
    assert stage.state(key) is State.PAID


def test_while_no_replica_answers_nothing_is_sent_and_later_it_is_sent_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card stays in the vault under the next epoch, no try is used up, and operators are told.

    What was counted to the terminal's day is given back, or the limit would keep it from being sent later.
    """
    stage = pair.stage
    limits = {"main": {"KZT": Limits(terminal_day=AMOUNT)}}
    stage.with_rules(limits=MoneyLimits(limits, Secret("the bank's client secret")))
    pair.looks()
    key = stage.new()
    before = stage.record(key)
    pair.stop()

    with monkeypatch.context() as patch:
        patch.setattr(stage.worker.custody, "take", _never)
        stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason, record.attempts) == (State.QUEUED, Reason.TOO_FEW_REPLICAS, 0)
    assert record.epoch == before.epoch + 1
    assert stage.vault.look(Purpose.CARD, key, record.epoch) is Content.BLOB
    assert stage.sandbox.book.get(key) is None
    assert stage.worker.preflight.unfit == ["replicas"]
    stage.later(30)
    stage.worker.maintenance.run_once()
    assert "0 of 1 replicas of the ledger" in stage.worker.maintenance.findings[0]
    assert stage.sandbox.book.get(key) is None

    pair.go_on()
    stage.clock.advance(1)
    stage.worker.maintenance.run_once()
    stage.later(30)

    assert stage.state(key) is State.PAID
    assert stage.executions(key) == 1
    assert alarms(stage) == ["replicas_lacking", "replicas_back"]


def test_no_try_is_used_up_however_long_replicas_are_lacking(pair: Pair) -> None:
    """It ends at its deadline alone: never as failed."""
    stage = pair.stage
    key = stage.new()
    pair.stop()

    for _ in range(stage.rules.retry.attempts + 2):
        stage.worker.preflight.set_fit(Unfit.REPLICAS, is_fit=True)
        stage.clock.advance(10)
        stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED
    pair.go_on()


def test_a_confirm_waits_for_the_replica_as_well(pair: Pair) -> None:
    """The client's answer is in the vault for the next try; the bank gets one confirm in the end."""
    stage = pair.stage
    key = stage.new("Payout [3ds]")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    confirms, mark = stage.sandbox.book.calls["confirm"], stage.vault.high_water()
    pair.stop()

    stage.journey.confirm(key)

    record = stage.record(key)
    assert (record.state, record.reason, record.attempts) == (State.RESUMED, Reason.TOO_FEW_REPLICAS, 0)
    assert stage.vault.look(Purpose.PARES, key, record.epoch) is Content.BLOB
    assert stage.sandbox.book.calls["confirm"] == confirms
    assert stage.vault.high_water() == mark, "a claim that no replica has shows no replica as one that lost it"

    pair.go_on()
    stage.clock.advance(1)
    stage.worker.maintenance.run_once()
    stage.later(10)
    assert stage.state(key) is State.PAID
    assert stage.sandbox.book.calls["confirm"] == confirms + 1


def test_what_counts_to_a_receivers_card_is_on_a_replica_before_it_is_sent(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica is lost between the claim and the count: the card goes back, and it is counted once in the end."""
    stage = pair.stage
    limits = Limits(terminal_day=AMOUNT, receiver_day=AMOUNT)
    stage.with_rules(limits=MoneyLimits({"main": {"KZT": limits}}, Secret("the bank's client secret")))
    key = stage.new()
    custody = stage.worker.custody
    take = custody.take

    def taken(*args: object) -> object:
        pair.stop()
        return take(*args)  # type: ignore[arg-type]  # as it came

    with monkeypatch.context() as patch:
        patch.setattr(custody, "take", taken)
        stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason, record.attempts) == (State.QUEUED, Reason.TOO_FEW_REPLICAS, 0)
    assert stage.vault.look(Purpose.CARD, key, record.epoch) is Content.BLOB
    assert stage.sandbox.book.get(key) is None
    pair.go_on()
    stage.clock.advance(1)
    stage.worker.maintenance.run_once()
    stage.later(10)
    assert stage.executions(key) == 1


def test_a_worker_that_dies_between_the_claim_and_the_proof_leaves_it_to_the_sweeper(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its card was not taken out: after the lease it is queued again, and sent once."""
    stage = pair.stage
    key = stage.new()

    def dies(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Replicas, "why_not", dies)
        with pytest.raises(KeyboardInterrupt):
            stage.journey.execute(key)
    assert stage.state(key) is State.SENDING

    stage.later(61)
    stage.later(10)
    assert stage.state(key) is State.PAID
    assert stage.executions(key) == 1


@pytest.mark.parametrize("too_few", ["", "0 of 1 replicas of the ledger have what it confirmed"])
def test_a_worker_whose_proof_came_after_its_lease_sends_nothing_and_takes_nothing_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, too_few: str
) -> None:
    """Another has claimed it meanwhile: whatever the replicas say of the first claim, the second one stands."""
    stage = pair.stage
    key = stage.new()
    copied, claims = stage.ledger._run_copied, list[Moved]()

    def late(*args: object) -> tuple[list[str], str]:
        reply, _ = copied(*args)  # type: ignore[arg-type]  # as it came
        stage.ledger._run_copied = copied  # type: ignore[method-assign]  # the first alone is late
        stage.later(61)
        stage.clock.advance(10)
        other = stage.worker.preflight.claim(stage.record(key), Lane.SEND)
        assert isinstance(other, Moved)
        claims.append(other)
        return reply, too_few

    monkeypatch.setattr(stage.ledger, "_run_copied", late)
    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.claim_nonce) == (State.SENDING, claims[0].claim_nonce)
    assert stage.vault.look(Purpose.CARD, key, record.epoch) is Content.BLOB
    assert stage.executions(key) == 0


def test_a_claim_whose_proof_was_lost_with_the_connection_is_given_up(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim's own answer came, and then the connection broke: it is a claim, and it is proved by nothing."""
    stage = pair.stage
    key = stage.new()
    scripts = stage.ledger._scripts
    then = scripts.run_then

    def cut(*args: object) -> object:
        reply, answers = then(*args)  # type: ignore[arg-type]  # as it came
        return reply, [redis.ConnectionError() for _ in answers]

    with monkeypatch.context() as patch:
        patch.setattr(scripts, "run_then", cut)
        stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason) == (State.QUEUED, Reason.TOO_FEW_REPLICAS)
    assert stage.sandbox.book.get(key) is None


def test_a_replica_that_writes_to_no_disk_is_none_where_the_server_can_say_so(pair: Pair) -> None:
    """Valkey, and Redis from 7.2 on. Redis 7.0 can't say: there it counts."""
    stage = pair.stage
    pair.tell("CONFIG", "SET", "appendonly", "no")
    key = stage.new()

    stage.journey.execute(key)

    assert (stage.state(key) is State.QUEUED) is pair.knows_disks
    if pair.knows_disks:
        stage.clock.advance(1)
        stage.worker.maintenance.run_once()
        assert "0 of 1 replicas of the ledger have on disk" in stage.worker.maintenance.findings[0]


def test_a_worker_whose_connection_wrote_nothing_sees_that_a_replica_is_missing_and_says_so_once(pair: Pair) -> None:
    """The replica's connection stands, so its server still counts it; what others wrote it does not have."""
    stage = pair.stage
    pair.stop()

    for _ in range(3):
        stage.ledger.client.connection_pool.disconnect()
        stage.clock.advance(1)
        stage.worker.maintenance.run_once()
        assert stage.worker.preflight.unfit == ["replicas"]

    assert alarms(stage) == ["replicas_lacking"]
    pair.go_on()


def test_a_link_that_flaps_is_told_once_a_minute_with_how_often_it_changed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred events an hour of one bad cable would hide the others. Its end is told at once."""
    stage.ledger.replicas = Replicas(1)
    whys = ["lacking" if second % 2 else "" for second in range(1, 125)]
    monkeypatch.setattr(stage.ledger, "why_too_few", lambda: whys.pop(0))
    while whys:
        stage.worker.maintenance.run_once()
        stage.clock.advance(1)

    told = [event.fields for event in stage.events.newest(99)]
    told = [fields for fields in told if fields["verb"].startswith("replicas_")]
    assert [fields["verb"] for fields in told] == ["replicas_lacking", "replicas_back"] * 3
    assert ["59 times" in fields["reason"] for fields in told] == [False, False, True, False, True, False]


def test_a_replica_that_writes_to_its_disk_once_a_second_is_waited_for(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers a little later than after a second: it is slow, and no reason to send nothing."""
    monkeypatch.setattr(replicas, "WAIT_DISK_MS", WAIT_DISK_MS)
    pair.tell("CONFIG", "SET", "appendfsync", "everysec")

    with connect(pair.ledger.url) as client:
        assert [Replicas(1).ask(client) for _ in range(6)] == [""] * 6


def test_a_replica_that_is_promoted_has_every_claim_and_what_was_given_up_is_sent_once(pair: Pair) -> None:
    """It is closed until a person has looked, as each promoted replica is; it lacks nothing that was sent."""
    paid, later = pair.stage.new(), pair.stage.new()
    pair.stage.journey.execute(paid)
    pair.cut_off()
    pair.stage.journey.execute(later)
    assert pair.stage.state(later) is State.QUEUED
    assert pair.stage.record(later).epoch > pair.knows_record(later).epoch, "it was claimed, and given up"

    pair.take_its_place()
    stage = pair.starts_anew(Replicas(0))  # until the promoted one has a replica
    pair.looks()
    found = [pause.reason for pause in stage.pauses.standing() if pause.cause is Cause.FAILOVER]
    assert len(found) == 2
    assert all("a replica took the place" in reason for reason in found), "no claim of a sent transfer is lacking"
    assert stage.ledger.sequence() >= stage.vault.high_water()
    assert stage.state(paid) is State.PAID
    stage.later(30)
    assert stage.executions(later) == 0

    for pause in stage.pauses.standing():
        assert stage.worker.maintenance._mirror.end(pause, actor="operator aigul", reason="compared")
    pair.looks()
    for _ in range(5):  # its card is under the epoch of the try that only the dead server had: it is found so
        stage.later(70)
    assert stage.state(later) is State.PAID
    assert [stage.executions(key) for key in (paid, later)] == [1, 1]


def test_without_replicas_to_wait_for_a_promoted_one_that_lacks_a_claim_is_closed_and_says_so(pair: Pair) -> None:
    """`LEDGER_REPLICAS=0`: the ledger does not pay twice, and a person has to find what it lacks."""
    stage = pair.stage
    stage.ledger.replicas = Replicas(0)
    key = stage.new()
    pair.cut_off()
    stage.journey.execute(key)
    assert stage.state(key) is State.PAID

    pair.take_its_place()
    pair.looks()
    stage.journey.execute(key)

    assert stage.state(key) is State.QUEUED
    found = [pause.reason for pause in stage.pauses.standing() if pause.cause is Cause.FAILOVER]
    assert len(found) == 2
    assert all("the ledger has lost moves" in reason and "runbook" in reason for reason in found)
    assert stage.ledger.sequence() >= stage.vault.high_water(), "the pauses raise it: by then it proves nothing"
    assert stage.executions(key) == 1


def test_a_claim_says_how_many_replicas_lack_it(pair: Pair) -> None:
    """The claim itself was made: only its worker may give it up."""
    stage = pair.stage
    key = stage.new()
    pair.stop()
    claim = stage.worker.preflight.claim(stage.record(key), Lane.SEND)
    assert isinstance(claim, Moved)
    assert claim.state is State.SENDING
    assert claim.too_few.startswith("0 of 1 replicas")
