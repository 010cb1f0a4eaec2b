"""The ledger's server dies for good, and a replica that lacks its last moves takes its place: real workers, under load.

An operator goes by the runbook, "The ledger went back", with the commands and the bank's own statement.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from epay_transfers.ledger.errors import ReferenceLost
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Cause, Lane, Pauses
from epay_transfers.ops.exit_status import ExitStatus
from epay_transfers.producers import Receipt, TransferIntent, Transfers
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.settings import EX_CONFIG
from tests.crash.conftest import KillablePlatform
from tests.support.books import busy, ends
from tests.support.forked_commands import ForkedCommands
from tests.support.intents import payout
from tests.support.operator_at_work import CommandFailed, OperatorAtWork
from tests.support.servers import KillableServer, free_port
from tests.support.waiting import until

CLOSED = {(Cause.FAILOVER, Lane.SEND), (Cause.FAILOVER, Lane.CONFIRM)}
WHY = ("--reason", "compared with the bank's statement")
ALL_EVENTS = 10_000

MAY_BE_SENT = (State.QUEUED, State.PARKED, State.RESUMED)
BATCH, LATE, SOME = 40, 20, 4

#: A worker takes so long to start, at the most, on a machine under load.
LONGEST_S = 200

#: Few threads, so that transfers wait while others are on the wire.
FEW_THREADS = {"WORKER_THREADS": "4"}

#: So many were claimed by workers that were killed, and had not been sent.
IN_FLIGHT = 8


@dataclass
class Failover:
    """The servers, the workers, and what the dead server knew: its disk has each move that it confirmed."""

    killable: KillablePlatform
    replica: KillableServer
    folder: Path
    witnesses: list[KillableServer] = field(default_factory=list)
    seen: "Witness | None" = None

    def follow(self) -> None:
        """The replica has all that the ledger has, and hears of each further move."""
        follows(self.replica, self.killable.ledger)

    def cut_off(self) -> None:
        """It hears nothing more, and goes on waiting for its primary."""
        self._replicaof("127.0.0.1", str(free_port()))

    def promote(self) -> None:
        """The primary dies, and the replica is told to take over."""
        self.killable.ledger.kill()
        self._replicaof("NO", "ONE")

    def take_over_the_address(self) -> None:
        """As where an address moves: the workers go on, and find the replica behind it."""
        port = _port(self.killable.ledger)
        with connect(self.replica.server.url) as client:
            client.config_set("port", port)
        self.replica.server = embedded_servers.EmbeddedServer(
            self.killable.ledger.server.url, self.replica.server.process
        )

    def change_the_setting(self) -> None:
        """The workers die with their server, and are started anew with the replica's address."""
        self.kill_workers()
        platform = self.killable.platform
        platform.env["REDIS_URL"] = self.replica.server.url
        platform.ledger_client.close()
        platform.ledger_client = connect(self.replica.server.url)
        self.start_workers(2)

    def start_workers(self, count: int) -> None:
        for _ in range(count):
            self.killable.platform.start_worker()

    def kill_workers(self) -> None:
        for worker in self.killable.platform.workers:
            worker.kill()
            worker.wait(10)
        self.killable.platform.workers.clear()

    def witness(self) -> "Witness":
        """The dead server's disk, read by a server of its own."""
        if self.seen is not None:
            return self.seen
        copy = self.folder / "witness"
        for path in self.killable.ledger.folder.rglob("*"):
            if path.is_file() and path.name != "server.log":
                place = copy / path.relative_to(self.killable.ledger.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(path.read_bytes())
        server = KillableServer.start(copy, embedded_servers.LEDGER_OPTIONS)
        self.witnesses.append(server)
        with connect(server.server.url) as client:
            self.seen = Witness({key: state for key, (state, _) in ends(client).items()}, claims(client))
        return self.seen

    def _replicaof(self, *whom: str) -> None:
        with connect(self.replica.server.url) as client:
            client.execute_command("REPLICAOF", *whom)


@dataclass(frozen=True)
class Witness:
    """What the primary had confirmed when it died."""

    states: dict[str, State]
    claimed: set[str]


@dataclass(frozen=True)
class Load:
    """Keys: of a client at the bank's page, and of a batch, which the replica knows; of payouts that it does not know.

    `stale`: how the replica saw the batch when it took over, and `claimed` what it knew of claims.
    """

    producer: Transfers
    secure: str
    batch: list[str]
    late: list[TransferIntent]
    lost: list[str]
    stale: dict[str, float]
    claimed: set[str]


def follows(replica: KillableServer, primary: KillableServer) -> None:
    """The replica has all that the primary has, and hears of each further move."""
    with connect(replica.server.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(_port(primary)))
        until(lambda: client.info("replication")["master_link_status"] == "up")


def _port(server: KillableServer) -> int:
    return urlsplit(server.server.url).port or 0


def claims(client: redis.Redis) -> set[str]:
    """Of which transfers a worker was told to send: its key, and the lane's state then."""
    events = Events(client).newest(ALL_EVENTS)
    return {f"{event.fields['key']} {event.fields['state']}" for event in events if event.fields["verb"] == Verb.CLAIM}


def dues(client: redis.Redis, keys: list[str]) -> dict[str, float]:
    """When a worker is to look at each of these that is queued: a worker that may not send it moves that on."""
    records = Ledger(client).get_many(keys)
    queued = [record.key for record in records if record.state is State.QUEUED]
    return {key: float(client.zscore(redis_keys.DUE, key) or 0) for key in queued}


@pytest.fixture
def failover(killable: KillablePlatform, tmp_path: Path) -> Iterator[Failover]:
    killable.platform.env |= FEW_THREADS
    replica = KillableServer.start(tmp_path / "replica", embedded_servers.LEDGER_OPTIONS)
    failover = Failover(killable, replica, tmp_path)
    yield failover
    killable.platform.stop()
    for server in (replica, *failover.witnesses):
        server.server.stop()


def standing(failover: Failover) -> set[tuple[Cause, Lane]]:
    return {(pause.cause, pause.lane) for pause in Pauses(failover.killable.platform.ledger_client).standing()}


def record_of(failover: Failover, key: str) -> Record:
    record = Ledger(failover.killable.platform.ledger_client).get(key)
    assert record is not None
    return record


def executions(failover: Failover) -> set[str]:
    return {key for key, order in failover.killable.platform.books()["orders"].items() if order["executions"]}


def over(failover: Failover, keys: list[str]) -> int:
    records = Ledger(failover.killable.platform.ledger_client).get_many(keys)
    return sum(record.state.final for record in records)


def put(transfers: Transfers, intents: list[TransferIntent]) -> list[str]:
    answers = transfers.enqueue_many(intents)
    keys = [answer.key for answer in answers if isinstance(answer, Receipt)]
    assert len(keys) == len(intents), answers
    return keys


def under_load(failover: Failover, producer: Transfers) -> Load:
    """Until the primary is to die: the client has answered, most of the batch waits, payouts are on the wire."""
    platform = failover.killable.platform
    [secure] = put(producer, [payout("secure", "Payout [3ds]", urgency="now")])
    until(lambda: record_of(failover, secure).state is State.PARKED)
    batch = put(producer, [payout(f"batch-{number}", "Payout [slow:0.3]", urgency="batch") for number in range(BATCH)])
    until(lambda: over(failover, batch) >= SOME)
    failover.cut_off()

    challenge = producer.challenge(record_of(failover, secure).handle)
    assert challenge is not None
    producer.confirm(md=challenge.md, pa_res=platform.answer(challenge.md))
    late = [payout(f"late-{number}", "Payout [slow:0.3]", urgency="now") for number in range(LATE)]
    lost = put(producer, late)
    until(lambda: over(failover, lost) >= SOME and over(failover, [secure]) == 1)
    with connect(failover.replica.server.url) as client:
        return Load(producer, secure, batch, late, lost, dues(client, batch), claims(client))


def stands_still(failover: Failover, load: Load) -> None:
    """Workers that went on pause both lanes, and come in vain for what the replica calls queued."""
    until(lambda: standing(failover) >= CLOSED)
    until(lambda: dues(failover.killable.platform.ledger_client, load.batch) != load.stale)


def refuses_to_start(failover: Failover, load: Load) -> None:
    """A worker that is started looks at the vault's mark first."""
    platform = failover.killable.platform
    assert [worker.wait(LONGEST_S) for worker in platform.workers] == [EX_CONFIG, EX_CONFIG]
    assert "the ledger has lost moves that the vault has seen" in platform.log_text()
    assert dues(platform.ledger_client, load.batch) == load.stale


def assert_nothing_was_sent(failover: Failover, load: Load) -> None:
    """No worker was told to send, and the bank has got nothing that the dead server had not confirmed."""
    platform = failover.killable.platform
    assert claims(platform.ledger_client) == load.claimed
    truth, books = failover.witness(), platform.books()["orders"]
    assert {truth.states[key] for key in load.batch} >= {State.PAID, State.QUEUED}, "it died under load"
    assert {f"{key} sending" for key, order in books.items() if order["transfers_received"]} <= truth.claimed
    assert {f"{key} confirming" for key, order in books.items() if order["confirms_received"]} <= truth.claimed


def compared(failover: Failover, load: Load, operator: OperatorAtWork) -> set[str]:
    """Steps 2 to 5: of which transfers the bank has executed the record is lost. Their suffixes are closed."""
    platform = failover.killable.platform
    failover.kill_workers()
    assert_nothing_was_sent(failover, load)
    for lane in {Lane.SEND, Lane.CONFIRM} - {lane for _, lane in standing(failover)}:
        operator.types("pause", lane, *WHY)
    known, before = ends(platform.ledger_client), executions(failover)
    assert not {*load.lost} & {*known}
    found = operator.recovers()
    executed = executions(failover)  # a call that was on its way when its worker was killed may come in meanwhile
    absent = {each["name"] for each in found["absent"]}
    assert before - {*known} <= absent <= executed - {*known}
    assert absent
    unsent = {each["name"] for each in found["unsent_here"]}
    not_sent_here = {key for key, (state, _) in known.items() if state in MAY_BE_SENT}
    assert before & not_sent_here <= unsent <= executed & not_sent_here
    assert load.secure in unsent
    audited = operator.types("audit", "--json", "--all", expects=frozenset({ExitStatus.REFUSED}))
    waited = {key for key, state in failover.witness().states.items() if state is State.QUEUED}
    assert all(redis_keys.place(key) in audited for key in waited - {*known}), "their cards are in the vault still"
    for typed in re.findall(r"redis-cli -u \"\$REDIS_URL\" (.+)", operator.recovers_in_words()):
        platform.ledger_client.execute_command(*shlex.split(typed))  # type: ignore[no-untyped-call]  # as above
    return absent


def opened(failover: Failover, load: Load, operator: OperatorAtWork) -> None:
    """Steps 6 and 7: it counts on from beyond what any process saw; the doubt comes before the end of the pauses."""
    platform = failover.killable.platform
    mark = int(str(platform.vault_client.get(redis_keys.HIGH_WATER)))
    platform.ledger_client.hset(redis_keys.COUNTERS, "sequence", str(mark + 1000))
    failover.start_workers(1)
    until(lambda: standing(failover) >= CLOSED)
    assert not operator.recovers("--apply", "--wait", "120", *WHY)["unsent_here"]
    assert_nothing_was_sent(failover, load)
    for pause in Pauses(platform.ledger_client).standing():
        operator.ends(pause.id, "compared with the bank's statement")
    failover.start_workers(1)
    operator.types("queue", "rebuild", "--apply", *WHY)


def gone_through(failover: Failover, operator: OperatorAtWork) -> None:
    """As often as it takes: what the ledger forgot and the vault remembers pauses both lanes once more when claimed."""
    client = failover.killable.platform.ledger_client
    until(lambda: not busy(client) or bool(standing(failover)))
    while standing(failover):
        failover.kill_workers()
        failover.start_workers(2)
        for pause in Pauses(client).standing():
            with suppress(CommandFailed):  # it stands anew, or no worker has started yet
                operator.ends(pause.id, "compared with the bank's statement")
        until(lambda: not busy(client) or bool(standing(failover)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("leads", ["its address", "the setting"])
def test_a_replica_that_lacks_moves_sends_nothing_before_a_person_has_compared_it_and_pays_nothing_twice(
    failover: Failover, monkeypatch: pytest.MonkeyPatch, leads: str
) -> None:
    """What the replica lacks is found by `recover` and `audit`; all that the bank never got is paid in the end.

    Where a lost transfer's card waits in the vault still, its reference brings it no more: it is paid under another.
    """
    platform = failover.killable.platform
    failover.follow()
    failover.start_workers(2)
    load = under_load(failover, platform.transfers(monkeypatch))
    failover.promote()
    if leads == "its address":
        failover.take_over_the_address()
        stands_still(failover, load)
    else:
        failover.change_the_setting()
        refuses_to_start(failover, load)
    load.producer.close()

    with ForkedCommands(failover.folder) as commands:
        operator = OperatorAtWork(platform.env, platform.bank_url, failover.folder, commands)
        absent = compared(failover, load, operator)
        opened(failover, load, operator)
        producer = platform.transfers(monkeypatch)  # it repeats all that it ordered
        for intent, key, answer in zip(load.late, load.lost, producer.enqueue_many(load.late), strict=True):
            assert isinstance(answer, ReferenceLost if key in absent else Receipt), (intent.reference, answer)
        gone_through(failover, operator)
        found = ends(platform.ledger_client)
        unsent = {key for key, end in found.items() if end == (State.DEAD, Reason.ORDER_CHANGED)}
        anew = put(producer, [payout(f"anew-{key}") for key in sorted(unsent)])  # as the runbook says
        gone_through(failover, operator)
        producer.close()

    found = ends(platform.ledger_client)
    paid = {key for key, (state, _) in found.items() if state is State.PAID}
    held = {key for key, (state, _) in found.items() if state is State.NEEDS_REVIEW}
    assert platform.books()["totals"]["executed_twice"] == []
    assert executions(failover) == paid | absent, "and none of those that are dead or in review"
    assert paid >= {*load.batch, load.secure, *anew} - held
    assert len(paid | absent | held) == 1 + BATCH + LATE, "each under one invoice id"
    assert len(held) <= IN_FLIGHT
