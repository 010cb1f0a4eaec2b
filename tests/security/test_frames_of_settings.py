"""No frame and no line of refused settings, or of a server's address, leads to a password or a secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from epay_transfers.ledger import key_text
from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.store.connection import AddressUnreadable, check_address, connect
from epay_transfers.ledger.vault import sealing
from epay_transfers.producers import ProducerAndWebSettings, ProducerSettings, SettingsWrong, WebSettings
from epay_transfers.producers.web import Web
from epay_transfers.runtime.setting_sources import ENV_FILE
from epay_transfers.worker.settings import WorkerSettings
from tests.security import canaries
from tests.security.frames import held
from tests.security.test_frames import SECRETS


def found_in(error: BaseException) -> dict[str, list[str]]:
    return held(error, SECRETS, {__file__})


BAD_SETTINGS: list[dict[str, str]] = [
    {"redis_url": f"redis://:{canaries.PASSWORD}@127.0.0.1:port/0"},
    {"redis_url": f"http://:{canaries.PASSWORD}@127.0.0.1/0"},
    {"redis_url": f"redis://:a/{canaries.PASSWORD}@127.0.0.1:6379/0"},
    {"redis_url": f"redis://:{canaries.PASSWORD}#a@127.0.0.1:6379/0"},
    {"redis_url": f"redis://{canaries.PASSWORD}?a@127.0.0.1:6379/0"},
    {"redis_url": f"redis://:[{canaries.PASSWORD}@127.0.0.1:6379/0"},
    {"redis_url": f"redis://:{canaries.PASSWORD}\N{ACCOUNT OF}@127.0.0.1:6379/0"},
    {"redis_url": f"redis://127.0.0.1:6379/0?password={canaries.PASSWORD}&unknown=1"},
    {"redis_url": f"redis://:{canaries.PASSWORD}@127.0.0.1:6379/0?socket_timeout={canaries.PASSWORD}"},
    {"vault_url": f"redis://:{canaries.PASSWORD}@127.0.0.1:{canaries.PASSWORD}/0"},
    {"broker_url": f"redis://:{canaries.PASSWORD}@127.0.0.1:port"},
    {"fingerprint_keys": canaries.HASH[:12]},
    {"vault_public_key": canaries.PAN},
    {"vault_public_key": "A" * 43},
    {"notify_secret": canaries.NOTIFY_SECRET + "/"},
    {"epay_terminals": f'{{"x": "{canaries.PASSWORD}"}}'},
    {"epay_terminals": f'{{"x": {canaries.PASSWORD}'},
    {"queue_limit": f"{canaries.PAN}x"},
]


GOOD_SETTINGS = {
    "redis_url": "redis://127.0.0.1:6379/0",
    "vault_url": "redis://127.0.0.1:6380/0",
    "vault_public_key": sealing.generate().public,
    "fingerprint_keys": key_text.write(Kind.FINGERPRINT, bytes(range(32))),
    "web_base_url": "https://shop.example/transfers",
}


@pytest.mark.parametrize("wrong", BAD_SETTINGS, ids="-".join)
def test_no_frame_and_no_line_of_refused_settings_leads_to_a_canary(
    wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the environment, which is where a password stands; the line names the setting."""
    monkeypatch.chdir(tmp_path)
    for name, text in (GOOD_SETTINGS | wrong).items():
        monkeypatch.setenv(name.upper(), text)
    with pytest.raises(SettingsWrong) as caught:
        ProducerAndWebSettings.load()

    assert found_in(caught.value) == {}
    assert [line.partition(":")[0] for line in caught.value.lines] == [name.upper() for name in wrong]


def test_no_frame_of_a_workers_refused_settings_leads_to_a_canary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (GOOD_SETTINGS | {"epay_secret_hash_key": canaries.HASH[:12]}).items():
        monkeypatch.setenv(name.upper(), text)
    with pytest.raises(SettingsWrong, match="EPAY_SECRET_HASH_KEY: is too short") as caught:
        WorkerSettings.load()

    assert held(caught.value, {"hash": canaries.HASH[:12]}, {__file__}) == {}


def test_no_frame_of_settings_that_were_given_by_hand_leads_to_a_canary() -> None:
    wrong = f"redis://:{canaries.PASSWORD}@127.0.0.1:port/0"
    with pytest.raises(SettingsWrong) as caught:
        WebSettings.load(**GOOD_SETTINGS | {"redis_url": wrong})

    assert found_in(caught.value) == {}


@pytest.mark.parametrize("settings", [None, WebSettings.load])
def test_no_frame_of_a_web_tier_without_its_servers_leads_to_a_canary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Callable[[], WebSettings] | None
) -> None:
    """Its settings are right, and hold a password and the notification's secret."""
    monkeypatch.chdir(tmp_path)
    away = {"redis_url": f"redis://:{canaries.PASSWORD}@127.0.0.1:1/0", "notify_secret": canaries.NOTIFY_SECRET}
    for name, text in (GOOD_SETTINGS | away).items():
        monkeypatch.setenv(name.upper(), text)
    with pytest.raises(LedgerUnavailable) as caught:
        Web.from_env(settings).check()

    assert found_in(caught.value) == {}


def test_an_env_file_that_is_no_text_is_refused_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error of the decoder keeps the whole file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(f"REDIS_URL=redis://:{canaries.PASSWORD}@h/0\n".encode() + b"\xff")
    with pytest.raises(SettingsWrong, match=r"\.env: is not UTF-8") as caught:
        ProducerSettings.load(env_file=ENV_FILE)

    assert found_in(caught.value) == {}


@pytest.mark.parametrize("url", [text for wrong in BAD_SETTINGS for name, text in wrong.items() if "_url" in name])
def test_no_frame_of_an_address_that_can_not_be_read_leads_to_a_canary(url: str) -> None:
    """Where a part of this project connects without settings."""
    for call in (connect, check_address):
        with pytest.raises(AddressUnreadable) as caught:
            call(url)

        assert found_in(caught.value) == {}
