"""The bank's addresses: safe ones, and an unsafe one is named and not shown."""

import pytest

from epay_transfers.worker.bank import PRESETS, Addresses, BankConfig


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
    assert PRESETS["test-newer"] == Addresses(
        "https://test-epay-oauth.epayment.kz/oauth2/token",
        "https://test-epay-api.epayment.kz/p2p/transfer",
        None,
        "https://test-epay-api.epayment.kz/check-status/p2p/transaction/{invoice_id}",
    )


def test_no_bank_is_made_without_a_confirm_address() -> None:
    with pytest.raises(ValueError, match="confirm_url"):
        BankConfig(PRESETS["test"])


@pytest.mark.parametrize("words", [(), ("REFUND",), ("AUTH", "NEW")])
def test_only_the_two_words_can_mean_paid(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="paid_words"):
        BankConfig(PRESETS["production"], paid_words=words)
