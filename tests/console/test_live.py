"""An open page in Chromium: it follows what changes, leaves what a person does there, and never shows old as new."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ledger.store.samples import Sample, Samples
from tests.browser.chromium import running_chromium
from tests.console.conftest import HEADER, RunningConsole, running_console
from tests.support.factories import create
from tests.support.platform import Platform
from tests.support.tools import tool

pytestmark = pytest.mark.browser

PATIENCE_MS = 30_000
QUEUED = '[data-live="money"] a[href="/transfers?state=queued"]'


@pytest.fixture(scope="module")  # a browser in this thread keeps an event loop running in it
def chromium() -> Iterator[Browser]:
    with running_chromium(tool("chromium", "chromium")) as browser:
        yield browser


@pytest.fixture
def opened(chromium: Browser, console: RunningConsole, ledger_client: redis.Redis) -> Iterator[Page]:
    """The first page, of a ledger with a sample and a pause. What the browser's console says fails the test."""
    samples = Samples(ledger_client)
    samples.put(Sample(Ledger(ledger_client).now_ms() - 120_000, {"dead": 1}))
    Pauses(ledger_client).pause(Lane.SEND, ALL, actor="operator aigul", reason="asked", cause=Cause.FRAUD)
    headers = {HEADER: console.token("vera@test", exp=time.time() + 600)}
    context = chromium.new_context(extra_http_headers=headers, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("console", hear)
    page.clock.install()
    page.goto(console.url)
    yield page
    context.close()
    assert said == []


def has(page: Page, count: int) -> None:
    expect(page.locator(QUEUED)).to_have_text(str(count), timeout=PATIENCE_MS)


def test_a_count_changes_and_what_a_person_does_stays(opened: Page, ledger_client: redis.Redis) -> None:
    """Without a reload: words in a field, an opened table, the focus on a link, and the place on the page."""
    ledger = Ledger(ledger_client)
    create(ledger, "payout-0")
    has(opened, 1)
    expect(opened.locator("#figures-counts")).to_be_attached()
    opened.evaluate("window.same = true")
    opened.fill("#q", "payout-1")
    opened.locator("#figures-counts summary").click()
    opened.evaluate("() => { document.querySelector('#also').open = false }")
    opened.locator(QUEUED).focus()
    opened.evaluate("scrollTo(0, 300)")

    Samples(ledger_client).put(Sample(ledger.now_ms(), {"dead": 77}))
    create(ledger, "payout-1")

    has(opened, 2)
    assert opened.evaluate("window.same")
    assert opened.input_value("#q") == "payout-1"
    assert opened.evaluate("document.activeElement.getAttribute('href')") == "/transfers?state=queued"
    assert opened.evaluate("scrollY") == 300
    assert opened.evaluate("document.querySelector('#also').open") is False
    expect(opened.locator("#figures-counts")).to_contain_text("77")
    assert opened.evaluate("document.querySelector('#figures-counts').open") is True
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390, "no page is wider than a telephone"
    assert opened.inner_text("#live") == ""


def test_a_page_in_the_background_asks_for_nothing_and_looks_anew_in_front(
    opened: Page, ledger_client: redis.Redis
) -> None:
    has(opened, 0)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.resource_type))

    def turn(*, hidden: bool) -> None:
        opened.evaluate(
            "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
            "document.dispatchEvent(new Event('visibilitychange')) }",
            hidden,
        )

    opened.wait_for_timeout(100)
    turn(hidden=True)
    asked.clear()
    create(Ledger(ledger_client), "payout-0")
    opened.clock.run_for(60_000)
    opened.wait_for_timeout(5_000)  # the server says that something changed every two seconds
    assert asked == []

    turn(hidden=False)

    has(opened, 1)
    assert "eventsource" in asked


def test_a_console_that_stands_still_is_told_and_one_fetch_waits_for_it(
    opened: Page, console: RunningConsole, ledger_client: redis.Redis
) -> None:
    """Its connections are open, and say nothing: after 25 s the page says that it may be old, until it is new."""
    has(opened, 0)
    console.process.send_signal(signal.SIGSTOP)
    try:
        opened.clock.run_for(31_000)
        expect(opened.locator("#live")).to_contain_text("what is shown may be old", timeout=PATIENCE_MS)
        assert opened.evaluate("document.documentElement.hasAttribute('data-old')")
        create(Ledger(ledger_client), "payout-0")
    finally:
        console.process.send_signal(signal.SIGCONT)
    opened.clock.run_for(6_000)

    has(opened, 1)
    expect(opened.locator("#live")).to_have_text("", timeout=PATIENCE_MS)
    assert not opened.evaluate("document.documentElement.hasAttribute('data-old')")


def test_one_fetch_at_a_time(opened: Page, ledger_client: redis.Redis) -> None:
    """However much changes meanwhile: the next one begins when the last one has ended."""
    has(opened, 0)
    under_way: set[Request] = set()  # not a count: one that began before this test listens ends here too
    most = 0

    def begins(request: Request) -> None:
        nonlocal most
        if request.resource_type == "fetch":
            under_way.add(request)
            most = max(most, len(under_way))

    def ends(request: Request) -> None:
        under_way.discard(request)

    opened.on("request", begins)
    opened.on("requestfinished", ends)
    opened.on("requestfailed", ends)
    opened.evaluate("() => { for (let at = 0; at < 20; at++) document.dispatchEvent(new Event('visibilitychange')) }")
    create(Ledger(ledger_client), "payout-0")

    has(opened, 1)
    assert most == 1


def test_a_link_of_another_site_ends_no_form_that_is_open(opened: Page, console: RunningConsole) -> None:
    """A browser leaves the cookie out there: the page comes all the same, under the cookie that the forms have."""
    has(opened, 0)
    before = opened.context.cookies()
    other = opened.context.new_page()
    other.route("http://other.test/", lambda route: route.fulfill(body=f'<a href="{console.url}/pauses">look</a>',
                                                                  content_type="text/html"))  # fmt: skip
    other.goto("http://other.test/")
    other.click("a")

    expect(other.locator("h1")).to_have_text("Terminals and pauses", timeout=PATIENCE_MS)
    assert before
    assert opened.context.cookies() == before


def test_a_form_of_another_site_pauses_nothing(
    chromium: Browser, console: RunningConsole, ledger_client: redis.Redis
) -> None:
    """With an operator's own sign-in and cookie: a browser names the site that it comes from."""
    headers = {HEADER: console.token("olga@test", exp=time.time() + 600)}
    context = chromium.new_context(extra_http_headers=headers)
    page = context.new_page()
    page.goto(f"{console.url}/pauses")
    (token,) = set(
        page.locator('form[action="/acts/pause"] input[name="csrf"]').evaluate_all("of => of.map(e => e.value)")
    )
    stolen = {
        "csrf": token,
        "request": "0" * 24,
        "lane": "send",
        "terminal": "",
        "cause": "other",
        "reason": "x",
        "until": "",
    }
    fields = "".join(f'<input name="{name}" value="{value}">' for name, value in stolen.items())
    form = f'<form method="post" action="{console.url}/acts/pause">{fields}<button>Win</button></form>'
    page.route("http://other.test/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://other.test/")
    page.click("button")

    expect(page.get_by_role("alert")).to_contain_text("This form comes from another site: nothing was done.")
    assert Pauses(ledger_client).standing() == []
    context.close()


def test_a_first_visit_by_a_link_of_another_site_comes_to_its_page(chromium: Browser, console: RunningConsole) -> None:
    context = chromium.new_context(extra_http_headers={HEADER: console.token("vera@test", exp=time.time() + 600)})
    page = context.new_page()
    page.route("http://other.test/", lambda route: route.fulfill(body=f'<a href="{console.url}/pauses">look</a>',
                                                                 content_type="text/html"))  # fmt: skip
    page.goto("http://other.test/")
    page.click("a")

    expect(page.locator("h1")).to_have_text("Terminals and pauses", timeout=PATIENCE_MS)
    assert len(context.cookies()) == 1
    context.close()


def test_a_console_that_ended_is_told(chromium: Browser, platform: Platform, tmp_path: Path) -> None:
    """At once, and what it showed is marked."""
    with (tmp_path / "console.log").open("wb") as log:
        with running_console(platform, tmp_path, log) as console:
            headers = {HEADER: console.token("vera@test", exp=time.time() + 600)}
            context = chromium.new_context(extra_http_headers=headers)
            page = context.new_page()
            page.add_init_script("window.setInterval = () => 0")  # without the look that finds it out later
            page.goto(console.url)
            expect(page.locator(QUEUED)).to_have_text("0", timeout=PATIENCE_MS)
        expect(page.locator("#live")).to_contain_text("what is shown may be old", timeout=PATIENCE_MS)
        outline = page.evaluate("getComputedStyle(document.querySelector('[data-live=money]')).outlineStyle")
        assert outline == "dashed"
        context.close()
    assert "Traceback" not in (tmp_path / "console.log").read_text(encoding="utf-8")
