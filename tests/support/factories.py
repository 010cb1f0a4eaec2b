"""How the tests of this room make transfers: a new_transfer, and the shortest way of real moves into every state."""

from dataclasses import replace
from typing import Any, cast

import redis

from epay_transfers.ledger.record import KEPT_AS, Record, StoredChallenge
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.replies import Claim, Created, Moved
from tests.support.clocks import FakeClock

NOW = 1_795_500_000_000  #: where the tests' clock begins
HOUR_MS = 3_600_000
LASTS_MS = 900_000
HOST = "bank.example"
#: Of a claim that no test looks at.
NONCE = "0123456789abcdef"

CHALLENGE = StoredChallenge(pa_req="eJxVUt1u", md="270469967-9CA5EC5779A3358E", action="https://acs.example/")

Place = tuple[State, Phase]

#: Every state, by the shortest way of moves into it; two of them are reached before and after the confirm.
WAYS: dict[Place, list[Verb]] = {
    (State.QUEUED, Phase.SEND): [],
    (State.SENDING, Phase.SEND): [Verb.CLAIM],
    (State.PARKED, Phase.SEND): [Verb.CLAIM, Verb.PARK],
    (State.RESUMED, Phase.CONFIRM): [Verb.CLAIM, Verb.PARK, Verb.RESUME],
    (State.CONFIRMING, Phase.CONFIRM): [Verb.CLAIM, Verb.PARK, Verb.RESUME, Verb.CLAIM],
    (State.IN_DOUBT, Phase.SEND): [Verb.CLAIM, Verb.DOUBT],
    (State.IN_DOUBT, Phase.CONFIRM): [Verb.CLAIM, Verb.PARK, Verb.RESUME, Verb.CLAIM, Verb.DOUBT],
    (State.NEEDS_REVIEW, Phase.SEND): [Verb.CLAIM, Verb.DOUBT, Verb.SEND_TO_REVIEW],
    (State.NEEDS_REVIEW, Phase.CONFIRM): [Verb.CLAIM, Verb.PARK, Verb.FOUND_TAKEN_CONFIRM, Verb.SEND_TO_REVIEW],
    (State.DEAD, Phase.SEND): [Verb.CLAIM, Verb.FAIL_CLAIMED],
    (State.PAID, Phase.SEND): [Verb.CLAIM, Verb.PAY],
    (State.REVERSED, Phase.SEND): [Verb.CLAIM, Verb.PAY, Verb.OPERATOR_REVERSED],
    (State.DECLINED, Phase.SEND): [Verb.CLAIM, Verb.DECLINE],
    (State.EXPIRED, Phase.SEND): [Verb.EXPIRE],
    (State.CANCELLED, Phase.SEND): [Verb.CANCEL],
}


def new_transfer(reference: str = "payout-1", **more: Any) -> NewTransfer:
    plain = NewTransfer(
        reference=reference,
        space="main",
        terminal="main",
        amount=1_500_000,
        currency="KZT",
        urgency="now",
        order_details="{}",
        fingerprints="1.a.b",
        lasts_ms=LASTS_MS,
        day_ms=NOW,
        sender_card="440563******5096",
        receiver_card="552204******6736",
    )
    return replace(plain, **more)


def create(ledger: Ledger, reference: str = "payout-1", **more: Any) -> Record:
    (created,) = ledger.create([new_transfer(reference, **more)], actor="backend")
    assert isinstance(created, Created)
    return created.record


def claim(ledger: Ledger, record: Record, **more: Any) -> Claim:
    lane = "send" if record.state is State.QUEUED else "confirm"
    said: dict[str, Any] = {"lane": lane, "host": HOST, "gap_ms": 0, "lease_ms": 60_000, "actor": "worker"} | more
    return ledger.claim(record, **said)


def change(verb: Verb, now_ms: int) -> Change:
    """What a caller says besides: when to look again, unless the move ends the transfer."""
    due_at = None if verb.row.ends or verb.row.keeps_due else now_ms + HOUR_MS
    return Change(due_at=due_at, challenge=CHALLENGE if verb is Verb.PARK else None)


def make(ledger: Ledger, record: Record, verb: Verb, now_ms: int = 0) -> Claim:
    """`now_ms`: where the tests' clock begins, or what time it is where the ledger goes by the true one."""
    now_ms = now_ms or (ledger.now_ms() if ledger.test_clock is None else NOW)
    if verb is Verb.CLAIM:
        return claim(ledger, record)
    if verb is Verb.EXPIRE:
        reach(ledger, record.deadline_at)
    return ledger.move(record, verb, change(verb, now_ms), actor="worker")


def made(reply: Claim) -> Moved:
    assert isinstance(reply, Moved)
    return reply


def reach(ledger: Ledger, at_ms: int) -> None:
    """Time passes until then."""
    left_ms = at_ms - ledger.now_ms()
    if left_ms > 0:
        assert isinstance(ledger.test_clock, FakeClock), "nobody waits for the true time"
        ledger.test_clock.advance(left_ms / 1000)


def into(ledger: Ledger, place: Place, reference: str = "payout-1", **more: Any) -> Record:
    """A transfer in that state and phase, as the ledger has it."""
    record = create(ledger, reference, **more)
    for verb in WAYS[place]:
        assert isinstance(make(ledger, record, verb), Moved), verb
        record = found(ledger, record)
    assert (record.state, record.phase) == place
    return record


def found(ledger: Ledger, record: Record) -> Record:
    fresh = ledger.get(record.key)
    assert fresh is not None
    return fresh


def as_before(client: redis.Redis, record: Record) -> None:
    """The record as a version before has written it: long names, and its space."""
    place = redis_keys.record(record.key)
    raw = cast("dict[str, str]", client.hgetall(place))
    older = {name: raw[kept] for name, kept in KEPT_AS.items() if kept in raw}
    client.hdel(place, *(KEPT_AS[name] for name in older))
    client.hset(place, "space", record.space, mapping=older)  # type: ignore[arg-type]  # str is a field's type
