"""`transfers doctor`: each finding with what mends it, and an exit status for a machine."""

import os
from pathlib import Path

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.vault.keyring import read_public
from tests.ops.conftest import Into, give_worker_settings
from tests.support.command_line import Cli
from tests.support.stage import Stage, _bank, sandbox, stage

__all__ = ["_bank", "sandbox", "stage"]


def a_worker_runs(ledger: Ledger) -> None:
    """As far as it has told; it opens what producers here seal."""
    own = Heartbeat(vault_keys=[read_public(os.environ["VAULT_PUBLIC_KEY"]).key_id])
    Heartbeats(ledger.client).tell("worker a/1", own)


def test_a_healthy_system_is_0(transfers: Cli, into: Into, ledger: Ledger) -> None:
    into(State.PARKED)
    a_worker_runs(ledger)

    said = transfers("doctor", "--json")

    assert said.status == 0
    assert said.json["healthy"] is True
    assert said.json["transfers"]["parked"] == [{"count": 1, "amount": "15000.00", "currency": "KZT"}]
    assert transfers("doctor").out.splitlines()[0] == "The servers are as they must be.", "a producer could start here"


def test_the_first_line_claims_no_more_than_was_looked_at(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound servers are not enough where nothing could start: the same line says that."""
    monkeypatch.delenv("FINGERPRINT_KEYS")

    said = transfers("doctor")

    assert said.status == 0
    assert " ".join(said.out.split()).startswith(
        "The servers are as they must be. But neither a producer nor a worker could start with these settings"
    )


def test_it_says_which_room_could_start_in_this_environment(transfers: Cli) -> None:
    """A backend has all that a producer needs, and none of the bank's secrets: that is as it should be."""
    rooms = {room["name"]: room["lacks"] for room in transfers("doctor", "--json").json["rooms"]}

    assert rooms["producers"] == []
    assert [line.split(":")[0] for line in rooms["worker"] if line.startswith("VAULT_PRIVATE_KEYS")]


def test_it_says_that_the_bank_may_refuse_what_has_no_links(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker starts all the same, for an intent may have links of its own: so it is no finding."""
    give_worker_settings(monkeypatch)

    def worker() -> dict[str, list[str]]:
        said = transfers("doctor", "--json")
        assert said.status == 0
        return next(room for room in said.json["rooms"] if room["name"] == "worker")

    bare = worker()
    page = " ".join(transfers("doctor").out.split())
    monkeypatch.setenv("WEB_BASE_URL", "https://pay.example.kz")

    assert bare["lacks"] == worker()["lacks"] == worker()["remarks"] == []
    assert [line.partition(":")[0] for line in bare["remarks"]] == ["WEB_BASE_URL"]
    assert "could start here" in page
    assert "the bank may refuse the transfer" in page


def test_it_says_so_beside_what_keeps_a_worker_from_starting(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    give_worker_settings(monkeypatch)
    monkeypatch.setenv("VAULT_URL", environment["REDIS_URL"])

    said = transfers("doctor", "--json")

    assert said.status == 78
    room = next(room for room in said.json["rooms"] if room["name"] == "worker")
    assert [line.partition(":")[0] for line in room["remarks"]] == ["WEB_BASE_URL"]


def test_a_server_that_may_keep_cards_is_78(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setenv("VAULT_URL", environment["REDIS_URL"])

    said = transfers("doctor")

    assert said.status == 78
    assert "what to do" in said.out
    assert "VAULT_URL" in said.out


def test_a_server_that_is_away_is_75(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    said = transfers("doctor", "--json")

    assert said.status == 75
    assert [finding["name"] for finding in said.json["findings"]] == ["REDIS_URL"]


@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.PARKED, State.IN_DOUBT])
def test_transfers_that_wait_without_a_worker_are_75(transfers: Cli, into: Into, ledger: Ledger, state: State) -> None:
    """Its servers are as they must be, and nothing moves."""
    into(state)
    alone = transfers("doctor", "--json")
    a_worker_runs(ledger)
    helped = transfers("doctor", "--json")

    assert (alone.status, helped.status) == (75, 0)
    (finding,) = alone.json["findings"]
    assert finding["name"] == "worker"
    assert finding["problem"] == "no worker runs, and 1 transfers wait for one"


def test_what_is_over_needs_no_worker(transfers: Cli, into: Into) -> None:
    into(State.PAID)

    assert transfers("doctor").status == 0


@pytest.mark.parametrize("state", [State.DEAD, State.NEEDS_REVIEW])
def test_what_waits_for_a_person_is_a_finding_and_needs_no_worker(transfers: Cli, into: Into, state: State) -> None:
    """`overview` says so, and `doctor` is never healthier."""
    into(state)

    said = transfers("doctor", "--json")

    assert said.status == 75
    assert [finding["name"] for finding in said.json["findings"]] == [state]


def test_what_the_ledger_cannot_be_asked_is_unknown(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lane may be paused, and no worker may run, as far as is known: `none` would be a claim."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    told = transfers("doctor", "--json").json
    page = transfers("doctor").out.splitlines()

    assert (told["stops"], told["transfers"], told["vault_keys"]) == (None, None, None)
    assert page[-3:] == ["Pauses: ?", "Keys that every worker opens with: ?", "Transfers: ?"]


def test_counters_that_are_broken_hide_no_pause(transfers: Cli, ledger: Ledger) -> None:
    Pauses(ledger.client).pause(Lane.SEND, ALL, actor="operator aigul", reason="the bank asked")
    ledger.client.set(redis_keys.COUNTERS, "of another type")

    said = transfers("doctor", "--json")

    assert said.status == 78, "waiting mends no key of another type"
    assert said.json["findings"][0]["problem"] == "the ledger's counters are no numbers"
    assert [finding["name"] for finding in said.json["findings"][1:]] == ["paused", "REDIS_URL"]
    assert said.json["transfers"] is None
    assert [stop["reason"] for stop in said.json["stops"]] == ["the bank asked"]


def test_a_space_that_is_nearly_used_up_is_a_finding(transfers: Cli, ledger: Ledger) -> None:
    ledger.client.hset(redis_keys.COUNTERS, "used:main", 799_999)
    before = transfers("doctor")
    ledger.client.hset(redis_keys.COUNTERS, "used:main", 800_000)

    said = transfers("doctor")

    assert (before.status, said.status) == (0, 78)
    assert "80.0% of the invoice ids of the space main" in said.out


def test_stopped_lanes_are_told(transfers: Cli, ledger: Ledger) -> None:
    Pauses(ledger.client).pause(Lane.SEND, ALL, actor="operator aigul", reason="the bank asked")

    said = transfers("doctor", "--json")

    assert [(stop["lane"], stop["reason"]) for stop in said.json["stops"]] == [("send", "the bank asked")]
    assert "Pauses: 1" in transfers("doctor").out


def test_a_public_key_that_no_worker_opens_is_a_finding(
    transfers: Cli, ledger: Ledger, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the workers' private keys are not: they tell the ledger the ids."""
    workers = Heartbeats(ledger.client)
    own = read_public(environment["VAULT_PUBLIC_KEY"]).key_id
    assert transfers("doctor").status == 0  # no worker has told of its keys
    workers.tell("worker a 1", Heartbeat(vault_keys=["0badcafe", own]))
    assert transfers("doctor", "--json").json["vault_keys"] == {"worker a 1": ["0badcafe", own]}
    assert transfers("doctor").status == 0
    workers.tell("worker b 2", Heartbeat(vault_keys=["0badcafe"]))

    said = transfers("doctor", "--json")

    assert said.status == 78
    (finding,) = said.json["findings"]
    assert finding["name"] == "VAULT_PUBLIC_KEY"
    assert finding["problem"] == f"1 of 2 workers do not open what it seals (key {own}): worker b 2"
    assert "Keys that every worker opens with: 0badcafe" in transfers("doctor").out
    monkeypatch.delenv("VAULT_PUBLIC_KEY")  # as on an operator's machine
    assert transfers("doctor").status == 0


def test_a_fingerprint_key_that_the_ledger_does_not_know_is_a_finding(
    transfers: Cli, ledger: Ledger, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a producer's keys are. To look adds nothing to what the ledger knows."""
    assert transfers("doctor").status == 0
    assert ledger.fingerprint_keys() == []
    ledger.remember_fingerprint_keys(["0badcafe"])

    said = transfers("doctor", "--json")

    assert said.status == 78
    (finding,) = said.json["findings"]
    assert finding["name"] == "FINGERPRINT_KEYS"
    assert finding["problem"].startswith("the ledger's producers have the keys 0badcafe, and none of them is here (")
    assert "destroyed.0badcafe" in finding["cure"]
    assert ledger.fingerprint_keys() == ["0badcafe"]
    monkeypatch.setenv("FINGERPRINT_KEYS", f"{environment['FINGERPRINT_KEYS']},destroyed.0badcafe")
    assert transfers("doctor").status == 0
    monkeypatch.delenv("FINGERPRINT_KEYS")  # as on an operator's machine
    assert transfers("doctor").status == 0


def test_a_worker_tells_which_keys_it_opens_with(stage: Stage, ledger: Ledger) -> None:
    stage.worker.pulse.run_once()

    (told,) = Heartbeats(ledger.client, stage.clock).alive()
    assert told.vault_keys == [read_public(stage.keys.public).key_id]


def test_it_reads_the_env_file_of_the_working_directory_for_each_process(
    transfers: Cli, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a producer and a worker lack is asked of the file that they are started beside."""
    for name in ("VAULT_PUBLIC_KEY", "FINGERPRINT_KEYS"):
        monkeypatch.delenv(name)
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()) + "EPAY_CLIENT_ID=t\n")
    Path(".env").chmod(0o600)

    rooms = {room["name"]: room["lacks"] for room in transfers("doctor", "--json").json["rooms"]}

    assert rooms["producers"] == []
    assert not [line for line in rooms["worker"] if line.startswith("EPAY_CLIENT_ID")]
    assert [line for line in rooms["worker"] if line.startswith("EPAY_CLIENT_SECRET")]
