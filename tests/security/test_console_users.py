"""The console under the servers' users: it reads by its own, and what a person asks for is by that person's alone."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import requests
from epay_transfers.ops.console import acts
from epay_transfers.ops.console.acts import Act
from epay_transfers.ops.console.app import create_app
from epay_transfers.ops.console.people import Role
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.context import Context
from epay_transfers.producers import Transfers
from tests.console.routes import pages
from tests.console.running import Answered, ask
from tests.security.guarded import Guarded, act_as, address, bank, guarded
from tests.security.test_users import forget_refusals, intent, refusals

__all__ = ["act_as", "bank", "guarded"]

ORIGIN = "https://console.example"

#: Each person, with a role and with the server user that the file names.
PEOPLE = {
    "vera": ("viewer", "ops-second"),
    "olga": ("operator", "ops-first"),
    "nora": ("approver", ""),
}


class _ByName:
    """In place of a proof: who a person is, other tests say."""

    def name_of(self, request: Any) -> str:
        return str(request.headers["x-name"])


@pytest.fixture
def console(guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    """In this process, with one act: what an operator asks a worker to do with a transfer."""
    lines = []
    for name, (role, user) in PEOPLE.items():
        lines += [f"[people.{name}]", f'role = "{role}"']
        if user:
            (tmp_path / name).write_text(address(user.replace("ops-first", "ops"), guarded.ports["ledger"]))
            lines += [f'redis_url_file = "{name}"']
    (tmp_path / "people.toml").write_text("\n".join(lines), encoding="utf-8")
    env = guarded.env("console")
    settings = ConsoleSettings(
        epay_environment="test", redis_url=Secret(env["REDIS_URL"]), vault_url=Secret(env["VAULT_URL"]),
        console_origin=ORIGIN, console_people=tmp_path / "people.toml", console_plans=tmp_path,
    )  # fmt: skip
    monkeypatch.setattr("epay_transfers.ops.console.app.identity_of", lambda _: _ByName())
    monkeypatch.setitem(acts.ACTS, "ask-of-the-test", Act(Role.OPERATOR, _asks, lambda _: "/"))
    context = Context(settings, SystemClock(), connect(env["REDIS_URL"]))
    return create_app(settings, context, frozenset({ORIGIN}))


def _asks(context: Context, form: acts.Form) -> None:
    requests.put(context, Kind.REQUEST, {"key": form["key"], "what": "inquire", "why": form["reason"]}, form["request"])


def send(console: Starlette, name: str, key: str, entry: str = "0" * 24) -> Answered:
    """The page, then its form."""
    headers = {"host": "console.example", "origin": ORIGIN, "x-name": name}
    page = ask(console, "GET", "/", headers)
    cookie = page.headers["set-cookie"].partition(";")[0]
    form = {"csrf": page.csrf, "request": entry, "key": key, "reason": "the client asks"}
    # the token is of the cookie that the page set
    return ask(console, "POST", "/acts/ask-of-the-test", headers | {"cookie": cookie}, form)


@pytest.fixture
def key(guarded: Guarded, act_as: Callable[[str], None]) -> str:
    with guarded.client("ledger", "root") as root:
        root.flushall()
    act_as("producer")
    with Transfers.from_env() as transfers:
        return transfers.enqueue(intent("payout-1")).key


def test_every_page_is_made_under_the_console_s_own_user(guarded: Guarded, console: Starlette, key: str) -> None:
    """The servers refuse it nothing of what the pages read."""
    forget_refusals(guarded)
    for path in pages({"key": key}):
        answer = ask(console, "GET", path, {"host": "console.example", "x-name": "vera"})
        assert answer.status in {200, 303, 409}, path
        assert "no permission" not in answer.text.lower()

    assert refusals(guarded) == []


def test_what_a_person_asks_for_lies_in_that_person_s_inbox(guarded: Guarded, console: Starlette, key: str) -> None:
    """In the name of the server user; the person's name is beside it. Sent twice, it has one id."""
    answer = send(console, "olga", key)
    send(console, "olga", key)
    with guarded.client("ledger", "root") as root:
        entries = [str(each) for each in root.lrange(redis_keys.inbox("ops:first"), 0, -1)]
        inboxes = {str(name) for name in root.scan_iter(redis_keys.every("inbox:"))}

    assert answer.status == 200, answer.text
    assert inboxes == {redis_keys.inbox("ops:first")}
    assert all('"label":"olga"' in each.replace(" ", "") for each in entries)
    assert {re.findall("0{24}", each)[0] for each in entries} == {"0" * 24}


@pytest.mark.parametrize("name", ["vera", "nora"])
def test_a_role_that_may_not_and_a_person_without_a_server_user_ask_for_nothing(
    guarded: Guarded, console: Starlette, key: str, name: str
) -> None:
    """A viewer's server user could; an approver without one could not."""
    answer = send(console, name, key)
    with guarded.client("ledger", "root") as root:
        inboxes = list(root.scan_iter(redis_keys.every("inbox:")))

    assert (answer.status, "Nothing was done." in answer.text) == (403, True), answer.text
    assert inboxes == []


def test_a_person_whose_server_user_may_not_write_is_told_so(guarded: Guarded, console: Starlette, key: str) -> None:
    """The ledger itself refuses, whatever the console's role says."""
    with guarded.client("ledger", "root") as root:
        root.execute_command("ACL", "SETUSER", "ops-first", "clearselectors")
        try:
            answer = send(console, "olga", key)
            inboxes = list(root.scan_iter(redis_keys.every("inbox:")))
        finally:
            root.execute_command("ACL", "LOAD")

    assert answer.status == 409
    assert "The ledger itself does not permit this to your server user (ops-first)" in answer.text
    assert inboxes == []
