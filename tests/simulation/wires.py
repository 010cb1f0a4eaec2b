"""The wires of a process to the ledger and the vault: what the rooms ask of a client of redis-py, one step a command.

Under the wire are the real servers. On it a command may not arrive, its reply may be lost, and a server may be away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import redis

from epay_transfers.ledger.store import redis_keys, scripts
from tests.simulation.line import Command, Line
from tests.simulation.world import Process, World

NAMES = sorted(
    file.name.removesuffix(".lua")
    for file in (resources.files("epay_transfers.ledger") / "lua").iterdir()
    if file.name.endswith(".lua") and not file.name.startswith("_")
)
_SCRIPTS = {scripts._digest(scripts.text_of(name)): name for name in NAMES}
_WRITES = frozenset({"EVALSHA", "HDEL", "HSET", "HSETNX", "RPUSH", "SADD", "ZREM"})
_READERS = frozenset({"due", "vault_look", "vault_count"})

#: Where the scripts that store a blob have its time to live.
_TTL = {"vault_put": 11, "vault_put_back": 11}
_FOR_EVER_MS = 10**10

#: Where the scripts ask which run of their server this is: the vault's, and the ledger's.
_ASKS_ITS_RUN = "redis.call('INFO', 'server')"
_ASKS_OF_ITS_SERVER = ("redis.call('INFO', 'server', 'replication')", "redis.call('INFO', 'replication')")
_ASKERS = frozenset(name for name in NAMES if any(asks in scripts.text_of(name) for asks in _ASKS_OF_ITS_SERVER))

_TIME_OUT = """
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 2) == 'B:' then redis.call('DEL', KEYS[1]) end
"""

#: A command with its script's name in place of its digest.
Before = Callable[[Sequence[Command]], None]
After = Callable[[], None]


def _nothing(_: Sequence[Command] = ()) -> None:
    """What a server does before and after a write, where nobody cares."""


@dataclass(frozen=True, slots=True)
class Copy:
    """All that a server held at one moment, and which run of it that was."""

    run: int
    dumps: tuple[tuple[str, Any], ...]
    blobs: dict[str, int]


class Server:
    """One of the two, as all processes see it."""

    def __init__(self, world: World, name: str, line: Line) -> None:
        self.world = world
        self.name = name
        self.line = line
        self.away_until_ms = 0
        self.run = 1  #: which of its starts this one is
        self.starts = 1
        self._digests: dict[tuple[str, int], str] = {}  #: of the scripts that ask, in each of its runs
        self.blobs: dict[str, int] = {}  #: of the vault: until when each place keeps what was put there
        self.before_write: Before = _nothing
        self.after_write: After = _nothing

    def carry(self, process: Process, commands: tuple[Command, ...]) -> list[Any]:
        """One round trip: one step, with whatever may happen to it."""
        world = self.world
        world.before(process)
        if world.clock.now_ms() < self.away_until_ms or world.chance(world.weather.unheard):
            world.tell(process.name, "does not reach", self.name, _named(commands[0]))
            raise redis.ConnectionError("away")
        is_write = any(command[0] in _WRITES and _named(command)[0] not in _READERS for command in commands)
        if is_write:
            self.before_write([_named(command) for command in commands])
        replies = self.line.ask(*(self._in_this_run(self._without_time(command)) for command in commands))
        for command, reply in zip(commands, replies, strict=True):
            world.tell(process.name, _named(command), "->", reply)
            _count(world, _named(command), reply)
        if is_write:
            self.after_write()
        world.after(process)
        if world.chance(world.weather.unanswered):
            world.tell(process.name, "is not answered by", self.name)
            raise redis.TimeoutError("no reply")
        return replies

    def _without_time(self, command: Command) -> Command:
        """A blob lives in the world's time, and not in the server's."""
        at = _TTL.get(_SCRIPTS[str(command[1])]) if command[0] == "EVALSHA" else None
        if at is None:
            return command
        assert int(command[2]) == 1, "one place a script"
        place, ttl_ms = str(command[3]), int(command[at])
        self.blobs[place] = self.world.clock.now_ms() + ttl_ms
        return (*command[:at], _FOR_EVER_MS, *command[at + 1 :])

    def _in_this_run(self, command: Command) -> Command:
        """The real server has one run for all worlds: a script is told the run that it has in this one."""
        name = _SCRIPTS.get(str(command[1]), "") if command[0] == "EVALSHA" else ""
        if not name.startswith("vault_") and name not in _ASKERS:
            return command
        if (name, self.run) not in self._digests:
            answer = (
                f"'run_id:{self.run_id} master_replid:{self.run_id} role:master uptime_in_seconds:0 master_replid2:0'"
            )
            text = scripts.text_of(name)
            if name.startswith("vault_") and _ASKS_ITS_RUN not in text:
                raise AssertionError("the vault's scripts ask for their run in another way")
            text = text.replace(_ASKS_ITS_RUN, f"'run_id:{self.run_id}'")
            for asks in _ASKS_OF_ITS_SERVER:
                text = text.replace(asks, answer)
            self._digests[name, self.run] = str(self.line.one("SCRIPT", "LOAD", text))
        return (command[0], self._digests[name, self.run], *command[2:])

    @property
    def run_id(self) -> str:
        return f"{self.run:08x}"

    def copy(self) -> Copy:
        names = self.line.one("KEYS", "*")
        dumps = zip(names, self.line.ask(*(("DUMP", name) for name in names)), strict=True)
        return Copy(self.run, tuple(dumps), dict(self.blobs))

    def put_back(self, copy: Copy, *, same_run: bool = False) -> None:
        """What it held then is what it holds now. In the same run where its machine's memory was put back."""
        self.line.one("FLUSHDB")
        self.line.ask(*(("RESTORE", name, 0, dump) for name, dump in copy.dumps))
        self.blobs = dict(copy.blobs)
        self._begin_a_run()
        if same_run:
            self.run = copy.run

    def restart(self) -> None:
        """It comes up empty."""
        self.line.one("FLUSHDB")
        self.blobs.clear()
        self._begin_a_run()

    def _begin_a_run(self) -> None:
        self.starts += 1
        self.run = self.starts

    def writes(self) -> int:
        """Of the vault: how many its present run has seen."""
        run, _, count = str(self.line.one("GET", redis_keys.WRITES) or "").partition(":")
        return int(count) if run == self.run_id else 0

    def time_out(self) -> None:
        """The blobs whose time is over."""
        now = self.world.clock.now_ms()
        for place in [place for place, until in self.blobs.items() if until <= now]:
            del self.blobs[place]
            self.drop(place)

    def drop(self, place: str) -> None:
        self.world.tell("times out:", place)
        self.line.one("EVAL", _TIME_OUT, 1, place)


class Wire:
    """What `Ledger`, `Vault`, `Inboxes`, `Pauses`, `Breakers` and `Events` ask of their client."""

    def __init__(self, server: Server, process: Process) -> None:
        self._server = server
        self._process = process

    def pipeline(self, *, transaction: bool = True) -> "Pipeline":  # noqa: ARG002 - a client's form
        return Pipeline(self._server, self._process)

    def execute_command(self, *words: str | int) -> Any:
        return self._one(*words)

    def script_load(self, text: str) -> Any:
        return self._one("SCRIPT", "LOAD", text)

    def info(self, section: str) -> dict[str, str | int]:
        """What a process asks of it: the run, and since when. Nothing that differs from one real server to the next."""
        self._one("INFO", section)
        return {"run_id": self._server.run_id, "uptime_in_seconds": 0}

    def get(self, name: str) -> Any:
        return self._one("GET", name)

    def hget(self, name: str, field: str) -> Any:
        return self._one("HGET", name, field)

    def hgetall(self, name: str) -> dict[str, str]:
        return _pairs(self._one("HGETALL", name))

    def hscan(self, name: str, _place: int, count: int) -> tuple[int, dict[str, str]]:  # noqa: ARG002 - a client's form
        return 0, self.hgetall(name)

    def hset(self, name: str, field: str, value: str) -> Any:
        return self._one("HSET", name, field, value)

    def hlen(self, name: str) -> Any:
        return self._one("HLEN", name)

    def hsetnx(self, name: str, field: str, value: str) -> Any:
        return self._one("HSETNX", name, field, value)

    def hdel(self, name: str, *fields: str) -> Any:
        return self._one("HDEL", name, *fields)

    def smembers(self, name: str) -> set[str]:
        return set(self._one("SMEMBERS", name))

    def srandmember(self, name: str, number: int) -> list[str]:
        return sorted(self._one("SMEMBERS", name))[:number]

    def xrevrange(self, name: str, newest: str, oldest: str, count: int) -> list[tuple[str, dict[str, str]]]:
        return [(place, _pairs(flat)) for place, flat in self._one("XREVRANGE", name, newest, oldest, "COUNT", count)]

    def sadd(self, name: str, *members: str) -> Any:
        return self._one("SADD", name, *members)

    def rpush(self, name: str, *entries: str) -> Any:
        return self._one("RPUSH", name, *entries)

    def zrem(self, name: str, *members: str) -> Any:
        return self._one("ZREM", name, *members)

    def _one(self, *command: str | int) -> Any:
        (reply,) = self._server.carry(self._process, (command,))
        if isinstance(reply, Exception):
            raise reply
        return reply


class Pipeline:
    """Commands that are collected, and go in one step."""

    def __init__(self, server: Server, process: Process) -> None:
        self._server = server
        self._process = process
        self._commands: list[Command] = []
        self._scans: set[int] = set()  #: which of them are answered as a scan is: in one page

    def evalsha(self, digest: str, count: int, *words: str | int) -> None:
        self._commands.append(("EVALSHA", digest, count, *words))

    def hgetall(self, name: str) -> None:
        self._commands.append(("HGETALL", name))

    def hscan(self, name: str, _place: int, count: int) -> None:  # noqa: ARG002 - a client's form
        self._scans.add(len(self._commands))
        self._commands.append(("HGETALL", name))

    def type(self, name: str) -> None:
        self._commands.append(("TYPE", name))

    def srandmember(self, name: str, number: int) -> None:  # noqa: ARG002 - a client's form
        self._commands.append(("SMEMBERS", name))

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        if not self._commands:
            return []
        replies = self._server.carry(self._process, tuple(self._commands))
        for reply in replies:
            if raise_on_error and isinstance(reply, Exception):
                raise reply
        found = [
            _pairs(reply) if command[0] == "HGETALL" and not isinstance(reply, Exception) else reply
            for command, reply in zip(self._commands, replies, strict=True)
        ]
        return [(0, reply) if at in self._scans else reply for at, reply in enumerate(found)]


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _named(command: Command) -> Command:
    """With the script's name in place of its digest."""
    return (_SCRIPTS[str(command[1])], *command[3:]) if command[0] == "EVALSHA" else command


def _count(world: World, command: Command, reply: Any) -> None:
    """What shows that a fault was met, and not only made."""
    if not isinstance(reply, list) or not reply:
        return
    said = [str(word) for word in (reply[2:] if str(command[0]).startswith("vault_") else reply)]
    if said[:1] == ["BEHIND"]:
        world.counts[f"told BEHIND: {'the vault' if len(reply) > 2 and reply[2] == 'BEHIND' else 'a claim'}"] += 1
    elif command[0] == "claim" and said[0] == "CLOCK_APART":
        world.counts["claims refused for a wrong clock"] += 1
    elif command[0] == "vault_take" and said[0] in {"LATER", "MINE"}:
        world.counts[f"takes: {said[0]}"] += 1
    elif command[0] == "vault_take" and said[0] == "GONE":
        world.counts[f"takes of what is gone: {said[1]}"] += 1
    elif command[0] == "vault_refence" and said[:2] == ["NO", "stale"]:
        world.counts["refences of a stale blob"] += 1
