"""The audit and the queue made anew: what is off is named, a dry run rings for nobody, and --apply for everybody."""

from dataclasses import replace

import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import NAMESPACE, QUEUES, Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from tests.ops.conftest import Into
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
    assert [(odd["where"], odd["key"]) for odd in said.json] == [("ledger, due", record.key)]


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
    assert after == replace(record, wakeups=1)


def test_a_rebuild_that_rings_wants_a_reason(transfers: Cli) -> None:
    """What changes is kept with its reason."""
    assert transfers("queue", "rebuild", "--apply").status == 2
