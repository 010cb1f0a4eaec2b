"""What is only looked at: status, list, events, queues, parked, doubt, terminals. Each has its JSON; nothing moves."""

import json
import shlex
import signal
import subprocess
import sys

import pytest
import redis

from epay_transfers.ledger import metadata
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue import broker
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.stats import Queues
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ops import listing, typed
from epay_transfers.ops.cli import COMMANDS
from tests.ops.conftest import Into
from tests.support.command_line import Cli


@pytest.mark.parametrize("state", State)
def test_a_page_says_where_the_money_is_and_who_moves_next(transfers: Cli, into: Into, state: State) -> None:
    record = into(state)

    page = transfers("status", "payout-1").out
    told = transfers("status", record.key, "--json").json

    money = {"none": "none moved", "moved": "moved", "unknown": "may not be paid another way"}[state.money]
    assert money in page
    assert "440563******5096 → 552204******6736" in page
    assert bool(told["next_step"]) == (not state.final)
    assert told["money"] == state.money
    assert told["events"][0]["verb"] == Verb.CREATE


@pytest.mark.parametrize("reason", [Reason.CARD_LOST, Reason.CARD_UNREADABLE])
def test_a_dead_one_whose_card_is_gone_is_discarded_and_no_step_leads_to_a_requeue(
    transfers: Cli, into: Into, ledger: Ledger, reason: Reason
) -> None:
    """A worker would refuse it each time."""
    record = into(State.QUEUED)
    change = Change(look_again_in=3_600_000, fields={"reason": reason})
    ledger.move(record, Verb.FAIL_QUEUED, change, actor="worker")
    key = record.key

    step = transfers("status", key, "--json").json["next_step"]
    asked = transfers("dead", "requeue", key, "--reason", "again")

    assert (f"dead discard {key}" in step, "requeue" in step) == (True, False)
    assert (asked.status, "its card is gone; discard it" in asked.err) == (1, True)


def test_metadata_are_shown_with_the_transfer(transfers: Cli, into: Into) -> None:
    key = into(State.IN_DOUBT, metadata=metadata.write({"user": "1001", "shop": "x 7"})).key
    into(State.IN_DOUBT, "payout-2")

    for command in ("status", "explain"):
        assert transfers(command, key, "--json").json["metadata"] == {"shop": "x 7", "user": "1001"}
        assert transfers(command, "payout-2", "--json").json["metadata"] == {}
    listed = transfers("list", "in_doubt", "--json").json["transfers"]
    assert [each["metadata"] for each in listed] == [{"shop": "x 7", "user": "1001"}, {}]
    assert "user: 1001" in transfers("status", key).out
    assert "metadata" not in transfers("status", "payout-2").out


def test_a_held_one_is_told_what_its_operator_types(transfers: Cli, into: Into) -> None:
    record = into(State.NEEDS_REVIEW)

    assert f"transfers settle {record.key} --paid|--not-paid|--reversed" in transfers("status", record.key).out


def test_what_is_told_to_type_is_named_as_the_command_was_called(
    transfers: Cli, into: Into, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a virtual environment that is not on the path, `transfers` alone is not found."""
    monkeypatch.setattr(typed, "command", lambda: "/opt/pay/transfers")
    held, dead = into(State.NEEDS_REVIEW, "payout-1"), into(State.DEAD, "payout-2")

    for words in (
        ("status", held.key), ("status", dead.key), ("doubt",), ("pause", "send", "--reason", "x"),
        ("dead", "requeue", held.key, "--reason", "x"), ("cancel", held.key, "--reason", "x"), ("doctor",),
        ("settle", dead.key, "--paid", "--evidence", "e", "--reason", "x"), ("enqueue",),
    ):  # fmt: skip
        said = transfers(*words, stdin="{")
        assert "`transfers " not in said.out + said.err
    with pytest.MonkeyPatch.context() as away:
        away.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
        assert "`/opt/pay/transfers doctor` says more" in transfers("list").err


def test_a_dead_one_without_a_card_is_not_told_to_be_requeued(transfers: Cli, into: Into, ledger: Ledger) -> None:
    record = into(State.SENDING)
    ledger.move(record, Verb.FAIL_CLAIMED, Change(due_at=1, fields={"reason": "card_lost"}), actor="worker")

    step = transfers("status", record.key, "--json").json["next_step"]

    assert "discard" in step
    assert "requeue" not in step


def test_a_list_of_a_state_is_oldest_first_and_bounded(transfers: Cli, into: Into) -> None:
    names = [f"payout-{at}" for at in range(4)]
    for at, name in enumerate(names):  # two of the same millisecond stand in the order of their ids
        into(State.QUEUED, name, invoice_id=f"25112400000{at}")
    into(State.DEAD, "other")

    assert [found["reference"] for found in transfers("list", "queued", "--json").json["transfers"]] == names
    assert len(transfers("list", "queued", "--limit", "2", "--json").json["transfers"]) == 2
    assert "payout-3" in transfers("list", "queued").out


def test_without_a_state_the_newest_come_first(transfers: Cli, into: Into) -> None:
    for state in (State.PAID, State.DECLINED, State.QUEUED):
        into(state, f"is-{state}")

    found = transfers("list", "--json").json["transfers"]
    assert [each["state"] for each in found] == ["queued", "declined", "paid"]
    assert [each["state"] for each in transfers("list", "paid", "--json").json["transfers"]] == ["paid"]


def test_a_list_goes_on_where_its_page_ended_and_ends_only_at_its_end(transfers: Cli, into: Into) -> None:
    for at in range(5):
        into(State.PAID, f"payout-{at}", invoice_id=f"25112400000{at}")
    seen, cursor = [], None
    for _ in range(3):
        told = transfers("list", "paid", "--limit", "2", "--json", *(("--cursor", cursor) if cursor else ())).json
        seen += [each["reference"] for each in told["transfers"]]
        cursor = told["cursor"]
        assert told["total"] == [{"count": 5, "amount": "75000.00", "currency": "KZT"}]

    assert (seen, cursor) == ([f"payout-{at}" for at in range(5)], None)
    assert "Go on with --cursor" in transfers("list", "paid", "--limit", "2").out


def test_a_list_is_filtered_by_what_operators_ask_for(transfers: Cli, into: Into) -> None:
    into(State.DECLINED, "small", amount=700)
    into(State.DECLINED, "large", amount=1_500_000, receiver_card="552204******0001")
    into(State.QUEUED, "kiosk", terminal="kiosk")

    def references(*words: str) -> list[str]:
        return [each["reference"] for each in transfers("list", *words, "--json").json["transfers"]]

    assert references("declined", "--amount", "7") == ["small"]
    assert references("declined", "--last-four", "0001") == ["large"]
    assert references("declined", "--last-four", "5096") == ["small", "large"]
    assert references("declined", "queued", "--terminal", "kiosk") == ["kiosk"]
    assert references("declined", "--older", "1h") == []
    assert references("declined", "--younger", "1h") == ["small", "large"]
    assert transfers("list", "declined", "--last-four", "4405639704015096").status == 2


def test_a_list_that_looked_at_a_part_never_says_that_there_is_nothing(
    transfers: Cli, into: Into, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is asked for is behind the bound: the answer says how far it looked, and where to go on."""
    monkeypatch.setattr(listing, "MOST_LOOKS", 2)
    monkeypatch.setattr(listing, "_PAGE", 2)
    for at in range(4):
        into(State.PAID, f"payout-{at}", amount=100 + at, invoice_id=f"25112400000{at}")

    said = transfers("list", "paid", "--amount", "1.03")
    told = transfers("list", "paid", "--amount", "1.03", "--json").json

    assert "looked at 2 of 4" in said.out
    assert "No transfer" not in said.out
    found = transfers("list", "paid", "--amount", "1.03", "--cursor", told["cursor"], "--json").json
    assert ([each["reference"] for each in found["transfers"]], found["cursor"]) == (["payout-3"], None)
    assert "all of them were looked at" in transfers("list", "declined").out


def test_the_dead_are_summed_by_reason(transfers: Cli, into: Into, ledger: Ledger) -> None:
    for at, reason in enumerate(("card_lost", "card_lost", "attempts_used_up")):
        record = into(State.SENDING, f"payout-{at}")
        ledger.move(record, Verb.FAIL_CLAIMED, Change(due_at=1, fields={"reason": reason}), actor="worker")

    out = transfers("dead", "list").out

    assert "dead: 3 with 45 000.00 KZT." in out
    assert "card_lost: 2 with 30 000.00 KZT" in out
    lost = transfers("list", "dead", "--why", "card_lost", "--json").json["transfers"]
    assert [each["reference"] for each in lost] == ["payout-0", "payout-1"]


def test_an_unknown_state_is_a_usage_error_that_names_the_states(transfers: Cli) -> None:
    said = transfers("list", "pending")

    assert said.status == 2
    assert "in_doubt" in said.err


def test_events_are_all_or_those_of_one_transfer(transfers: Cli, into: Into) -> None:
    record = into(State.PAID, "payout-1")
    into(State.QUEUED, "payout-2")

    verbs = [event["verb"] for event in transfers("events", record.key, "--json").json]

    assert verbs == ["create", "claim", "pay"]
    assert len(transfers("events", "--json").json) == 4
    assert len(transfers("events", "--limit", "1", "--json").json) == 1
    assert "the bank paid" in transfers("events", "payout-1").out


def test_followed_events_come_as_they_happen_a_line_each(
    environment: dict[str, str], ledger_client: object, into: Into
) -> None:
    """Until Ctrl-C, which is no error."""
    into(State.QUEUED, "payout-1")
    command = [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()", "events", "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        into(State.QUEUED, "payout-2")
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        status = process.wait(30)

    assert [event["reference"] for event in (first, second)] == ["payout-1", "payout-2"]
    assert status == 130


def test_queues_count_what_waits_and_the_dead_letters(transfers: Cli, into: Into, environment: dict[str, str]) -> None:
    client = connect(_queue_url(environment))
    wakeup = Wakeups(Broker(client, [], {}))
    wakeup.send(into(State.QUEUED, "payout-1"))
    wakeup.send(into(State.QUEUED, "payout-2"))
    client.zadd(f"{broker.NAMESPACE}:{broker.INQUIRIES}.XQ", {"a-message": 1})

    told = {queue["name"]: queue for queue in transfers("queues", "--json").json}

    assert list(told) == list(broker.QUEUES)
    assert (told[broker.NOW]["waiting"], told[broker.NOW]["at_work"]) == (2, 0)
    assert told[broker.INQUIRIES]["dead_letters"] == 1
    assert "no transfer is lost by them" in transfers("queues").out
    client.close()


def test_the_age_of_a_queue_is_that_of_its_oldest_message(into: Into, environment: dict[str, str]) -> None:
    class Later(SystemClock):
        def now_ms(self) -> int:
            return super().now_ms() + 60_000

    client = connect(_queue_url(environment), text=False)
    client.flushdb()
    Wakeups(Broker(client, [], {})).send(into(State.QUEUED))

    ages = {queue.name: queue.oldest_ms for queue in Queues(client, Later()).read()}

    assert 60_000 <= ages.pop(broker.NOW) < 90_000
    assert set(ages.values()) == {0}
    client.close()


def test_parked_ones_have_their_sum_and_their_deadline(transfers: Cli, into: Into) -> None:
    into(State.PARKED, "payout-1", invoice_id="251124000001")
    into(State.PARKED, "payout-2", invoice_id="251124000002")

    told = transfers("parked", "--json").json

    assert [found["reference"] for found in told["transfers"]] == ["payout-1", "payout-2"]
    assert told["total"] == [{"count": 2, "amount": "30000.00", "currency": "KZT"}]
    assert "Parked: 2 with 30 000.00 KZT." in transfers("parked").out


def test_doubt_is_what_is_in_doubt_and_what_is_held_with_its_money(transfers: Cli, into: Into) -> None:
    """The held ones first: they wait for a person. The sum is of all, not of those that are listed."""
    into(State.IN_DOUBT, "payout-1")
    into(State.IN_DOUBT, "payout-2")
    into(State.NEEDS_REVIEW, "payout-3")
    into(State.PAID, "payout-4")

    told = transfers("doubt", "--limit", "1", "--json").json

    assert [found["state"] for found in told["transfers"]] == ["needs_review", "in_doubt"]
    assert told["total"] == [{"count": 3, "amount": "45000.00", "currency": "KZT"}]
    assert "Money in doubt: 3 with 45 000.00 KZT." in transfers("doubt").out


@pytest.mark.parametrize("command", ["status payout-1", "doubt"])
def test_what_the_bank_said_and_is_not_believed_is_what_the_operator_asks_with(
    transfers: Cli, into: Into, ledger: Ledger, command: str
) -> None:
    """Shown as what it is, beside what is believed, and never as the bank's id of the transfer."""
    said: RecordFields = {
        "unbelieved_bank_id": "b1",
        "unbelieved_reference": "204978430339",
        "unbelieved_message": "Insufficient funds",
    }
    ledger.move(into(State.SENDING), Verb.DOUBT, Change(due_in=9_000, fields=said), actor="worker")

    page = " ".join(transfers(*command.split()).out.split())
    told = transfers(*command.split(), "--json").json

    assert "said by the bank, not believed" in page
    assert "id b1, reference 204978430339, message Insufficient funds" in page
    assert "they prove nothing: ask the bank about exactly these" in page
    found = told["transfers"][0] if command == "doubt" else told
    assert found["bank_id"] == found["bank_reference"] == found["message"] == ""
    assert found["said_by_bank_not_believed"] == {
        "id": "b1",
        "reference": "204978430339",
        "message": "Insufficient funds",
    }


def test_where_the_bank_said_nothing_there_is_nothing_to_ask_with(transfers: Cli, into: Into) -> None:
    into(State.IN_DOUBT)

    assert "not believed" not in transfers("status", "payout-1").out + transfers("doubt").out


def test_terminals_tell_their_spaces_and_who_stopped_them(
    transfers: Cli, into: Into, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPAY_TERMINALS", '{"kiosk": {"space": "kiosk"}}')
    pauses = Pauses(ledger.client)
    pauses.pause(Lane.SEND, "kiosk", actor="worker", reason="code 529")
    pauses.pause(Lane.CONFIRM, ALL, actor="operator aigul", reason="the bank asked")
    into(State.QUEUED)

    main, kiosk = transfers("terminals", "--json").json

    assert (main["terminal"], main["suffixes_used"]) == ("main", 1)
    assert [stop["reason"] for stop in main["stops"]] == ["the bank asked"]
    assert (kiosk["space"], len(kiosk["stops"])) == ("kiosk", 2)
    assert "code 529 (worker)" in transfers("terminals").out


def test_looking_writes_nothing(transfers: Cli, into: Into, events: Events, ledger: Ledger) -> None:
    """Every command that says of itself that it changes nothing. `doctor` and `overview` miss a worker.

    `ask` and plans are left out: that the bank is to be asked stands in the record.
    """
    for state in (State.PARKED, State.NEEDS_REVIEW, State.DEAD):
        into(state, f"is-{state}")
    into(State.QUEUED, "payout-42")
    before = (events.newest(1)[-1].id, ledger.counters())

    groups = {name.split()[0] for name in COMMANDS if " " in name}
    looking = [name for name, entry in COMMANDS.items() if entry.connects and entry.panel != "Act" and name != "keys"]
    for name in (name for name in looking if name.split()[0] not in groups - {"dead"} and name != "dead"):
        status = transfers(*name.split(), *shlex.split(COMMANDS[name].example)).status
        assert status in {"doctor": {75}, "overview": {20}}.get(name, {0, 1}), name

    assert (events.newest(1)[-1].id, ledger.counters()) == before


def _queue_url(environment: dict[str, str]) -> str:
    return environment["REDIS_URL"].removesuffix("/0") + "/1"


@pytest.mark.parametrize("fields", [{"wakeups": "often"}, {"phase": "refund"}])
def test_lists_name_what_can_not_be_read_and_show_all_others(
    transfers: Cli, into: Into, ledger_client: redis.Redis, fields: dict[str, str]
) -> None:
    """A newer version was rolled back, say: no command may end by it."""
    for command, state in (("dead list", State.DEAD), ("parked", State.PARKED), ("doubt", State.IN_DOUBT)):
        good, bad = into(state, f"good-{state}"), into(state, f"bad-{state}")
        ledger_client.hset(redis_keys.record(bad.key), mapping=fields)  # type: ignore[arg-type]  # str is a field's type
        (name,) = fields
        why = f"its {name} has a value that this version does not know"
        for words in (command.split(), ["list", str(state)], ["list"]):
            shown = transfers(*words)
            assert f"good-{state}" in shown.out
            assert (
                f"Not shown: the record of {bad.key} can't be read: {why}; run the version that wrote it." in shown.out
            )
            told = transfers(*words, "--json").json
            assert {"key": bad.key, "unreadable": why} in told["unreadable"]
            assert good.key in [one["key"] for one in told["transfers"]]


@pytest.mark.parametrize("fields", [{"state": "frobnicating"}, {"wakeups": "often"}])
def test_the_page_of_what_can_not_be_read_says_what_to_do(
    transfers: Cli, into: Into, ledger_client: redis.Redis, fields: dict[str, str]
) -> None:
    record = into(State.QUEUED)
    ledger_client.hset(redis_keys.record(record.key), mapping=fields)  # type: ignore[arg-type]  # str is a field's type

    for name in (record.key, "payout-1"):
        said = transfers("status", name)
        assert said.status == 1
        assert f"the record of {record.key} can't be read" in said.err
        assert "run the version that wrote it" in said.err


@pytest.mark.parametrize("fields", [{"state": "frobnicating"}, {"wakeups": "often"}, {"key": ""}])
def test_an_audit_names_what_can_not_be_read_and_nothing_else_of_it(
    transfers: Cli, into: Into, ledger_client: redis.Redis, fields: dict[str, str]
) -> None:
    into(State.PAID, "good")
    bad = into(State.PAID, "bad")
    ledger_client.hset(redis_keys.record(bad.key), mapping=fields)  # type: ignore[arg-type]  # str is a field's type

    said = transfers("audit", "--json")

    assert said.status == 1
    assert [odd["where"] for odd in said.json["discrepancies"]] == ["record"]
    assert "can't be read" in said.json["discrepancies"][0]["says"]


def test_counters_that_are_no_numbers_are_said_and_not_a_traceback(transfers: Cli, ledger_client: redis.Redis) -> None:
    ledger_client.hset(redis_keys.COUNTERS, "n:paid:main:KZT:", "many")

    said = transfers("doubt")

    assert said.status == 1
    assert "the ledger's counters can't be written" in said.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"\xff", b"\xff"),
        ("id", '{"message_timestamp": 1e999}'),
        ("id", "[" * 5000),
        ("id", '{"message_timestamp": {}}'),
        ("id", "7"),
    ],
)
def test_queues_are_counted_whatever_lies_in_them(
    transfers: Cli, environment: dict[str, str], name: bytes | str, text: bytes | str
) -> None:
    """The age of what is no message is unknown."""
    client = connect(_queue_url(environment))
    client.rpush(f"{broker.NAMESPACE}:{broker.NOW}", name)
    client.hset(f"{broker.NAMESPACE}:{broker.NOW}.msgs", name, text)
    client.close()

    told = {queue["name"]: queue for queue in transfers("queues", "--json").json}

    assert (told[broker.NOW]["waiting"], told[broker.NOW]["oldest_ms"]) == (1, 0)
