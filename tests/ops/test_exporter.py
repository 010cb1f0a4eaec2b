"""`transfers exporter`: it exports what `overview` knows; what is not known is absent, and no secret is there."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from epay_transfers.ledger import metadata
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats, Sight
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ops.context import Context
from epay_transfers.ops.exporter.exporter import Exporter
from epay_transfers.ops.exporter.known import FACTS, NEEDS, known_troubles
from epay_transfers.ops.overview.judgement import Trouble
from tests.ops.conftest import Into
from tests.ops.test_judge import WELL
from tests.support import promtool
from tests.support.command_line import Cli

pytestmark = pytest.mark.usefixtures("transfers")

SEES = {name: Sight() for name in ("ledger", "vault", "queue")}


@pytest.fixture
def _worker(ledger: Ledger) -> None:
    Heartbeats(ledger.client).tell("worker a 7", Heartbeat(host="a", pid=7, threads=4, sees=SEES))


def exported() -> str:
    return Exporter(Context.connect()).metrics().decode()


def values(text: str) -> dict[str, float]:
    """`name{label="value"}` → value."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("transfers_")
    }


@pytest.mark.usefixtures("_worker")
def test_it_says_what_the_overview_says(transfers: Cli, into: Into) -> None:
    """Each judgement has a trouble of its level; each state its count and its money, in minor units."""
    into(State.QUEUED)
    into(State.DEAD, "payout-2")

    found = values(exported())

    assert found['transfers_in_state{currency="KZT",state="queued",terminal="main"}'] == 1
    assert found['transfers_amount_minor{currency="KZT",state="queued",terminal="main"}'] == 1_500_000
    assert found['transfers_in_state{currency="KZT",state="in_doubt",terminal="main"}'] == 0, "known, and none"
    judged = {each["what"]: each["level"] for each in transfers("overview", "--json").json["judgements"]}
    assert judged == {"dead": "attention"}
    assert {name for name, value in found.items() if name.startswith("transfers_trouble") and value} == {
        'transfers_trouble{what="dead"}'
    }


def test_what_is_not_known_is_absent_and_never_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that is away: its facts are not up, and of what they would tell nothing is said. The rest is said."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    found = values(exported())

    assert found['transfers_server_up{server="ledger"}'] == 0
    assert found['transfers_server_up{server="vault"}'] == 1
    assert found['transfers_trouble{what="ledger_away"}'] == 2
    assert {found[f'transfers_fact_up{{fact="{name}"}}'] for name in FACTS if name != "mark"} == {0}
    names = {name.partition("{")[0] for name in found}
    absent = """in_state amount_minor workers pauses requests_waiting suffixes_used due_lag_seconds overdue_leases
        lost_cards contradictions ledger_sequence breaker_open"""
    assert names & {f"transfers_{name}" for name in absent.split()} == set()
    for trouble in (Trouble.DEAD, Trouble.NO_WORKER, Trouble.BANK_DOWN, Trouble.PAUSED, Trouble.DOUBT_GROWS):
        assert f'transfers_trouble{{what="{trouble}"}}' not in found


def test_of_each_trouble_it_is_said_what_must_be_known_to_deny_it() -> None:
    """With all facts each one can be denied; without a fact, none that needs it."""
    assert set(NEEDS) == set(Trouble)
    whole = replace(WELL, contradictions={})
    assert set(known_troubles(whole)) == set(Trouble)
    assert Trouble.CONTRADICTION not in set(known_troubles(replace(whole, contradictions=None)))
    assert Trouble.DOUBT_GROWS not in set(known_troubles(replace(whole, samples=[]))), "no sample is old enough"
    assert Trouble.PAUSED not in set(known_troubles(replace(whole, pauses=None)))


def test_a_look_costs_the_same_with_ten_thousand_transfers(ledger: Ledger) -> None:
    """The commands to the ledger, and the series, are as many as with a few."""

    def asked() -> tuple[int, int]:
        before = ledger.client.info("stats")["total_commands_processed"]
        series = len(values(exported()))
        return int(ledger.client.info("stats")["total_commands_processed"]) - int(before), series

    names = {f"paid:main:{1_795_500_000_000 + number}:2511{number:08d}": 0 for number in range(10_000)}
    ledger.client.zadd("transfers:{t}:by_state", {"paid:main:1795500000000:251100000000": 0})
    ledger.client.hset("transfers:{t}:counters", mapping={"n:paid:main:KZT:": 1, "sum:paid:main:KZT:": 1})
    few, series = asked()
    ledger.client.zadd("transfers:{t}:by_state", names)
    ledger.client.hset("transfers:{t}:counters", mapping={"n:paid:main:KZT:": 10_000, "sum:paid:main:KZT:": 1})

    many, as_many = asked()

    assert many <= few + 10
    assert as_many == series


CARD, SECRET = "4405639704015096", "a-secret-that-nothing-may-show"


@pytest.mark.usefixtures("_worker")
def test_no_card_and_no_secret_is_in_what_it_exports(
    into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where a thief, or an operator by mistake, has put one where a label comes from; and no reference or key."""
    record = into(State.QUEUED, "payout-secret", metadata=metadata.write({"user": SECRET}))
    Pauses(ledger.client).pause(Lane.SEND, ALL, actor="operator x", reason=SECRET, cause=Cause.FRAUD, pause_id="k7f3")
    places = (f"dead:main:KZT:code_{CARD}", f"dead:main:KZT:{SECRET}", f"queued:{CARD}:KZT:", f"queued:main:{CARD}:")
    ledger.client.hset("transfers:{t}:counters", mapping={f"n:{place}": 1 for place in places})
    ledger.client.hset("transfers:{t}:breakers", f"open:{SECRET} {CARD}", "9999999999999")
    ledger.client.sadd("transfers:{t}:operators", f"x{CARD}")
    ledger.client.rpush(f"transfers:{{t}}:inbox:ops:x{CARD}", "x")
    for name in ("EPAY_CLIENT_SECRET", "VAULT_PRIVATE_KEYS", "NOTIFY_SECRET"):
        monkeypatch.setenv(name, SECRET)

    text = exported()

    for word in (CARD, SECRET, "k7f3", record.key, record.reference):
        assert word not in text
    assert 'transfers_reasons{reason="other",state="dead"} 2.0' in text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for value in sample.labels.values():
                assert not re.search(r"[0-9]{9}", value), sample.name


@pytest.mark.usefixtures("_worker")
def test_what_it_exports_is_well_made(into: Into) -> None:
    into(State.QUEUED)
    promtool.assert_well_made(exported())


@contextmanager
def running(**more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, as the Procfile starts it, and its address."""
    command = [sys.executable, "-m", "epay_transfers", "exporter"]
    with subprocess.Popen(  # noqa: S603 - this very program
        command, env=os.environ | {"EXPORTER_ADDRESS": "127.0.0.1:0"} | more, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            yield process, (re.findall(r"http://(\S+)/metrics", said) or [""])[0]
        finally:
            process.terminate()
            process.wait(20)


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as said:
            return said.status, said.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.usefixtures("environment")
def test_it_is_a_process_that_serves_until_a_signal(ledger: Ledger) -> None:
    """Metrics, liveness and readiness; nothing else is there."""
    ledger.client.ping()
    with running() as (process, address):
        status, text = get(address, "/metrics")
        assert (status, get(address, "/live"), get(address, "/ready")) == (200, (200, "ok\n"), (200, "ok\n"))
        assert 'transfers_server_up{server="ledger"} 1.0' in text
        assert "transfers_exporter_look_seconds" in text
        assert get(address, "/")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_one_whose_ledger_is_away_lives_and_is_not_ready() -> None:
    """A supervisor that started it anew would mend nothing. It exports what it knows."""
    with running(REDIS_URL="redis://127.0.0.1:1/0") as (_, address):
        assert get(address, "/live") == (200, "ok\n")
        assert get(address, "/ready") == (503, "the ledger can't be asked (REDIS_URL)\n")
        assert 'transfers_server_up{server="ledger"} 0.0' in get(address, "/metrics")[1]


@pytest.mark.usefixtures("environment")
def test_an_address_that_is_taken_is_said(transfers: Cli, monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    taken = urlsplit(os.environ["REDIS_URL"]).netloc
    ledger.client.ping()
    monkeypatch.setenv("EXPORTER_ADDRESS", taken)

    said = transfers("exporter")

    assert said.status != 0
    assert said.err.startswith(f"EXPORTER_ADDRESS: can't listen at {taken}")
    assert "give another HOST:PORT" in said.err


@pytest.mark.parametrize("address", ["9464", "here", ":9464", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_of_another_form_is_refused(transfers: Cli, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("EXPORTER_ADDRESS", address)

    said = transfers("overview")

    assert said.status == 78
    assert "EXPORTER_ADDRESS: is no HOST:PORT; give HOST:PORT, like 127.0.0.1:9108" in said.err


def test_where_nothing_is_set_it_listens_on_loopback_alone(environment: dict[str, str]) -> None:
    assert environment
    host, _, port = Context.connect().settings.exporter_address.rpartition(":")
    assert (host, port) == ("127.0.0.1", "9464")


def test_many_callers_share_a_look(ledger_client: redis.Redis) -> None:
    """Two Prometheus servers cost the ledger no more than one."""
    exporter = Exporter(Context.connect())
    exporter.metrics()
    before = int(ledger_client.info("stats")["total_commands_processed"])
    exporter.metrics()
    assert int(ledger_client.info("stats")["total_commands_processed"]) - before <= 2
