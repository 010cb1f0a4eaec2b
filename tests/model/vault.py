"""The vault's scripts, as rules over what stands in one place. Each returns the place after it and what it replies.

A reply is one word: a step's code branches on it, and a trace shows it. A rule of `Rules` that is switched off changes
the one line that names it.
"""

from typing import Final

from tests.model.world import BLOB, CLOSED, NOTHING, TOMBSTONE, Place, Rules

OK: Final = "ok"
MINE: Final = "mine"
LATER: Final = "later"
NO: Final = "no"
EMPTY: Final = "nothing"
OTHER: Final = "another's tombstone"
ALREADY: Final = "already"
TAKEN: Final = "taken"

Reply = tuple[Place, str]


def is_blob(place: Place, rules: Rules) -> bool:
    """A blob that proves something: this very run of the server wrote it."""
    return place.kind == BLOB and not (place.is_foreign and rules.foreign_blob_proves_nothing)


def is_empty(place: Place, rules: Rules) -> bool:
    return place.kind == NOTHING or (place.kind == BLOB and not is_blob(place, rules))


def take(place: Place, epoch: int, nonce: int, rules: Rules, *, compares: bool) -> Reply:
    """V1. Take the blob out, once."""
    if is_blob(place, rules):
        if place.epoch == epoch or not compares:
            return Place(TOMBSTONE, place.epoch, nonce), OK
        return place, LATER if place.epoch > epoch else EMPTY
    if place.kind == TOMBSTONE:
        return place, MINE if place.nonce == nonce else OTHER
    return place, EMPTY


def refence(place: Place, epoch: int, rules: Rules, *, compares: bool = True) -> Reply:
    """V2. Move an untouched blob to the next epoch: the proof that nothing was sent, and that nothing can be."""
    if is_blob(place, rules):
        if place.epoch == epoch or not compares:
            return place._replace(epoch=epoch + 1, is_foreign=False), OK
        if place.epoch == epoch + 1 and rules.refence_may_repeat:
            return place, OK
    return place, NO


def put(place: Place, epoch: int, rules: Rules, *, over: bool, is_wrong: bool = False) -> Reply:
    """V3. Store a blob; `over` also over one of a lower epoch."""
    if is_empty(place, rules) or (over and place.kind == BLOB and place.epoch < epoch):
        return Place(BLOB, epoch, is_wrong=is_wrong), OK
    is_same = is_blob(place, rules) and place.epoch == epoch and place.is_wrong == is_wrong
    return place, ALREADY if is_same else NO


def put_back(place: Place, epoch: int, nonce: int, rules: Rules, *, is_wrong: bool) -> Reply:
    """V4. Put the blob back in the place of its own tombstone: for a worker with proof that it sent nothing."""
    again = Place(BLOB, epoch + 1, is_wrong=is_wrong)
    is_own = place.kind == TOMBSTONE and place.epoch == epoch
    if rules.tombstones_name_their_claim:
        is_own = is_own and place.nonce == nonce
    if is_own or not rules.unburn_compares:
        return again, OK
    if is_blob(place, rules) and place.epoch == epoch + 1:
        return place, OK
    if is_empty(place, rules):
        return (place, EMPTY) if rules.unburn_needs_tombstone else (again, OK)
    return place, NO


def close(place: Place, epoch: int, rules: Rules) -> Reply:
    """V5. Before a transfer that was never sent ends: see to it that nothing can be sent any more."""
    if place.kind == TOMBSTONE and (place.epoch >= epoch or rules.close_hears_any_tombstone):
        return place, TAKEN
    if is_blob(place, rules):
        return (place._replace(epoch=epoch + 1) if place.epoch == epoch else place), OK
    if is_empty(place, rules):
        return Place(CLOSED, epoch), OK
    return place, OK


def drop(place: Place, epoch: int) -> Place:
    """The transfer has ended: its blob goes, a tombstone stays."""
    return Place(CLOSED, epoch) if place.kind == BLOB else place
