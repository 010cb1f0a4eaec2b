"""The record, read from the hash that the ledger keeps."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger import metadata
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.record import FIELDS, FIRST_EPOCH, GENERATION, KEPT_AS, Record, kept_as
from epay_transfers.ledger.states import Phase, State

RECORDS = st.builds(
    Record,
    key=st.just("251124000001"),
    state=st.sampled_from(State),
    phase=st.sampled_from(Phase),
    epoch=st.integers(FIRST_EPOCH, 10**12),
    amount=st.integers(0, 10**13),
    reference=st.text(max_size=20),
    order_details=st.text(max_size=20),
    next_attempt_at=st.integers(0, 2**41),
    code=st.text(max_size=5),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3).map(metadata.write),
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.from_hash({name: str(value) for name, value in asdict(record).items()}) == record


def test_what_is_not_there_is_nothing_or_empty() -> None:
    record = Record.from_hash({"key": "251124000001", "state": "queued"})

    assert record == Record(key="251124000001", state=State.QUEUED)
    assert (record.phase, record.epoch, record.next_attempt_at, record.code) == (Phase.SEND, FIRST_EPOCH, 0, "")


def test_what_a_later_release_writes_is_left_alone() -> None:
    record = Record.from_hash({"key": "251124000001", "state": "paid", "colour": "green", "version": "7"})

    assert (record.state, record.version) == (State.PAID, 7)


@pytest.mark.parametrize("text", ["{", "[]", '{"user":1001}'])
def test_metadata_that_this_version_does_not_write_are_no_record(text: str) -> None:
    """And what it says of them names the field alone."""
    raw = {"key": "251124000001", "state": "paid", "epoch": "1000001", "version": "7", "state_since": "1"}
    raw |= {"amount": "100", "currency": "KZT", "reference": "a", "terminal": "main", "metadata": text}

    with pytest.raises(RecordUnreadable, match="its metadata has a value that this version does not know"):
        Record.from_ledger("251124000001", raw)


def test_no_repr_of_a_record_shows_its_metadata() -> None:
    assert "1001" not in repr(Record(key="251124000001", state=State.PAID, metadata='{"user":"1001"}'))


@given(RECORDS)
def test_a_record_is_read_as_it_is_kept(record: Record) -> None:
    assert Record.from_hash({kept_as(name): str(value) for name, value in asdict(record).items()}) == record


def test_of_two_names_of_a_field_the_short_one_is_newer() -> None:
    """In whatever order the server has them."""
    plain = {"key": "251124000001", "state": "queued"}

    for raw in (plain | {"evidence": "old", "ev": "new"}, plain | {"ev": "new", "evidence": "old"}):
        assert Record.from_hash(raw).evidence == "new"
    assert Record.from_hash(plain | {"evidence": "old"}).evidence == "old"


def test_a_short_name_is_the_name_of_nothing_else() -> None:
    names = [*FIELDS, *KEPT_AS.values()]

    assert len(set(names)) == len(names)
    assert set(KEPT_AS) <= set(FIELDS)


def test_what_can_not_be_read_is_named_by_the_fields_name() -> None:
    with pytest.raises(ValueError, match=r"^its amount has a value"):
        Record.from_hash({"key": "251124000001", "state": "queued", "amount": "2 "})


@pytest.mark.parametrize(("key", "space"), [("251124000001", "main"), ("kiosk:251124000001", "kiosk")])
def test_the_space_is_the_keys_where_the_hash_has_none(key: str, space: str) -> None:
    raw = {
        "key": key, "state": "queued", "epoch": "1000001", "version": "1", "state_since": "1", "amount": "1",
        "currency": "KZT", "reference": "a", "terminal": "main",
    }  # fmt: skip

    assert Record.from_ledger(key, raw).space == space
    assert Record.from_ledger(key, raw | {"space": "older"}).space == "older"


@given(st.integers(1, 1000), st.integers(1, GENERATION - 1))
def test_a_new_generation_is_above_every_try_of_the_old_one(generation: int, tries: int) -> None:
    assert GENERATION == 1_000_000  # what records hold already can't be counted anew
    record = Record(key="251124000001", state=State.QUEUED, epoch=generation * GENERATION + tries)

    assert record.next_generation == (generation + 1) * GENERATION + 1
    assert record.next_generation > record.epoch
