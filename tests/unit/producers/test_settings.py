"""A producer's settings: all that is wrong at once, and never a value."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger import fingerprint_keys, key_text
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.vault.sealing import generate
from epay_transfers.producers import ProducerAndWebSettings, ProducerSettings, SettingsWrong, WebSettings

PAIR, KEY = generate(), fingerprint_keys.generate().reveal()
GOOD: dict[str, Any] = {
    "redis_url": "redis://127.0.0.1:6379/0",
    "vault_url": "redis://127.0.0.1:6380/0",
    "vault_public_key": PAIR.public,
    "fingerprint_keys": KEY,
}
NAMES = (
    "REDIS_URL",
    "VAULT_URL",
    "VAULT_PUBLIC_KEY",
    "FINGERPRINT_KEYS",
    "FINGERPRINT_KEYS_FILE",
    "CARD_TTL",
    "QUEUE_LIMIT",
)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_what_keygen_prints_is_taken() -> None:
    settings = ProducerSettings.load(**GOOD)

    assert (settings.card_ttl, settings.queue_limit) == (900, None)
    assert [len(key.raw or b"") for key in settings.print_keys.all()] == [32]


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(SettingsWrong) as caught:
        ProducerSettings.load()

    names = [line.partition(":")[0] for line in caught.value.lines]
    assert names == ["FINGERPRINT_KEYS", "REDIS_URL", "VAULT_PUBLIC_KEY", "VAULT_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fingerprint_keys", "short"),
        ("fingerprint_keys", "!" * 43),
        ("fingerprint_keys", "changeme" * 5 + "cha"),
        ("fingerprint_keys", "fingerprint." + "changeme" * 6),
        pytest.param("fingerprint_keys", secrets.token_urlsafe(31), id="fingerprint_keys-31-bytes"),
        pytest.param("fingerprint_keys", secrets.token_urlsafe(32), id="fingerprint_keys-without-a-prefix"),
        pytest.param("fingerprint_keys", PAIR.private.reveal(), id="fingerprint_keys-a-private-key"),
        pytest.param("fingerprint_keys", key_text.write(Kind.FINGERPRINT, bytes(32)), id="fingerprint_keys-zeros"),
        pytest.param("fingerprint_keys", f"{KEY},{KEY}", id="fingerprint_keys-one-twice"),
        pytest.param("fingerprint_keys", "destroyed.0badcafe", id="fingerprint_keys-none-left"),
        pytest.param("vault_public_key", PAIR.private.reveal(), id="vault_public_key-a-private-key"),
        pytest.param("vault_public_key", KEY, id="vault_public_key-a-fingerprint-key"),
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

    assert GOOD["fingerprint_keys"] not in shown
    assert GOOD["redis_url"] not in shown


def test_a_private_key_as_the_public_one_is_refused_with_a_sentence() -> None:
    """It is 32 bytes like the other: every transfer would die, and the key that opens cards would be a producer's."""
    with pytest.raises(SettingsWrong) as caught:
        ProducerSettings.load(**GOOD | {"vault_public_key": PAIR.private.reveal()})

    (line,) = caught.value.lines
    assert line == (
        "VAULT_PUBLIC_KEY: is a private key of the vault, which opens cards and belongs to workers alone: delete it "
        "here, and rotate it; give the public key that `transfers keygen` prints"
    )


def test_a_key_without_a_prefix_is_told_what_to_do() -> None:
    with pytest.raises(SettingsWrong) as caught:
        ProducerSettings.load(**GOOD | {"fingerprint_keys": secrets.token_urlsafe(32)})

    (line,) = caught.value.lines
    assert line.startswith(
        "FINGERPRINT_KEYS: has no prefix that says what it is, like `fingerprint.`: it is of no released version; "
        "make new keys with `transfers keygen`"
    )


def test_a_file_gives_the_fingerprint_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# newest first\n{KEY}\ndestroyed.0badcafe\n")
    file.chmod(0o400)
    given = {name: value for name, value in GOOD.items() if name != "fingerprint_keys"}

    settings = ProducerSettings.load(**given, fingerprint_keys_file=file)

    assert [key.text is None for key in settings.print_keys.all()] == [False, True]
    file.chmod(0o444)
    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS_FILE: can be read by every user"):
        ProducerSettings.load(**given, fingerprint_keys_file=file)


def test_a_web_tier_takes_no_fingerprint_key() -> None:
    """With one, and the first six and last four of the records, it would find every card number of the past."""
    without = {name: value for name, value in GOOD.items() if name != "fingerprint_keys"}
    settings = WebSettings.load(**without, web_base_url="https://shop.example/t")

    with pytest.raises(SettingsWrong, match="FINGERPRINT_KEYS: is no setting here"):
        WebSettings.load(**GOOD, web_base_url="https://shop.example/t")
    assert not any("fingerprint" in name for name in WebSettings.model_fields)
    assert not hasattr(settings, "print_keys")
    assert ProducerAndWebSettings.load(**GOOD, web_base_url="https://shop.example/t").print_keys.newest.text
