"""The fingerprints of a transfer's cards: a key of their own, from `create` to the end, and nowhere else."""

import pytest
import redis

from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from tests.support.factories import WAYS, Place, create, into, make, new_transfer
from tests.support.redis_state import everything

PRINTS = "1.60ac86d5.ACs2rjeU.htybDzVH.16ByhBJS...hV-LJYsb."

_ENDS = [
    (place, verb)
    for verb in Verb
    if verb.row.ends
    for place in WAYS
    if place[0] in verb.row.moves and verb.row.phase in {None, place[1]}
]


def test_create_keeps_them_apart_from_the_record(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger, card_prints=PRINTS)

    assert ledger.card_prints(record.key) == PRINTS
    assert ledger_client.get(redis_keys.prints(record.key)) == PRINTS
    assert everything(ledger_client).count(PRINTS) == 1


def test_a_reference_that_is_known_changes_no_prints(ledger: Ledger) -> None:
    record = create(ledger, card_prints=PRINTS)

    ledger.create([new_transfer(card_prints="1.60ac86d5.other")], actor="b")
    assert ledger.card_prints(record.key) == PRINTS


@pytest.mark.parametrize("place", [place for place in WAYS if place[0].value not in {"paid", "reversed", "declined"}])
def test_an_unfinished_transfer_keeps_them_and_one_that_ended_has_none(ledger: Ledger, place: Place) -> None:
    record = into(ledger, place, card_prints=PRINTS)
    is_final = place[0].value in {"expired", "cancelled"}

    assert ledger.card_prints(record.key) == ("" if is_final else PRINTS)


@pytest.mark.parametrize(("place", "verb"), _ENDS, ids=[f"{place[0]}-{place[1]}-{verb}" for place, verb in _ENDS])
def test_every_end_deletes_them(ledger: Ledger, ledger_client: redis.Redis, place: Place, verb: Verb) -> None:
    """A digest of a card beside its first six and last four finds the card: they may not meet for ever."""
    record = into(ledger, place, card_prints=PRINTS)
    ledger_client.set(redis_keys.prints(record.key), PRINTS)  # for one that has ended before, and ends otherwise

    assert isinstance(make(ledger, record, verb), Moved)
    assert ledger.card_prints(record.key) == ""
    assert PRINTS not in everything(ledger_client)
