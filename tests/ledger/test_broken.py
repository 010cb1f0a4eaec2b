"""A script that can't write all of it writes nothing: what is wrong is a word, and every byte stays as it was."""

from collections.abc import Callable

import pytest
import redis

from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved, Run
from tests.support.factories import NOW, Place, claim, create, into, made, make, new_transfer
from tests.support.redis_state import snapshot

Break = Callable[[redis.Redis, Record], object]

TOO_HIGH = str(2**63 - 1)
QUEUED: Place = (State.QUEUED, Phase.SEND)
SENDING: Place = (State.SENDING, Phase.SEND)


def counter(name: str, value: str) -> Break:
    return lambda client, _: client.hset(redis_keys.COUNTERS, name, value)


def of_record(name: str, value: str) -> Break:
    return lambda client, record: client.hset(redis_keys.record(record.key), name, value)


def lacking(name: str) -> Break:
    return lambda client, record: client.hdel(redis_keys.record(record.key), name)


def of_another_type(key: str) -> Break:
    def replace(client: redis.Redis, _: Record) -> None:
        client.delete(key)
        client.set(key, "no longer what it was")

    return replace


#: What is broken for every move; a create has no record yet.
LEDGER: dict[str, tuple[str, Break]] = {
    "the sequence is at its end": ("counters", counter("sequence", TOO_HIGH)),
    "the sequence is higher than a reply can say": ("counters", counter("sequence", "1" + 15 * "0")),
    "the sequence is no number": ("counters", counter("sequence", "many")),
    "the sequence has a blank": ("counters", counter("sequence", " 7")),
    "due is no sorted set": ("due", of_another_type(redis_keys.DUE)),
    "by_state is no sorted set": ("by_state", of_another_type(redis_keys.BY_STATE)),
    "the counters are no hash": ("counters", of_another_type(redis_keys.COUNTERS)),
    "the events are no stream": ("events", of_another_type(redis_keys.EVENTS)),
}
RECORD: dict[str, tuple[str, Break]] = {
    "its version is at its end": ("record", of_record("version", TOO_HIGH)),
    "its version is higher than a reply can say": ("record", of_record("version", "1" + 15 * "0")),
    "its version is no number": ("record", of_record("version", "v2")),
    "its epoch is no number": ("record", of_record("epoch", "1.5")),
    "its amount is no number": ("record", of_record("amount", "")),
    "it has no since": ("record", lacking("state_since")),
    "it has no currency": ("record", lacking("currency")),
    "it has no reference": ("record", lacking("reference")),
    "it has no terminal": ("record", lacking("terminal")),
}
STATES: dict[str, tuple[str, Break]] = {
    "the sum that it joins is at its end": ("counters", counter("sum:declined:main:KZT:code_484", TOO_HIGH)),
    "the sum that it leaves is no number": ("counters", counter("sum:sending:main:KZT:", "much")),
    "the number that it joins is at its end": ("counters", counter("n:declined:main:KZT:code_484", TOO_HIGH)),
    "the number that it leaves is far below": ("counters", counter("n:sending:main:KZT:", f"-{TOO_HIGH}")),
}


def refused(call: Callable[[], object], part: str, client: redis.Redis) -> None:
    was = snapshot(client)
    with pytest.raises(LedgerBroken, match=f"^the ledger's {part} can't be written"):
        call()
    assert snapshot(client) == was


@pytest.mark.parametrize("what", LEDGER | RECORD | STATES)
def test_a_move_that_can_not_be_written_whole_is_not_written_at_all(
    ledger: Ledger, ledger_client: redis.Redis, what: str
) -> None:
    record = into(ledger, SENDING)
    part, break_it = (LEDGER | RECORD | STATES)[what]
    break_it(ledger_client, record)

    refused(lambda: ledger.move(record, Verb.DECLINE, Change(fields={"code": "484"}), actor="w"), part, ledger_client)


@pytest.mark.parametrize("what", LEDGER | RECORD)
def test_a_claim_that_can_not_be_written_takes_no_turn_of_the_rate(
    ledger: Ledger, ledger_client: redis.Redis, what: str
) -> None:
    record = into(ledger, QUEUED)
    part, break_it = (LEDGER | RECORD)[what]
    break_it(ledger_client, record)

    refused(lambda: claim(ledger, record, gap_ms=1000), part, ledger_client)


@pytest.mark.parametrize("broken", [redis_keys.PAUSES, redis_keys.ADDED_PAUSES, redis_keys.BREAKERS, redis_keys.RATES])
def test_a_claim_whose_gates_are_of_another_type_changes_nothing(
    ledger: Ledger, ledger_client: redis.Redis, broken: str
) -> None:
    record = into(ledger, QUEUED)
    of_another_type(broken)(ledger_client, record)
    was = snapshot(ledger_client)

    with pytest.raises(LedgerUnavailable):
        claim(ledger, record, gap_ms=1000)
    assert snapshot(ledger_client) == was


CREATED = {
    "the spaces count is at its end": ("counters", counter("used:main", TOO_HIGH)),
    "the number of the queued is at its end": ("counters", counter("n:queued:main:KZT:", TOO_HIGH)),
    "the sum of the queued is no number": ("counters", counter("sum:queued:main:KZT:", "1e3")),
}


@pytest.mark.parametrize("what", LEDGER | CREATED)
def test_a_create_that_can_not_be_written_whole_is_not_written_at_all(
    ledger: Ledger, ledger_client: redis.Redis, what: str
) -> None:
    part, break_it = (LEDGER | CREATED)[what]
    break_it(ledger_client, create(ledger, "payout-0"))

    refused(lambda: ledger.create([new_transfer("payout-1")], actor="b"), part, ledger_client)


def test_a_count_that_can_not_be_raised_is_found_before_the_ring_is_written(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    record = into(ledger, QUEUED)
    ledger_client.hset(redis_keys.record(record.key), "wakeups", "often")

    refused(
        lambda: ledger.move(
            record, Verb.SCHEDULE_WAKEUP, Change(due_at=NOW, increments=("wakeups",), silent=True), actor="s"
        ),
        "record",
        ledger_client,
    )


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("part", "index"), [("bank_ids", redis_keys.bank_ids), ("references", redis_keys.references)])
def test_an_index_of_another_type_takes_no_move(
    ledger: Ledger, ledger_client: redis.Redis, part: str, index: Callable[[str], tuple[str, str]], place: int
) -> None:
    record = into(ledger, SENDING)
    of_another_type(index("a9e1")[place])(ledger_client, record)
    paid = Change(fields={"bank_id": "a9e1"} if part == "bank_ids" else {"bank_reference": "a9e1"})

    refused(lambda: ledger.move(record, Verb.PAY, paid, actor="w"), part, ledger_client)


def test_what_is_broken_for_others_breaks_no_move_that_does_not_count(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """Only what the move itself would write is looked at: a sum of another state holds nobody up."""
    record = into(ledger, SENDING)
    for name in ("sum:paid:main:USD:", "n:dead:main:KZT:"):
        ledger_client.hset(redis_keys.COUNTERS, name, "broken")

    assert isinstance(make(ledger, record, Verb.PAY), Moved)


def test_numbers_as_high_as_they_may_be_are_raised(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, SENDING)
    ledger_client.hset(redis_keys.COUNTERS, "sequence", "9" * 15)
    ledger_client.hset(redis_keys.record(record.key), "version", "9" * 15)

    reply = made(make(ledger, record, Verb.PAY))

    assert (reply.sequence, reply.version) == (10**15, 10**15)


def test_counters_that_are_no_numbers_are_said_to_be_broken(ledger: Ledger, ledger_client: redis.Redis) -> None:
    ledger_client.hset(redis_keys.COUNTERS, "sequence", "many")

    with pytest.raises(LedgerBroken):
        ledger.counters()


def test_the_count_of_the_vaults_writes_is_checked_before_the_first_write(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    record = into(ledger, SENDING)
    ledger_client.hset(redis_keys.COUNTERS, "vault:abcdef01", "x")
    was = snapshot(ledger_client)

    with pytest.raises(LedgerBroken):
        ledger.move(record, Verb.DOUBT, Change(due_in=1000), actor="worker", vault=Run("abcdef01", 7))

    assert snapshot(ledger_client) == was
