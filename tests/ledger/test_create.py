"""New transfers: the last six digits are unique for ever within a space, a reference is known for ever."""

import itertools

import pytest
import redis

from epay_transfers.ledger import invoice
from epay_transfers.ledger.record import FIRST_EPOCH
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.pauses import ALL, Lane, Pauses
from epay_transfers.ledger.store.replies import Created, Exhausted, Full, Lost, Paused, ReferenceKnown, SuffixUsed
from tests.support.clocks import FakeClock
from tests.support.factories import NOW, create, found, into, make, new_transfer
from tests.support.redis_state import assert_agrees, due, events, records, snapshot

WHOLE_SPACE = b"\xff" * (invoice.SUFFIXES // 8)


def use_up(client: redis.Redis, *free: int, space: str = "main") -> None:
    """All suffixes of the space are used, but for these."""
    client.set(redis_keys.suffixes(space), WHOLE_SPACE)
    for suffix in free:
        client.setbit(redis_keys.suffixes(space), suffix, 0)


def test_what_a_new_transfer_is(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger, related="payout-0")

    assert found(ledger, record) == record
    assert ledger.by_reference("payout-1") == ledger.by_handle(record.handle) == record
    assert (record.state, record.phase, record.epoch, record.version) == (State.QUEUED, Phase.SEND, FIRST_EPOCH, 1)
    assert (record.created_at, record.state_since, record.amount, record.related) == (NOW, NOW, 1_500_000, "payout-0")
    assert due(ledger_client) == {record.key: NOW + 5000}
    assert_agrees(ledger_client)
    (event,) = events(ledger_client)
    said = {"verb": "create", "from": "", "state": "queued", "key": record.key, "version": "1", "actor": "backend"}
    assert event.items() >= said.items()


def test_a_made_id_is_the_banks_day_and_a_free_suffix(ledger: Ledger) -> None:
    made = [create(ledger, f"payout-{n}").key for n in range(20)]

    assert len({key[-6:] for key in made}) == 20
    assert {key[:6] for key in made} == {invoice.make_invoice_id(0, NOW)[:6]}


def test_handles_can_not_be_guessed(ledger: Ledger) -> None:
    handles = {create(ledger, f"payout-{n}").handle for n in range(20)}

    assert len(handles) == 20
    assert min(map(len, handles)) >= 22


@pytest.mark.parametrize("invoice_id", ["000001", "251124000001", "999999999000001"])
def test_a_suffix_is_taken_for_ever_in_its_space(ledger: Ledger, ledger_client: redis.Redis, invoice_id: str) -> None:
    first = create(ledger, invoice_id="123000001")
    make(ledger, first, Verb.EXPIRE)
    was = snapshot(ledger_client)

    assert ledger.create([new_transfer("payout-2", invoice_id=invoice_id)], actor="b") == [SuffixUsed("123000001")]
    assert snapshot(ledger_client) == was


def test_another_space_has_the_suffix_still(ledger: Ledger, ledger_client: redis.Redis) -> None:
    create(ledger, invoice_id="123000001")
    other = create(ledger, "payout-2", invoice_id="123000001", space="kiosk", terminal="kiosk")

    assert other.key == "kiosk:123000001"
    assert found(ledger, other).space == "kiosk"
    assert ledger.counters()["used:main"] == ledger.counters()["used:kiosk"] == 1
    assert_agrees(ledger_client)


@pytest.mark.parametrize("place", [(State.QUEUED, Phase.SEND), (State.PAID, Phase.SEND), (State.CANCELLED, Phase.SEND)])
def test_a_known_reference_leads_to_its_transfer_and_creates_nothing(
    ledger: Ledger, ledger_client: redis.Redis, place: tuple[State, Phase]
) -> None:
    """Whatever else the new transfer says, the queue's limit and a paused lane included: what is known was accepted."""
    record = into(ledger, place)
    Pauses(ledger_client, FakeClock()).pause(Lane.SEND, ALL, actor="op", reason="r", until_ms=NOW + 10**9)
    was = snapshot(ledger_client)

    again = new_transfer("payout-1", amount=1, invoice_id="777777", space="kiosk")
    assert ledger.create([again], actor="b", limit=1) == [ReferenceKnown(record.key)]
    assert snapshot(ledger_client) == was


def test_one_reference_twice_in_a_batch_is_one_transfer(ledger: Ledger, ledger_client: redis.Redis) -> None:
    first, second = ledger.create([new_transfer("payout-1"), new_transfer("payout-1")], actor="b")

    assert isinstance(first, Created)
    assert second == ReferenceKnown(first.record.key)
    assert len(records(ledger_client)) == 1


def test_a_batch_is_answered_in_order(ledger: Ledger, ledger_client: redis.Redis) -> None:
    known = create(ledger, "known", invoice_id="000007")
    new_transfers = [
        new_transfer("a"),
        new_transfer("known"),
        new_transfer("b", invoice_id="111000007"),
        new_transfer("c"),
    ]

    first, second, third, fourth = ledger.create(new_transfers, actor="b")

    assert isinstance(first, Created)
    assert first.record.reference == "a"
    assert (second, third) == (ReferenceKnown(known.key), SuffixUsed("000007"))
    assert isinstance(fourth, Created)
    assert fourth.record.reference == "c"
    assert_agrees(ledger_client)


def test_a_free_suffix_is_found_in_a_crowded_space(
    ledger: Ledger, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the search begins, before it, after it, or in its byte: the next free one, then the first of all."""
    free = [3, 77_001, 77_007, 999_999]
    use_up(ledger_client, *free)
    starts = iter([77_004, 77_002, 999_998, 0, 0])
    monkeypatch.setattr(NewTransfer, "first_suffix", lambda _draft: next(starts))

    suffixes = [invoice.suffix_of(create(ledger, f"payout-{n}").key) for n in range(4)]

    assert sorted(suffixes) == free
    assert ledger.create([new_transfer("one-more")], actor="b") == [Exhausted()]


@pytest.mark.parametrize("free", [0, 5, 499_000])
def test_the_search_goes_round(
    ledger: Ledger, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    use_up(ledger_client, free)
    monkeypatch.setattr(NewTransfer, "first_suffix", lambda _draft: 500_000)

    assert invoice.suffix_of(create(ledger).key) == free


def test_an_exhausted_space_says_so_and_another_one_goes_on(ledger: Ledger, ledger_client: redis.Redis) -> None:
    use_up(ledger_client)
    was = snapshot(ledger_client)

    assert ledger.create([new_transfer()], actor="b") == [Exhausted()]
    assert snapshot(ledger_client) == was
    assert create(ledger, space="kiosk").space == "kiosk"


def test_the_last_free_suffix_is_given_once(ledger: Ledger, ledger_client: redis.Redis) -> None:
    use_up(ledger_client, 999_999)

    first, second = ledger.create([new_transfer("a"), new_transfer("b")], actor="b")

    assert [type(first), type(second)] == [Created, Exhausted]
    assert invoice.suffix_of(records(ledger_client)[0].key) == 999_999


def test_a_batch_finds_room_behind_a_long_block_of_used_suffixes(
    ledger: Ledger, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer that brings its own ids in order leaves such a block; a batch whose ids are made meets it together."""
    use_up(ledger_client, *range(500_000, 500_100))
    monkeypatch.setattr(NewTransfer, "first_suffix", lambda _draft: 400_000)

    replies = ledger.create([new_transfer(f"payout-{n}") for n in range(60)], actor="b")

    assert {type(reply) for reply in replies} == {Created}


def test_a_lost_bitmap_lets_no_record_be_overwritten(
    ledger: Ledger, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its suffix is marked as used again, and the next free one is tried; a producer's own is taken."""
    first = create(ledger, invoice_id="251124000001")
    ledger_client.delete(redis_keys.suffixes("main"))
    monkeypatch.setattr(NewTransfer, "first_suffix", lambda given: int((given.invoice_id or "000001")[-6:]))

    assert ledger.create([new_transfer("own", invoice_id="000001")], actor="b") == [SuffixUsed(first.key)]
    ledger_client.delete(redis_keys.suffixes("main"))
    second = create(ledger, "payout-2")

    assert found(ledger, first) == first
    assert invoice.suffix_of(second.key) != 1
    assert ledger_client.getbit(redis_keys.suffixes("main"), 1) == 1
    assert_agrees(ledger_client)


@pytest.mark.parametrize("invoice_id", [None, "991231000017"])
def test_a_reference_whose_transfer_may_be_lost_makes_no_second_one(
    ledger: Ledger, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, invoice_id: str | None
) -> None:
    """Its record and its reference are gone; it begins at its suffix again, which an operator has closed as lost."""
    monkeypatch.setattr(NewTransfer, "first_suffix", lambda _given: 17)
    ledger_client.setbit(redis_keys.suffixes("main"), 17, 1)
    ledger_client.hset(redis_keys.LOST, "main:17", "261128000017")

    assert ledger.create([new_transfer("again", invoice_id=invoice_id)], actor="b") == [Lost("261128000017")]
    assert ledger.by_reference("again") is None

    monkeypatch.setattr(NewTransfer, "first_suffix", lambda _given: 18)
    assert isinstance(ledger.create([new_transfer("another")], actor="b")[0], Created)


def test_a_given_suffix_is_never_swapped_for_another(ledger: Ledger, ledger_client: redis.Redis) -> None:
    create(ledger, invoice_id="000001")

    assert ledger.create([new_transfer("payout-2", invoice_id="000001")], actor="b") == [SuffixUsed("000001")]
    assert ledger.by_reference("payout-2") is None


def test_the_queues_limit_counts_who_waits(ledger: Ledger, ledger_client: redis.Redis) -> None:
    for n in range(2):
        create(ledger, f"payout-{n}")
    was = snapshot(ledger_client)
    assert ledger.create([new_transfer("payout-2")], actor="b", limit=2) == [Full(2)]
    assert snapshot(ledger_client) == was

    record = ledger.by_reference("payout-0")
    assert record is not None
    make(ledger, record, Verb.CLAIM)
    replies = ledger.create([new_transfer("payout-2"), new_transfer("payout-3")], actor="b", limit=2)
    assert [type(reply) for reply in replies] == [Created, Full]


@pytest.mark.parametrize("terminal", ["main", ALL])
def test_a_terminal_that_is_stopped_beyond_the_deadline_takes_nothing(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, terminal: str
) -> None:
    Pauses(ledger_client, clock).pause(Lane.SEND, terminal, actor="op", reason="r", until_ms=NOW + 1000)
    was = snapshot(ledger_client)

    assert ledger.create([new_transfer(lasts_ms=999)], actor="b") == [Paused(NOW + 1000)]
    assert snapshot(ledger_client) == was
    create(ledger, lasts_ms=1000)  # nobody can foresee that this one is not sent in time


@pytest.mark.parametrize(
    ("lane", "terminal", "until_ms"),
    [(Lane.CONFIRM, ALL, NOW + 10**9), (Lane.SEND, "kiosk", NOW + 10**9), (Lane.SEND, ALL, 0)],
)
def test_other_stops_hold_nobody_up(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, lane: Lane, terminal: str, until_ms: int
) -> None:
    """Another lane, another terminal, or a pause of which nobody can say when it ends."""
    Pauses(ledger_client, clock).pause(lane, terminal, actor="op", reason="r", until_ms=until_ms)

    create(ledger)


def test_references_are_for_ever_and_records_too(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.PAID, Phase.SEND))

    for key in (redis_keys.reference("payout-1"), redis_keys.record(record.key), redis_keys.suffixes("main")):
        assert ledger_client.ttl(key) == -1


def test_many_spaces_and_currencies_are_counted_apart(ledger: Ledger, ledger_client: redis.Redis) -> None:
    pairs = itertools.product(["main", "kiosk"], ["KZT", "USD"])
    for n, (space, currency) in enumerate(pairs):
        create(ledger, f"payout-{n}", space=space, currency=currency, amount=10**13)

    assert ledger.totals().of(State.QUEUED).amounts == {"KZT": 2 * 10**13, "USD": 2 * 10**13}
    assert_agrees(ledger_client)
