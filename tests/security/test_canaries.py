"""The canaries: cards, names, tokens and keys go through everything that can happen, and then every sink is searched.

One run for all sinks: success, decline, 3-D Secure, the bank's faults, a worker that is killed, messages that are none,
commands, error reports, all logged at DEBUG. In each sink a marker that must be there shows that the search reads it.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import redis
from starlette.requests import Request
from typer.testing import CliRunner

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops.cli import app
from epay_transfers.ops.console.app import create_app
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.context import Context
from epay_transfers.producers import ProducerAndWebSettings, Receipt, Transfers
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.words import PAGES
from epay_transfers.runtime import embedded_servers, logs
from epay_transfers.runtime.web_addresses import Places, secret_hash
from epay_transfers.sandbox import Options, running
from tests.console.routes import pages
from tests.console.running import ask
from tests.security import browser, canaries
from tests.security.browser import Browser
from tests.security.canaries import Search
from tests.security.canary_run import FAULTS, CanaryRun, environment
from tests.security.conftest import receiving_reports
from tests.support.redis_state import everything
from tests.support.servers import queue_url
from tests.support.waiting import until


@dataclass
class Run:
    """What is left after it."""

    search: Search
    sinks: dict[str, bytes | str]
    marker: str  #: a transfer's key that every sink has seen, but for
    markers: dict[str, str]  #: these, each with a key of its own
    states: dict[str, State]
    ledger: redis.Redis
    vault: redis.Redis
    scenario: CanaryRun
    transfers: Transfers
    made: dict[str, Receipt]


def commands(made: dict[str, Receipt]) -> str:
    """What an operator's screen shows of it."""
    words = [["list"], ["list", "--json"], ["events", "--limit", "1000"], ["queues"], ["parked"], ["doubt"]]
    words += [["dead", "list"], ["terminals"], ["audit"], *(["status", receipt.key] for receipt in made.values())]
    return "\n".join(CliRunner().invoke(app, command).output for command in words)


def console_pages(folder: Path, made: dict[str, Receipt], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the console shows of it to a person with every form, and to one without a name."""
    (folder / "url").write_text(os.environ["REDIS_URL"])
    (folder / "people.toml").write_text('[people.anna]\nrole = "approver"\nredis_url_file = "url"\n')
    said = []
    for proof in (AlwaysAnna(), None):
        monkeypatch.setattr("epay_transfers.ops.console.app.identity_of", lambda _, proof=proof: proof)
        settings = ConsoleSettings.load(
            console_address="127.0.0.1:9480", console_origin="http://127.0.0.1:9480", console_plans=folder,
            console_people=folder / "people.toml",
        )  # fmt: skip
        context = Context(settings, SystemClock(), connect(settings.redis_url.reveal()))
        console = create_app(settings, context, frozenset())
        paths = {path for receipt in made.values() for path in pages({"key": receipt.key})} | {"/nothing", "/ready"}
        said += [repr(ask(console, "GET", path, {"host": "127.0.0.1:9480"})) for path in sorted(paths)]
        context.client.close()
    return "\n".join(said)


class AlwaysAnna:
    """In place of a proof."""

    def name_of(self, _request: Request) -> str:
        return "anna"


def files_of(client: redis.Redis) -> bytes:
    """The append-only file, and a snapshot without compression (which hid a card number from a search once)."""
    folder = Path(cast("dict[str, str]", client.config_get("dir"))["dir"])
    client.config_set("rdbcompression", "no")
    client.save()
    client.config_resetstat()  # the server is shared, and a vault that was saved is refused
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".log")


class LogOfEachUser(logging.Handler):
    """The test is backend, web tier and operator: all that they log, at DEBUG, as they have it: without our filter."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.setdefault(browser.USER.get(), []).append(repr(vars(record)))

    def of(self, user: str) -> str:
        return "\n".join(self.lines.get(user, []))


@contextmanager
def logging_each_user() -> Iterator[LogOfEachUser]:
    """At our own logger: a command gives the root logger other handlers."""
    handler, ours = LogOfEachUser(), logging.getLogger(logs._OURS)
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)


def order_by_hand() -> str:
    """An operator types an intent, a right one and wrong ones. Returns the key of the right one."""
    card = {"number": canaries.PAN, "expiry": "01/25", "cvc": canaries.CVC, "name": canaries.HOLDER}
    right = {
        "reference": "c-by-hand",
        "amount": "150",
        "description": "Payout",
        "sender": card,
        "receiver": {"number": canaries.RECEIVER_PAN},
    }
    wrong = [{**right, "sender": canaries.PAN}, {**right, "sender": card | {"cvc": canaries.PAN}}]
    said = CliRunner().invoke(app, ["enqueue", "--json"], input=json.dumps([right, *wrong]))
    return str(json.loads(said.stdout)[0]["key"])


pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("canaries")
    with ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        servers = [
            stack.enter_context(embedded_servers.running(options, folder / f"{name}-server"))
            for name, options in (
                ("ledger", embedded_servers.LEDGER_OPTIONS),
                ("vault", embedded_servers.VAULT_OPTIONS),
            )
        ]
        ledger, vault, queue = (
            stack.enter_context(connect(url)) for url in (servers[0].url, servers[1].url, queue_url(servers[0].url))
        )
        bank = stack.enter_context(running(Options()))
        reports = stack.enter_context(receiving_reports())
        env = environment(servers, bank, reports)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        said = stack.enter_context(logging_each_user())
        settings = ProducerAndWebSettings.load()
        transfers = stack.enter_context(Transfers.from_env(settings))
        scenario = CanaryRun(folder, env, bank, Browser(Web(transfers, settings.places, home="https://shop.example/")))
        stack.callback(scenario.close)
        made = scenario.play(transfers, queue)
        states = {name: transfers.get(receipt.key).state for name, receipt in made.items()}
        with browser.acting_as("an operator"):
            screens, by_hand = commands(made), order_by_hand()
            shown = console_pages(folder, made, monkeypatch)
        browser.elsewhere(scenario.browser, made["parked"], settings)
        scenario.pa_res += browser.tour(scenario.browser, ledger, made["parked"], scenario.challenges["parked"])
        proof = secret_hash(Secret(env["EPAY_SECRET_HASH_KEY"]), made["parked"].invoice_id)
        browser.garbage(scenario.browser, made["parked"], env["NOTIFY_SECRET"], proof)
        search = Search(_more(env, scenario, made))
        yield Run(
            search=search,
            sinks={
                "the ledger and the queue": everything(ledger),
                "the vault": everything(vault),
                "the ledger's files": files_of(ledger),
                "the vault's files": files_of(vault),
                "a worker's log": (folder / "worker.log").read_bytes(),
                "a producer's log": said.of("a producer"),
                "the web tier's log": said.of("the web tier"),
                "an operator's log": said.of("an operator"),
                "a worker's standard output": (folder / "worker.out").read_bytes(),
                "error reports": reports.text,
                "commands": screens,
                "the console's pages": shown,
                "a worker's arguments and environment": scenario.proc,
                "the bank's form in the web tier": browser.replies(scenario.browser.forms),
                "the web tier's other replies": browser.replies(scenario.browser.others),
            },
            marker=made["success"].key,
            markers={"the web tier's log": made["parked"].key, "an operator's log": by_hand},
            states=states,
            ledger=ledger,
            vault=vault,
            scenario=scenario,
            transfers=transfers,
            made=made,
        )


def _more(env: dict[str, str], scenario: CanaryRun, made: dict[str, Receipt]) -> dict[str, str]:
    """The values that only this run knows."""
    values = {
        "client secret": env["EPAY_CLIENT_SECRET"],
        "private key": env["VAULT_PRIVATE_KEYS"],
        "fingerprint key": env["FINGERPRINT_KEYS"],
        "hash key": env["EPAY_SECRET_HASH_KEY"],
        "notify secret": env["NOTIFY_SECRET"],
    }
    values |= {f"token {number}": token for number, token in enumerate(scenario.bank.bank.decisions.tokens._grants)}
    values |= {f"PaRes {number}": answer for number, answer in enumerate(scenario.pa_res)}
    values |= {f"PaReq {name}": challenge.pa_req for name, challenge in scenario.challenges.items()}
    values |= {f"MD {name}": challenge.md for name, challenge in scenario.challenges.items()}
    key = Secret(env["EPAY_SECRET_HASH_KEY"])
    return values | {f"secret_hash {name}": secret_hash(key, receipt.invoice_id) for name, receipt in made.items()}


_ANSWERED = ("secure", "wrong password", "confirm in doubt", "parked")
_CHALLENGES = {f"{what} {name}" for what in ("PaReq", "MD") for name in _ANSWERED}

#: A worker's own environment is where these come from in this run.
_SETTINGS = {"client secret", "private key", "fingerprint key", "hash key", "notify secret"}

#: What the design's table allows, by place. A client's browser takes the challenge to the bank; the ledger keeps that
#: of a transfer which is not final (one is parked, and the confirm of one is in doubt), and its file remembers the
#: others until it is rewritten. A saved card's id is the bank's name for it: the outcome tells it to the producer, as
#: the bank told it to us. Metadata stand in the record, and operators are shown them.
ALLOWED = {
    "a worker's arguments and environment": _SETTINGS,
    "the bank's form in the web tier": _CHALLENGES,
    "the ledger and the queue": {"card id", "metadata"}
    | {c for c in _CHALLENGES if c.endswith((" confirm in doubt", " parked"))},
    "the ledger's files": _CHALLENGES | {"card id", "metadata"},
    "commands": {"card id", "metadata"},
    "the console's pages": {"card id", "metadata"},
}
SINKS = (
    "the ledger and the queue", "the vault", "the ledger's files", "the vault's files", "a worker's log",
    "a producer's log", "the web tier's log", "an operator's log", "a worker's standard output", "error reports",
    "commands", "the console's pages", "a worker's arguments and environment", "the bank's form in the web tier",
    "the web tier's other replies",
)  # fmt: skip

#: These have controls of their own: a transfer's key has no business there.
_CONTROLLED = {
    "error reports", "a worker's standard output", "a worker's arguments and environment",
    "the bank's form in the web tier",
}  # fmt: skip


@pytest.mark.parametrize("sink", SINKS)
def test_no_canary_is_in_any_sink(run: Run, sink: str) -> None:
    """But for what the design's table allows there."""
    hits = run.search.hits(run.sinks[sink])

    assert {name: count for name, count in hits.items() if name not in ALLOWED.get(sink, set())} == {}


@pytest.mark.parametrize("sink", [sink for sink in SINKS if sink not in _CONTROLLED])
def test_the_search_reads_the_sink(run: Run, sink: str) -> None:
    """The control: a transfer's key is there, which has been everywhere; in the vault its place."""
    data = run.sinks[sink]
    text = data if isinstance(data, bytes) else data.encode()
    marker = run.markers.get(sink, run.marker)
    if sink in {"the vault", "the vault's files"}:
        assert b"sealed:card:" in text
        marker = redis_keys.place(run.marker)
    assert marker.encode() in text


def test_what_is_allowed_in_a_workers_environment_and_in_the_banks_form_is_found_there(run: Run) -> None:
    """The control that no test planted: the same search, in the same bytes."""
    for sink in ("a worker's arguments and environment", "the bank's form in the web tier"):
        assert run.search.hits(run.sinks[sink]).keys() == ALLOWED[sink]


def test_a_worker_that_leaks_is_found_in_its_output_its_arguments_and_its_environment(run: Run) -> None:
    """The control for these: a worker that is started and recorded as the others were, with canaries planted in it."""
    plain, _, dashed = canaries.dresses(canaries.PAN)
    said = f"print({canaries.HOLDER!r}, {plain!r}, flush=True)"
    leak = f"import runpy; {said}; runpy.run_module('epay_transfers.worker', run_name='__main__')"
    scenario, before = run.scenario, len(run.scenario.proc)

    planted = {"LEAK": canaries.EMAIL, "CVC_OF_IT": f" {canaries.CVC} "}
    # The search has saved the vault, to read its files: a strict worker would not start on it.
    scenario.start_worker(("-c", leak, dashed), "leaking", DURABILITY="relaxed", **planted)
    until(lambda: b"worker.card_in_the_open" in (scenario.folder / "leaking.log").read_bytes())
    scenario.end_worker()

    assert run.search.hits((scenario.folder / "leaking.out").read_bytes()) == {"holder": 1, "sender's PAN": 1}
    cmdline, _, environ = scenario.proc[before:].partition(dashed.encode())
    assert {"holder", "sender's PAN"} <= run.search.hits(cmdline).keys()
    assert {"e-mail", "CVC"} | _SETTINGS <= run.search.hits(environ).keys()
    assert run.search.hits((scenario.folder / "leaking.log").read_bytes()) == {}


def test_every_page_and_every_state_was_looked_at(run: Run) -> None:
    met = run.scenario.browser.met

    assert set(PAGES) <= met
    assert {f"{state} {route}" for state in State for route in ("pay", "result", "3ds")} <= met
    assert {"200 notify", "400 notify", "404 notify", "405 notify", "503 notify", "303 3ds"} <= met


def test_a_canary_in_a_page_or_a_redirect_of_the_web_tier_is_found(run: Run) -> None:
    """The control: planted in what a page's button and a redirect are made from."""
    places = Places(f"https://shop.example/{canaries.PAN}")
    leaking = Browser(Web(run.transfers, places, home=f"https://shop.example/?who={canaries.EMAIL}"))

    leaking.go("pay", run.made["success"].handle)
    assert run.search.hits(browser.replies(leaking.others)) == {"sender's PAN": 1}
    leaking.go("result", run.made["success"].handle)
    assert run.search.hits(browser.replies(leaking.others)) == {"sender's PAN": 1, "e-mail": 1}


def test_the_search_reads_what_a_worker_has_reported(run: Run) -> None:
    """What was no message was an error, so there is a report of it."""
    text = run.sinks["error reports"]

    assert isinstance(text, bytes)
    assert b"message.quarantined" in text


def test_the_run_met_what_it_was_to_meet(run: Run) -> None:
    """Else nothing was shown."""
    assert run.states["success"] is State.PAID
    assert run.states["decline"] is State.DECLINED
    assert run.states["secure"] is State.PAID
    assert run.states["wrong password"] is State.DECLINED
    assert run.states["parked"] is State.PARKED
    assert run.states["killed"] is State.IN_DOUBT
    assert run.states["waiting"] is State.QUEUED
    assert State.IN_DOUBT in {run.states[word] for word in FAULTS}
    assert {name.split()[0] for name in run.search.names} >= {"token", "PaRes", "PaReq", "MD", "secret_hash"}


def test_a_canary_in_a_server_is_found_in_its_keys_and_in_its_files(run: Run) -> None:
    """The control for the servers: planted plain, spaced and dashed, in each kind of value, and found each time."""
    for client in (run.ledger, run.vault):
        plain, spaced, dashed = canaries.dresses(canaries.PAN)
        client.set("control:string", plain)
        client.hset("control:hash", "card", spaced)
        client.rpush("control:list", dashed, canaries.HOLDER)
        client.xadd("control:stream", {"cvc": canaries.CVC})
        wanted = {"sender's PAN", "holder", "CVC"}
        assert run.search.hits(everything(client)).keys() >= wanted
        assert run.search.hits(files_of(client)).keys() >= {"sender's PAN", "holder"}
        client.delete("control:string", "control:hash", "control:list", "control:stream")
