"""`transfers outcomes`: what was set aside is listed, asked to be replayed, and said by the overview."""

import json

import pytest
import redis

from epay_transfers.ledger.store import outcome_groups, redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome, OutcomesAside
from tests.support.command_line import Cli

KEYS = {"payout-1": "251124000001", "payout-2": "251124000002"}


def put(client: redis.Redis, reference: str, version: int, group: str = "payouts", error: str = "KeyError") -> None:
    aside = AsideOutcome(
        group=group,
        key=KEYS[reference],
        place=f"179550000000{version}-0",
        reference=reference,
        version=version,
        state="paid",
        deliveries=8 if error else 0,
        error=error,
        is_behind=not error,
        at_ms=1_795_500_000_000,
    )
    client.hset(redis_keys.OUTCOMES_ASIDE, aside.field, aside.to_json())


@pytest.fixture
def client(ledger: Ledger) -> redis.Redis:
    put(ledger.client, "payout-1", 3)
    put(ledger.client, "payout-1", 4, error="")
    put(ledger.client, "payout-2", 2)
    put(ledger.client, "payout-2", 2, group="books")
    return ledger.client


def test_what_is_set_aside_is_listed_by_group_in_order(transfers: Cli, client: redis.Redis) -> None:
    told = transfers("outcomes", "list", "--group", "payouts", "--json").json

    assert [(each["reference"], each["version"]) for each in told] == [
        ("payout-2", 2), ("payout-1", 3), ("payout-1", 4)
    ]  # fmt: skip
    assert told[1] == {
        "group": "payouts", "key": KEYS["payout-1"], "reference": "payout-1", "version": 3, "state": "paid",
        "deliveries": 8, "error": "KeyError", "behind": False, "set_aside_at": "2026-11-24T06:00:00.000+00:00",
        "replay_asked": False, "metadata": {},
    }  # fmt: skip
    page = transfers("outcomes", "list").out
    assert "books" in page
    assert "KeyError" in page
    assert "an earlier outcome of the transfer is set aside" in page


def test_the_metadata_of_its_transfer_are_listed_with_it(transfers: Cli, client: redis.Redis) -> None:
    """As the record has them; what can't be read of them keeps no outcome from being listed."""
    client.hset(redis_keys.record(KEYS["payout-1"]), "metadata", '{"user":"1001"}')
    client.hset(redis_keys.record(KEYS["payout-2"]), "metadata", '{"user":1001}')

    told = transfers("outcomes", "list", "--group", "payouts", "--json").json

    assert [(each["reference"], each["metadata"]) for each in told] == [
        ("payout-2", {}), ("payout-1", {"user": "1001"}), ("payout-1", {"user": "1001"})
    ]  # fmt: skip


def test_of_one_transfer_by_its_reference_or_its_key(transfers: Cli, client: redis.Redis) -> None:
    for name in ("payout-1", KEYS["payout-1"]):
        told = transfers("outcomes", "list", "--reference", name, "--json").json
        assert {each["reference"] for each in told} == {"payout-1"}


def test_where_none_is_set_aside_it_says_so(transfers: Cli, ledger: Ledger) -> None:
    assert "No outcome is set aside." in transfers("outcomes", "list").out
    assert transfers("outcomes", "list", "--json").json == []


def test_a_replay_is_asked_for_each_transfer_of_that_group_alone(transfers: Cli, client: redis.Redis) -> None:
    said = transfers("outcomes", "replay", "--group", "payouts")

    assert said.status == 0
    assert "3 outcomes of 2 transfers" in said.out
    assert OutcomesAside(client).replays() == {("payouts", KEYS["payout-1"]), ("payouts", KEYS["payout-2"])}
    told = transfers("outcomes", "list", "--json").json
    assert {(each["group"], each["replay_asked"]) for each in told} == {("payouts", True), ("books", False)}


def test_a_replay_of_one_transfer_asks_for_it_alone_and_with_the_operators_name(
    transfers: Cli, client: redis.Redis
) -> None:
    answer = transfers("outcomes", "replay", "--group", "payouts", "--reference", "payout-2", "--json").json

    assert OutcomesAside(client).replays() == {("payouts", KEYS["payout-2"])}
    assert answer["done"] is False, "a consumer does it"
    (operator,) = client.hvals(redis_keys.OUTCOME_REPLAYS)
    assert operator


def test_a_replay_of_what_is_not_set_aside_is_refused(transfers: Cli, client: redis.Redis) -> None:
    said = transfers("outcomes", "replay", "--group", "payouts", "--reference", "payout-9")

    assert said.status == 1
    assert "nothing of that is set aside" in said.err
    assert OutcomesAside(client).replays() == set()


def test_the_overview_counts_them_by_group(transfers: Cli, client: redis.Redis) -> None:
    told = transfers("overview", "--json").json

    found = {each["says"]: each for each in told["judgements"] if each["what"] == "outcomes_aside"}
    assert [says.partition(" were")[0].partition(" was")[0] for says in found] == [
        "1 outcome of group books", "3 outcomes of group payouts"
    ]  # fmt: skip
    assert {each["level"] for each in found.values()} == {"attention"}
    assert told["outcomes_aside"] == {"books": 1, "payouts": 3}


@pytest.mark.parametrize(("field", "text"), [("x", "{}"), ("payouts 1 2", "{}"), ("a b c d", "x")])
def test_a_field_that_no_consumer_wrote_is_passed_over(
    transfers: Cli, client: redis.Redis, field: str, text: str
) -> None:
    client.hset(redis_keys.OUTCOMES_ASIDE, field, text)

    assert len(transfers("outcomes", "list", "--json").json) == 4


@pytest.mark.parametrize("text", ["", "[]", "7", '{"version": "x", "at": null}'])
def test_an_entry_whose_words_can_not_be_read_is_listed_all_the_same(
    transfers: Cli, client: redis.Redis, text: str
) -> None:
    client.hset(redis_keys.OUTCOMES_ASIDE, f"odd {KEYS['payout-1']} 1795500000000-0", text)

    (told,) = transfers("outcomes", "list", "--group", "odd", "--json").json
    assert (told["key"], told["version"], json.dumps(told["error"])) == (KEYS["payout-1"], 0, '""')


# Groups: one that comes no more keeps the event log.


@pytest.fixture
def groups(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """`payouts` was read by a consumer that owes one event; `books` has read nothing. An hour passes at once."""
    monkeypatch.setattr(outcome_groups, "QUIET_MS", 0)
    events = Events(client)
    for number in range(3):
        client.xadd(redis_keys.EVENTS, {"verb": "x"}, id=f"179550000000{number}-0")
    events.join("payouts")
    events.join("books")
    assert len(events.take("payouts", "one", count=1)) == 1
    OutcomesAside(client).ask_replay("payouts", [KEYS["payout-1"]], "aigul")
    return client


def test_the_groups_are_listed_with_how_far_each_is(transfers: Cli, groups: redis.Redis) -> None:
    told = transfers("outcomes", "groups", "--json").json

    assert [(each["group"], each["owed"], each["aside"], each["consumers"]) for each in told] == [
        ("books", 0, 1, 0), ("payouts", 1, 3, 1)
    ]  # fmt: skip
    assert (told[0]["read_until"], told[0]["quiet_s"]) == (None, None)
    assert told[1]["read_until"].startswith("2026-11-24T06:00:00")
    page = transfers("outcomes", "groups").out
    assert "payouts" in page
    assert "nothing" in page


def test_where_no_group_reads_it_says_so(transfers: Cli, ledger: Ledger) -> None:
    assert "No group reads outcomes." in transfers("outcomes", "groups").out


def test_without_apply_nothing_is_forgotten(transfers: Cli, groups: redis.Redis) -> None:
    said = transfers("outcomes", "forget", "payouts")

    assert "1 outcomes that were handed out and not done, and 3 that were set aside" in said.out
    assert "Nothing was changed" in said.out
    assert {each["name"] for each in groups.xinfo_groups(redis_keys.EVENTS)} == {"books", "payouts"}


def test_a_group_is_forgotten_with_what_it_owes_and_has_set_aside_and_the_log_is_trimmed_past_it(
    transfers: Cli, groups: redis.Redis
) -> None:
    """Red before: the log was kept for it, for ever."""
    assert Events(groups).trim(0) == 0

    for name in ("payouts", "books"):
        assert transfers("outcomes", "forget", name, "--apply", "--reason", "switched off").status == 0

    assert groups.xinfo_groups(redis_keys.EVENTS) == []
    assert groups.hlen(redis_keys.OUTCOMES_ASIDE) == groups.hlen(redis_keys.OUTCOME_REPLAYS) == 0
    event = Events(groups).newest(2)[0].fields
    assert (event["verb"], event["group"], event["owed"], event["aside"]) == ("outcomes_forgotten", "payouts", "1", "3")
    assert event["reason"] == "switched off"


def test_another_groups_are_left_alone(transfers: Cli, groups: redis.Redis) -> None:
    transfers("outcomes", "forget", "books", "--apply", "--reason", "switched off")

    assert [each["name"] for each in groups.xinfo_groups(redis_keys.EVENTS)] == ["payouts"]
    assert OutcomesAside(groups).counts() == {"payouts": 3}
    assert OutcomesAside(groups).replays() == {("payouts", KEYS["payout-1"])}


def test_what_dies_behind_its_event_goes_on_with_the_same_call(
    transfers: Cli, groups: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(redis.Redis, "xgroup_destroy", _dies)
        transfers("outcomes", "forget", "payouts", "--apply", "--reason", "switched off")
    assert OutcomesAside(groups).counts()["payouts"] == 3

    assert transfers("outcomes", "forget", "payouts", "--apply", "--reason", "switched off").status == 0

    assert OutcomesAside(groups).counts() == {"books": 1}


def _dies(*_: object) -> None:
    raise redis.ConnectionError


def test_a_group_that_is_read_is_refused(transfers: Cli, groups: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would come back, and be handed all outcomes once more."""
    monkeypatch.setattr(outcome_groups, "QUIET_MS", 3_600_000)

    said = transfers("outcomes", "forget", "payouts", "--apply", "--reason", "switched off")

    assert said.status == 1
    assert "a consumer of payouts was there within 60 minutes" in said.err
    assert OutcomesAside(groups).counts()["payouts"] == 3


def test_a_group_that_is_none_is_refused_with_those_that_are(transfers: Cli, groups: redis.Redis) -> None:
    said = transfers("outcomes", "forget", "payout", "--apply", "--reason", "switched off")

    assert said.status == 1
    assert "these do: books, payouts" in said.err
