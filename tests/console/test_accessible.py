"""Every page in a real Chromium, in both themes, on a desktop and on a phone: what keeps a person out, and its width.

The pages are the app's own routes (`tests.console.routes`): a new one is looked at without being named here.
"""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, Page

from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Cause, Lane, Pauses
from epay_transfers.ops.plans.folder import PlanFolder
from epay_transfers.ops.plans.journal import Became, Journal, Line, path_of
from epay_transfers.ops.plans.plan import Item, Plan, What
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from tests.browser.chromium import running_chromium
from tests.console.conftest import HEADER, RunningConsole
from tests.console.routes import pages
from tests.console.running import settled_console
from tests.support import factories
from tests.support.tools import tool

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

#: What axe calls these keeps a person from a page, or from a part of it.
GRAVE = {"serious", "critical"}

WIDTHS = {1440: 900, 390: 844}

#: A transfer of each of these is there; the page of each is looked at.
STATES = (
    (State.QUEUED, Phase.SEND), (State.PARKED, Phase.SEND), (State.IN_DOUBT, Phase.SEND),
    (State.NEEDS_REVIEW, Phase.SEND), (State.DEAD, Phase.SEND), (State.PAID, Phase.SEND), (State.DECLINED, Phase.SEND),
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium(tool("chromium", "chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def keys(ledger_server: EmbeddedServer) -> list[str]:
    """Of a transfer in each state, with names as long as they may be."""
    client: redis.Redis = connect(ledger_server.url)
    client.flushall()
    ledger = Ledger(client)
    made = [factories.into(ledger, each, f"payout-{each[0]}-{'wide' * 15}", lasts_ms=900_000).key for each in STATES]
    Pauses(client).pause(Lane.SEND, "main", actor="worker", reason="code 487; " * 20, cause=Cause.SETUP_CODE)
    client.close()
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console's."""
    return tmp_path_factory.mktemp("console")


@pytest.fixture(scope="module")
def digest(ledger_server: EmbeddedServer, running: RunningConsole, keys: list[str], folder: Path) -> str:
    """Of a plan, one of whose transfers waits for a second operator."""
    client: redis.Redis = connect(ledger_server.url)
    (dead,) = [record for record in Ledger(client).get_many(keys) if record.state is State.DEAD]
    plan = Plan(
        what=What.DISCARD, items=(Item.of(dead),), made_at=1_700_000_000_000, made_by="aigul", chosen_by="dead --why x"
    )
    path = PlanFolder(folder / "plans").store(plan)
    with Journal(path_of(path), plan.digest, "anna-test") as journal:
        journal.add(Line(key=dead.key, became=Became.SECOND_NEEDED, says="a second operator is needed"), "", "")
    client.close()
    return plan.digest


@pytest.fixture(scope="module")
def running(
    folder: Path,
    ledger_server: EmbeddedServer,
    vault_server: EmbeddedServer,
    keys: list[str],
) -> Iterator[RunningConsole]:
    assert keys
    with settled_console(folder, ledger_server, vault_server) as console:
        yield console


def walk(keys: list[str], digest: str) -> list[str]:
    found = [path for key in keys for path in pages({"key": key, "digest": digest})]
    asked = [f"{path}?q={keys[0]}" if path == "/search" else path for path in found]
    return [*dict.fromkeys(asked), "/transfers?state=parked&older=1s", "/plans/new?what=settle"]


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_no_page_keeps_a_person_out_or_scrolls_sideways_or_complains(
    chromium: Browser, running: RunningConsole, keys: list[str], digest: str, theme: Any, width: int
) -> None:
    """For the role with every form. axe's grave findings, the page's own width, and what the browser's console says."""
    found: dict[str, list[str]] = {}
    context = chromium.new_context(
        viewport={"width": width, "height": WIDTHS[width]}, color_scheme=theme, locale="en-GB", reduced_motion="reduce",
        extra_http_headers={HEADER: running.token("anna@test", exp=4_000_000_000)},
    )  # fmt: skip
    context.set_default_timeout(20_000)
    said: list[str] = []
    context.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    context.on("weberror", lambda error: said.append(f"error: {error.error}"))
    page = context.new_page()
    for path in walk(keys, digest):
        said.clear()
        answer = page.goto(f"{running.url}{path}")
        assert answer is not None
        complaints = [f"answers {answer.status}"] if answer.status != 200 else []
        complaints += [*grave(page), *too_wide(page), *said]
        if complaints:
            found[path] = complaints
    context.close()
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_a_refusal_is_as_good(chromium: Browser, running: RunningConsole, theme: Any) -> None:
    """For a person that is known, and for one that is not: the browser itself says the status in its console."""
    for headers, path in (({HEADER: running.token("anna@test")}, "/nothing"), ({}, "/")):
        context = chromium.new_context(
            viewport={"width": 390, "height": 844}, color_scheme=theme, extra_http_headers=headers
        )
        page = context.new_page()
        page.goto(f"{running.url}{path}")
        assert [*grave(page), *too_wide(page)] == []
        assert page.locator("h1").count() == 1
        context.close()


def test_axe_finds_what_is_wrong(chromium: Browser, running: RunningConsole, tmp_path: Path) -> None:
    """The control: a field without a label, text that can't be read, a page that is too wide."""
    (tmp_path / "bad.html").write_text(
        '<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><input>'
        '<p style="color:#bbb;background:#fff;width:2000px">grey</p></main></html>'
    )
    page = chromium.new_page()
    page.goto(f"file://{tmp_path}/bad.html")

    assert {line.partition(":")[0] for line in grave(page)} == {"label", "color-contrast"}
    assert too_wide(page) != []
    page.close()


def grave(page: Page) -> list[str]:
    page.evaluate(AXE)
    told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes']][:3]}"
        for each in told["violations"]
        if each["impact"] in GRAVE
    ]


def too_wide(page: Page) -> list[str]:
    """A table scrolls within its own frame."""
    wide, shown = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return [f"is {wide} wide, of {shown}"] if wide > shown else []
