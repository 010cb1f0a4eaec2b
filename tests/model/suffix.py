"""A second, small model: the ledger goes back to before `create`, and the producer repeats its reference.

The worker that sent is gone, an idle one knows nothing. What stands before a second payment is the vault: the
tombstone, where the repeat gets the same suffix, and the high-water mark, where it does not. Other transfers move the
ledger's sequence all the while; each of them that is taken is compared with the mark, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.model.explore import Found, explore

FIRST: Final = 1  #: the nonce of the claim that is forgotten
SECOND: Final = 2
ANOTHER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SuffixRules:
    suffix_is_digest: bool = True  #: L6
    mark_is_compared: bool = True  #: L2
    nonce_is_compared: bool = True  #: L2, equal sequences
    present_is_read: bool = True  #: L2: a mark above the claim's sequence is usual, so the ledger's present one decides
    producer_compares: bool = True  #: L7


@dataclass(frozen=True, slots=True, kw_only=True)
class SuffixScope:
    is_suffix_free: bool = False  #: is the digest's suffix free when the reference is repeated?
    moves: int = 3  #: so many moves of other transfers that take nothing
    takes: int = 2  #: so many of other transfers that are claimed and taken
    may_outgrow: bool = False  #: may the ledger that went back reach the mark before anything is taken?
    goes_back: bool = True
    same_producer: bool = False  #: does the process that repeats the reference remember the first `create`?


class Ground(NamedTuple):
    """Both lives of one reference."""

    step: str = "to create"  #: of the transfer, in the present life of the ledger
    life: int = FIRST
    sequence: int = 0
    claimed: int = 0  #: the claim's sequence
    known: int = 0  #: the producer's highest sequence
    mark: int = 0
    mark_nonce: int = 0
    has_tombstone: bool = False  #: at the place of the digest's suffix
    is_same_place: bool = True
    other: int = 0  #: another transfer's claim that is not taken yet: its sequence
    moves: int = 0
    takes: int = 0
    executions: int = 0
    is_stopped: bool = False  #: all sending is


_Made = Iterator[tuple[str, Ground, bool]]


def steps(ground: Ground, rules: SuffixRules, scope: SuffixScope) -> _Made:
    if ground.is_stopped:
        return
    for label, after, must_come in (*_transfer(ground, rules, scope), *_others(ground, rules, scope)):
        reach = ground.mark if label == "claim" else ground.mark - 1  # its own claim may meet the mark: the nonce tells
        has_outgrown = ground.life == SECOND and after.sequence > reach and after.sequence > ground.sequence
        if scope.may_outgrow or not has_outgrown:
            yield label, after, must_come
    if scope.goes_back and ground.life == FIRST and ground.step == "sent":
        yield (
            "THE LEDGER GOES BACK",
            ground._replace(step="to create", life=SECOND, sequence=0, claimed=0, other=0),
            False,
        )


def _transfer(ground: Ground, rules: SuffixRules, scope: SuffixScope) -> _Made:
    after = ground._replace(sequence=ground.sequence + 1)
    if ground.step == "to create":
        knows = ground.known if ground.life == FIRST or scope.same_producer else 0
        if rules.producer_compares and after.sequence <= knows:
            yield "create: not above what the producer knew", after._replace(is_stopped=True), True
            return
        is_same = ground.life == FIRST or (rules.suffix_is_digest and scope.is_suffix_free)
        yield "create", after._replace(step="to claim", known=after.sequence, is_same_place=is_same), True
    elif ground.step == "to claim":
        yield "claim", after._replace(step="to take", claimed=after.sequence), True
    elif ground.step == "to take":
        if ground.is_same_place and ground.has_tombstone:
            yield "take: another's tombstone", ground._replace(step="in doubt"), True
            return
        taken = _burnt(ground, ground.claimed, ground.life)._replace(step="to send")
        if ground.is_same_place:
            taken = taken._replace(has_tombstone=True)
        yield from _looks_at_mark(ground, taken, ground.claimed, rules, "take")
    elif ground.step == "to send":
        yield "the bank executes", ground._replace(step="sent", executions=ground.executions + 1), True


def _burnt(ground: Ground, claimed: int, nonce: int) -> Ground:
    return ground._replace(mark=claimed, mark_nonce=nonce) if claimed > ground.mark else ground


def _looks_at_mark(ground: Ground, taken: Ground, claimed: int, rules: SuffixRules, label: str) -> _Made:
    """L2, by the mark as it was before the take."""
    is_behind = rules.mark_is_compared and ground.mark > claimed
    if rules.present_is_read:
        is_behind = is_behind and ground.sequence < ground.mark
    if is_behind or (rules.nonce_is_compared and ground.mark and ground.mark == claimed):
        yield f"{label}: the mark says that the ledger went back", taken._replace(is_stopped=True), True
    else:
        yield f"{label}: ok", taken, True


def _others(ground: Ground, rules: SuffixRules, scope: SuffixScope) -> _Made:
    after = ground._replace(sequence=ground.sequence + 1)
    if ground.moves < scope.moves:
        yield "another transfer moves", after._replace(moves=ground.moves + 1), False
    if ground.takes < scope.takes:
        if not ground.other:
            yield "another transfer is claimed", after._replace(other=after.sequence), False
        else:
            done = _burnt(ground, ground.other, ANOTHER)._replace(other=0, takes=ground.takes + 1)
            yield from _looks_at_mark(ground, done, ground.other, rules, "another's take")


def law(ground: Ground) -> str:
    if ground.executions > 1:
        return "the bank executed twice"
    if ground.is_stopped and ground.life == FIRST:
        return "sending stopped, though no ledger went back"
    return ""


def run(rules: SuffixRules, scope: SuffixScope, *, limit: int = 1_000_000) -> Found[Ground]:
    return explore(Ground(), lambda ground: steps(ground, rules, scope), law, limit=limit)


def describe(ground: Ground) -> str:
    mark = f"{ground.mark} by {ground.mark_nonce}"
    return (
        f"{ground.step}, life {ground.life} | sequence {ground.sequence} | mark {mark} | executed {ground.executions}"
    )
