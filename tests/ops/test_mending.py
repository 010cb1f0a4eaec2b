"""The audit and the queue made anew: what is off is named, a dry run rings for nobody, and --apply for everybody."""

from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import NAMESPACE, QUEUES, Broker
from epay_transfers.ledger.queue.wakeups import Wakeups, count_without_wakeup, wakeup_of, without_wakeup
from epay_transfers.ledger.states import UNFINISHED, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.runtime import audit
from tests.ops.conftest import HOUR_MS, Into
from tests.support.command_line import OPERATOR, Cli


def messages(environment: dict[str, str]) -> dict[str, int]:
    client = connect(environment["REDIS_URL"].removesuffix("/0") + "/1")
    try:
        return {queue: client.hlen(f"{NAMESPACE}:{queue}.msgs") for queue in QUEUES}
    finally:
        client.close()


def test_the_audit_names_what_is_off_and_ends_with_1(transfers: Cli, into: Into, ledger_client: redis.Redis) -> None:
    """An unfinished transfer that nobody is to look at again is found, and the exit status says so."""
    record = into(State.PARKED)
    ledger_client.zadd(redis_keys.DUE, {record.key: SystemClock().now_ms() + 60_000})
    assert transfers("audit").status == 0
    ledger_client.zrem(redis_keys.DUE, record.key)

    said = transfers("audit", "--json")

    assert said.status == 1
    assert [(odd["where"], odd["key"]) for odd in said.json["discrepancies"]] == [("ledger, due", record.key)]


def test_the_audit_says_an_equal_sentence_once(transfers: Cli, into: Into, ledger_client: redis.Redis) -> None:
    """With how many it is true of, a few of them, and how to see all; sentences that differ in a number are equal."""
    records = [into(State.PARKED, f"payout-{at}", invoice_id=f"25112400000{at}") for at in range(5)]
    now_ms = SystemClock().now_ms()
    for at, record in enumerate(records):
        ledger_client.zadd(redis_keys.DUE, {record.key: now_ms - 3_600_000 * (at + 2)})
    other = into(State.DEAD, "payout-9", invoice_id="251124000009")
    ledger_client.zrem(redis_keys.DUE, other.key)

    said = transfers("audit")
    lines = [line for line in said.out.splitlines() if "251124" in line]

    assert said.status == 1
    assert len(lines) == 2
    first, second, third = (record.key for record in records[:3])
    assert f"{first}, {second}, {third} and 2 more" in lines[0]
    assert lines[0].split()[0] == "5"
    assert "parked, due for " in lines[0]
    assert " audit --all` has a line for each." in said.out
    assert sum("251124" in line for line in transfers("audit", "--all").out.splitlines()) == 6
    told = transfers("audit", "--json").json
    assert [(group["count"], len(group["keys"])) for group in told["groups"]] == [(5, 3), (1, 1)]
    assert len(told["discrepancies"]) == 6


def test_a_long_audit_says_how_far_it_is(
    transfers: Cli, into: Into, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error: what it prints for a machine stays whole."""
    monkeypatch.setattr(audit, "STEP", 2)
    for at in range(4):
        record = into(State.DEAD, f"payout-{at}")
        ledger_client.zadd(redis_keys.DUE, {record.key: SystemClock().now_ms() + 60_000})

    said = transfers("audit", "--json")

    assert (said.status, said.json["discrepancies"]) == (0, [])
    assert "Reading everything: 2 records of 4." in said.err
    assert "places in lists of 4." in said.err
    assert "events of" in said.err


def test_a_rebuild_says_for_whom_it_would_ring_and_rings_for_nobody(
    transfers: Cli, into: Into, environment: dict[str, str]
) -> None:
    """Dry by default."""
    into(State.QUEUED)

    said = transfers("queue", "rebuild", "--json")

    assert sum(said.json["wakeups"].values()) == 1
    assert said.json["sent"] == 0
    assert sum(messages(environment).values()) == 0


def test_an_applied_rebuild_rings_for_every_unfinished_one(
    transfers: Cli, into: Into, environment: dict[str, str], events: Events
) -> None:
    """A wakeup for who waits for a worker or an inquiry, none for the dead and the final; who and why in the log."""
    for number, state in enumerate((State.QUEUED, State.RESUMED, State.IN_DOUBT, State.DEAD, State.PAID)):
        into(state, f"payout-{number}")

    said = transfers("queue", "rebuild", "--apply", "--reason", "the queue's server was replaced", "--json")

    assert said.json["sent"] == 3
    assert sum(messages(environment).values()) == 3
    told = events.newest(1)[0].fields
    assert (told["verb"], told["reason"]) == ("queue_rebuilt", "the queue's server was replaced")
    assert told["actor"].endswith(OPERATOR)


def test_a_dry_run_counts_for_whom_a_rebuild_would_ring(
    ledger: Ledger, into: Into, environment: dict[str, str]
) -> None:
    """It reads a few fields of each record, and comes to the same transfers, in each state, whatever was requested.

    It says how far it is.
    """
    now_ms = ledger.now_ms()
    for state in State:
        into(state, f"plain-{state}")
        for name, fields in {
            "asked": {"requested_action": "inquire"},
            "later": {"next_attempt_at": f"{now_ms + HOUR_MS}"},
            "batch": {"urgency": "batch"},
        }.items():
            record = into(state, f"{name}-{state}")
            ledger.client.hset(redis_keys.record(record.key), mapping=fields)  # type: ignore[arg-type]  # their type
    told: list[tuple[int, int]] = []
    with closing(connect(environment["REDIS_URL"].removesuffix("/0") + "/1")) as queue:
        Wakeups(Broker(queue, [], {})).send(into(State.QUEUED, "called"))
        whole = Counter(wakeup.queue for each in without_wakeup(ledger, queue) if (wakeup := wakeup_of(each)))

        assert count_without_wakeup(ledger, queue, lambda done, of: told.append((done, of))) == whole

    assert whole["transfers.batch"] == 1
    assert told == [(4 * len(UNFINISHED) + 1, 4 * len(UNFINISHED) + 1)]


def test_a_dry_run_says_what_it_can_not_read(
    ledger: Ledger, into: Into, environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """One whose fields look broken is read whole, and the log names it; the others are counted."""
    record = into(State.QUEUED, "broken")
    ledger.client.hset(redis_keys.record(record.key), "next_attempt_at", "soon")
    into(State.QUEUED, "sound")

    with closing(connect(environment["REDIS_URL"].removesuffix("/0") + "/1")) as queue:
        assert count_without_wakeup(ledger, queue, lambda _done, _of: None).total() == 1

    assert record.key in caplog.text


def test_a_message_of_before_calls_no_worker_for_what_it_waits_for_now(
    transfers: Cli, into: Into, environment: dict[str, str]
) -> None:
    """It lies in another queue than that of the transfer's next step."""
    resumed = into(State.RESUMED)
    queue = connect(environment["REDIS_URL"].removesuffix("/0") + "/1")
    wakeups = Wakeups(Broker(queue, [], {}))
    wakeups.send(replace(resumed, state=State.QUEUED))
    assert sum(transfers("queue", "rebuild", "--json").json["wakeups"].values()) == 1

    wakeups.send(resumed)
    assert sum(transfers("queue", "rebuild", "--json").json["wakeups"].values()) == 0
    queue.close()


def test_a_ring_of_a_rebuild_stands_in_the_record_of_who_was_never_rung_for(
    transfers: Cli, into: Into, ledger: Ledger
) -> None:
    """So a worker that hears it looks for the card first: its producer may not have been able to put it yet."""
    record = into(State.QUEUED)
    assert record.wakeups == 0

    assert transfers("queue", "rebuild", "--apply", "--reason", "the queue was lost", "--json").json["sent"] == 1

    after = ledger.get(record.key)
    assert after is not None
    assert after.woken_at > 0, "the sweeper knows by it whether the wake-up may still wait in the queue"
    assert after == replace(record, wakeups=1, woken_at=after.woken_at)


def test_a_rebuild_that_rings_wants_a_reason(transfers: Cli) -> None:
    """What changes is kept with its reason."""
    assert transfers("queue", "rebuild", "--apply").status == 2
