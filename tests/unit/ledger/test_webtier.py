"""The web tier's settings: where it is, and what nobody may guess. Each that is wrong is said, without its value."""

from typing import Any

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.runtime.settings import SettingsWrong
from epay_transfers.runtime.web_addresses import Places, WebTierSettings, secret_hash


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)


def load(**given: Any) -> WebTierSettings:
    return WebTierSettings.load(redis_url="redis://127.0.0.1:1/0", **given)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://shop.kz", "https://shop.kz"),
        ("https://shop.kz/", "https://shop.kz"),
        ("https://shop.kz:8443/pay/", "https://shop.kz:8443/pay"),
        ("http://127.0.0.1:8000/t", "http://127.0.0.1:8000/t"),
        ("", ""),
    ],
)
def test_the_base_is_an_https_address_or_this_machines_own(given: str, taken: str) -> None:
    assert load(web_base_url=given).web_base_url == taken


@pytest.mark.parametrize(
    "wrong",
    [
        "http://shop.kz",
        "shop.kz",
        "//shop.kz",
        "https://user@shop.kz",
        "https://shop.kz/?a=b",
        "https://shop.kz/#a",
        "https://shop.kz/a b",
        "https://shop.kz:port",
        'https://shop.kz/"><script>',
        "https://shop.kz;x",
        "https://шоп.kz",
        "javascript:alert(1)",
        "https://shop.kz/" + "a" * 256,
    ],
)
def test_what_is_no_base_is_refused_and_not_repeated(wrong: str) -> None:
    with pytest.raises(SettingsWrong) as error:
        load(web_base_url=wrong)

    assert str(error.value).startswith("WEB_BASE_URL: is not a plain https://")
    assert wrong not in str(error.value)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("notify_secret", "guess-me"),
        ("notify_secret", "with/slash/and?more"),
        ("notify_secret", "x" * 16),
        ("notify_secret", "abcabcabcabcabcab"),
    ],
)
def test_what_can_be_guessed_is_refused(name: str, wrong: str) -> None:
    with pytest.raises(SettingsWrong, match=name.upper()) as error:
        load(**{name: wrong})

    assert wrong not in str(error.value)


def test_without_a_base_there_are_no_places_and_without_a_secret_no_notifications() -> None:
    assert load().places is None
    assert Places("https://shop.kz").notify() == ""
    assert Places("https://shop.kz", Secret("s" * 16)).notify() == "https://shop.kz/notify/" + "s" * 16


def test_a_hash_is_another_one_for_each_transfer_and_each_key() -> None:
    one, other = Secret("a" * 32), Secret("b" * 32)

    assert len({secret_hash(key, invoice) for key in (one, other) for invoice in ("123456", "123457")}) == 4
    assert secret_hash(one, "123456") == secret_hash(one, "123456")
