"""The inboxes on both servers: an entry is one worker's at a time, comes again if that dies, and is lost by none."""

import json

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import LEASE_MS, WEB, Inboxes, Kind, operator
from tests.support.clocks import FakeClock

AIGUL = operator("aigul")
KEY, ID = "251124000001", "0123456789abcdef01234567"


@pytest.fixture
def inboxes(ledger_client: redis.Redis, clock: FakeClock) -> Inboxes:
    return Inboxes(ledger_client, clock)


def raw(ledger_client: redis.Redis, sender: str, text: str | bytes) -> None:
    """What a thief of the sender's password may put in."""
    ledger_client.rpush(redis_keys.inbox(sender), text)


def test_an_entry_says_who_put_it_in_and_what_it_asks_for(inboxes: Inboxes) -> None:
    """The sender is the inbox, whatever the entry says."""
    first = inboxes.put(WEB, Kind.CONFIRM, {"key": "251124000001", "sender": "ops:bolat", "operator": "bolat"})
    second = inboxes.put(AIGUL, Kind.CANCEL, {"key": "251124000002", "sender": "web"})

    web, cancel = inboxes.take(10)

    assert (web.sender, web.operator, web.id, web.kind, web.fields["key"]) == (
        WEB, "", first, Kind.CONFIRM, "251124000001",
    )  # fmt: skip
    assert (cancel.sender, cancel.operator, cancel.id, cancel.kind) == (AIGUL, "aigul", second, Kind.CANCEL)


def test_an_entry_is_one_workers_until_its_time_is_over(inboxes: Inboxes, clock: FakeClock) -> None:
    """The worker that took it may have died with it."""
    inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})

    (taken,) = inboxes.take(10)
    assert inboxes.take(10) == []
    clock.advance(LEASE_MS / 1000 - 0.001)
    assert inboxes.take(10) == []
    clock.advance(0.001)
    assert inboxes.take(10) == [taken]
    assert inboxes.take(10) == []


def test_what_was_dealt_with_does_not_come_again(
    inboxes: Inboxes, clock: FakeClock, ledger_client: redis.Redis
) -> None:
    inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})
    inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})

    first, second = inboxes.take(10)
    inboxes.done([first])
    clock.advance(LEASE_MS / 1000)

    assert inboxes.take(10) == [second]
    inboxes.done([second])
    assert ledger_client.exists(redis_keys.TAKEN, redis_keys.inbox(WEB)) == 0


def test_a_batch_begins_with_what_another_worker_left_and_says_so(inboxes: Inboxes, clock: FakeClock) -> None:
    left = [inboxes.put(WEB, Kind.CONFIRM, {"key": KEY}) for number in range(2)]
    assert [entry.is_again for entry in inboxes.take(10)] == [False, False]
    clock.advance(LEASE_MS / 1000)
    new = inboxes.put(AIGUL, Kind.CANCEL, {"key": KEY})

    taken = inboxes.take(10)

    assert ({entry.id for entry in taken[:2]}, taken[2].id) == (set(left), new)
    assert [entry.is_again for entry in taken] == [True, True, False]


def test_a_sender_that_floods_its_inbox_holds_up_no_other(inboxes: Inboxes, ledger_client: redis.Redis) -> None:
    for number in range(1000):
        raw(ledger_client, WEB, json.dumps({"id": f"{number:024x}", "kind": "confirm", "key": KEY}))
    asked = inboxes.put(AIGUL, Kind.CANCEL, {"key": KEY})

    taken = inboxes.take(10)

    assert asked in {entry.id for entry in taken}
    assert len(taken) <= 10


def test_junk_goes_without_taking_an_entrys_turn(inboxes: Inboxes, ledger_client: redis.Redis) -> None:
    for _ in range(500):
        raw(ledger_client, WEB, "junk")
    raw(ledger_client, WEB, "{" + "x" * 100_000)
    asked = inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})

    assert [entry.id for entry in inboxes.take(10)] == [asked]
    assert ledger_client.llen(redis_keys.inbox(WEB)) == 0


def test_names_that_are_no_operators_hold_up_none(inboxes: Inboxes, ledger_client: redis.Redis) -> None:
    """A thief of an operator's password may add to the set of names."""
    ledger_client.sadd(redis_keys.OPERATORS, "", "a b", "x\ny", "n" * 1000, "../web", "ops:bolat", "\U0001f600")
    asked = inboxes.put(AIGUL, Kind.CANCEL, {"key": KEY})

    assert [(entry.id, entry.operator) for entry in inboxes.take(10)] == [(asked, "aigul")]


def test_an_operator_that_no_take_has_met_is_served_by_the_next_one(inboxes: Inboxes) -> None:
    """A take asks by the operators of the one before it, in one trip; a new one costs a second trip, and no wait."""
    assert inboxes.take(10) == []
    first = inboxes.put(AIGUL, Kind.CANCEL, {"key": KEY})
    left = inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})

    assert {entry.id for entry in inboxes.take(10)} == {first, left}
    later = inboxes.put(AIGUL, Kind.CANCEL, {"key": KEY})
    assert [entry.id for entry in inboxes.take(10)] == [later]


def test_what_was_taken_is_handed_out_though_the_operators_can_not_be_read(
    inboxes: Inboxes, ledger_client: redis.Redis
) -> None:
    """It was taken, and would come again half a minute later, only to be lost once more. The next take says it."""
    inboxes.take(10)
    ledger_client.delete(redis_keys.OPERATORS)
    ledger_client.set(redis_keys.OPERATORS, "another program's")
    asked = inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})

    assert [entry.id for entry in inboxes.take(10)] == [asked]
    with pytest.raises(LedgerUnavailable):
        inboxes.take(10)


NO_ENTRIES = [
    "",
    "nonsense",
    "[]",
    '"text"',
    "[" * 5000,
    json.dumps({"id": ID, "kind": "teleport"}),
    json.dumps({"kind": "confirm", "key": KEY}),
    json.dumps({"id": "", "kind": "confirm", "key": KEY}),
    json.dumps({"id": "1", "kind": "confirm", "key": KEY}),
    json.dumps({"id": ID, "kind": "confirm", "key": 1}),
    json.dumps({"id": ID, "kind": "confirm", "key": [KEY]}),
    json.dumps({"id": ID, "kind": "confirm", "key": "no key"}),
    json.dumps({"id": ID, "kind": "confirm", "key": "4405639704015096000"}),
    json.dumps({"id": ID, "kind": "confirm", "key": KEY, "more": "x" * 9000}),
    json.dumps({"id": ID, "kind": "confirm", "key": KEY, "digest": "\ud800"}),
    json.dumps({"id": ID, "kind": "confirm", "key": KEY, "digest": "two\nlines"}),
    json.dumps({"id": ID, "kind": "confirm", "key": KEY, "\x1b[2J": "x"}),
    b'{"id": "\xff"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("text", NO_ENTRIES, ids=range(len(NO_ENTRIES)))
def test_what_is_no_entry_goes_and_keeps_up_no_other(
    inboxes: Inboxes, ledger_client: redis.Redis, text: str | bytes
) -> None:
    raw(ledger_client, WEB, text)
    inboxes.put(WEB, Kind.CONFIRM, {"key": KEY})

    assert [entry.fields["key"] for entry in inboxes.take(10)] == [KEY]
    assert ledger_client.zcard(redis_keys.TAKEN) == 1


def test_an_operators_entry_of_another_version_is_handed_out_to_be_refused(
    inboxes: Inboxes, ledger_client: redis.Redis
) -> None:
    """Its operator waits for an answer. What no version calls an entry goes, and so does the web tier's."""
    ledger_client.sadd(redis_keys.OPERATORS, "aigul")
    for sender, kind in ((AIGUL, "teleport"), (AIGUL, "x\x1b"), (AIGUL, ""), (WEB, "teleport")):
        raw(ledger_client, sender, json.dumps({"id": ID, "kind": kind, "key": KEY}))

    assert [(entry.kind, entry.fields["kind"], entry.id) for entry in inboxes.take(10)] == [
        (Kind.UNKNOWN, "teleport", ID)
    ]


@pytest.mark.parametrize(
    ("sender", "kind"),
    [(WEB, Kind.SETTLE), (WEB, Kind.UNPAUSE), (WEB, Kind.REQUEST), (AIGUL, Kind.CONFIRM), (AIGUL, Kind.NOTIFICATION)],
)
def test_a_sender_asks_for_nothing_that_is_anothers_to_ask(
    inboxes: Inboxes, ledger_client: redis.Redis, sender: str, kind: Kind
) -> None:
    """The web tier settles nothing, and an operator brings no client's answer."""
    ledger_client.sadd(redis_keys.OPERATORS, "aigul")
    raw(ledger_client, sender, json.dumps({"id": ID, "kind": kind, "key": KEY}))

    assert inboxes.take(10) == []
    assert ledger_client.zcard(redis_keys.TAKEN) == 0
