"""The demo shop without a browser: the whole way of a client, form by form, through real processes."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import requests

from epay_transfers.ledger.states import State
from epay_transfers.ops.demo.shop import GOODS
from epay_transfers.ops.demo.shop_words import WORDS
from tests.support.demo_shop import Shop, running_shop
from tests.support.waiting import until


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Accept-Language"] = "en"
        yield session


def form_of(page: requests.Response) -> dict[str, str]:
    pairs = re.findall(r'<input (?:type="hidden" )?name="(\w+)"[^>]*? ?value="([^"]*)"', page.text)
    return {name: unescape(value) for name, value in pairs}


def wait_for(client: requests.Session, url: str, name: str) -> requests.Response:
    """As a browser does that has no script: it asks again, until the page is another one."""
    pages: list[requests.Response] = []

    def is_there() -> bool:
        pages.append(client.get(url, timeout=10))
        return pages[-1].headers["Transfer-Page"] == name

    until(is_there)
    return pages[-1]


def buy(client: requests.Session, shop: Shop, good: str) -> requests.Response:
    form = form_of(client.get(shop.url, timeout=10))
    return client.post(f"{shop.url}/buy", form | {"good": good}, timeout=10, allow_redirects=False)


def test_one_pays_with_3d_secure_and_the_shop_learns_of_it(shop: Shop, client: requests.Session) -> None:
    bought = buy(client, shop, "concert")
    page = wait_for(client, shop.url + bought.headers["Location"], "challenge")
    action = re.search(r'action="([^"]+)"', page.text)
    assert action

    acs = client.post(unescape(action[1]), form_of(page), timeout=10)
    answer = form_of(acs) | {"password": "secret"}
    returning = form_of(client.post(f"{shop.bank_url}/acs/result", answer, timeout=10))
    back = client.post(answer["TermUrl"], returning, timeout=10, allow_redirects=False)

    assert back.status_code == 303
    assert wait_for(client, back.headers["Location"], "paid")
    for _ in range(400):
        if '<span class="state paid">paid</span>' in client.get(shop.url, timeout=10).text:
            return
    raise AssertionError("the outcome feed did not tell the shop")


def test_the_shop_speaks_the_browsers_language_or_the_one_that_was_chosen(shop: Shop, client: requests.Session) -> None:
    """Each of the three leads to the two others, and an order stays in its language where it is refused."""
    for language, words in WORDS.items():
        page = client.get(shop.url, headers={"Accept-Language": f"{language}-KZ"}, timeout=10).text
        assert f'<html lang="{language}">' in page
        assert all(text in page for text in (words.choose, words.pay, *words.goods["tea"]))
        assert {f'href="?language={other}"' in page for other in WORDS if other != language} == {True}
        chosen = client.get(f"{shop.url}/?language={language}", timeout=10)
        refused = client.post(f"{shop.url}/buy?language={language}", form_of(chosen) | {"number": "1"}, timeout=10)
        assert words.choose in chosen.text
        assert words.choose in refused.text


def test_the_shop_has_a_word_for_every_good_and_every_state() -> None:
    for words in WORDS.values():
        assert words.goods.keys() == {good.code for good in GOODS}
        assert words.states.keys() == {str(state) for state in State}


def test_the_same_order_twice_is_one_transfer(shop: Shop, client: requests.Session) -> None:
    form = form_of(client.get(shop.url, timeout=10)) | {"good": "bicycle"}

    places = {
        client.post(f"{shop.url}/buy", form, timeout=10, allow_redirects=False).headers["Location"] for _ in range(3)
    }

    assert len(places) == 1
    assert wait_for(client, shop.url + places.pop(), "paid")


def test_what_is_wrong_with_a_card_is_said_without_it(shop: Shop, client: requests.Session) -> None:
    form = form_of(client.get(shop.url, timeout=10)) | {"number": "4405639704015097", "name": "<b>"}

    page = client.post(f"{shop.url}/buy", form, timeout=10)

    assert "is not a card number" in page.text
    assert "4405639704015097" not in page.text
    assert "<b>" not in page.text.partition("Your card")[2]
