"""`transfers doctor`: each finding with what mends it, and an exit status for a machine."""

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.store.vault_keys import VaultKeys
from epay_transfers.ledger.vault.keyring import read_public
from tests.ops.conftest import Into
from tests.support.command_line import Cli
from tests.support.stage import Stage, _bank, sandbox, stage

__all__ = ["_bank", "sandbox", "stage"]


def test_a_healthy_system_is_0(transfers: Cli, into: Into) -> None:
    into(State.PARKED)

    said = transfers("doctor", "--json")

    assert said.status == 0
    assert said.json["healthy"] is True
    assert said.json["transfers"]["parked"] == [{"count": 1, "amount": "15000.00", "currency": "KZT"}]
    assert "Healthy" in transfers("doctor").out


def test_it_says_which_room_could_start_in_this_environment(transfers: Cli) -> None:
    """A backend has all that a producer needs, and none of the bank's secrets: that is as it should be."""
    rooms = {room["name"]: room["lacks"] for room in transfers("doctor", "--json").json["rooms"]}

    assert rooms["producers"] == []
    assert [line.split(":")[0] for line in rooms["worker"] if line.startswith("VAULT_PRIVATE_KEYS")]


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
    assert "Pauses paused: 1" in transfers("doctor").out


def test_a_public_key_that_no_worker_opens_is_a_finding(
    transfers: Cli, ledger: Ledger, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the workers' private keys are not: they tell the ledger the ids."""
    keys = VaultKeys(ledger.client)
    own = read_public(environment["VAULT_PUBLIC_KEY"]).key_id
    assert transfers("doctor").status == 0  # no worker has told of its keys
    keys.tell("worker a 1", ["0badcafe", own])
    assert transfers("doctor", "--json").json["vault_keys"] == {"worker a 1": ["0badcafe", own]}
    assert transfers("doctor").status == 0
    keys.tell("worker b 2", ["0badcafe"])

    said = transfers("doctor", "--json")

    assert said.status == 78
    (finding,) = said.json["findings"]
    assert finding["name"] == "VAULT_PUBLIC_KEY"
    assert finding["problem"] == f"1 of 2 workers do not open what it seals (key {own}): worker b 2"
    assert "Keys that every worker opens with: 0badcafe" in transfers("doctor").out
    monkeypatch.delenv("VAULT_PUBLIC_KEY")  # as on an operator's machine
    assert transfers("doctor").status == 0


def test_a_worker_tells_which_keys_it_opens_with(stage: Stage, ledger: Ledger) -> None:
    stage.worker.maintenance.run_once()

    assert list(VaultKeys(ledger.client, stage.clock).told().values()) == [[read_public(stage.keys.public).key_id]]
