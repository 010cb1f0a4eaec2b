"""A transfer's page in a real Chromium, while the transfer moves: what is typed stays, and what is old says so."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from tests.browser.chromium import running_chromium
from tests.console.conftest import HEADER, RunningConsole
from tests.console.together import HOUR_MS, console, into, ledger, platform
from tests.support.tools import tool

__all__ = ["console", "ledger", "platform"]

pytestmark = pytest.mark.browser

PATIENCE_MS = 20_000
CARD = "5522042705066736"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium(tool("chromium", "chromium")) as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, console: RunningConsole) -> Iterator[Page]:
    """An operator's. No console message appears, but for the browser's own of an act that is refused."""
    context = chromium.new_context(base_url=console.url, extra_http_headers={HEADER: console.token("olga@test")})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    yield page
    context.close()
    assert [text for text in messages if "409 (Conflict)" not in text] == []


def test_what_is_typed_stays_and_a_form_of_before_says_that_it_does_nothing(page: Page, ledger: Ledger) -> None:
    record = into(ledger, State.DEAD, "typed-1")
    page.goto(f"/transfer/{record.key}")
    discard = page.locator("form[action='/acts/discard']")
    discard.get_by_label("Reason").fill("the client")
    page.get_by_role("heading", name="The record").click()  # nothing has the focus then

    ledger.move(record, Verb.REQUEUE_DEAD, Change(due_in=HOUR_MS), actor="worker")

    expect(page.locator("[data-live=transfer]")).to_contain_text("queued", timeout=PATIENCE_MS)
    expect(page.locator("#acts .stale")).to_be_visible()
    expect(discard.get_by_label("Reason")).to_have_value("the client")
    discard.get_by_role("button").click()
    expect(page.get_by_role("alert").first).to_contain_text("nothing was done")


def test_a_searched_text_stands_in_no_address(page: Page, ledger: Ledger) -> None:
    """Neither a card number, which is refused, nor a name, which leads on."""
    record = into(ledger, State.PAID, "searched-1")
    page.goto("/")
    for text in (CARD, "searched-1"):
        page.get_by_role("searchbox").fill(text)
        page.get_by_role("button", name="Search").click()
        page.wait_for_load_state()
        assert text not in page.url
        if text == CARD:
            expect(page.get_by_role("alert").first).to_contain_text("looks like a whole card number")
            assert CARD not in page.content()

    assert page.url.endswith(f"/transfer/{record.key}")
