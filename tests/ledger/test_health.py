"""What is wrong with a server is found and named, with the setting that leads to it and what mends it."""

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replicas import Replicas
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime import embedded_servers, health
from epay_transfers.runtime.health import Finding
from epay_transfers.runtime.settings import Durability, ServerSettings
from tests.support.clocks import FakeClock
from tests.support.factories import NONCE, create
from tests.support.servers import NEVER_SAVES_YET, start
from tests.support.waiting import until

STRICT, ATTESTED, RELAXED = Durability


@pytest.fixture(scope="module")
def servers(binary: str) -> Iterator[tuple[str, str]]:
    """Two servers of their own: what is done to them would not do for others."""
    with (
        embedded_servers.running(embedded_servers.LEDGER_OPTIONS, binary=binary) as ledger,
        embedded_servers.running(embedded_servers.VAULT_OPTIONS, binary=binary) as vault,
    ):
        yield ledger.url, vault.url


@pytest.fixture
def ledger_at(servers: tuple[str, str]) -> Iterator[redis.Redis]:
    client = connect(servers[0])
    client.flushall()
    yield client
    for name, value in embedded_servers.LEDGER_OPTIONS.items():
        client.config_set(name, value)
    client.config_resetstat()
    client.close()


@pytest.fixture
def vault_at(servers: tuple[str, str]) -> Iterator[redis.Redis]:
    client = connect(servers[1])
    client.flushall()
    yield client
    for name, value in (embedded_servers.VAULT_OPTIONS | {"maxmemory": "0"}).items():
        client.config_set(name, value)
    client.config_resetstat()
    client.close()


def settings(servers: tuple[str, str], durability: Durability = STRICT) -> ServerSettings:
    return ServerSettings.model_validate(
        {"redis_url": servers[0], "vault_url": servers[1], "durability": durability, "broker_url": "rediss://queue:1/0"}
    )


def warned(servers: tuple[str, str], durability: Durability) -> list[str]:
    return [str(one) for one in health.vault_warnings(settings(servers, durability))]


def found(
    servers: tuple[str, str], durability: Durability = STRICT, *, clock: Clock | None = None, vault: bool = True
) -> list[str]:
    return [
        str(one)
        for one in health.Examination(settings(servers, durability), clock or SystemClock(), vault=vault).look()
    ]


def test_servers_as_they_must_be_raise_no_finding(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    assert found(servers) == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("appendonly", "no", "`appendonly` is not `yes`: the ledger can lose what it has confirmed"),
        ("appendfsync", "everysec", "`appendfsync` is not `always`: the ledger can lose what it has confirmed"),
        (
            "no-appendfsync-on-rewrite",
            "yes",
            "`no-appendfsync-on-rewrite` is not `no`: the ledger can lose what it has confirmed",
        ),
        ("maxmemory-policy", "allkeys-lru", "`maxmemory-policy` is not `noeviction`: the server may evict keys"),
    ],
)
def test_each_wrong_setting_of_the_ledgers_is_named(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis, name: str, value: str, why: str
) -> None:
    ledger_at.config_set(name, value)

    (line,) = found(servers)
    assert line.startswith(f"REDIS_URL: {why}; set `{name} ")
    assert line.endswith("in that server's configuration")
    assert found(servers, ATTESTED) == found(servers, RELAXED) == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("appendonly", "yes", "the vault writes an append-only file"),
        ("save", NEVER_SAVES_YET, '`save` is not `""`: the vault keeps card data on disk'),
        ("maxmemory-policy", "volatile-lru", "`maxmemory-policy` is not `noeviction`: the server may evict keys"),
    ],
)
def test_each_wrong_setting_of_the_vaults_is_named(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis, name: str, value: str, why: str
) -> None:
    vault_at.config_set(name, value)

    (line,) = found(servers)
    assert line.startswith(f"VAULT_URL: {why}; set `{name} ")
    assert found(servers, vault=False) == found(servers, RELAXED) == []
    assert found(servers, ATTESTED) == ([line] if name == "appendonly" else []), "INFO shows it, whoever hides CONFIG"


@pytest.mark.parametrize("durability", [STRICT, ATTESTED, RELAXED])
def test_a_vault_that_was_saved_is_refused_and_so_is_one_that_came_up_from_the_file(
    servers: tuple[str, str], ledger_at: redis.Redis, tmp_path: Path, durability: Durability
) -> None:
    """It holds while `save ""` and `appendonly no` do. `relaxed` only warns."""
    one = start(tmp_path, embedded_servers.VAULT_OPTIONS)
    client = connect(one.url)
    client.set("x", "1")
    client.save()
    saved, saved_warned = found((servers[0], one.url), durability), warned((servers[0], one.url), durability)
    one.process.kill()
    one.process.wait()
    two = start(tmp_path, embedded_servers.VAULT_OPTIONS)
    loaded, loaded_warned = found((servers[0], two.url), durability), warned((servers[0], two.url), durability)
    two.stop()
    client.close()

    is_refused = durability is not RELAXED
    for refused, warnings, why in (
        (saved, saved_warned, "VAULT_URL: the vault was saved to disk since its start;"),
        (loaded, loaded_warned, "VAULT_URL: the vault was loaded from a file:"),
    ):
        (line,) = refused if is_refused else warnings
        assert line.startswith(why)
        assert (warnings if is_refused else refused) == []


def test_a_user_default_that_a_restart_would_forget_transfers_by_is_named(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    """Many servers read their append-only file as `default`, and leave out what it may not."""
    ledger_at.execute_command("ACL SETUSER", "default", "-zadd")  # type: ignore[no-untyped-call]
    try:
        (line,) = found(servers)
        assert found(servers, ATTESTED) == found(servers, RELAXED) == []
    finally:
        ledger_at.execute_command("ACL SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]
    assert line.startswith("REDIS_URL: its user `default` may not write: a restart can forget transfers")
    assert "user default off ~* &* +@all" in line


def test_all_of_it_is_said_at_once(servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis) -> None:
    ledger_at.config_set("appendonly", "no")
    ledger_at.config_set("appendfsync", "no")
    vault_at.config_set("save", NEVER_SAVES_YET)

    assert [line.partition(":")[0] for line in found(servers)] == ["REDIS_URL", "REDIS_URL", "VAULT_URL"]


def test_keys_that_were_thrown_away_are_a_finding_even_afterwards(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    vault_at.config_set("maxmemory-policy", "allkeys-random")
    vault_at.set("full", "x" * 2_000_000)
    vault_at.config_set("maxmemory", "1mb")
    with pytest.raises(redis.ResponseError, match="maxmemory"):
        vault_at.set("more", "x" * 2_000_000)
    vault_at.config_set("maxmemory", "0")
    vault_at.config_set("maxmemory-policy", "noeviction")

    (line,) = found(servers)
    assert line.startswith("VAULT_URL: the server has evicted keys")


def test_a_replica_is_named_and_so_is_a_vault_that_has_one(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis, binary: str
) -> None:
    host, port = servers[1].removeprefix("redis://").removesuffix("/0").split(":")
    with embedded_servers.running(embedded_servers.VAULT_OPTIONS, binary=binary) as second:
        replica = connect(second.url)
        vault_at.config_set("repl-diskless-sync-delay", "0")
        replica.replicaof(host, port)
        vault_at.set("x", "1")
        assert vault_at.wait(1, 4000) == 1

        (line,) = found(servers)
        assert line.startswith("VAULT_URL: the vault has a replica; remove it")
        lines = found((second.url, servers[1]), RELAXED)
        assert lines[0].startswith("REDIS_URL: the server is a replica; give the master's address")
        replica.replicaof("NO", "ONE")
        replica.close()


class SlowClock(SystemClock):
    """Three seconds pass between two looks at it: the machine is busy, and the server's answer took its time."""

    def __init__(self) -> None:
        self._looks = 0

    def now_ms(self) -> int:
        self._looks += 1
        return super().now_ms() - 2800 + 3000 * ((self._looks + 1) % 2)


def test_an_answer_that_took_its_time_is_no_clock_that_is_wrong(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    """What the server says lies between the two looks, wherever that was: on a busy machine nothing is wrong."""
    assert found(servers, clock=SlowClock()) == []


class OffBy(SystemClock):
    """A machine's clock that is wrong by so much."""

    def __init__(self, off_ms: int) -> None:
        self.off_ms = off_ms

    def now_ms(self) -> int:
        return super().now_ms() + self.off_ms


@pytest.mark.parametrize("off_ms", [-1600, 1600])
def test_a_worker_that_runs_is_stopped_by_no_clock_that_its_own_rule_allows(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis, off_ms: int
) -> None:
    """Of what lies between two limits, its look at the clock would tell nothing, and it would stand still."""
    assert found(servers, clock=OffBy(off_ms)) == []


def test_a_clock_that_was_far_off_has_to_come_nearer_than_the_limit(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    """Else a worker at the border would stop and go on, and write two events, with each look."""
    clock = OffBy(5000)
    examination = health.Examination(settings(servers), clock)
    assert len(examination.look()) == 2

    clock.off_ms = 1800
    assert len(examination.look()) == 2
    assert health.Examination(settings(servers), clock).look() == []
    clock.off_ms = 1200
    assert examination.look() == []
    clock.off_ms = 1800
    assert examination.look() == []


def test_a_clock_that_is_far_off_is_a_finding_for_both(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    lines = found(servers, clock=OffBy(5000))

    assert [line.partition(";")[0] for line in lines] == [
        f"{name}: its clock and this machine's do not agree (no more than two seconds may lie between them)"
        for name in ("REDIS_URL", "VAULT_URL")
    ]


def test_a_look_leaves_nothing_of_the_client_for_the_collector(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    """A worker looks each minute for weeks. A client, and a connection's buffers, were in a cycle of objects each."""
    examination = health.Examination(settings(servers), SystemClock())

    def of_client() -> Counter[str]:
        kinds = (type(each) for each in gc.get_objects())
        names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
        return Counter(name for name in names if name.startswith(("redis.", "epay_transfers.ledger.store.")))

    assert examination.look() == []
    gc.collect()
    gc.disable()
    try:
        before = of_client()
        assert examination.look() == []
        assert of_client() == before
    finally:
        gc.enable()


def test_a_server_that_is_away_may_come_back(servers: tuple[str, str], vault_at: redis.Redis) -> None:
    (one,) = health.Examination(settings(("redis://127.0.0.1:1/0", servers[1])), SystemClock()).look()

    assert str(one) == ("REDIS_URL: the server at 127.0.0.1:1 refused the connection; start it, or correct REDIS_URL")
    assert one.passing


def test_a_refused_password_is_no_passing_thing(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    wrong = servers[0].replace("redis://", "redis://nobody:hunter22@")

    (one,) = health.Examination(settings((wrong, servers[1])), SystemClock()).look()
    place = servers[0].removeprefix("redis://").removesuffix("/0")
    assert str(one) == (f"REDIS_URL: the server at {place} refused the user or the password; correct them in REDIS_URL")
    assert not one.passing


def test_a_user_that_may_not_ask_is_told_what_it_lacks(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    vault_at.acl_setuser("shy", enabled=True, passwords=["+pw"], keys=["*"], commands=["+get", "+ping", "+hello"])
    url = servers[1].replace("redis://", "redis://shy:pw@")

    (line,) = found((servers[0], url))
    assert line.startswith(
        "VAULT_URL: this user may not ask the server about itself; allow it +ping, +hello, +select, +info"
    )
    vault_at.acl_deluser("shy")


def test_one_server_for_both_is_found(servers: tuple[str, str], ledger_at: redis.Redis) -> None:
    both = (servers[0], servers[0].removesuffix("/0") + "/5")

    (line,) = found(both, ATTESTED)
    assert line.startswith("VAULT_URL: it names the ledger's server; start a second server")
    assert found(both, RELAXED) == []


def test_one_server_for_both_is_named_under_strict_too(servers: tuple[str, str], ledger_at: redis.Redis) -> None:
    assert any("it names the ledger's server" in line for line in found((servers[0], servers[0])))


def test_a_ledger_that_has_forgotten_is_found_by_what_the_vault_remembers(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    ledger, vault = Ledger(ledger_at, FakeClock()), Vault(vault_at)
    record = create(ledger)
    vault.put(Purpose.CARD, record.key, record.epoch, "sealed", 60_000)
    vault.take(Purpose.CARD, record.key, record.epoch, 1, NONCE)
    assert found(servers) == []

    ledger_at.hset(redis_keys.COUNTERS, "sequence", "0")
    (line,) = found(servers)
    assert line.startswith("REDIS_URL: the ledger has lost moves that the vault has seen; stop all sending")


def test_counters_that_are_no_numbers_are_a_finding(
    servers: tuple[str, str], ledger_at: redis.Redis, vault_at: redis.Redis
) -> None:
    ledger_at.hset(redis_keys.COUNTERS, "sequence", "many")

    (line,) = found(servers)
    assert line.startswith("REDIS_URL: the ledger's counters are no numbers; see the runbook")


def test_a_line_shows_host_and_port_and_never_a_user_or_a_password(servers: tuple[str, str]) -> None:
    away = "redis://user:hunter22@127.0.0.1:1/0"

    lines = found((away, away))
    assert len(lines) == 2
    assert all("at 127.0.0.1:1 " in line for line in lines)
    assert "hunter22" not in "".join(lines)
    assert "user" not in "".join(lines)


def test_a_ledger_with_fewer_replicas_than_claims_wait_for_is_a_finding_that_may_pass(
    servers: tuple[str, str], ledger_at: redis.Redis, binary: str
) -> None:
    """A worker asks the replicas; an operator's user, which may not, hears from the server how many it serves."""

    def examined(count: int, *, asks: bool) -> list[Finding]:
        return health.Examination(
            settings(servers), SystemClock(), vault=False, receives=asks, replicas=Replicas(count)
        ).look()

    for asks in (True, False):
        (one,) = examined(1, asks=asks)
        assert one.problem.startswith("0 of 1 replicas of the ledger")
        assert one.passing
        assert examined(0, asks=asks) == []
    ledger_at.set("a", "1")
    with (
        embedded_servers.running(embedded_servers.LEDGER_OPTIONS, binary=binary) as replica,
        connect(replica.url) as it,
    ):
        it.execute_command("REPLICAOF", "127.0.0.1", urlsplit(servers[0]).port)
        until(lambda: examined(1, asks=False) == [])
        until(lambda: examined(1, asks=True) == [])
        assert [one.passing for one in examined(2, asks=True)] == [True]
