"""Addresses: https, or this very machine."""

import pytest

from epay_transfers.worker.bank import PRESETS, Addresses, BankConfig
from epay_transfers.worker.bank.order import is_safe


@pytest.mark.parametrize(
    "url",
    [
        "https://bank.example/x",
        "https://bank.example:8443/x?y",
        "http://127.0.0.1:9/x",
        "http://localhost/",
        "http://[::1]:80/",
    ],
)
def test_https_and_loopback_are_taken(url: str) -> None:
    assert is_safe(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bank.example/x",
        "http://bank.example/x",
        "http://127.0.0.1.bank.example/",
        "http://localhost.bank.example/",
        "https://user:word@bank.example/",
        "http://127.0.0.1@bank.example/",
        "ftp://bank.example/",
        "javascript:alert(1)",
        "https:///x",
        "https://[::1/",
        "https://bank.example:port/",
        "https://bank.example/a b",
        "https://bank.example/\n",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    assert not is_safe(url)


def test_an_unsafe_address_is_named_and_not_shown() -> None:
    with pytest.raises(ValueError, match=r"^transfer_url: must be a whole https") as caught:
        Addresses("https://a.example/", "http://very.secret.example/", "https://a.example/", None)

    assert "secret" not in str(caught.value)


def test_a_status_address_says_where_the_number_goes() -> None:
    with pytest.raises(ValueError, match="status_url"):
        Addresses("https://a.example/", "https://a.example/", "https://a.example/", "https://a.example/status")


def test_the_presets_are_the_pages() -> None:
    assert PRESETS["production"] == Addresses(
        "https://epay-oauth.homebank.kz/oauth2/token",
        "https://epay-api.homebank.kz/p2p/transfer",
        "https://epay-api.homebank.kz/p2p/api/confirm",
        "https://epay-api.homebank.kz/check-status/p2p/transaction/{invoice_id}",
    )
    assert PRESETS["test"] == Addresses(
        "https://testoauth.homebank.kz/epay2/oauth2/token",
        "https://testepay.homebank.kz/api/p2p/transfer",
        None,
        "https://testepay.homebank.kz/api/check-status/p2p/transaction/{invoice_id}",
    )


def test_no_bank_is_made_without_a_confirm_address() -> None:
    with pytest.raises(ValueError, match="confirm_url"):
        BankConfig(PRESETS["test"])


@pytest.mark.parametrize("words", [(), ("REFUND",), ("AUTH", "NEW")])
def test_only_the_two_words_can_mean_paid(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="paid_words"):
        BankConfig(PRESETS["production"], paid_words=words)
