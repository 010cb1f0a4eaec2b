"""`LEDGER_REPLICAS=1`: the ledger's server dies under load, and a replica that was cut off before takes its place.

Real workers, the sandbox bank, an operator who goes by the runbook, and a producer that repeats all that it ordered.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.heartbeats import Heartbeats
from epay_transfers.ledger.store.ledger_server import LedgerServer
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.producers import Receipt
from epay_transfers.runtime import embedded_servers
from tests.crash.test_failover import (
    ALL_EVENTS,
    CLOSED,
    WHY,
    Failover,
    claims,
    executions,
    failover,
    follows,
    gone_through,
    over,
    put,
    standing,
)
from tests.support.books import ends
from tests.support.forked_commands import ForkedCommands
from tests.support.intents import payout
from tests.support.operator_at_work import OperatorAtWork
from tests.support.sentinels import running_sentinel
from tests.support.servers import KillableServer
from tests.support.tools import server_binary
from tests.support.waiting import until

__all__ = ["failover"]

BATCH, LATE, SOME = 40, 20, 6


@pytest.fixture
def second(tmp_path: Path) -> Iterator[KillableServer]:
    """A replica for the one that is promoted."""
    server = KillableServer.start(tmp_path / "second", embedded_servers.LEDGER_OPTIONS)
    yield server
    server.server.stop()


def stand_still(failover: Failover) -> bool:
    """Each worker says that it does, for want of replicas, and has nothing in hand."""
    alive = Heartbeats(failover.killable.platform.ledger_client).alive()
    told = {
        event.fields["actor"]
        for event in Events(failover.killable.platform.ledger_client).newest(ALL_EVENTS)
        if event.fields["verb"] == Alarm.REPLICAS_LACKING
    }
    return len(told) == len(alive) == 2 and all(worker.unfit == ["replicas"] and not worker.busy for worker in alive)


def received(failover: Failover) -> set[str]:
    books = failover.killable.platform.books()["orders"]
    return {f"{key} sending" for key, order in books.items() if order["transfers_received"]}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_promoted_replica_has_each_claim_that_was_sent_and_nothing_is_paid_twice_or_lost(
    failover: Failover, second: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moment that it is cut off nothing is sent. The statement shows an operator that nothing is lacking.

    Orders that the primary took afterwards are lost with it, and none of them was sent: their producer repeats them.
    """
    platform = failover.killable.platform
    platform.env["LEDGER_REPLICAS"] = "1"
    failover.follow()
    failover.start_workers(2)
    producer = platform.transfers(monkeypatch)
    batch = [payout(f"batch-{number}", "Payout [slow:0.3]", urgency="batch") for number in range(BATCH)]
    late = [payout(f"late-{number}", "Payout", urgency="now") for number in range(LATE)]
    keys = put(producer, batch)
    until(lambda: over(failover, keys) >= SOME)

    failover.cut_off()
    put(producer, late)
    until(lambda: stand_still(failover))
    assert over(failover, keys) < BATCH, "it was cut off under load"
    sent = received(failover)
    with connect(failover.replica.server.url) as client:
        assert sent <= claims(client), "a transfer was sent whose claim the replica lacks"

    failover.promote()
    failover.take_over_the_address()
    until(lambda: standing(failover) >= CLOSED)
    assert received(failover) == sent
    producer.close()
    failover.kill_workers()
    follows(second, failover.replica)

    with ForkedCommands(failover.folder) as commands:
        operator = OperatorAtWork(platform.env, platform.bank_url, failover.folder, commands)
        found = operator.looks()
        assert found.lacks == "", "the ledger has all that the bank executed"
        platform.ledger_client.hset(redis_keys.COUNTERS, "sequence", str(found.sequence + 1000))
        failover.start_workers(1)
        server = LedgerServer(platform.ledger_client, "test")
        until(lambda: server.look().is_compared)
        for pause in Pauses(platform.ledger_client).standing():
            operator.ends(pause.id, WHY[1])
        failover.start_workers(1)
        producer = platform.transfers(monkeypatch)
        for answer in producer.enqueue_many([*batch, *late]):
            assert isinstance(answer, Receipt), answer
        gone_through(failover, operator)
        unsent = {key for key, end in ends(platform.ledger_client).items() if end == (State.DEAD, Reason.ORDER_CHANGED)}
        put(producer, [payout(f"anew-{key}") for key in sorted(unsent)])  # as the runbook says
        gone_through(failover, operator)
        producer.close()

    states = ends(platform.ledger_client)
    paid = {key for key, (state, _) in states.items() if state is State.PAID}
    assert platform.books()["totals"]["executed_twice"] == []
    assert executions(failover) == paid
    assert len(paid) == BATCH + LATE, states


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sentinels_promote_the_replica_and_workers_find_it_by_themselves_and_send_nothing_before_a_person_has_looked(
    failover: Failover, second: KillableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address is changed. The promoted one has each claim that was sent; nothing is paid twice or lost."""
    platform = failover.killable.platform
    failover.follow()
    primary = urlsplit(failover.killable.ledger.server.url).port or 0
    with running_sentinel(server_binary("valkey"), failover.folder, primary, down_after_ms=3000) as sentinel:
        platform.env |= {"LEDGER_REPLICAS": "1", "REDIS_URL": f"redis://ledger/0?sentinels=127.0.0.1:{sentinel}"}
        platform.ledger_client.close()
        platform.ledger_client = connect(platform.env["REDIS_URL"])
        failover.start_workers(2)
        producer = platform.transfers(monkeypatch)
        keys = put(producer, [payout(f"batch-{at}", "Payout [slow:0.3]", urgency="batch") for at in range(BATCH)])
        until(lambda: over(failover, keys) >= SOME)

        failover.killable.ledger.kill()
        until(lambda: is_closed(failover))
        producer.close()
        sent = received(failover)
        with connect(failover.replica.server.url) as client:
            assert sent <= claims(client), "a transfer was sent whose claim the replica lacks"
        failover.kill_workers()
        assert over(failover, keys) < BATCH, "it died under load"
        follows(second, failover.replica)

        with ForkedCommands(failover.folder) as commands:
            operator = OperatorAtWork(platform.env, platform.bank_url, failover.folder, commands)
            found = operator.looks()
            assert found.sequence >= found.mark
            assert not found.recovery["absent"]
            platform.ledger_client.hset(redis_keys.COUNTERS, "sequence", str(found.sequence + 1000))
            failover.start_workers(1)
            server = LedgerServer(platform.ledger_client, "test")
            until(lambda: server.look().is_compared)
            for pause in Pauses(platform.ledger_client).standing():
                operator.ends(pause.id, WHY[1])
            gone_through(failover, operator)

        states = ends(platform.ledger_client)
    assert platform.books()["totals"]["executed_twice"] == []
    assert {key for key, (state, _) in states.items() if state is State.PAID} == executions(failover) == {*keys}, states


def is_closed(failover: Failover) -> bool:
    """Sentinels take some seconds; until then no server answers."""
    with suppress(TransfersError):
        return standing(failover) >= CLOSED
    return False
