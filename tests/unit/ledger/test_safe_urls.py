"""Safe addresses: one rule, and everything in the product that takes an address follows it."""

from collections.abc import Callable

import pytest

from epay_transfers.ledger.safe_urls import LOOPBACK, is_safe_url
from epay_transfers.producers import validators
from epay_transfers.producers.web.pages import is_safe_action
from epay_transfers.runtime.web_addresses import WebTierSettings
from epay_transfers.sandbox.contract import LOOPBACK as SANDBOX_LOOPBACK
from epay_transfers.sandbox.contract import is_safe_link
from epay_transfers.worker.bank import Addresses

SAFE = [
    "https://bank.example/x",
    "https://bank.example:8443/x?y",
    "http://127.0.0.1:9/x",
    "http://localhost/",
    "http://[::1]:80/",
]

UNSAFE = [
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
    "https://bank.example:0/",
    "https://bank.example/a b",
    "https://bank.example/\n",
    "https://bank.\u043a\u0437/",
    "https://*.bank.example/",
    "https://bank.example;x/",
    "https://bank.example,other.example/",
    'https://bank.example"x/',
    "https://bank.example'x/",
    "https://bank.example<x/",
]


def _web_tier(url: str) -> None:
    WebTierSettings.load(redis_url="redis://127.0.0.1:1/0", web_base_url=url)


def _action(url: str) -> None:
    if not is_safe_action(url, allowed=frozenset(), plain=True):
        raise ValueError("refused")


def _bank(url: str) -> None:
    Addresses(url, url, url, None)


#: Every place of the product that takes an address from outside.
TAKES: dict[str, Callable[[str], object]] = {
    "an intent's link": validators.link,
    "the web tier's own address": _web_tier,
    "the page of 3-D Secure": _action,
    "the bank's addresses": _bank,
}


@pytest.mark.parametrize("url", SAFE)
def test_https_and_loopback_are_taken(url: str) -> None:
    assert is_safe_url(url)


@pytest.mark.parametrize("url", ["", *UNSAFE])
def test_anything_else_is_refused(url: str) -> None:
    assert not is_safe_url(url)


@pytest.mark.parametrize("url", [url for url in SAFE if url.startswith("http:")])
def test_plain_http_can_be_left_out_even_on_loopback(url: str) -> None:
    assert not is_safe_url(url, plain_on_loopback=False)


@pytest.mark.parametrize("place", TAKES)
@pytest.mark.parametrize("url", UNSAFE)
def test_what_is_unsafe_is_taken_nowhere(place: str, url: str) -> None:
    """A port 0 and signs that no host has were taken in some places and refused in others."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - each place has its own error, held by its own tests
        TAKES[place](url)


@pytest.mark.parametrize("place", TAKES)
def test_a_plain_https_address_is_taken_everywhere(place: str) -> None:
    TAKES[place]("https://bank.example/x")


@pytest.mark.parametrize("url", SAFE)
def test_the_sandbox_reads_the_contract_by_itself_and_agrees(url: str) -> None:
    """It shares no code with the product, so an address that the product takes must not fail at the sandbox."""
    assert is_safe_link(url)
    assert SANDBOX_LOOPBACK == LOOPBACK
