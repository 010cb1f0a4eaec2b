"""Health checks of the servers before money is sent. A finding names the server, the problem and what to do.

This module reads and reports; its caller decides whether to start. `DURABILITY` sets how strict the checks are.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

import redis
from redis.exceptions import NoPermissionError

from epay_transfers.ledger.clock import AGAIN_MS, APART_MS, Clock
from epay_transfers.ledger.errors import (
    LedgerBroken,
    LedgerUnavailable,
    ServerProblem,
    TransfersError,
    VaultUnavailable,
)
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import SOCKET_TIMEOUT, connect, disconnect, server_of
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_format import other_format
from epay_transfers.ledger.store.replicas import NO_REPLICAS, Replicas
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem, problem_of, reason_of
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime.settings import Durability, ServerSettings, SettingsWrong

#: The problem of a finding.
CLOCKS_APART = "its clock and this machine's do not agree (no more than two seconds may lie between them)"
#: CONFIG was renamed, or is not this user's.
_HIDDEN = {ServerReason.UNKNOWN_COMMAND, ServerReason.NOT_PERMITTED}

#: What an examination asks, and what a client asks when it connects.
_EXAMINES = "+ping, +hello, +select, +info, +config|get, +acl|dryrun and +time"

_EMPTY = '""'

#: What mends that too few replicas follow the ledger.
REPLICAS_CURE = "start a replica of it, with the ledger's own configuration, or see the runbook, 'A replica is missing'"
#: As a restart reads them from the append-only file.
_WRITES = (("set", "1"), ("hset", "field", "1"), ("xadd", "*", "field", "1"), ("zadd", "1", "member"), ("del",))

_OLDEST = {"redis": (7, 0), "valkey": (8, 0)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a server. `name` is the setting that holds the server's address."""

    name: str
    problem: str
    cure: str
    passing: bool = False  #: it may end by itself: a server that is away, or still loading

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}; {self.cure}"

    @property
    def is_of_vault(self) -> bool:
        return self.name.endswith("VAULT_URL")


class Examination:
    """Looks at the ledger's server and, if asked, at the vault's and the queue's, as often as it is told to.

    Each look connects anew, as a process does that starts, by the same clients: each client is a cycle of objects,
    which stays in memory until the collector looks for such.

    The queue's is for a process that receives from it. A producer enqueues without it, and a worker that runs goes on.
    `receives`: and this process is that one, so its own user has to be able to. An operator's may not.
    `replicas`: so many of the ledger's must follow it, by their own word where this process's user may ask for it.
    """

    def __init__(
        self,
        settings: ServerSettings,
        clock: Clock,
        *,
        vault: bool = True,
        queue: bool = False,
        receives: bool = False,
        replicas: Replicas = NO_REPLICAS,
        timeout_s: float = SOCKET_TIMEOUT,
    ) -> None:
        def client(url: str, name: str) -> redis.Redis:
            return connect(url, name, timeout_s=timeout_s)

        vault_url = settings.vault_url if vault else None
        self._ledger = client(settings.redis_url.reveal(), settings.name_of("REDIS_URL"))
        self._vault = client(vault_url.reveal(), settings.name_of("VAULT_URL")) if vault_url else None
        self._queue = client(settings.queue_url, settings.queue_setting) if queue else None
        self._settings, self._clock = settings, clock
        self._apart: set[str] = set()  #: the settings of the servers whose clock did not agree at the last look
        self._receives, self._replicas = receives, replicas

    def look(self) -> list[Finding]:
        """All findings. A server that is away is one."""
        try:
            findings = self._findings()
            self._apart = {finding.name for finding in findings if finding.problem == CLOCKS_APART}
            return findings
        finally:
            for client in (self._ledger, self._vault, self._queue):
                if client is not None:
                    disconnect(client)

    def _findings(self) -> list[Finding]:
        ledger, durability = self._ledger, self._settings.durability
        findings = _of_server(ledger, self._compared(ledger), lambda: _ledger(ledger, durability))
        if self._vault is not None:
            findings += _of_vault(ledger, self._vault, self._compared(self._vault), durability)
            if not findings:
                findings += _memory(ledger, self._vault)
            elif _look_swapped(ledger, self._vault, durability):
                findings = [_swapped(self._settings)]
        if self._replicas.count and not any(finding.name == server_of(ledger).setting for finding in findings):
            findings += _of_replicas(ledger, self._replicas, asks=self._receives)
        if self._queue is not None:
            known = {finding.problem for finding in findings}
            of_queue = _of_queue(ledger, self._vault, self._queue, receives=self._receives)
            if self._settings.broker_url is None:
                of_queue = [_of_derived(one) for one in of_queue]
            findings += [one for one in of_queue if one.problem not in known]
        return findings

    def _compared(self, client: redis.Redis) -> "_Compared":
        return _Compared(self._clock, AGAIN_MS if server_of(client).setting in self._apart else APART_MS)


@dataclass(frozen=True, slots=True)
class _Compared:
    """Our machine's clock, and how far off it a server's may be."""

    clock: Clock
    apart_ms: int

    def agrees_with(self, client: redis.Redis) -> bool:
        """An answer may take its time on a busy machine: that is no clock that is wrong."""
        asked_at = self.clock.now_ms()
        seconds, micros = client.time()
        its_ms = seconds * 1000 + micros // 1000
        return asked_at - self.apart_ms <= its_ms <= self.clock.now_ms() + self.apart_ms


def error_of(findings: list[Finding]) -> TransfersError | None:
    """What a call has to raise for these: settings to correct, or the first server, which may come back."""
    if not all(finding.passing for finding in findings):
        return SettingsWrong([str(finding) for finding in findings])
    for one in findings:
        problem = ServerProblem(one.name, one.problem, one.cure, is_passing=True)
        if one.is_of_vault:
            return VaultUnavailable(problem=problem, reading=True)
        return LedgerUnavailable(problem, reading=True)
    return None


def _of_vault(ledger: redis.Redis, vault: redis.Redis, clock: _Compared, durability: Durability) -> list[Finding]:
    if not _are_one(ledger, vault):
        return _of_server(vault, clock, lambda: _vault(vault, durability))
    if durability is Durability.RELAXED:
        return []
    cure = "start a second server without persistence, and give its address"
    return [Finding(server_of(vault).setting, "it names the ledger's server", cure)]


def _look_swapped(ledger: redis.Redis, vault: redis.Redis, durability: Durability) -> bool:
    """Does the vault's address lead to a server that writes all to disk, and the ledger's to one that writes nothing?

    Each finding's own cure would make it worse: the ledger's data would lie in the vault's server, and cards on disk.
    """
    if durability is Durability.RELAXED:
        return False
    try:
        writes = [int(client.info("persistence").get("aof_enabled", 0)) for client in (ledger, vault)]
    except (redis.RedisError, AttributeError, TypeError, ValueError):  # away, or no Redis
        return False
    return writes == [0, 1]


def _swapped(settings: ServerSettings) -> Finding:
    names = f"{settings.name_of('REDIS_URL')} and {settings.name_of('VAULT_URL')}"
    return Finding(
        settings.name_of("REDIS_URL"),
        f"{names} look swapped: this server writes nothing to disk, and the vault's writes all of it",
        "exchange the two addresses, and change neither server",
    )


def _of_queue(ledger: redis.Redis, vault: redis.Redis | None, queue: redis.Redis, *, receives: bool) -> list[Finding]:
    """It holds wake-ups alone, so it may lose them; but a worker must be able to receive from it."""
    name, cure = server_of(queue).setting, "give a database of the queue's own"
    for whose, other in (("ledger", ledger), ("vault", vault)):
        if other is not None and server_of(other).database == server_of(queue).database and _are_one(other, queue):
            return [Finding(name, f"names the {whose}'s database: the queue's maintenance runs KEYS there", cure)]
    # What holds for the ledger's server was said.
    found = [] if _are_one(ledger, queue) else _of_server(queue, None, list)
    if found or not receives:
        return found
    try:
        from epay_transfers.ledger.queue.receiving import try_receiving  # noqa: PLC0415 - no producer receives

        try_receiving(queue)
    except redis.RedisError as error:
        return [_as_finding(queue, error)]
    return []


def _of_server(
    client: redis.Redis, clock: _Compared | None, special: Callable[[], list[tuple[str, str]]]
) -> list[Finding]:
    name = server_of(client).setting
    try:
        if not _is_redis(client):
            return [_finding_of(problem_of(ServerReason.NO_REDIS, server_of(client)))]
        found = _any_server(client, clock) + special()
        return [Finding(name, problem, cure, passing=problem == CLOCKS_APART) for problem, cure in found]
    except NoPermissionError:
        return [Finding(name, "this user may not ask the server about itself", "allow it " + _EXAMINES)]
    except redis.RedisError as error:
        return [_as_finding(client, error)]


def _of_derived(finding: Finding) -> Finding:
    """Of the queue where no BROKER_URL was given: what to correct is the ledger's address, or to give one."""
    if "database" not in finding.problem:
        return finding
    return replace(finding, cure=f"{finding.cure}; where BROKER_URL is not set, the queue's is {finding.name}'s + 1")


def _of_replicas(client: redis.Redis, replicas: Replicas, *, asks: bool) -> list[Finding]:
    """`asks`: for the word of the replicas themselves; else the ledger's server says how many of them it serves."""
    try:
        if asks:
            why = replicas.ask(client)
        else:
            have = _serving(client)
            why = "" if have >= replicas.count else f"{have} of {replicas.count} replicas of the ledger follow it"
    except redis.RedisError as error:
        return [_as_finding(client, error)]
    return [Finding(server_of(client).setting, why, REPLICAS_CURE, passing=True)] if why else []


def _serving(client: redis.Redis) -> int:
    """How many replicas have loaded what the server had, and follow it since."""
    info = client.info("replication")
    rows = (info.get(f"slave{number}") for number in range(int(info.get("connected_slaves", 0))))
    return sum(isinstance(row, dict) and row.get("state") == "online" for row in rows)


def _as_finding(client: redis.Redis, error: redis.RedisError) -> Finding:
    return _finding_of(known_problem(error) or problem_of(reason_of(error), server_of(client)))


def _finding_of(problem: ServerProblem) -> Finding:
    return Finding(problem.setting, problem.problem, problem.cure, passing=problem.is_passing)


def _is_redis(client: redis.Redis) -> bool:
    """Another program can answer in a way that the client takes for a reply."""
    try:
        return client.ping() is True
    except (AttributeError, TypeError):
        return False


def _any_server(client: redis.Redis, clock: _Compared | None) -> list[tuple[str, str]]:
    info = client.info()
    found = []
    product = "valkey" if "valkey_version" in info else "redis"
    text = str(info[f"{product}_version"])
    if tuple(int(part) for part in text.split(".")[:2]) < _OLDEST[product]:
        least = ".".join(map(str, _OLDEST[product]))
        found.append((f"the server is {product} {text}", f"use {product} {least} or newer"))
    if info.get("role") != "master":
        found.append(("the server is a replica", "give the master's address: a replica may lack the last writes"))
    if int(info.get("cluster_enabled", 0)):
        found.append(("the server is part of a cluster", "use a server of its own: all keys share one slot anyway"))
    if int(info.get("evicted_keys", 0)):
        found.append(("the server has evicted keys", "set `maxmemory-policy noeviction` and give it more memory"))
    if clock is not None and not clock.agrees_with(client):
        found.append((CLOCKS_APART, "let both follow the same NTP"))
    return found


def _ledger(client: redis.Redis, durability: Durability) -> list[tuple[str, str]]:
    found = []
    with suppress(LedgerBroken, NoPermissionError):  # `_memory` says the one; none of our users is refused this
        other = other_format(client)
        found += [(other.what, other.cure)] if other else []
    info = client.info()
    if info.get("aof_last_write_status", "ok") != "ok":
        found.append(("its last write to disk failed", "see its log, and make room on its disk"))
    if durability is not Durability.STRICT:
        return found
    found += _restart(client)
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
    }
    return found + _settings(client, wanted, "the ledger can lose what it has confirmed")


def _restart(client: redis.Redis) -> list[tuple[str, str]]:
    """Many servers read their append-only file as the user `default`. What it may not do is left out, without an error:
    then a restart forgets what scripts wrote, which is every transfer since the last rewrite of the file.
    """
    cure = "let its ACL file begin with `user default off ~* &* +@all`, as `transfers acl` writes it, and load it"
    try:
        for command, *arguments in _WRITES:
            words = (command, redis_keys.DUE, *arguments)
            answer = client.execute_command("ACL DRYRUN", "default", *words)  # type: ignore[no-untyped-call]
            if answer not in {"OK", True}:
                return [("its user `default` may not write: a restart can forget transfers without an error", cure)]
    except redis.ResponseError as error:
        if reason_of(error) not in _HIDDEN:
            raise
        hidden = (
            "allow this user +acl|dryrun; where its operator hides it, make sure that a restart keeps all, and set "
        )
        return [("the server does not say what its user `default` may (ACL DRYRUN)", f"{hidden}DURABILITY=attested")]
    return []


def _vault(client: redis.Redis, durability: Durability) -> list[tuple[str, str]]:
    found = _copies(client) if durability is not Durability.RELAXED else []
    if durability is Durability.STRICT:
        wanted = {"save": "", "maxmemory-policy": "noeviction"}
        found += _settings(client, wanted, "the vault keeps card data on disk")
    return found


def _copies(client: redis.Redis) -> list[tuple[str, str]]:
    """Signs that a copy of the vault exists. A vault restored from a copy has cards again that were taken since.

    INFO tells it even if the configuration forbids copies: a user can have called SAVE.
    """
    info = client.info()
    restart = "restart it without any persistence, from an empty folder"
    found = []
    if int(info.get("aof_enabled", 0)):
        found.append(("the vault writes an append-only file", "set `appendonly no` in that server's configuration"))
    if int(info.get("rdb_saves", 0)):
        found.append(("the vault was saved to disk since its start", f"delete the file, and {restart}"))
    if int(info.get("rdb_last_load_keys_loaded", 0)):
        found.append(("the vault was loaded from a file: cards that were taken may be there again", restart))
    if int(info.get("connected_slaves", 0)):
        found.append(("the vault has a replica", "remove it: a card would be in two places"))
    return found


def vault_warnings(settings: ServerSettings) -> list[Finding]:
    """Signs of a copy of the vault, which `relaxed` tolerates. `Examination` reports a server that does not answer."""
    if settings.durability is not Durability.RELAXED or not settings.vault_url:
        return []
    name = settings.name_of("VAULT_URL")
    client = connect(settings.vault_url.reveal(), name)
    try:
        return [Finding(name, problem, cure) for problem, cure in _copies(client)] if _is_redis(client) else []
    except redis.RedisError:
        return []
    finally:
        client.close()


def _settings(client: redis.Redis, wanted: dict[str, str], otherwise: str) -> list[tuple[str, str]]:
    try:
        have = cast("dict[str, str]", client.config_get(*wanted))
    except redis.ResponseError as error:
        if reason_of(error) not in _HIDDEN:
            raise
        have = {}
    if not have:
        values = ", ".join(f"`{name} {value or _EMPTY}`" for name, value in wanted.items())
        cure = (
            f"allow this user +config|get; where its operator hides it, make sure that it has {values}, and set "
            "DURABILITY=attested"
        )
        return [("the server does not show its configuration (CONFIG GET)", cure)]
    found = []
    for name, value in wanted.items():
        if have.get(name) != value:
            why = "the server may evict keys" if name == "maxmemory-policy" else otherwise
            shown = value or _EMPTY
            found.append((f"`{name}` is not `{shown}`: {why}", f"set `{name} {shown}` in that server's configuration"))
    return found


def _are_one(ledger: redis.Redis, vault: redis.Redis) -> bool:
    """Do both addresses lead to one server? A server that does not answer is reported elsewhere."""
    try:
        return bool(ledger.info("server")["run_id"] == vault.info("server")["run_id"])
    except (redis.RedisError, AttributeError, KeyError, TypeError):  # away, or no Redis
        return False


def _memory(ledger: redis.Redis, vault: redis.Redis) -> list[Finding]:
    """Has the ledger lost data? It has, if the vault has seen a later move than the ledger's last."""
    name = server_of(ledger).setting
    try:
        mark = Vault(vault).high_water()  # read first: the ledger moves on meanwhile, and may only be ahead
        if Ledger(ledger).counters().get("sequence", 0) >= mark:
            return []
    except LedgerBroken:
        cure = "see the runbook, 'A part of the ledger is broken'"
        return [Finding(name, "the ledger's counters are no numbers", cure)]
    except TransfersError:
        return [Finding(name, "the server went away during the check", "check again", passing=True)]
    cure = "stop all sending and see the runbook, 'The ledger went back'"
    return [Finding(name, "the ledger has lost moves that the vault has seen", cure)]
