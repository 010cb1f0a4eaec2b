"""What plans show and refuse: one console for tests that change nothing, so that they are quick."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests as http

from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import addresses
from tests.console.conftest import RunningConsole, running_console
from tests.console.plan_forms import APPROVER, CANCEL, CAPS, MAKER, VIEWER, enqueue, make, said, see, send
from tests.support import factories
from tests.support.environment import environment_of
from tests.support.platform import Platform


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the console: its plans are in a folder of it."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def shared(
    ledger_server: embedded_servers.EmbeddedServer,
    vault_server: embedded_servers.EmbeddedServer,
    bank_url: str,
    shared_folder: Path,
) -> Iterator[RunningConsole]:
    """Three are queued, and no worker runs."""
    clients = [connect(server.url) for server in (ledger_server, vault_server)]
    for client in clients:
        client.flushall()
    env = environment_of(addresses(bank_url), REDIS_URL=ledger_server.url, VAULT_URL=vault_server.url)
    with (
        (shared_folder / "console.log").open("wb") as log,
        pytest.MonkeyPatch.context() as patch,
    ):
        platform = Platform(env, bank_url, clients[0], clients[1], log)
        enqueue(platform, patch, 3)
        with running_console(platform, shared_folder, log) as running:
            yield running
    for client in clients:
        client.close()
    assert "Traceback" not in (shared_folder / "console.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shared_ledger(shared: RunningConsole, ledger_server: embedded_servers.EmbeddedServer) -> Iterator[Ledger]:
    client = connect(ledger_server.url)
    yield Ledger(client)
    client.close()


@pytest.fixture(scope="module")
def shared_plan(shared: RunningConsole) -> str:
    return make(shared)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"what": "pay"}, "what: give one of"),
        ({"older": "soon"}, "older: give a number and s, min, h or d"),
        ({"terminal": "Main"}, "terminal: no settings and no transfer know it"),
        ({"amount": "a lot"}, "amount: give it like"),
        ({"last_four": "12"}, "last-four: give the last four digits"),
        ({"max_count": "many"}, "--max-count: give a number"),
        ({"max_sum": "much"}, "max-sum:"),
        ({"what": "settle", "state.queued": ""}, "give exactly one of"),
        ({"what": "settle", "state.queued": "", "how": "paid", "evidence": "4405 6450 0000 6150"}, "card number"),
        ({"what": "requeue"}, "queued: a plan to requeue is of dead"),
    ],
)
def test_a_wrong_value_is_a_sentence(shared: RunningConsole, fields: dict[str, str], sentence: str) -> None:
    """With the field's name, as the command says it; and nothing of a card comes back."""
    answer = send(shared, MAKER, "/plans/new?what=cancel", "plan", **(CANCEL | fields))

    assert answer.status_code == 409
    assert sentence in said(answer)
    assert "6150" not in said(answer)


def test_a_link_fills_the_form(shared: RunningConsole) -> None:
    """A list leads to a form with its filter; nothing is looked up, and markup in a link stays text."""
    page = see(shared, MAKER, "/plans/new?what=cancel&state=parked&why=token_401&older=2h&terminal=%22%3E%3Cb%3E")

    assert 'name="state.parked" value="yes" checked' in page
    assert 'name="state.queued" value="yes">' in page
    assert 'name="why" value="token_401"' in page
    assert 'name="older" value="2h"' in page
    assert "<b>" not in page.partition("<h1>")[2].partition('name="terminal"')[2][:200]


def test_roles(shared: RunningConsole, shared_plan: str) -> None:
    """A viewer sees sentences and no form; an operator makes a plan and applies none; a form of theirs does nothing."""
    for name, page, act, what in (
        (VIEWER, "/plans/new", "plan", "to make a plan needs operator"),
        (VIEWER, f"/plans/{shared_plan}", "apply", "to apply a plan needs approver"),
        (MAKER, f"/plans/{shared_plan}", "apply", "to apply a plan needs approver"),
    ):
        text = see(shared, name, page)
        assert what in text
        assert f'action="/acts/{act}"' not in text
        forged = _forged(shared, name, act, {"digest": shared_plan, "reason": "mine"} | CANCEL)
        assert (forged.status_code, "nothing was done" in said(forged).lower()) == (403, True)


def _forged(console: RunningConsole, name: str, act: str, fields: dict[str, str]) -> http.Response:
    """With a token that is the person's own: of the form on a page that has one, or of the cookie alone."""
    session = console.session(name)
    text = session.get(f"{console.url}/plans/new", timeout=30).text
    token = re.search(r'name="csrf" value="([^"]*)"', text)
    if token is None:  # a viewer is given none: it may not be the one thing that holds
        return session.post(f"{console.url}/acts/{act}", data={"csrf": "", "request": "a" * 24} | fields, timeout=60)
    return session.post(f"{console.url}/acts/{act}", data={"csrf": token[1], "request": "a" * 24} | fields, timeout=60)


def test_an_edited_file_is_refused_and_shown_so(shared: RunningConsole, shared_plan: str, shared_folder: Path) -> None:
    """Its digest is another than it says: the list says so, its page too, and it can't be applied."""
    (file,) = (shared_folder / "plans").glob(f"*-{shared_plan[:12]}.json")
    text = file.read_text()
    changed = text.replace('"amount": "150.00"', '"amount": "1.00"', 1).replace(shared_plan, "0" * 64)
    assert changed != text
    (shared_folder / "plans" / "edited.json").write_text(changed)

    assert "edited.json" in (page := see(shared, VIEWER, "/plans"))
    assert "the plan is not as it was written: its digest is another" in page
    shown = shared.session(VIEWER).get(f"{shared.url}/plans/{'0' * 64}", timeout=30)
    assert (shown.status_code, "its digest is another" in shown.text) == (409, True)
    answer = send(shared, APPROVER, f"/plans/{shared_plan}", "apply", reason="swapped", digest="0" * 64, **CAPS)

    assert (answer.status_code, "its digest is another" in said(answer)) == (409, True)
    assert not list((shared_folder / "plans").glob("*.done"))


@pytest.mark.parametrize("digest", ["a" * 64, "..%2f..%2fetc%2fpasswd", "people.toml", "%00"])
def test_an_unknown_plan_is_a_sentence(shared: RunningConsole, digest: str) -> None:
    answer = shared.session(VIEWER).get(f"{shared.url}/plans/{digest}", timeout=30)

    assert answer.status_code in {404, 409}
    assert "Traceback" not in answer.text


def test_a_group_and_a_list_lead_to_a_plan_of_exactly_these(shared: RunningConsole, shared_ledger: Ledger) -> None:
    """By the word that the group is counted by, and not by one that others have besides; by a list's own filters."""
    dead(shared_ledger, "token-1", {"reason": "attempts_used_up", "message": "token_401"})
    dead(shared_ledger, "token-2", {"reason": "attempts_used_up", "message": "token_401"})
    dead(shared_ledger, "another", {"reason": "attempts_used_up"})
    groups = see(shared, MAKER, "/dead")
    assert 'href="/plans/new?what=requeue&amp;state=dead&amp;counted=token_401"' in groups
    assert 'href="/plans/new?what=discard&amp;state=dead&amp;counted=attempts_used_up"' in groups
    listed = see(shared, MAKER, "/transfers?state=queued&terminal=main")
    assert 'href="/plans/new?what=cancel&amp;state=queued&amp;terminal=main"' in listed
    assert "/plans/new" not in see(shared, MAKER, "/transfers?state=paid").partition("<main")[2]
    assert "/plans/new" not in see(shared, MAKER, "/transfers?state=queued&operator=olga-test").partition("<main")[2]

    for word, references in (("token_401", {"token-1", "token-2"}), ("attempts_used_up", {"another"})):
        fields = {"what": "discard", "state.queued": "", "state.dead": "yes", "counted": word}
        page = see(shared, VIEWER, f"/plans/{make(shared, **fields)}")
        assert set(re.findall(r"</a></th><td>([^<]*)</td>", page)) == references


def dead(ledger: Ledger, reference: str, fields: RecordFields) -> None:
    record = factories.into(ledger, (State.QUEUED, Phase.SEND), reference, lasts_ms=3_600_000)
    verb = Verb.FAIL_QUEUED
    moved = ledger.move(record, verb, Change(due_at=ledger.now_ms() + 3_600_000, fields=fields), actor="worker")
    assert isinstance(moved, Moved)


def test_a_plan_that_no_worker_asks_the_bank_for_is_not_made(shared: RunningConsole) -> None:
    """The job goes on for a minute and then says why; until then the same person makes no other one.

    It is the last here, since the page of plans tells of it as long.
    """
    fields = CANCEL | {"asks": "yes"}
    first = send(shared, "omar@test", "/plans/new?what=cancel", "plan", **fields)
    second = send(shared, "omar@test", "/plans/new?what=cancel", "plan", **fields)

    assert (first.status_code, second.status_code) == (202, 409)
    assert "making a plan is under way for you already" in said(second)
