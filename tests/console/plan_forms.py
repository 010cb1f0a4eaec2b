"""A person's browser, as far as tests need one: pages are loaded, and their forms are sent."""

import re
import time
from collections.abc import Callable

import pytest
import requests as http

from epay_transfers.ledger.store.pauses import Cause, Lane, Pauses
from tests.console.conftest import RunningConsole
from tests.support.intents import payout
from tests.support.platform import Platform

MAKER, APPROVER, SECOND, VIEWER = "olga@test", "anna@test", "amir@test", "vera@test"

CAPS = {"max_count": "1000", "max_sum": "10000000"}
CANCEL = {"what": "cancel", "state.queued": "yes"} | CAPS

_WITHIN_S = 60.0
_PLAN = re.compile(r'href="/plans/([0-9a-f]{64})">A plan to ')
_HOW_FAR = re.compile(r'<td class="says"><b[^>]*>(?:done|ended)</b>: (.*?)</td>')
_HIDDEN = re.compile(r'name="(csrf|request|digest)" value="([^"]*)"')


def enqueue(platform: Platform, monkeypatch: pytest.MonkeyPatch, count: int) -> list[str]:
    Pauses(platform.ledger_client).add(Lane.SEND, "*", Cause.OTHER)
    with platform.transfers(monkeypatch) as transfers:
        return [transfers.enqueue(payout(f"payout-{number}")).key for number in range(count)]


def see(console: RunningConsole, name: str, path: str) -> str:
    answer = console.session(name).get(f"{console.url}{path}", timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.text


def send(console: RunningConsole, name: str, page: str, act: str, **fields: str) -> http.Response:
    """As a browser does: the page is loaded, and its form sent."""
    session = console.session(name)
    text = session.get(f"{console.url}{page}", timeout=30).text
    hidden = dict(_HIDDEN.findall(text))
    return session.post(f"{console.url}/acts/{act}", data=hidden | fields, timeout=60)


def said(answer: http.Response) -> str:
    found = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
    assert found, answer.text
    return re.sub(r"<[^>]*>", "", found[1]).strip()


def make(console: RunningConsole, **fields: str) -> str:
    """A plan to cancel what is queued, if `fields` don't say otherwise; its digest."""
    answer = send(console, MAKER, "/plans/new?what=cancel", "plan", **(CANCEL | fields))
    assert answer.status_code in {200, 202}, answer.text
    until(lambda: "under way" not in see(console, MAKER, "/plans"), "the plan is made")
    found = _PLAN.search(see(console, MAKER, "/plans"))
    assert found, answer.text
    return found[1]


def apply(console: RunningConsole, name: str, digest: str, **fields: str) -> http.Response:
    return send(console, name, f"/plans/{digest}", "apply", **({"reason": "the client called"} | CAPS | fields))


def applied(console: RunningConsole, name: str, digest: str) -> str:
    """As `apply`, and what the page says of it once it has ended."""
    answer = apply(console, name, digest)
    assert answer.status_code in {200, 202}, said(answer)
    until(lambda: "under way" not in see(console, name, f"/plans/{digest}"), "the plan is applied")
    found = _HOW_FAR.search(see(console, name, f"/plans/{digest}"))
    assert found
    return found[1]


def until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _WITHIN_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)
