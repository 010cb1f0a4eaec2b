"""A real Chromium in front of the demo shop. Every process is real, and ends with the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.chromium import running_chromium
from tests.support.demo_shop import Shop, running_shop
from tests.support.tools import tool

#: One wait, for all that other processes do meanwhile.
PATIENCE_MS = 20_000

Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests beside this file are browser tests."""
    here = f"{Path(__file__).parent}/"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")  # a browser in this thread keeps an event loop running in it
def chromium() -> Iterator[Browser]:
    with running_chromium(tool("chromium", "chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")  # a browser in this thread keeps an event loop running in it
def shop(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def books(shop: Shop) -> Callable[[], dict[str, Any]]:
    """The bank's own books."""

    def read() -> dict[str, Any]:
        read: dict[str, Any] = requests.get(f"{shop.bank_url}/books", timeout=10).json()
        return read

    return read


@pytest.fixture
def open_shop(chromium: Browser, shop: Shop) -> Iterator[Open]:
    """A new client in front of the shop. Whatever a console says under our policies fails the test."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    def open_one(**options: Any) -> Page:
        context = chromium.new_context(locale="en-GB", **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        context.on("console", hear)
        context.on("weberror", lambda error: said.append(f"error: {error.error}"))
        page = context.new_page()
        page.goto(shop.url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert said == []
