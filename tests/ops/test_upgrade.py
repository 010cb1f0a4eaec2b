"""Commands on a ledger of the older format: each refuses with a sentence, and `upgrade` carries it over."""

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ops import server_users
from epay_transfers.producers import Transfers
from epay_transfers.runtime import health
from epay_transfers.runtime.server_addresses import OPERATORS_USER
from epay_transfers.runtime.settings import Durability, ServerSettings, SettingsWrong
from tests.support import older_ledger
from tests.support.command_line import Cli
from tests.support.redis_state import assert_agrees, snapshot

OPERATOR_USER = f"{OPERATORS_USER}aigul"

REFUSED = "the ledger is in format 1, of an older version"


@pytest.fixture
def older(transfers: Cli, ledger_client: redis.Redis) -> redis.Redis:
    older_ledger.put(ledger_client)
    return ledger_client


@pytest.mark.parametrize(
    "typed",
    [
        "list", "list paid", "pauses", "parked", "doubt", "terminals", "status queued-0", "explain queued-0", "events",
        "audit", "pause send --reason r", "unpause k7f3 --reason r", "cancel queued-0 --reason r",
    ],
)  # fmt: skip
def test_every_command_refuses_a_ledger_of_the_older_format(transfers: Cli, older: redis.Redis, typed: str) -> None:
    """No traceback, no empty list, no pause that this version alone would see: a sentence that says what to do."""
    was = snapshot(older)

    said = transfers(*typed.split())

    assert said.status == 1
    assert REFUSED in said.err
    assert "transfers upgrade" in said.err
    assert snapshot(older) == was


@pytest.mark.parametrize(("command", "status"), [("doctor", 78), ("overview", 20)])
def test_doctor_and_overview_name_it_and_call_nothing_else_known(
    transfers: Cli, older: redis.Redis, command: str, status: int
) -> None:
    said = transfers(command)

    assert said.status == status
    assert REFUSED in " ".join(said.out.split())


def test_no_process_starts_on_it(older: redis.Redis, environment: dict[str, str]) -> None:
    """Workers and producers look at the servers before they begin; both end with what to correct."""
    settings = ServerSettings.model_validate(
        {"redis_url": environment["REDIS_URL"], "vault_url": environment["VAULT_URL"], "durability": Durability.RELAXED}
    )

    (finding,) = health.Examination(settings, SystemClock()).look()

    assert (finding.name, finding.passing) == ("REDIS_URL", False)
    assert finding.problem.startswith(REFUSED)
    assert "transfers upgrade" in finding.cure
    with Transfers.from_env() as backend, pytest.raises(SettingsWrong, match=REFUSED):
        backend.check()


def test_without_apply_it_says_which_pauses_go_along_and_changes_nothing(transfers: Cli, older: redis.Redis) -> None:
    was = snapshot(older)

    said = transfers("upgrade")

    assert said.status == 0
    for word in ("fraud (operator aigul)", "code 487", "confirm", "upgrade --apply"):
        assert word in " ".join(said.out.split())
    assert snapshot(older) == was


def test_an_applied_upgrade_opens_the_ledger_to_this_version_and_no_lane(transfers: Cli, older: redis.Redis) -> None:
    said = transfers("upgrade", "--apply")

    assert said.status == 0
    assert "9 transfers are listed and counted" in said.out
    pauses = {pause["id"]: pause["reason"] for pause in transfers("pauses", "--json").json}
    assert pauses["format_1-send-all"] == "fraud"
    assert len(transfers("list", "queued", "--json").json["transfers"]) == 3
    assert_agrees(older)
    assert "nothing to do" in transfers("upgrade", "--apply").out


def test_while_a_worker_of_the_older_version_runs_nothing_is_done(transfers: Cli, older: redis.Redis) -> None:
    older.hset(redis_keys.OLDER_VAULT_KEYS, "worker w2", f"{SystemClock().now_ms()} key")
    was = snapshot(older)

    said = transfers("upgrade", "--apply")

    assert said.status == 75
    assert "worker w2" in said.err
    assert snapshot(older) == was


def test_the_user_repair_may_upgrade(
    transfers: Cli, older: redis.Redis, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an operator's user may not: it changes no ledger."""
    for name in ("repair", OPERATOR_USER):
        rules = server_users.users("ledger", ["aigul"])[name].line(name, ["0" * 40]).split(" ", 4)[4]
        words = [word for word in _apart(rules) if not word.startswith("+evalsha")]
        older.execute_command("ACL", "SETUSER", name, "on", ">word", *words)  # type: ignore[no-untyped-call]  # as above
    try:
        for name, status in ((OPERATOR_USER, 78), ("repair", 0)):
            monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"].replace("//", f"//{name}:word@"))
            assert transfers("upgrade", "--apply").status == status
    finally:
        older.execute_command("ACL", "DELUSER", "repair", OPERATOR_USER)  # type: ignore[no-untyped-call]
    assert {pause.lane for pause in Pauses(older).standing()} == {Lane.SEND, Lane.CONFIRM}


def _apart(rules: str) -> list[str]:
    """Words, with each selector as one."""
    words: list[str] = []
    for word in rules.split(" "):
        if words and words[-1].startswith("(") and not words[-1].endswith(")"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words
