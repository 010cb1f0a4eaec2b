"""Who acts in a simulation: workers, a backend, a web tier. Each is built of the real parts on its own wires."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dramatiq
import redis

from epay_transfers.ledger.clock import APART_MS
from epay_transfers.ledger.errors import LedgerBroken, RecordUnreadable, TransfersError
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replicas import Replicas
from epay_transfers.ledger.vault.sealing import KeyPair, Opener, Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import ProducerSettings, Transfers
from epay_transfers.runtime.health import Finding
from epay_transfers.worker.bank import Terminal
from epay_transfers.worker.build import Rules, Worker, assemble
from tests.simulation.bank import Books, Teller
from tests.simulation.wires import Server, Wire
from tests.simulation.world import Process, World

TERMINALS = {"main": Terminal("main", "t", "c", Secret("s"))}
_FOR_EVER_MS = 10**12


class Queue:
    """The messages that no worker has taken yet. A message may be lost, taken twice, or long after."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []


class Wakeup:
    """What `Wakeups` asks of its broker, and of its broker's client."""

    def __init__(self, world: World, process: Process, queue: Queue) -> None:
        self._world = world
        self._process = process
        self._queue = queue
        self.client = self

    def enqueue(self, message: dramatiq.Message[Any]) -> None:
        self._world.before(self._process)
        if self._world.chance(self._world.weather.unheard):
            raise redis.ConnectionError("away")
        for _ in range(self._world.dice.choice((0, 1, 1, 2, 2, 3)) if self._world.weather.others else 1):
            self._queue.messages.append((message.queue_name, message.actor_name, str(message.args[0])))

    def enqueue_all(self, messages: Sequence[dramatiq.Message[Any]]) -> None:
        for message in messages:
            self.enqueue(message)

    def llen(self, name: str) -> int:
        return sum(name.endswith(f":{queue}") for queue, _, _ in self._queue.messages)

    def pipeline(self, *, transaction: bool = True) -> "Heads":  # noqa: ARG002 - a client's form
        return Heads(self._world, self._process, self._queue)


class Heads:
    """What `Wakeups` asks of a pipeline: each queue's head and length. When a message was sent may be wrong."""

    def __init__(self, world: World, process: Process, queue: Queue) -> None:
        self._world = world
        self._process = process
        self._queue = queue
        self._replies: list[bytes | int | None] = []

    def lindex(self, name: str, _at: int) -> None:
        waiting = self._waiting(name)
        self._replies.append(_id_of(waiting[0]).encode() if waiting else None)

    def llen(self, name: str) -> None:
        self._replies.append(len(self._waiting(name)))

    def hget(self, _name: str, message_id: bytes) -> None:
        found = [message for message in self._queue.messages if _id_of(message) == message_id.decode()]
        self._replies.append(self._written(found[0]) if found else None)

    def execute(self) -> list[bytes | int | None]:
        self._world.before(self._process)
        if self._world.chance(self._world.weather.unheard):
            raise redis.ConnectionError("away")
        replies, self._replies = self._replies, []
        return replies

    def _waiting(self, name: str) -> list[tuple[str, str, str]]:
        return [message for message in self._queue.messages if name.endswith(f":{message[0]}")]

    def _written(self, message: tuple[str, str, str]) -> bytes:
        queue, actor, key = message
        made: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=queue,
            actor_name=actor,
            args=(key,),
            kwargs={},
            options={"redis_message_id": _id_of(message)},
            message_id=_id_of(message),
            message_timestamp=self._world.dice.choice((1, self._process.clock.now_ms(), _FOR_EVER_MS)),
        )
        return made.encode()


def _id_of(message: tuple[str, str, str]) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, " ".join(message)))


class VirtualEvent:
    """An event that nobody sets; who waits for it spends virtual time."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    def wait(self, seconds: float) -> bool:
        self._world.wait(self._process, seconds)
        return False


@dataclass(frozen=True)
class Place:
    """Where they all live."""

    world: World
    ledger: Server
    vault: Server
    books: Books
    queue: Queue
    keys: KeyPair
    settings: ProducerSettings
    rules: Rules


@dataclass(frozen=True)
class WorkerProcess:
    process: Process
    ledger: Ledger
    worker: Worker

    def keep_house(self) -> None:
        """What two threads of a real process do."""
        self.worker.maintenance.run_once()
        self.worker.maintenance.probe_once()

    def hear(self, actor: str, key: str) -> None:
        """What the actors' skin does."""
        journey = self.worker.journey
        steps = {
            "confirm": journey.confirm,
            "execute": journey.execute,
            "execute_batch": journey.execute,
            "inquire": journey.inquire,
        }
        try:
            steps[actor](key)
        except (LedgerBroken, RecordUnreadable):
            raise  # nothing here leaves that behind
        except TransfersError:
            pass


class ReplicatedLedger(Ledger):
    """`LEDGER_REPLICAS=1`: what a worker waits for is thrown, in the place of WAIT. The claim stands either way."""

    world: World

    def why_too_few(self) -> str:
        if not self.world.chance(self.world.weather.lacking):
            return ""
        self.world.counts["looks at a replica that lacked something"] += 1
        return "0 of 1 replicas have it"

    def _run_copied(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> tuple[list[str], str]:
        reply = self._scripts.run(name, keys, args)
        if not self.world.chance(self.world.weather.lacking):
            return reply, ""
        self.world.counts[f"a replica that lacked a {name}"] += reply[0] == "OK"
        return reply, "0 of 1 replicas have it"


def start_worker(place: Place, name: str) -> WorkerProcess:
    """Raises `Crashed` or a `TransfersError` if it does not come up, as a real one ends with its exit status."""
    world, process = place.world, place.world.process(name)
    clock = process.clock
    ledger_wire, vault_wire = Wire(place.ledger, process), Wire(place.vault, process)
    ledger, vault = ReplicatedLedger(_client(ledger_wire), world.clock, Replicas(1)), Vault(_client(vault_wire))
    ledger.world = world
    bank: Any = Teller(world, process, place.books, has_status=place.rules.has_status)
    broker: Any = Wakeup(world, process, place.queue)
    worker = assemble(
        ledger=ledger,
        vault=vault,
        opener=Opener([place.keys.private]),
        bank=bank,
        broker=broker,
        terminals=TERMINALS,
        rules=place.rules,
        examine=lambda: _examine(ledger, vault, process),
        clock=clock,
        actor=name,
        chance=world.dice.random,
    )
    ending: Any = VirtualEvent(world, process)
    worker.recorder._ending = ending
    worker.maintenance._next_trim = float("inf")  # the events have the server's own time, which is not this world's
    if _examine(ledger, vault, process):
        raise TransfersError("the worker does not start")
    return WorkerProcess(process, ledger, worker)


def start_producer(place: Place, name: str) -> tuple[Process, Transfers]:
    """A backend's process, or a web tier's."""
    process = place.world.process(name)
    broker: Any = Wakeup(place.world, process, place.queue)
    transfers = Transfers(
        ledger=Ledger(_client(Wire(place.ledger, process)), place.world.clock),
        vault=Vault(_client(Wire(place.vault, process))),
        sealer=Sealer(place.keys.public),
        wakeups=Wakeups(broker),
        clock=process.clock,
        settings=place.settings,
    )
    return process, transfers


def _examine(ledger: Ledger, vault: Vault, process: Process) -> list[Finding]:
    """Of `runtime.health`, what can be wrong with these servers."""
    try:
        is_behind = ledger.counters().get("sequence", 0) < vault.high_water()
    except TransfersError:
        return [Finding("REDIS_URL", "a server does not answer", "start it", passing=True)]
    if abs(process.clock.off_ms) > APART_MS:
        return [Finding("REDIS_URL", "the clocks are apart", "let both follow the same NTP", passing=True)]
    return [Finding("REDIS_URL", "the ledger has forgotten moves", "see the runbook")] if is_behind else []


def _client(wire: Wire) -> Any:
    return wire
