"""`from_env`: what is set is looked at before a card is put anywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.producers import (
    LedgerUnavailable,
    ProducerAndWebSettings,
    ProducerSettings,
    SettingsWrong,
    Transfers,
    TransfersError,
    VaultUnavailable,
    WrongCall,
)
from epay_transfers.producers.web import Web
from epay_transfers.runtime import embedded_servers
from tests.producers.conftest import NOWHERE, by_pan

Set = Callable[..., None]


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
    with web.transfers as transfers, pytest.raises(SettingsWrong, match="ProducerAndWebSettings for one process"):
        transfers.enqueue(by_pan())
    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: is not set"):
        Transfers.from_env()
    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: is not set"):
        Web.from_env(ProducerAndWebSettings.load())


def test_a_vault_with_persistence_is_refused(environment: Set, ledger_server: embedded_servers.EmbeddedServer) -> None:
    environment(VAULT_URL=ledger_server.url)

    with pytest.raises(SettingsWrong) as caught:
        Transfers.from_env()

    assert {line.partition(":")[0] for line in caught.value.lines} == {"VAULT_URL"}


@pytest.mark.parametrize(("name", "error"), [("REDIS_URL", LedgerUnavailable), ("VAULT_URL", VaultUnavailable)])
def test_a_server_that_is_away_may_come_back(environment: Set, name: str, error: type[TransfersError]) -> None:
    environment(**{name: NOWHERE})

    with pytest.raises(error):
        Transfers.from_env()


def test_the_env_file_of_a_backend_does_not_reach_us(environment: Set, tmp_path: Path) -> None:
    """It is read only where a call names it: the names in it may be another program's."""
    environment()
    file = tmp_path / ".env"
    file.write_text(f"TRANSFERS_REDIS_URL={NOWHERE}\nTRANSFERS_WEB_BASE_URL=https://shop.example/t\n")
    file.chmod(0o600)

    Transfers.from_env().close()
    with pytest.raises(LedgerUnavailable):
        Transfers.from_env(env_file=".env")
    with pytest.raises(SettingsWrong, match="WEB_BASE_URL: is not set"):
        Web.from_env()
    with pytest.raises(LedgerUnavailable):
        Web.from_env(env_file=file)


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
