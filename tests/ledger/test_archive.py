"""What the ledger keeps of an archived transfer: enough to answer for it for ever, and nothing that names a person."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import redis

from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.record import ARCHIVED_FIELDS, FIELDS, KEPT_AS, Record
from epay_transfers.ledger.states import FINAL, Phase, State, Verb
from epay_transfers.ledger.store import redis_keys, scripts
from epay_transfers.ledger.store.archived import Archived, Why, is_whole, reference_digest
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_format import check_format
from epay_transfers.ledger.store.replies import Foreign, Moved, ReferenceKnown, SuffixUsed
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.runtime.audit import Audit
from tests.support.clocks import FakeClock
from tests.support.factories import WAYS, as_before, create, found, into, new_transfer
from tests.support.redis_state import assert_agrees, snapshot

FILE = "transfers-20261124T100000-0001.jsonl"

#: What names a person: none of it may stay.
PERSONAL = {"sc": "440563******5096", "rc": "552204******6736", "metadata": '{"user":"Айгүль 😀"}', "ha": ""}

ENDS = sorted(state for state, phase in WAYS if state in FINAL)


_LONG = {kept: name for name, kept in KEPT_AS.items()}


def raw(ledger: Ledger, record: Record) -> dict[str, str]:
    return cast("dict[str, str]", ledger.client.hgetall(redis_keys.record(record.key)))


def reduce(ledger: Ledger, record: Record, exported: dict[str, str] | None = None, **more: Any) -> Why | None:
    said: dict[str, Any] = {"before_ms": ledger.now_ms() + 1, "file": FILE, "actor": "operator aigul"} | more
    return Archived(ledger.client, ledger.test_clock).reduce(exported or raw(ledger, record), **said)


def ended(ledger: Ledger, state: State = State.PAID, reference: str = "payout-42") -> Record:
    record = into(ledger, (state, Phase.SEND), reference, metadata=PERSONAL["metadata"])
    return found(ledger, record)


def of_before(ledger: Ledger, record: Record) -> Record:
    """As a version of before has left it: long names, the order's details in the record, and no way home."""
    as_before(ledger.client, record)
    ledger.client.hset(redis_keys.record(record.key), "order_details", '{"receiver_name":"Aigul"}')
    ledger.client.set(redis_keys.handle(record.handle), record.key, keepttl=True)
    return found(ledger, record)


def of_both(ledger: Ledger, record: Record) -> Record:
    """Written by a version of before, and corrected by this one: a field stands under both names."""
    of_before(ledger, record)
    ledger.client.hset(redis_keys.record(record.key), mapping={"ev": "by hand", "rc": "552204******0001"})
    return found(ledger, record)


def as_it_is(_ledger: Ledger, record: Record) -> Record:
    return record


@pytest.mark.parametrize("shape", [as_it_is, of_before, of_both])
@pytest.mark.parametrize("state", ENDS)
def test_it_keeps_its_key_its_end_and_a_digest_of_its_reference(
    ledger: Ledger, state: State, shape: Callable[[Ledger, Record], Record]
) -> None:
    before = shape(ledger, ended(ledger, state))
    was = raw(ledger, before)
    assert all({name, _LONG.get(name, name)} & was.keys() for name in PERSONAL)
    assert ("handle" in was, "order_details" in was) == (shape is not as_it_is, shape is not as_it_is)

    assert reduce(ledger, before) is None

    left = raw(ledger, before)
    assert left.keys() <= set(ARCHIVED_FIELDS)
    assert not left.keys() & {*KEPT_AS, *KEPT_AS.values(), "metadata"}
    assert not set(PERSONAL.values()) & set(left.values())
    assert left["reference"] == reference_digest("payout-42")
    assert not ledger.client.exists(redis_keys.reference("payout-42"))
    after = found(ledger, before)
    kept = ("key", "state", "phase", "epoch", "version", "state_since", "amount", "currency", "code", "reason")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert (after.archive, after.archived_at) == (FILE, ledger.now_ms())
    assert not is_whole(left)
    assert_agrees(ledger.client)


def test_its_reference_is_answered_and_its_suffix_never_used_again(ledger: Ledger) -> None:
    record = ended(ledger)
    reduce(ledger, record)

    (again,) = ledger.create([new_transfer("payout-42")], actor="backend")
    (same_id,) = ledger.create([new_transfer("other", invoice_id=record.key)], actor="backend")

    assert again == ReferenceKnown(record.key)
    assert same_id == SuffixUsed(record.key)
    (another,) = ledger.create([new_transfer("payout-43")], actor="backend")
    assert ledger.by_reference("payout-43") == found(ledger, another.record)  # type: ignore[union-attr]  # it was created


@pytest.mark.parametrize("shape", [as_it_is, of_before, of_both])
def test_the_banks_id_and_reference_lead_to_it_and_to_no_other_as_long_as_the_ledger_is_kept(
    ledger: Ledger, shape: Callable[[Ledger, Record], Record]
) -> None:
    """Else the bank's word on this transfer could be taken for one on another."""
    of_bank = Change(fields={"bank_id": "a9e1", "bank_reference": "423812345678"})
    record = into(ledger, (State.SENDING, Phase.SEND), "payout-42")
    ledger.move(record, Verb.PAY, of_bank, actor="worker")
    record = shape(ledger, found(ledger, record))
    reduce(ledger, record)
    other = into(ledger, (State.SENDING, Phase.SEND), "payout-43")

    assert [each.key for each in ledger.by_bank_reference("423812345678")] == [record.key]
    assert ledger.move(other, Verb.PAY, Change(fields={"bank_id": "a9e1"}), actor="worker") == Foreign(
        other.state, other.epoch, key=record.key
    )
    corrected = ledger.move(found(ledger, record), Verb.OPERATOR_REVERSED, of_bank, actor="worker")
    assert isinstance(corrected, Moved)
    assert [each.key for each in ledger.by_bank_reference("423812345678")] == [record.key]
    assert_agrees(ledger.client)


def test_of_its_order_nothing_is_left_to_read(ledger: Ledger) -> None:
    record = ended(ledger)
    reduce(ledger, record)

    assert ledger.details(found(ledger, record)) == OrderDetails()
    assert Transfer.of(found(ledger, record)).metadata == {}


def test_it_is_found_by_its_reference_and_says_when_it_was_archived(ledger: Ledger) -> None:
    record = ended(ledger)
    reduce(ledger, record)

    by_reference, by_key = ledger.by_reference("payout-42"), ledger.get(record.key)

    assert by_reference is not None
    assert by_key is not None
    assert (by_reference.reference, by_key.reference) == ("payout-42", reference_digest("payout-42"))
    assert (by_reference.key, by_reference.state) == (record.key, State.PAID)
    shown = Transfer.of(by_reference)
    assert (shown.final, shown.archived_at is None, shown.receiver_card) == (True, False, "")


def test_the_event_names_the_file_and_is_no_move(ledger: Ledger) -> None:
    record = ended(ledger)
    reduce(ledger, record, why="kept for a year")

    event = Events(ledger.client).newest(1)[0]

    told = {name: event.fields.get(name) for name in ("verb", "key", "file", "actor", "why", "version", "state")}
    assert told == {
        "verb": "archived", "key": record.key, "file": FILE, "actor": "operator aigul", "why": "kept for a year",
        "version": None, "state": None,
    }  # fmt: skip
    assert "payout-42" not in event.fields.values()
    assert [each.id for each in Events(ledger.client).of(found(ledger, record)).events] == [event.id]


def unfinished(ledger: Ledger) -> Record:
    return into(ledger, (State.IN_DOUBT, Phase.SEND), "payout-42")


def watched(ledger: Ledger) -> Record:
    record = ended(ledger)
    ledger.client.zadd(redis_keys.WATCHED, {record.key: 1})
    return record


def asked(ledger: Ledger) -> Record:
    record = ended(ledger)
    ledger.move(record, Verb.ASK, Change(fields={"question_id": "q1"}, watch_in=0), actor="worker")
    return record


def due(ledger: Ledger) -> Record:
    record = ended(ledger)
    ledger.client.zadd(redis_keys.DUE, {record.key: 1})
    return record


def contradicted(ledger: Ledger) -> Record:
    record = ended(ledger, State.DECLINED)
    ledger.client.hset(redis_keys.CONTRADICTED, record.key, "paid")
    return record


def of_another(ledger: Ledger) -> Record:
    record = ended(ledger)
    ledger.client.set(redis_keys.reference("payout-42"), "251124000077")
    return record


def lost_reference(ledger: Ledger) -> Record:
    record = ended(ledger)
    ledger.client.delete(redis_keys.reference("payout-42"))
    return record


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (unfinished, Why.STATE),
        (watched, Why.QUESTION),
        (asked, Why.QUESTION),
        (due, Why.DUE),
        (contradicted, Why.CONTRADICTION),
        (of_another, Why.REFERENCE),
        (lost_reference, Why.REFERENCE),
    ],
)
def test_of_what_something_is_open_nothing_is_changed(
    ledger: Ledger, make: Callable[[Ledger], Record], why: Why
) -> None:
    record = make(ledger)
    was = snapshot(ledger.client)

    assert reduce(ledger, record) is why

    assert snapshot(ledger.client) == was


def test_one_that_ended_at_that_moment_or_later_is_left(ledger: Ledger) -> None:
    record = ended(ledger)
    was = snapshot(ledger.client)

    assert reduce(ledger, record, before_ms=record.state_since) is Why.YOUNG
    assert snapshot(ledger.client) == was


@pytest.mark.parametrize(
    "name", sorted({"rc", "receiver_card", "metadata", "reference", "amount", "key", "history", "deadline_at"})
)
def test_a_record_that_is_not_what_was_exported_is_left_as_it_is(ledger: Ledger, name: str) -> None:
    record = ended(ledger)
    exported = raw(ledger, record)
    ledger.client.hset(redis_keys.record(record.key), name, "999")
    was = snapshot(ledger.client)

    assert reduce(ledger, record, exported) is Why.CHANGED
    assert snapshot(ledger.client) == was


def test_a_field_more_than_was_exported_keeps_the_record_whole(ledger: Ledger) -> None:
    """One that another version wrote, say: no export has it."""
    record = ended(ledger)
    exported = raw(ledger, record)
    ledger.client.hset(redis_keys.record(record.key), "colour", "green")

    assert reduce(ledger, record, exported) is Why.CHANGED


def test_a_field_that_this_version_does_not_know_is_exported_and_goes(ledger: Ledger) -> None:
    record = ended(ledger)
    ledger.client.hset(redis_keys.record(record.key), "colour", "green")

    assert reduce(ledger, record) is None
    assert "colour" not in raw(ledger, record)


def test_the_same_file_again_changes_nothing(ledger: Ledger) -> None:
    record = ended(ledger)
    exported = raw(ledger, record)
    reduce(ledger, record, exported)
    was = snapshot(ledger.client)

    assert reduce(ledger, record, exported) is None
    assert snapshot(ledger.client) == was


def test_an_archived_end_can_be_corrected_and_archived_again(ledger: Ledger) -> None:
    """The bank's word may come a year later: it is written down all the same."""
    record = ended(ledger, State.DECLINED)
    reduce(ledger, record)

    moved = ledger.move(
        found(ledger, record), Verb.CORRECT_PAID, Change(fields={"receiver_card": "552204******6736"}), actor="worker"
    )

    assert isinstance(moved, Moved)
    assert is_whole(raw(ledger, record))
    assert reduce(ledger, record, file="transfers-2.jsonl") is None
    assert found(ledger, record).state is State.PAID
    assert not is_whole(raw(ledger, record))
    (again,) = ledger.create([new_transfer("payout-42")], actor="backend")
    assert again == ReferenceKnown(record.key)
    assert ledger.counters()["archived"] == 1
    assert_agrees(ledger.client)


def test_a_version_that_does_not_know_archived_references_can_create_nothing_any_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would find no reference, make a new transfer, and pay a second time."""
    record = ended(ledger)
    reduce(ledger, record)
    of_before = scripts.text_of("create").replace("found ~= FORMAT and found ~= WITH_ARCHIVED", "found ~= FORMAT")
    of_before = of_before.replace(" or typed(redis.pcall('HGET', KEYS[14], ARGV[10]))", "")
    assert of_before.count("WITH_ARCHIVED") == 1
    monkeypatch.setattr("epay_transfers.ledger.store.scripts.text_of", lambda _name: of_before)
    older = Ledger(ledger.client, ledger.test_clock)

    with pytest.raises(Exception, match="format"):
        older.create([new_transfer("payout-42")], actor="backend")

    check_format(ledger.client)


def test_archived_references_of_another_type_are_said_and_nothing_is_made(ledger: Ledger) -> None:
    ledger.client.set(redis_keys.archived(reference_digest("payout-42")), "text")
    was = snapshot(ledger.client)

    with pytest.raises(Exception, match="archived references"):
        create(ledger, "payout-42")
    assert snapshot(ledger.client) == was


def test_the_audit_knows_archived_ones_and_misses_a_reference_that_does_not_lead_there(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock
) -> None:
    one, other = ended(ledger), ended(ledger, State.DECLINED, "payout-43")
    for record in (one, other):
        reduce(ledger, record)
    audit = Audit(ledger, Broker(ledger_client, [], {}).client, None)
    assert audit.run() == []

    digest = reference_digest("payout-42")
    ledger_client.hdel(redis_keys.archived(digest), digest)

    (odd,) = audit.run()
    assert (odd.where, odd.key) == ("ledger, archived references", one.key)


def test_every_field_that_stays_is_one_of_the_record_and_has_one_name() -> None:
    """The script knows names in the hash: a field with two of them would go under one, or stay under one."""
    assert set(ARCHIVED_FIELDS) < set(FIELDS)
    assert not set(ARCHIVED_FIELDS) & {*KEPT_AS, *KEPT_AS.values(), "metadata"}
