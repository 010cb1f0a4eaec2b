"""After a restart, a restore or a failover of the ledger: nothing is sent before it was compared with the vault.

Real servers: one that is killed and started again, one that comes up from files of before, a replica that is promoted.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_server import LedgerServer
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pause
from epay_transfers.ledger.store.replies import Moved, OtherServer
from epay_transfers.ledger.vault import sealing
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import RunningSandbox
from epay_transfers.worker.failover import COMPARE_S
from tests.support.clocks import FakeClock
from tests.support.factories import claim
from tests.support.servers import KillableServer, queue_url
from tests.support.stage import Stage
from tests.support.waiting import until


def follow(client: redis.Redis, *whom: str) -> None:
    """It is a replica from now on, and waits until it has all; or, of no one, it is promoted."""
    client.execute_command("REPLICAOF", *whom)  # type: ignore[no-untyped-call]  # redis-py has no types for it
    if "ONE" not in whom:
        until(lambda: client.info("replication")["master_link_status"] == "up")


def port_of(server: KillableServer) -> int:
    return urlsplit(server.server.url).port or 0


class Servers:
    """A ledger and a vault of the test's own, and one worker on them that has looked once."""

    def __init__(self, folder: Path, sandbox: RunningSandbox, clock: FakeClock) -> None:
        self.folder = folder
        self.ledger = KillableServer.start(folder / "ledger", embedded_servers.LEDGER_OPTIONS)
        self.vault = KillableServer.start(folder / "vault", embedded_servers.VAULT_OPTIONS)
        self.replica: KillableServer | None = None
        self.sandbox, self.clock, self.keys = sandbox, clock, sealing.generate()
        self.number = 0
        self.stage = self.worker()
        self.stage.worker.maintenance.run_once()

    def worker(self) -> Stage:
        """A further process, with connections of its own."""
        url = self.ledger.server.url
        ledger, vault = Ledger(connect(url), self.clock), Vault(connect(self.vault.server.url))
        broker = Broker(connect(queue_url(url), text=False), [], {})
        self.number += 100
        return Stage(ledger, vault, self.sandbox, self.clock, broker, keys=self.keys, _number=self.number)

    def restart(self) -> None:
        self.ledger.kill()
        self.ledger.restart()

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.ledger.folder.rglob("*.aof*") if path.is_file()}

    def put_back(self, files: dict[Path, bytes]) -> None:
        self.ledger.kill()
        for path in self.ledger.folder.rglob("*.aof*"):
            path.unlink()
        for path, content in files.items():
            path.write_bytes(content)
        self.ledger.restart()

    def empty_the_vault(self) -> None:
        self.vault.kill()
        self.vault.restart()

    def follow(self) -> None:
        """A replica of the ledger, which has all that the ledger has."""
        self.replica = KillableServer.start(self.folder / "replica", embedded_servers.LEDGER_OPTIONS)
        client = connect(self.replica.server.url)
        follow(client, "127.0.0.1", str(port_of(self.ledger)))
        client.close()

    def promote(self) -> None:
        """The ledger's server dies, and its address leads to the replica."""
        assert self.replica is not None
        self.cut_off()
        self.ledger.kill()
        pool = self.stage.ledger.client.connection_pool
        pool.connection_kwargs["port"] = port_of(self.replica)
        pool.disconnect()
        pool.reset()

    def cut_off(self) -> None:
        """From now on the replica hears nothing more."""
        assert self.replica is not None
        client = connect(self.replica.server.url)
        follow(client, "NO", "ONE")
        client.close()

    def stop(self) -> None:
        for server in (self.ledger, self.vault, self.replica):
            if server is not None:
                server.server.stop()


@pytest.fixture
def servers(tmp_path: Path, sandbox: RunningSandbox, clock: FakeClock) -> Iterator[Servers]:
    servers = Servers(tmp_path, sandbox, clock)
    yield servers
    servers.stop()


def looks(stage: Stage) -> None:
    """A worker looks, and looks again when every process has had its time."""
    stage.worker.maintenance.run_once()
    stage.clock.advance(COMPARE_S)
    stage.worker.maintenance.run_once()


def sends(stage: Stage) -> State:
    """What becomes of a new transfer."""
    key = stage.new()
    stage.journey.execute(key)
    return stage.state(key)


def standing(stage: Stage) -> set[tuple[Cause, Lane]]:
    return {(pause.cause, pause.lane) for pause in stage.pauses.standing()}


CLOSED = {(Cause.FAILOVER, Lane.SEND), (Cause.FAILOVER, Lane.CONFIRM)}


def told(stage: Stage) -> list[str]:
    return [event.fields["found"] for event in stage.events.newest(50) if event.fields["verb"] == "ledger_server"]


def test_a_ledger_that_was_restarted_goes_on_by_itself_with_an_event(servers: Servers) -> None:
    """Its server writes to disk before it answers; but no claim goes before a worker has compared."""
    stage = servers.stage
    assert sends(stage) is State.PAID

    servers.restart()
    assert sends(stage) is State.QUEUED
    stage.worker.maintenance.run_once()
    assert stage.worker.preflight.unfit == ["failover"]
    looks(stage)

    assert stage.worker.preflight.is_fit
    assert sends(stage) is State.PAID
    assert standing(stage) == set()
    assert len(told(stage)) == 1
    assert "lost anything" in told(stage)[-1]


def test_a_new_ledger_is_sent_from_at_once_and_no_event_says_so(servers: Servers) -> None:
    """A first start is no failover."""
    assert sends(servers.stage) is State.PAID
    assert told(servers.stage) == []


def test_a_fraud_stop_outlives_a_ledger_that_comes_up_from_files_of_before(servers: Servers) -> None:
    """Before any worker has looked nothing is sent; then the stop stands again, and a person must open the ledger."""
    stage = servers.stage
    before = servers.files()
    stage.pauses.pause(Lane.SEND, ALL, actor="operator aigul", reason="fraud", cause=Cause.FRAUD)
    stage.worker.maintenance.run_once()

    servers.put_back(before)
    assert stage.pauses.standing() == []
    assert sends(stage) is State.QUEUED
    looks(stage)

    assert standing(stage) == CLOSED | {(Cause.FRAUD, Lane.SEND)}
    assert sends(stage) is State.QUEUED
    assert len(told(stage)) == 1
    assert "has lost moves" in told(stage)[-1]


def test_a_person_opens_it(servers: Servers) -> None:
    """The workers themselves do not, however long they look; and none closes it again."""
    stage = servers.stage
    servers.follow()
    servers.promote()
    looks(stage)
    for _ in range(3):
        looks(stage)
    assert standing(stage) == CLOSED

    for pause in stage.pauses.standing():
        assert stage.worker.maintenance._mirror.end(pause, actor="operator aigul", reason="compared")
    looks(stage)

    assert standing(stage) == set()
    assert sends(stage) is State.PAID


def test_a_replica_that_took_the_place_is_closed_though_nothing_seems_lost(servers: Servers) -> None:
    """Its role has changed: it may lack the last moves, of which no process and no vault knows."""
    stage = servers.stage
    assert sends(stage) is State.PAID
    servers.follow()
    looks(stage)

    servers.promote()
    assert sends(stage) is State.QUEUED
    looks(stage)

    assert standing(stage) == CLOSED
    assert sends(stage) is State.QUEUED
    assert "a replica took the place" in told(stage)[-1]


def test_a_replica_that_lacks_a_fraud_stop_gets_it_back(servers: Servers) -> None:
    stage = servers.stage
    servers.follow()
    looks(stage)
    servers.cut_off()
    stage.pauses.pause(Lane.SEND, ALL, actor="operator aigul", reason="fraud", cause=Cause.FRAUD)
    stage.worker.maintenance.run_once()

    servers.promote()
    assert sends(stage) is State.QUEUED
    looks(stage)

    assert standing(stage) == CLOSED | {(Cause.FRAUD, Lane.SEND)}


def test_a_replica_that_follows_again_and_is_promoted_again_is_another_server_by_then(servers: Servers) -> None:
    """The same run of the same server: but in between it had another one's data."""
    stage = servers.stage
    client = connect(servers.ledger.server.url)
    servers.follow()
    looks(stage)
    servers.cut_off()
    assert servers.replica is not None
    follow(client, "127.0.0.1", str(port_of(servers.replica)))
    follow(client, "NO", "ONE")
    client.close()

    assert sends(stage) is State.QUEUED
    looks(stage)

    assert standing(stage) == CLOSED


def test_a_replica_that_takes_writes_takes_no_claim(servers: Servers) -> None:
    """It has its master's id, and all that the master has: a claim there would be none of the ledger's."""
    key = servers.stage.new()
    servers.follow()
    looks(servers.stage)  # the first replica gives the replication another id
    assert servers.replica is not None
    replica = connect(servers.replica.server.url)
    replica.config_set("replica-read-only", "no")
    beside, record = Ledger(replica, servers.clock), servers.stage.record(key)

    assert isinstance(claim(beside, record, host="bank.example"), OtherServer)
    assert isinstance(claim(servers.stage.ledger, record, host="bank.example"), Moved)
    replica.close()


def test_a_vault_that_is_empty_at_the_same_time_shows_nothing_so_a_person_must_look(servers: Servers) -> None:
    stage = servers.stage
    assert sends(stage) is State.PAID

    servers.empty_the_vault()
    servers.restart()
    looks(stage)

    assert standing(stage) == CLOSED
    assert "the vault is empty at the same time" in told(stage)[-1]


def test_a_vault_that_was_restarted_before_knows_a_sequence_again(servers: Servers) -> None:
    """One that is no claim's, for that claim would look as if the ledger had forgotten. A restart opens by itself."""
    stage = servers.stage
    assert sends(stage) is State.PAID
    servers.empty_the_vault()
    stage.clock.advance(6)
    looks(stage)
    mark = stage.vault.high_water()
    assert mark == stage.ledger.sequence()

    servers.restart()
    looks(stage)

    assert sends(stage) is State.PAID
    assert standing(stage) == set()


def test_any_process_that_knows_of_a_later_move_closes_it(servers: Servers) -> None:
    """The vault knows of none, and the worker that compares first neither."""
    idle, knowing = servers.stage, servers.worker()
    knowing.worker.maintenance.run_once()
    before = servers.files()
    knowing.new()
    servers.put_back(before)

    idle.worker.maintenance.run_once()
    knowing.worker.maintenance.run_once()
    servers.clock.advance(COMPARE_S)
    idle.worker.maintenance.run_once()

    assert idle.worker.preflight.is_fit
    assert standing(idle) == CLOSED
    assert sends(idle) is State.QUEUED


def test_a_process_that_slept_closes_what_another_has_opened(servers: Servers) -> None:
    """It knows of a move that the ledger has lost."""
    idle, slept = servers.stage, servers.worker()
    slept.worker.maintenance.run_once()
    before = servers.files()
    slept.new()
    servers.put_back(before)
    looks(idle)
    assert sends(idle) is State.PAID
    idle.ledger.client.hincrby(redis_keys.COUNTERS, "sequence", -3)  # as before that transfer

    slept.worker.maintenance.run_once()

    assert standing(idle) == CLOSED


def test_a_worker_that_dies_before_it_has_taken_the_server_leaves_it_to_the_next(servers: Servers) -> None:
    """Claims are refused in the ledger, not in one worker's memory."""
    servers.stage.new()
    servers.restart()
    servers.stage.worker.maintenance.run_once()

    later = servers.worker()
    assert sends(later) is State.QUEUED
    looks(later)

    assert sends(later) is State.PAID


def test_without_the_vault_nothing_is_compared(servers: Servers) -> None:
    """And so nothing is sent: it keeps the pauses."""
    stage = servers.stage
    servers.restart()
    servers.vault.kill()
    looks(stage)
    assert stage.worker.preflight.unfit == ["failover"]
    look = LedgerServer(stage.ledger.client, "test").look()
    assert not look.is_compared


@pytest.mark.parametrize("cause", [Cause.FRAUD, Cause.OTHER])
def test_a_pause_raises_the_vaults_mark(servers: Servers, cause: Cause) -> None:
    """So a ledger that is restored to before it stands below the mark."""
    stage = servers.stage
    pause_id = stage.pauses.pause(Lane.SEND, ALL, actor="worker", reason="r", cause=cause)
    stage.worker.maintenance._mirror.keep()

    assert isinstance(stage.pauses.get(pause_id), Pause)
    assert stage.vault.high_water() == stage.ledger.sequence()
