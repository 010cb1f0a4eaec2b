"""A producer's settings: all that is wrong at once, and never a value."""

import secrets
from typing import Any

import pytest

from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.producers import ProducerSettings, SettingsWrong

GOOD: dict[str, Any] = {
    "redis_url": "redis://127.0.0.1:6379/0",
    "vault_url": "redis://127.0.0.1:6380/0",
    "vault_public_key": generate().public,
    "fingerprint_key": secrets.token_urlsafe(32),
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "VAULT_URL", "VAULT_PUBLIC_KEY", "FINGERPRINT_KEY", "CARD_TTL", "QUEUE_LIMIT"):
        monkeypatch.delenv(name, raising=False)


def test_what_keygen_prints_is_taken() -> None:
    settings = ProducerSettings.load(**GOOD)

    assert (settings.card_ttl, settings.queue_limit) == (900, None)
    assert len(settings.print_key) == 32


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(SettingsWrong) as caught:
        ProducerSettings.load()

    names = [line.partition(":")[0] for line in caught.value.lines]
    assert names == ["FINGERPRINT_KEY", "REDIS_URL", "VAULT_PUBLIC_KEY", "VAULT_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fingerprint_key", "short"),
        ("fingerprint_key", "!" * 43),
        pytest.param("fingerprint_key", secrets.token_urlsafe(31), id="fingerprint_key-31-bytes"),
        pytest.param("fingerprint_key", "A" * 42 + "B", id="fingerprint_key-spare-bits"),
        ("vault_public_key", "nokey"),
        ("vault_url", "http://127.0.0.1:6380"),
        ("card_ttl", "0"),
        ("queue_limit", "0"),
    ],
)
def test_each_wrong_one_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong) as caught:
        ProducerSettings.load(**GOOD | {name: value})

    assert [line.partition(":")[0] for line in caught.value.lines] == [name.upper()]
    assert len(value) < 5 or value not in str(caught.value)


def test_no_secret_shows_itself() -> None:
    shown = repr(ProducerSettings.load(**GOOD))

    assert GOOD["fingerprint_key"] not in shown
    assert GOOD["redis_url"] not in shown
