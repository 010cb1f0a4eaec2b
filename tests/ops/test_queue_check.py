"""A worker that can't receive from its queue does not start: its user, a full server, another server's database."""

import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import BATCH, CONFIRMS, INQUIRIES, NAMESPACE, NOW, Broker
from epay_transfers.ledger.queue.receiving import try_receiving
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops.demo.users import OPS, PRODUCER, WEB, WORKER
from epay_transfers.runtime import embedded_servers, health
from epay_transfers.runtime.settings import ServerSettings
from tests.ops.conftest import Into, give_worker_settings
from tests.support.command_line import Cli
from tests.support.server_users import ROOT, UsersAndRoot
from tests.support.tools import PRODUCTS, server_binary


@pytest.fixture(scope="module")
def users() -> UsersAndRoot:
    return UsersAndRoot()


@pytest.fixture(scope="module", params=PRODUCTS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, users: UsersAndRoot
) -> Iterator[embedded_servers.EmbeddedServer]:
    """A ledger's server with the users of `deploy/`."""
    home = tmp_path_factory.mktemp("queue")
    options = embedded_servers.LEDGER_OPTIONS | users.options("ledger", home)
    started = embedded_servers.start(
        home, options, named=lambda url: users.address(ROOT, url), binary=server_binary(request.param)
    )
    yield started
    started.stop()


def settings_of(server: embedded_servers.EmbeddedServer, users: UsersAndRoot, user: str) -> ServerSettings:
    """The ledger as a worker has it, and the queue's server, which is the same one, under this user."""
    ledger = users.address(WORKER, server.url)
    queue = users.address(user, server.url).removesuffix("/0") + "/1"
    return ServerSettings.model_validate({"redis_url": ledger, "broker_url": queue, "epay_environment": "test"})


def found(settings: ServerSettings, *, receives: bool = True) -> list[health.Finding]:
    return health.Examination(settings, SystemClock(), vault=False, queue=True, receives=receives).look()


@pytest.mark.parametrize("user", [PRODUCER, WEB, OPS])
def test_a_user_that_may_not_receive_is_a_finding_of_a_workers_check_alone(
    server: embedded_servers.EmbeddedServer, users: UsersAndRoot, user: str
) -> None:
    """An operator's user may not receive: for `doctor`, which has it, that is no finding."""
    settings = settings_of(server, users, user)

    (finding,) = found(settings)

    assert finding.name == "BROKER_URL"
    assert "does not permit this user what was asked" in finding.problem
    assert "this process's own user" in finding.cure
    assert not finding.passing
    assert found(settings, receives=False) == []


def test_a_workers_own_user_may_receive_and_the_check_changes_nothing(
    server: embedded_servers.EmbeddedServer, users: UsersAndRoot, into: Into
) -> None:
    """Neither in an empty queue nor in one with messages, and keys of wrong types are a receiver's to mend."""
    settings = settings_of(server, users, WORKER)
    root = connect(users.address(ROOT, server.url).removesuffix("/0") + "/1")
    assert found(settings) == []
    assert root.dbsize() == 0
    Wakeups(Broker(root, [], {})).send(into(State.QUEUED))
    root.zadd(f"{NAMESPACE}:__heartbeats__", {"a worker": 7})
    root.set(f"{NAMESPACE}:{CONFIRMS}", "no list")
    root.set(f"{NAMESPACE}:{INQUIRIES}.msgs", "no hash")
    before = everything(root)

    assert found(settings) == []

    assert everything(root) == before
    assert root.llen(f"{NAMESPACE}:{NOW}") + root.llen(f"{NAMESPACE}:{BATCH}") == 1, "the control: there is a message"
    root.flushdb()
    root.close()


def everything(client: redis.Redis) -> dict[str, bytes]:
    raw = {key: client.execute_command("DUMP", key, NEVER_DECODE=True) for key in client.scan_iter()}  # type: ignore[no-untyped-call]  # redis-py does not type it
    return cast("dict[str, bytes]", raw)


def test_a_worker_may_lack_no_single_permission(server: embedded_servers.EmbeddedServer, users: UsersAndRoot) -> None:
    """Each of these keeps it from receiving, or from saying that it is done."""
    root = connect(users.address(ROOT, server.url).removesuffix("/0") + "/1")
    seldom = ("-zscore", "-hsetnx")  # of a file of server users that is older than this version
    for lacking in ("+@all", "-evalsha", "-script|load", "-lpop", "-zadd", "-hdel", "-srem", "-zrem", *seldom):
        root.acl_setuser("shy", enabled=True, reset=True, nopass=True, commands=["+@all", lacking], keys=["*"])
        client = connect(server.url.partition("://")[0] + "://shy:x@" + server.url.rpartition("@")[2], "BROKER_URL")
        if lacking == "+@all":
            try_receiving(client)
        else:
            with pytest.raises(redis.exceptions.NoPermissionError):
                try_receiving(client)
        client.close()
    root.acl_deluser("shy")
    root.close()


def test_a_full_queue_is_a_finding_that_may_pass(server: embedded_servers.EmbeddedServer, users: UsersAndRoot) -> None:
    root = connect(users.address(ROOT, server.url))
    root.config_set("maxmemory", "1")
    try:
        (finding,) = found(settings_of(server, users, WORKER))
    finally:
        root.config_set("maxmemory", "0")
        root.close()

    assert finding.name == "BROKER_URL"
    assert "is full and takes no write" in finding.problem
    assert finding.passing


def test_a_workers_check_refuses_a_queue_that_its_user_may_not_receive_from(
    transfers: Cli, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, ledger_client: redis.Redis
) -> None:
    """As a process, with 78; `doctor`, under no operator's user, tells it of the worker."""
    give_worker_settings(monkeypatch)
    ledger_client.acl_setuser("shy", enabled=True, nopass=True, commands=["+@all", "-lpop"], keys=["*"])
    try:
        monkeypatch.setenv("BROKER_URL", environment["REDIS_URL"].replace("://", "://shy:x@").removesuffix("/0") + "/1")
        command = [sys.executable, "-P", "-m", "epay_transfers.worker", "--check"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
        said = transfers("doctor", "--json")
    finally:
        ledger_client.acl_deluser("shy")

    assert (done.returncode, said.status) == (78, 0)
    assert any(
        line.startswith("BROKER_URL: the server at ") and "does not permit" in line for line in done.stderr.splitlines()
    )
    worker = next(room for room in said.json["rooms"] if room["name"] == "worker")
    assert any("does not permit" in line for line in worker["lacks"])


@pytest.mark.parametrize("whose", ["ledger", "vault"])
def test_another_spelling_of_the_ledgers_or_the_vaults_database_is_a_finding(
    ledger_client: redis.Redis, vault_client: redis.Redis, environment: dict[str, str], whose: str
) -> None:
    """`localhost` and `127.0.0.1` are one server: it is told by its run, and not by its name."""
    url = {"ledger": environment["REDIS_URL"], "vault": environment["VAULT_URL"]}[whose]
    values = {
        "redis_url": environment["REDIS_URL"],
        "vault_url": environment["VAULT_URL"],
        "broker_url": url.replace("127.0.0.1", "localhost"),
    }

    findings = health.Examination(ServerSettings.model_validate(values), SystemClock(), queue=True).look()

    assert [one.problem for one in findings if one.name == "BROKER_URL"] == [
        f"names the {whose}'s database: the queue's maintenance runs KEYS there"
    ]
