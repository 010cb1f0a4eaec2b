"""Many new transfers, and many cards, in one script: each is looked at and written as if it were alone."""

from itertools import pairwise

import pytest
import redis

from epay_transfers.ledger import invoice
from epay_transfers.ledger.errors import LedgerBroken
from epay_transfers.ledger.record import FIRST_EPOCH
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import _TRANSFERS_A_SCRIPT, Ledger
from epay_transfers.ledger.store.lists import Lists
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ledger.store.replies import Created, Full, Paused, ReferenceKnown, SuffixUsed
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import _CARDS_A_SCRIPT, Content, Put, Vault
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, create, make, new_transfer
from tests.support.redis_state import assert_agrees, events

EDGE = 10**15  #: the first number that a script can't raise


def test_transfers_of_several_scripts_are_each_made_once_with_the_next_number(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    count = 2 * _TRANSFERS_A_SCRIPT + 3
    new = [new_transfer(f"payout-{n}", amount=100 + n, terminal=f"t{n % 3}") for n in range(count)]

    made = ledger.create(new, actor="backend")

    assert [each.record.reference for each in made if isinstance(each, Created)] == [each.reference for each in new]
    assert_agrees(ledger_client)  # records, lists and counters
    numbers = [int(event["number"]) for event in events(ledger_client)]
    assert all(later == before + 1 for before, later in pairwise(numbers))
    assert len({each.record.key for each in made if isinstance(each, Created)}) == count


def test_each_of_a_batch_has_its_own_answer(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    create(ledger, "known")
    taken = create(ledger, "taken", invoice_id="123000001")
    until = NOW + 10**9
    Pauses(ledger_client, clock).pause(Lane.SEND, "second", actor="op", reason="r", until_ms=until)
    ledger_client.set(redis_keys.suffixes("main"), b"\xff" * (invoice.SUFFIXES // 8))
    ledger_client.setbit(redis_keys.suffixes("main"), 77, 0)
    ledger_client.setbit(redis_keys.suffixes("main"), 78, 0)

    known, again, first, stopped, used, same = ledger.create(
        [
            new_transfer("known"),
            new_transfer("payout-1"),
            new_transfer("payout-2"),
            new_transfer("payout-3", terminal="second"),
            new_transfer("payout-4", invoice_id="9000001"),
            new_transfer("payout-1"),
        ],
        actor="backend",
    )

    assert isinstance(known, ReferenceKnown)
    assert isinstance(again, Created)
    assert isinstance(first, Created)
    assert {again.record.key[-6:], first.record.key[-6:]} == {"000077", "000078"}
    assert stopped == Paused(until)
    assert used == SuffixUsed(taken.key)
    assert same == ReferenceKnown(again.record.key)


def test_a_batch_reaches_the_queues_limit_where_each_alone_would(ledger: Ledger, ledger_client: redis.Redis) -> None:
    made = ledger.create([new_transfer(f"payout-{n}") for n in range(5)], actor="backend", limit=3)

    assert [type(each) for each in made] == [Created, Created, Created, Full, Full]
    assert Lists(ledger_client).count(State.QUEUED, "main") == 3


@pytest.mark.parametrize("key", [redis_keys.reference("payout-1"), redis_keys.suffixes("other")])
def test_one_that_can_not_be_made_keeps_no_other_of_its_batch(
    ledger: Ledger, ledger_client: redis.Redis, key: str
) -> None:
    """The call raises, for the caller must know; all the others stand."""
    ledger_client.rpush(key, "of another type")
    new = [new_transfer("payout-0"), new_transfer("payout-1", space="other"), new_transfer("payout-2")]

    with pytest.raises(LedgerBroken):
        ledger.create(new, actor="backend")

    assert ledger.by_reference("payout-0") is not None
    assert ledger.by_reference("payout-2") is not None


@pytest.mark.parametrize("name", ["events", "sequence"])
def test_a_counter_that_comes_to_its_end_within_a_batch_ends_it_there(
    ledger: Ledger, ledger_client: redis.Redis, name: str
) -> None:
    create(ledger, "before")
    ledger_client.hset(redis_keys.COUNTERS, name, str(EDGE - 3))

    with pytest.raises(LedgerBroken, match="counters"):
        ledger.create([new_transfer(f"payout-{n}") for n in range(6)], actor="backend")

    numbers = [int(event["number"]) for event in events(ledger_client)]
    assert len(numbers) == len(set(numbers)) == 4, "one before, and as many as the counter could be raised"


def test_a_sum_that_lua_can_not_say_exactly_is_exact_after_a_batch(ledger: Ledger, ledger_client: redis.Redis) -> None:
    create(ledger, "before", amount=1)
    ledger_client.hset(redis_keys.COUNTERS, "sum:queued:main:KZT:", str(2**53 + 1))

    ledger.create([new_transfer(f"payout-{n}", amount=1) for n in range(4)], actor="backend")

    assert ledger_client.hget(redis_keys.COUNTERS, "sum:queued:main:KZT:") == str(2**53 + 5)


def test_a_record_of_more_fields_than_a_record_has_is_not_read_to_its_end(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    record = create(ledger)
    ledger_client.hset(redis_keys.record(record.key), mapping={f"field-{n}": "x" for n in range(300)})

    with pytest.raises(LedgerBroken, match="record"):
        make(ledger, record, Verb.CLAIM)


def test_an_id_of_the_log_that_is_no_time_leaves_the_history_a_history(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """Another program may give an event any id; the ledger's next one comes after it."""
    record = create(ledger)
    ledger_client.xadd(redis_keys.EVENTS, {"x": "y"}, id=f"{2**64 - 10}-5")

    make(ledger, record, Verb.CLAIM)

    history = str(ledger_client.hget(redis_keys.record(record.key), "history"))
    assert history.count("m") == 2
    assert "m-" not in history


def test_cards_of_several_scripts_are_each_stored_and_each_counted(vault: Vault) -> None:
    keys = [f"{n:06}" for n in range(2 * _CARDS_A_SCRIPT + 5)]
    before = vault.count()

    puts = vault.put_cards([(key, FIRST_EPOCH, f"sealed {key}", 60_000) for key in keys])

    assert set(puts) == {Put.STORED}
    assert {vault.look(Purpose.CARD, key) for key in keys} == {Content.BLOB}
    assert vault.count().writes == before.writes + len(keys)


def test_a_place_of_another_type_is_nothing_and_keeps_no_other_card_out(
    vault: Vault, vault_client: redis.Redis
) -> None:
    vault_client.rpush(redis_keys.card("000002"), "no value of ours")

    puts = vault.put_cards([(key, FIRST_EPOCH, "sealed", 60_000) for key in ("000001", "000002", "000003")])

    assert puts == [Put.STORED] * 3
    assert vault.look(Purpose.CARD, "000003") is Content.BLOB


def test_a_card_without_time_left_keeps_no_other_card_out(vault: Vault) -> None:
    puts = vault.put_cards([("000001", FIRST_EPOCH, "sealed", 0), ("000002", FIRST_EPOCH, "sealed", 60_000)])

    assert puts == [Put.STORED] * 2
    assert vault.look(Purpose.CARD, "000002") is Content.BLOB


def test_no_batch_counts_beyond_what_a_count_can_say(vault: Vault, vault_client: redis.Redis) -> None:
    """A count of sixteen digits would be read as none, and guard nothing."""
    run = vault.count()
    most = 10**15 - 1
    vault_client.set(redis_keys.WRITES, f"{run.id}:{most - 2}")

    vault.put_cards([(f"{n:06}", FIRST_EPOCH, "sealed", 60_000) for n in range(5)])

    assert vault_client.get(redis_keys.WRITES) == f"{run.id}:{most}"
