"""`from_env` connects to nothing; what is set is looked at before a card is put anywhere."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import pytest
import redis

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.producers import (
    LedgerUnavailable,
    ProducerAndWebSettings,
    ProducerSettings,
    SettingsWrong,
    State,
    Transfers,
    TransfersError,
    VaultUnavailable,
    WrongCall,
)
from epay_transfers.producers.web import Request, Web, flask, starlette
from epay_transfers.runtime import embedded_servers
from tests.producers.conftest import NOWHERE, by_pan
from tests.support.servers import NEVER_SAVES_YET

Set = Callable[..., None]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    ledger_client: redis.Redis,
    vault_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> Set:
    def put(**others: str) -> None:
        names = {
            "REDIS_URL": ledger_server.url,
            "VAULT_URL": vault_server.url,
            "VAULT_PUBLIC_KEY": generate().public,
            "FINGERPRINT_KEYS": fingerprint_keys.generate().reveal(),
        }
        for name, value in (names | others).items():
            monkeypatch.setenv(name, value)

    monkeypatch.chdir(tmp_path)
    return put


def test_it_is_ready_to_be_used_and_closes_what_it_opened(environment: Set) -> None:
    environment()

    with Transfers.from_env() as transfers:
        receipt = transfers.enqueue(by_pan())
        assert transfers.get(receipt.key).reference == "order-1"
        pools = [owned.connection_pool for owned in transfers._owned if isinstance(owned, redis.Redis)]

    assert len(pools) == 3
    assert not [pool for pool in pools for free in pool._available_connections if cast("Any", free)._sock]


def test_a_web_tier_needs_no_fingerprint_key_and_enqueues_nothing(
    environment: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(WEB_BASE_URL="https://shop.example/transfers")
    monkeypatch.delenv("FINGERPRINT_KEYS")

    web = Web.from_env()
    with web.transfers as transfers, pytest.raises(SettingsWrong, match=r"Web.from_env\(ProducerAndWebSettings.load"):
        transfers.enqueue(by_pan())
    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: is not set"):
        Transfers.from_env()
    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: is not set"):
        Web.from_env(ProducerAndWebSettings.load())


def test_a_vault_with_persistence_is_refused(environment: Set, ledger_server: embedded_servers.EmbeddedServer) -> None:
    environment(VAULT_URL=ledger_server.url)

    transfers = Transfers.from_env()
    calls: list[Callable[[], object]] = [transfers.check, lambda: transfers.enqueue(by_pan())]
    for call in calls:
        with pytest.raises(SettingsWrong) as caught:
            call()

        assert {line.partition(":")[0] for line in caught.value.lines} == {"VAULT_URL"}
    assert cast("Any", connect(ledger_server.url).dbsize()) == 0


@pytest.mark.parametrize(("name", "error"), [("REDIS_URL", LedgerUnavailable), ("VAULT_URL", VaultUnavailable)])
def test_a_server_that_is_away_may_come_back(environment: Set, name: str, error: type[TransfersError]) -> None:
    environment(**{name: NOWHERE})

    transfers = Transfers.from_env(ProducerSettings.load)
    calls: list[Callable[[], object]] = [transfers.check, lambda: transfers.enqueue(by_pan()), transfers.is_guessing]
    for call in calls:
        with pytest.raises(error):
            call()
    (answer,) = transfers.enqueue_many([by_pan()])
    assert isinstance(answer, error)

    environment()

    with transfers:
        assert transfers.enqueue(by_pan()).state is State.QUEUED


def test_importing_and_mounting_need_no_server_and_no_settings(
    environment: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build has neither; what it imports works as soon as both are there, without another start."""
    web = Web.from_env(ProducerAndWebSettings.load)
    for mount in (starlette.router, flask.blueprint):
        mount(web)
    with pytest.raises(SettingsWrong, match="REDIS_URL: is not set"):
        web.check()
    with pytest.raises(SettingsWrong, match="REDIS_URL: is not set"):
        web.transfers.enqueue(by_pan())

    environment(WEB_BASE_URL="https://shop.example/transfers")

    web.check()
    with web.transfers as transfers:
        receipt = transfers.enqueue(by_pan())
        assert web.answer("pay", receipt.handle, Request("GET")).headers["Transfer-Page"] == "waiting"


def test_a_route_without_settings_says_which_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A client is told not to pay again, and an operator what is missing."""
    web = Web.from_env(ProducerAndWebSettings.load)

    reply = web.answer("pay", "A" * 22, Request("GET", languages="en"))

    assert (reply.status, reply.headers["Transfer-Page"]) == (503, "away")
    (said,) = caplog.records
    assert vars(said)["event"] == "web.settings_wrong"
    assert "REDIS_URL: is not set" in vars(said)["problems"]
    assert "REDIS_URL: is not set" in said.getMessage()
    assert web.answer("notify", "A" * 22, Request("POST", body=b"{}")).status == 503
    assert len(caplog.records) == 1  # once, and as it changes: each request meets the same


def test_a_check_looks_again_each_time(environment: Set, vault_client: redis.Redis) -> None:
    """It serves as a health check as well: what went wrong later is found."""
    environment()
    with Transfers.from_env() as transfers:
        transfers.check()
        vault_client.config_set("save", NEVER_SAVES_YET)
        try:
            with pytest.raises(SettingsWrong, match="VAULT_URL"):
                transfers.check()
        finally:
            vault_client.config_set("save", "")
        transfers.check()


def test_threads_that_call_first_at_once_share_one_set_of_connections(environment: Set) -> None:
    """The first one's stay, and none waits for another's look at the servers."""
    environment()
    all_have_looked, made = Barrier(4), []
    with Transfers.from_env() as transfers, ThreadPoolExecutor(4) as threads:
        connect_now = transfers._connect
        assert connect_now

        def connect_at_once() -> Any:
            parts = connect_now()
            made.append(parts)
            all_have_looked.wait(20)
            return parts

        transfers._connect = connect_at_once
        assert list(threads.map(lambda _: transfers.is_guessing(), range(4))) == [False] * 4

        assert len(made) == 4
        assert len([parts for parts in made if parts.owned is transfers._owned]) == 1
        assert transfers.enqueue(by_pan()).state is State.QUEUED


def test_closing_what_was_never_used_is_nothing(environment: Set) -> None:
    """Nor is leaving its `with` statement."""
    environment(REDIS_URL=NOWHERE)

    with Transfers.from_env() as transfers:
        transfers.close()


def test_the_env_file_of_a_backend_does_not_reach_us(environment: Set, tmp_path: Path) -> None:
    """It is read only where a call names it: the names in it may be another program's."""
    environment()
    file = tmp_path / ".env"
    file.write_text(f"TRANSFERS_REDIS_URL={NOWHERE}\nTRANSFERS_WEB_BASE_URL=https://shop.example/t\n")
    file.chmod(0o600)

    with Transfers.from_env() as transfers:
        transfers.check()
    with pytest.raises(LedgerUnavailable):
        Transfers.from_env(env_file=".env").check()
    with pytest.raises(SettingsWrong, match="WEB_BASE_URL: is not set"):
        Web.from_env()
    with pytest.raises(LedgerUnavailable):
        Web.from_env(env_file=file).check()


def test_settings_can_be_arguments_alone(
    environment: Set,
    monkeypatch: pytest.MonkeyPatch,
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
) -> None:
    """Nothing of the environment counts then, whatever other programs have there."""
    environment(REDIS_URL=NOWHERE, BROKER_URL="amqp://theirs", LOG_LEVEL="TRACE")
    settings = ProducerSettings(
        redis_url=ledger_server.url,
        vault_url=vault_server.url,
        vault_public_key=generate().public,
        fingerprint_keys=fingerprint_keys.generate().reveal(),
    )
    for name in ("REDIS_URL", "VAULT_URL"):
        monkeypatch.setenv(name, NOWHERE)

    with Transfers.from_env(settings) as transfers:
        assert transfers.enqueue(by_pan()).state == "queued"
    with pytest.raises(WrongCall, match="give settings, or the env_file"):
        Transfers.from_env(settings, env_file=".env")


def test_a_program_with_names_like_ours_gives_ours_a_prefix(
    environment: Set, ledger_server: embedded_servers.EmbeddedServer
) -> None:
    environment(REDIS_URL="redis://theirs:1/0", BROKER_URL="amqp://theirs", LOG_LEVEL="TRACE")
    with pytest.raises(SettingsWrong, match="BROKER_URL: is not a redis"):
        Transfers.from_env()
    queue = ledger_server.url.removesuffix("/0") + "/1"
    environment(TRANSFERS_REDIS_URL=ledger_server.url, TRANSFERS_BROKER_URL=queue, TRANSFERS_LOG_LEVEL="INFO")

    with Transfers.from_env() as transfers:
        assert transfers.enqueue(by_pan()).state == "queued"


FORKS = """
import logging, os, sys
from epay_transfers.producers import Transfers
from tests.producers.conftest import by_pan

logging.disable()
transfers = Transfers.from_env()  # before the processes are forked, as `gunicorn --preload` does
if sys.argv[1] == "used":
    transfers.enqueue(by_pan("order-of-the-parent"))

def serve(process):
    for number in range(25):
        name = f"order-{process}-{number}"
        receipt = transfers.enqueue(by_pan(name))
        assert transfers.get(receipt.key).reference == name

children = []
for process in range(2):
    if not (child := os.fork()):
        try:
            serve(process)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.parametrize("used", ["used", "not used"])
def test_processes_that_are_forked_afterwards_have_connections_of_their_own(environment: Set, used: str) -> None:
    """Whether or not the parent has called it: no process gets another's replies."""
    environment()

    forked = subprocess.run([sys.executable, "-c", FORKS, used], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own

    assert (forked.returncode, forked.stderr) == (0, "")
