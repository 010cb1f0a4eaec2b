"""Every act, by its own page in a real Chromium: a person fills a form in and presses its button, and a worker does it.

What a decision needs two people for, two browsers do. No console message appears, in any of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ops.console import acts, app
from tests.browser.chromium import running_chromium
from tests.console.conftest import HEADER, RunningConsole
from tests.console.together import console, dead_with_its_card, fresh, into, ledger, platform
from tests.support.platform import Platform
from tests.support.tools import tool
from tests.support.waiting import until

__all__ = ["console", "ledger", "platform"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE_MS = 30_000
DONE, NOT_YET = "Done", "Asked, and not done yet"
OPERATOR, FIRST, SECOND, VIEWER = "olga@test", "anna@test", "amir@test", "vera@test"


@dataclass
class Stage:
    """A browser for each person, and what they act on."""

    pages: Mapping[str, Page]
    ledger: Ledger
    platform: Platform
    monkeypatch: pytest.MonkeyPatch

    def opens(self, who: str, path: str) -> Page:
        page = self.pages[who]
        page.goto(path)
        return page

    def presses(self, form: Locator, button: str, *, then: str = DONE, **typed: str) -> None:
        """Fills the form in, sends it, and reads the heading of the answer."""
        for label, text in typed.items():
            form.get_by_label(label.replace("_", " ")).first.fill(text)
        form.get_by_role("button", name=button).click()
        expect(form.page.locator("h1")).to_have_text(then, timeout=PATIENCE_MS)

    def asks(self, who: str, key: str) -> None:
        page = self.opens(who, f"/transfer/{key}")
        self.presses(form_of(page, "ask"), "Ask the bank now")

    def decides(self, who: str, act: str, key: str, how: str, then: str) -> None:
        page = self.opens(who, f"/transfer/{key}")
        form = form_of(page, act)
        form.locator(f'input[value="{how}"]').check()
        button = "Decide" if act == "settle" else "Correct"
        self.presses(form, button, then=then, Evidence="letter 17 of the bank", Reason="the client called")


def form_of(page: Page, act: str) -> Locator:
    return page.locator(f'form[action="/acts/{act}"]').first


@pytest.fixture(scope="module", autouse=True)
def _worker(platform: Platform) -> None:
    platform.start_worker()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium(tool("chromium", "chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the browsers' consoles say."""
    return []


@pytest.fixture(scope="module")
def pages(chromium: Browser, console: RunningConsole, said: list[str]) -> Iterator[Mapping[str, Page]]:
    pages, contexts = {}, []
    for name in (OPERATOR, FIRST, SECOND, VIEWER):
        headers = {HEADER: console.token(name, exp=4_000_000_000)}
        context = chromium.new_context(base_url=console.url, extra_http_headers=headers)
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", lambda message: said.append(message.text))
        context.on("weberror", lambda error: said.append(str(error.error)))
        contexts.append(context)
        pages[name] = context.new_page()
    yield pages
    for context in contexts:
        context.close()


@pytest.fixture
def stage(
    pages: Mapping[str, Page], ledger: Ledger, platform: Platform, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    said.clear()
    yield Stage(pages, ledger, platform, monkeypatch)
    assert said == []


def ask(stage: Stage) -> None:
    record = into(stage.ledger, State.NEEDS_REVIEW, "asked")
    stage.asks(OPERATOR, record.key)
    stage.opens(FIRST, f"/transfer/{record.key}")
    expect(stage.pages[FIRST].locator("#settle")).to_contain_text("not_found")


def cancel(stage: Stage) -> None:
    record = into(stage.ledger, State.QUEUED, "cancelled")
    page = stage.opens(OPERATOR, f"/transfer/{record.key}")
    stage.presses(form_of(page, "cancel"), "Cancel it", Reason="the client called")
    assert fresh(stage.ledger, record).state is State.CANCELLED


def requeue(stage: Stage) -> None:
    key = dead_with_its_card(stage.ledger, stage.platform, stage.monkeypatch, "requeued")
    page = stage.opens(OPERATOR, f"/transfer/{key}")
    stage.presses(form_of(page, "requeue"), "Queue it again", Reason="the secret is mended")
    until(lambda: (found := stage.ledger.get(key)) is not None and found.state is State.PAID)


def discard(stage: Stage) -> None:
    record = into(stage.ledger, State.DEAD, "discarded")
    page = stage.opens(OPERATOR, f"/transfer/{record.key}")
    stage.presses(form_of(page, "discard"), "End it as cancelled", Reason="the client called")
    assert fresh(stage.ledger, record).state is State.CANCELLED


def settle(stage: Stage) -> None:
    record = into(stage.ledger, State.NEEDS_REVIEW, "settled")
    stage.asks(FIRST, record.key)
    stage.decides(FIRST, "settle", record.key, "not-paid", NOT_YET)
    assert fresh(stage.ledger, record).state is State.NEEDS_REVIEW
    stage.decides(SECOND, "settle", record.key, "not-paid", DONE)
    assert fresh(stage.ledger, record).state is State.DECLINED


def correct(stage: Stage) -> None:
    record = into(stage.ledger, State.DECLINED, "corrected")
    stage.asks(FIRST, record.key)
    stage.decides(FIRST, "correct", record.key, "paid", NOT_YET)
    assert fresh(stage.ledger, record).state is State.DECLINED
    stage.decides(SECOND, "correct", record.key, "paid", DONE)
    assert fresh(stage.ledger, record).state is State.PAID


def take_back(stage: Stage) -> None:
    record = into(stage.ledger, State.NEEDS_REVIEW, "taken back")
    stage.asks(FIRST, record.key)
    stage.decides(FIRST, "settle", record.key, "paid", NOT_YET)
    page = stage.opens(FIRST, f"/transfer/{record.key}")
    stage.presses(form_of(page, "take-back"), "Take it back", Reason="it was another one")
    assert fresh(stage.ledger, record).decisions == ""


def pause(stage: Stage) -> None:
    form = form_of(stage.opens(OPERATOR, "/pauses"), "pause")
    form.get_by_label("Lane").select_option("confirm")
    stage.presses(form, "Pause it", Reason="their window")
    assert [each.lane for each in Pauses(stage.ledger.client).standing()] == ["confirm"]


def unpause(stage: Stage) -> None:
    """It ends what `pause` began, or one of its own."""
    pauses = Pauses(stage.ledger.client)
    if not pauses.standing():
        pause(stage)
    until(lambda: all(each.since_ms for each in pauses.standing()))
    page = stage.opens(OPERATOR, "/pauses")
    stage.presses(form_of(page, "unpause"), "End this pause", Reason="it is over")
    assert pauses.standing() == []


def plan(stage: Stage) -> None:
    into(stage.ledger, State.DEAD, "planned")
    make_plan(stage)


def make_plan(stage: Stage) -> None:
    page = stage.opens(OPERATOR, "/plans/new?what=discard")
    form = form_of(page, "plan")
    form.get_by_label("Ask the bank").uncheck()
    stage.presses(form, "Make the plan")


def apply(stage: Stage) -> None:
    """Made by one person, applied by another."""
    record = into(stage.ledger, State.DEAD, "applied")
    make_plan(stage)
    stage.opens(FIRST, "/plans")
    stage.pages[FIRST].locator("tbody th a").first.click()
    form = form_of(stage.pages[FIRST], "apply")
    stage.presses(form, "Apply the plan", Reason="all of them are the client's")
    until(lambda: fresh(stage.ledger, record).state is State.CANCELLED)


ACTS: dict[str, Callable[[Stage], None]] = {
    "ask": ask, "cancel": cancel, "requeue": requeue, "discard": discard, "settle": settle, "correct": correct,
    "take-back": take_back, "pause": pause, "unpause": unpause, "plan": plan, "apply": apply,
}  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_a_person_does_it_in_a_browser(stage: Stage, act: str) -> None:
    ACTS[act](stage)


def test_every_act_of_the_console_is_among_them() -> None:
    assert app._PAGES
    assert acts.ACTS.keys() == ACTS.keys()


def test_a_viewer_finds_no_form_for_any_of_them(stage: Stage) -> None:
    """The search is the one form of every page."""
    shown = [into(stage.ledger, state, f"seen {state}") for state in (State.QUEUED, State.NEEDS_REVIEW, State.DEAD)]
    for path in (*(f"/transfer/{each.key}" for each in shown), "/pauses", "/plans", "/plans/new", "/doubt"):
        page = stage.opens(VIEWER, path)
        assert [form.get_attribute("action") for form in page.locator("form").all()] == ["/search"], path
