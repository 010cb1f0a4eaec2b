"""Each command's `--json` has its form in `ops/schemas.json`, which the wheel brings; what it really prints meets it.

A new command is red here until it has a schema, and a line in `TYPED` that runs it.
"""

import ast
import json
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.heartbeats import Calls, Heartbeat, Heartbeats, Sight
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ops.cli import COMMANDS, WITHOUT_JSON, load
from epay_transfers.ops.commands import enqueue
from epay_transfers.ops.exit_status import ExitStatus
from epay_transfers.ops.overview.judgement import Level
from epay_transfers.runtime.output import EX_IOERR, READER_GONE
from tests.ops.conftest import Into
from tests.support.command_line import Cli

if TYPE_CHECKING:
    import jsonschema

DOCUMENT = json.loads((resources.files("epay_transfers.ops") / "schemas.json").read_text())

#: Groups of commands alone; `keys` is a command as well.
GROUPS = {name.split()[0] for name in COMMANDS if " " in name} - {"keys"}

NAMES = sorted(set(COMMANDS) - GROUPS - WITHOUT_JSON)

_WHY = ("--reason", "the bank says so")
_PROOF = ("--evidence", "a letter of the bank")

#: What is typed for each, with a transfer in each state, named by it; and a status beside 0.
TYPED: dict[str, tuple[str, ...]] = {
    "acl": ("folder", "--operator", "aigul"),
    "archive": ("--before", "2025-01-01", "--to", "folder"),
    "ask": ("in_doubt",),
    "audit": (),
    "cancel": ("queued", *_WHY),
    "correct": ("declined", "--paid", *_PROOF, *_WHY, "--wait", "0"),
    "dead discard": ("dead", *_WHY, "--wait", "0"),
    "dead list": (),
    "dead requeue": ("dead", *_WHY, "--wait", "0"),
    "dead show": ("dead",),
    "doctor": (),
    "doubt": (),
    "enqueue": (),
    "events": (),
    "explain": ("in_doubt",),
    "init": ("--force",),
    "keygen": (),
    "keys": ("--ring", "fingerprint"),
    "keys rotate": ("--ring", "fingerprint"),
    "list": (),
    "outcomes forget": ("books",),
    "outcomes groups": (),
    "outcomes list": (),
    "outcomes replay": ("--group", "payouts", "--reference", "paid"),
    "overview": (),
    "parked": (),
    "pause": ("send", *_WHY),
    "pauses": (),
    "provision": ("secrets", "--operator", "aigul"),
    "queue rebuild": (),
    "queues": (),
    "reconcile": ("--day", "2026-11-28", "--ask", "1"),
    "recover": ("--statement", "statement.csv", "--mapping", "mapping.toml"),
    "scan": (),
    "settle": ("needs_review", "--paid", *_PROOF, *_WHY, "--wait", "0"),
    "status": ("paid",),
    "terminals": (),
    "unpause": ("PAUSE", *_WHY),
    "upgrade": (),
}

#: What it needs is made there.
RUN_ELSEWHERE = {
    "apply": "tests/ops/test_plans.py",
    "probe": "tests/ops/test_probe.py",
    "verify-backup": "tests/ops/test_verify_backup.py",
}


Run = Callable[[str], list[Any]]


@pytest.fixture
def run(transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on servers with a transfer in each state and a pause; what it printed, full and bare."""
    examples = Path(__file__).parents[2] / "docs" / "examples"
    for name, example in (("statement.csv", "statement.csv"), ("mapping.toml", "statement.toml")):
        Path(name).write_bytes((examples / example).read_bytes())
    fingerprints = Path("fingerprints")

    def outputs(name: str) -> list[Any]:
        if name in {"outcomes forget", "outcomes groups"}:
            Events(ledger.client).join("books")
        bare = [] if _needs_a_transfer(name) else [transfers(*name.split(), *_typed(name), "--json")]
        for state in State:
            if state is not State.PAID:
                into(state, state.value)
        paid = into(State.SENDING, "paid")
        fields = {"bank_reference": "423812345678", "code": "0"}
        ledger.move(paid, Verb.PAY, Change(fields=fields), actor="worker")  # type: ignore[arg-type]  # a few fields
        ledger.client.hset(redis_keys.record(into(State.PAID, "broken").key), "amount", "many")
        aside = {"reference": "paid", "version": 4, "state": "paid", "deliveries": 8, "error": "KeyError", "at": 1}
        field = redis_keys.OUTCOMES_ASIDE
        ledger.client.hset(field, f"payouts {paid.key} 1795500000000-0", json.dumps(aside | {"behind": False}))
        pause = Pauses(ledger.client).add(Lane.SEND, ALL, Cause.FRAUD, 0)
        typed = [pause if word == "PAUSE" else word for word in _typed(name)]
        stdin = json.dumps(INTENT) if name == "enqueue" else None
        if name.startswith("keys"):
            fingerprints.write_text(fingerprint_keys.generate().reveal())
            fingerprints.chmod(0o600)
            monkeypatch.delenv("FINGERPRINT_KEYS")
            monkeypatch.setenv("FINGERPRINT_KEYS_FILE", str(fingerprints))
        said = [*bare, transfers(*name.split(), *typed, "--json", stdin=stdin)]
        for each in said:
            assert each.out, each.err
        return [each.json for each in said]

    return outputs


INTENT = {
    "reference": "new", "amount": "15000", "description": "Payout",
    "sender": {"card_id": "88481433-595e-4c01-941f-34569db2426e"},
    "receiver": {"card_id": "86496cb0-bb5d-4791-bb49-cc27a0f660ce"},
}  # fmt: skip


def _needs_a_transfer(name: str) -> bool:
    return bool(set(_typed(name)) & {*State, "PAUSE"}) or name in {
        "enqueue",
        "keys",
        "keys rotate",
        "pause",
        "provision",
    }


def _typed(name: str) -> tuple[str, ...]:
    return TYPED[name]


def validator(schema: dict[str, Any]) -> "jsonschema.Draft202012Validator":
    import jsonschema  # noqa: PLC0415 - seconds, which each process would pay that reads all tests before it begins

    return jsonschema.Draft202012Validator(schema)


def validator_of(name: str) -> "jsonschema.Draft202012Validator":
    found = validator(DOCUMENT["commands"][name] | {"$defs": DOCUMENT["$defs"]})
    found.check_schema(found.schema)
    return found


def test_every_command_has_a_schema_or_stands_among_those_without() -> None:
    """And the option: also one whose module has none, for `ops.cli` gives it one."""
    assert (sorted(DOCUMENT["commands"]), sorted({*TYPED, *RUN_ELSEWHERE})) == (NAMES, NAMES)
    for name in NAMES:
        command = load(name)
        assert any("--json" in option.opts for option in command.params), name


@pytest.mark.parametrize("name", sorted(TYPED))
def test_what_a_command_prints_meets_its_schema(run: Run, name: str) -> None:
    for printed in run(name):
        assert [f"{error.json_path}: {error.message}" for error in validator_of(name).iter_errors(printed)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_takes_no_other_object(name: str) -> None:
    """A field that the command begins to print is red until it stands in the schema."""
    assert not validator_of(name).is_valid({"no_such_field": 1})
    assert not validator_of(name).is_valid([{"no_such_field": 1}])


def test_no_schema_takes_an_object_of_any_form() -> None:
    """Each object has its fields named, or the form of what is in it: the document itself says so."""
    assert list(_loose(DOCUMENT["commands"], "commands")) == []
    assert list(_loose(DOCUMENT["$defs"], "$defs")) == []


def _loose(schema: Any, place: str) -> Iterator[str]:
    if isinstance(schema, dict):
        kinds = schema.get("type", ())
        if "object" in (kinds if isinstance(kinds, list) else [kinds]) and "additionalProperties" not in schema:
            yield place
        for name, value in schema.items():
            yield from _loose(value, f"{place}.{name}")
    elif isinstance(schema, list):
        for value in schema:
            yield from _loose(value, place)


def test_the_overviews_schema_is_that_of_workers_and_breakers_too(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """Workers of which one is silent, hung and unfit, one is of another version, and a breaker that tries."""
    into(State.QUEUED)
    heartbeats = Heartbeats(ledger.client)
    heartbeats.tell(
        "worker a 7",
        Heartbeat(
            host="a", pid=7, version="1", threads=4, busy=1, longest_busy_s=99.5, patience_s=1, loops={"sweeper": 9.5},
            queues={"now": 0.5}, sees={"bank": Sight("timeout", 1)}, unfit=["clock"], findings=["x"],
            calls={"token": Calls({"answered": 1})}, hosts={"token": "bank.example"}, terminals=["main"],
            lacks=["kiosk"], vault_keys=["a45ec2e3"],
        ),
    )  # fmt: skip
    ledger.client.hset(redis_keys.WORKERS, "worker b 8", "1 {}")
    ledger.client.hset(redis_keys.BREAKERS, "open:bank.example", str(ledger.now_ms() + 60_000))

    printed = transfers("overview", "--json").json

    assert [f"{error.json_path}: {error.message}" for error in validator_of("overview").iter_errors(printed)] == []
    assert len(printed["workers"]) == 2
    assert printed["workers"][1]["hung"]
    assert printed["bank"]["breakers"]


def test_the_schema_of_a_comparison_is_that_of_its_findings_too(run: Run, transfers: Cli) -> None:
    run("recover")  # which has the statement there
    words = ("--statement", "statement.csv", "--mapping", "mapping.toml", "--day", "2026-11-28")

    printed = transfers("reconcile", *words, "--json").json

    assert printed["statement"]["findings"]
    assert [f"{error.json_path}: {error.message}" for error in validator_of("reconcile").iter_errors(printed)] == []


#: A wrong usage, a refusal, a server that is away: what is typed, the status, and what comes next.
WRONG = [
    (("status",), "UsageError", 2, "transfers status --help"),
    (("list", "pending"), "UsageError", 2, "transfers list --help"),
    (("nosuch",), "UsageError", 2, "transfers --help"),
    (("list", "--amount", "x"), "UsageError", 2, "transfers list --help"),
    (("dead", "requeue", "x"), "UsageError", 2, "transfers dead requeue --help"),
    (("enqueue",), "UsageError", 2, "transfers enqueue --help"),
    (("status", "no-such"), "Refusal", 1, ""),
    (("list", "--cursor", "x"), "CursorUnreadable", 1, ""),
    (("unpause", "no-such", *_WHY), "Refusal", 1, ""),
]


@pytest.mark.parametrize(("words", "error", "status", "following"), WRONG)
def test_an_error_is_an_object_on_standard_error(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], error: str, status: int, following: str
) -> None:
    """Standard output has nothing then, so what reads it never takes an error for an answer."""
    monkeypatch.setattr(enqueue, "is_person", lambda: True)

    said = transfers(*words, "--json")
    told = json.loads(said.err)

    assert (said.status, said.out) == (status, "")
    assert (told["error"], told["exit_status"]) == (error, status)
    assert told["what"]
    assert told["next"] == following or not following
    assert told["next"]
    assert list(validator(DOCUMENT["$defs"]["error"]).iter_errors(told)) == []


def test_a_server_that_is_away_is_an_object_too(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    said = transfers("list", "--json")

    assert (said.status, said.out) == (75, "")
    assert json.loads(said.err)["error"] == "LedgerUnavailable"
    assert json.loads(said.err)["next"].endswith(" doctor")


def test_an_act_says_what_it_asked_for_and_what_came_of_it(transfers: Cli, into: Into) -> None:
    record = into(State.QUEUED)

    told = transfers("cancel", record.key, *_WHY, "--json").json

    assert told["done"]
    assert [(each["kind"], each["fields"]["key"]) for each in told["asked"]] == [("cancel", record.key)]
    assert told["says"]
    assert [event["key"] for event in told["events"]] == [record.key]
    told = transfers("dead", "requeue", into(State.DEAD, "dead").key, *_WHY, "--wait", "0", "--json").json
    assert (told["done"], told["events"]) == (False, [])


def test_no_command_ends_with_a_status_that_is_in_no_table() -> None:
    """`typer.Exit` takes a number only from where the statuses stand."""
    numbers = set()
    for path in (Path(__file__).parents[2] / "ops").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"typer.Exit", "sys.exit"}:
                numbers |= {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
    given = {number for number in numbers if isinstance(number, int)} - {128}  # a signal's number is added to it
    assert given <= set(ExitStatus)
    assert {EX_IOERR, READER_GONE, *Level} <= set(ExitStatus)
