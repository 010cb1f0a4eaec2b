"""`transfers overview` and `explain` on the real servers: what an operator sees, and what it costs."""

import json
import time

import pytest
import redis

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.heartbeats import SILENT_MS, Heartbeat, Heartbeats, Sight
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault
from tests.ops.conftest import Into
from tests.support.command_line import Cli

SEES = {name: Sight() for name in ("ledger", "vault", "queue")}
HOSTS = {"token": "bank.example", "transfer": "bank.example"}


@pytest.fixture
def _worker(ledger: Ledger) -> None:
    Heartbeats(ledger.client).tell("worker a 7", Heartbeat(host="a", pid=7, threads=4, sees=SEES, hosts=HOSTS))


def text_of(cli: Cli, *arguments: str) -> str:
    return " ".join(cli(*arguments).out.split())


@pytest.mark.usefixtures("_worker")
def test_exit_statuses_are_0_10_and_20(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """Well, attention, act."""
    into(State.PAID)
    well = transfers("overview")
    into(State.DEAD, "payout-2")
    attention = transfers("overview")
    ledger.client.hset("transfers:{t}:counters", "used:main", 999_999)
    act = transfers("overview")

    assert [well.status, attention.status, act.status] == [0, 10, 20]
    assert "WELL" in well.out.splitlines()[0]
    assert "ATTENTION: 1 dead transfers wait for you" in attention.out.splitlines()[0]
    assert "ACT: 100.0% of the invoice ids" in act.out.splitlines()[0]
    assert "ALSO ATTENTION 1 dead transfers wait for you" in " ".join(act.out.split())


@pytest.mark.usefixtures("_worker")
def test_json_says_the_same(transfers: Cli, into: Into) -> None:
    into(State.QUEUED)
    into(State.DEAD, "payout-2")

    said = transfers("overview", "--json")

    told = said.json
    assert (said.status, told["level"]) == (10, "attention")
    assert [each["what"] for each in told["judgements"]] == ["dead"]
    assert told["money"]["queued"]["sums"] == [{"count": 1, "amount": "15000.00", "currency": "KZT"}]
    assert told["money"]["queued"]["first_deadline"] is not None
    assert told["money"]["queued"]["grown_in_5_min"] is None, "no sample is that old: unknown"
    assert [each["worker"] for each in told["workers"]] == ["worker a 7"]
    assert told["servers"]["vault"]["role"] == "master"


def test_a_ledger_that_is_away_leaves_all_of_it_unknown(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    said, told = transfers("overview"), transfers("overview", "--json").json

    assert said.status == 20
    assert "the ledger can't be used" in said.out.splitlines()[0]
    assert {told[name] is None for name in ("money", "workers", "pauses", "requests", "suffixes", "bank")} == {True}
    assert "none" not in said.out.split("MONEY")[1]


def test_it_is_quick_with_ten_thousand_transfers(transfers: Cli, ledger: Ledger) -> None:
    """The commands to the ledger are as many as with a few: nothing is scanned. `benchmarks/overview.py` has times."""

    def asked() -> int:
        before = ledger.client.info("stats")["total_commands_processed"]
        transfers("overview")
        return int(ledger.client.info("stats")["total_commands_processed"]) - int(before)

    names = {f"paid:main:{1_795_500_000_000 + number}:2511{number:08d}": 0 for number in range(10_000)}
    few = asked()
    ledger.client.zadd("transfers:{t}:by_state", names)
    ledger.client.hset("transfers:{t}:counters", mapping={"n:paid:main:KZT:": 10_000, "sum:paid:main:KZT:": 1})

    many = asked()

    assert "10000" in transfers("overview").out
    assert many <= few + 10


@pytest.mark.usefixtures("_worker")
def test_explain_names_each_thing_that_a_queued_one_waits_for(
    transfers: Cli, into: Into, ledger: Ledger, vault_client: redis.Redis
) -> None:
    """A pause by its id, its card; and when both are there, only its time."""
    key = into(State.QUEUED).key
    pause_id = Pauses(ledger.client).pause(
        Lane.SEND, ALL, actor="operator aigul", reason="the fraud team asked", cause=Cause.FRAUD
    )

    held = text_of(transfers, "explain", key)
    Vault(vault_client).put(Purpose.CARD, key, 1_000_001, "sealed", 60_000)
    there = json.loads(transfers("explain", key, "--json").out)

    assert f"pause {pause_id} of send (fraud, by operator aigul: the fraud team asked)" in held
    assert "its card: it is not in the vault" in held
    assert "ATTEMPTS none: nothing was sent" in held
    assert f"cancel {key} --reason TEXT" in held
    assert not [wait for wait in there["waits_for"] if "its card" in wait]
    assert [wait for wait in there["waits_for"] if "not longer than its deadline" in wait]


def test_explain_says_that_no_worker_is_heard(transfers: Cli, into: Into, ledger: Ledger) -> None:
    into(State.QUEUED)
    assert "WAITS FOR a worker: none is heard" in text_of(transfers, "explain", "payout-1")
    Heartbeats(ledger.client).tell("worker a 7", Heartbeat(unfit=["clock"]))
    assert "workers that are fit: all stand still (clock)" in text_of(transfers, "explain", "payout-1")


@pytest.mark.usefixtures("_worker")
def test_explain_says_that_no_worker_holds_the_terminals_credentials(
    transfers: Cli, into: Into, ledger: Ledger
) -> None:
    """Of a transfer that waits to be sent, and of one that has ended and that an operator asks about."""
    Heartbeats(ledger.client).tell("worker a 7", Heartbeat(terminals=["kiosk"], lacks=["main"]))
    into(State.QUEUED)
    ended = into(State.PAID, "payout-2")
    ledger.move(ended, Verb.ASK, Change(fields={"question_id": "a" * 24}, watch_in=0), actor="operator aigul")

    queued, paid = (text_of(transfers, "explain", name) for name in ("payout-1", "payout-2"))

    lacks = "a worker that holds the credentials of the terminal main: no worker that is heard does"
    assert lacks in queued
    assert lacks in paid
    assert "a worker, which asks the bank for an operator's request" in paid


def test_explain_shows_each_attempt_with_its_evidence_and_the_risk_of_each_act(transfers: Cli, into: Into) -> None:
    key = into(State.NEEDS_REVIEW).key

    said = text_of(transfers, "explain", key)

    assert "ATTEMPTS 1." in said
    assert "transfer by worker" in said
    assert "MAYBE_SENT" in said
    assert f"settle {key} --not-paid --evidence TEXT --reason TEXT" in said
    assert "risk: a SECOND PAYMENT, if it did: its producer pays it again" in said
    assert "under a new reference risk: a SECOND PAYMENT" in said


@pytest.mark.usefixtures("_worker")
@pytest.mark.parametrize("state", State)
def test_explain_has_a_page_for_every_state(transfers: Cli, into: Into, state: State) -> None:
    into(state)

    said = transfers("explain", "payout-1")

    assert said.status == 0
    for part in ("STATE", "WHY", "ATTEMPTS", "WAITS FOR", "NEXT"):
        assert part in said.out


def test_a_worker_that_is_silent_is_heard_no_more(transfers: Cli, into: Into, ledger: Ledger) -> None:
    """After twenty seconds by the ledger's time, whatever the worker's own says."""
    into(State.QUEUED)
    stale = f'{time.time_ns() // 1_000_000 - SILENT_MS - 2000} {{"host": "elsewhere", "pid": 7}}'
    ledger.client.hset("transfers:{t}:workers", "worker elsewhere 7", stale)

    said = transfers("overview", "--json")

    (judged,) = said.json["judgements"]
    assert judged["what"] == "no_worker"
    assert "elsewhere pid 7" in judged["says"]
    assert judged["command"] == "ps -o pid,stat,etime -p 7"


@pytest.mark.usefixtures("_worker")
def test_a_contradiction_says_how_much_money_it_is(transfers: Cli, into: Into, ledger: Ledger) -> None:
    key = into(State.DECLINED).key
    ledger.client.hset(redis_keys.CONTRADICTED, key, "paid")

    said = transfers("overview")

    assert "  concerns  1 transfer with 15 000.00 KZT" in said.out.splitlines()
