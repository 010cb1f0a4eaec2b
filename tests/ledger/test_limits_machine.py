"""A machine that lets workers at a terminal's transfers in any order: what is sent on a day stays within its limits.

Workers claim, count, send, die between any two of these, and give back what they proved not to have sent; sweepers
queue again what a dead worker left; days end; a user that may write records writes into them. The scripts are real.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from epay_transfers.ledger.limits import Counts, Day, Limits, counts_of_terminal
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from tests.support.clocks import FakeClock
from tests.support.factories import claim, create, found

MOST = Limits(transfer=60, terminal_day=100, receiver_day=70)
CARDS = ("a", "b")
AMOUNTS = (1, 30, 41, 60, 61)  #: some two of them are one more than a limit
WHICH = st.integers(0, 99)
FOR_EVER_MS = 30 * 86_400_000


@dataclass
class Holder:
    """A worker that has claimed a transfer, and may send it. `record`: as it has read it."""

    record: Record
    day: Day
    counts: Counts
    is_counted: bool = False


class Machine(RuleBasedStateMachine):
    client: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.clock = FakeClock()
        self.ledger = Ledger(self.client, self.clock)
        self.amounts: dict[str, int] = {}  #: what was ordered, by key
        self.cards: dict[str, str] = {}
        self.queued: list[Record] = []  #: as some worker has read them, perhaps long ago
        self.holders: list[Holder] = []
        self.lost: list[Record] = []  #: claimed by workers that died
        self.sent: dict[str, list[str]] = defaultdict(list)  #: keys, by day of the claim
        self.claimed: dict[str, set[str]] = defaultdict(set)
        self.sums: dict[str, int] = defaultdict(int)  #: what the terminal's count must be, by day
        self.unsent: dict[tuple[str, str], int] = {}  #: given back, by day and key
        self.counted: dict[str, set[str]] = defaultdict(set)

    @rule(amount=st.sampled_from(AMOUNTS), card=st.sampled_from(CARDS))
    def enqueue(self, amount: int, card: str) -> None:
        record = create(self.ledger, f"payout-{len(self.amounts)}", amount=amount, lasts_ms=FOR_EVER_MS)
        self.amounts[record.key], self.cards[record.key] = amount, card
        self.queued.append(record)

    @precondition(lambda self: self.queued)
    @rule(which=WHICH)
    def take_in_hand(self, which: int) -> None:
        """A worker claims what it has read; the epoch of its reading may be an old one."""
        record = self.queued[which % len(self.queued)]
        day = Day.of(self.clock.now_ms())
        place = {"terminal": record.terminal, "currency": record.currency}
        counts = counts_of_terminal(MOST, day, key=record.key, amount=record.amount, **place)
        reply = claim(self.ledger, record, limits=MOST, counts=counts)
        if isinstance(reply, Moved):
            self.queued.remove(record)
            self.holders.append(Holder(record, day, self._with_card(counts, record.key)))
            self.claimed[day.name].add(record.key)
            unsent = self.unsent.pop((day.name, record.key), 0)
            self.sums[day.name] += max(record.amount - unsent, 0)

    @precondition(lambda self: self.holders)
    @rule(which=WHICH)
    def count(self, which: int) -> None:
        """Or it finds that the card's limit is reached, and gives the transfer back."""
        self._count(self.holders[which % len(self.holders)])

    def _count(self, holder: Holder) -> None:
        key = holder.record.key
        if not holder.is_counted and self.ledger.count_receiver(holder.counts, most=MOST.receiver_day or 0):
            holder.is_counted = True
            self.counted[holder.day.name].add(key)
        elif not holder.is_counted:
            holder.counts = replace(holder.counts, card="")
            self._give_back(holder)

    @precondition(lambda self: any(holder.is_counted for holder in self.holders))
    @rule(which=WHICH, is_heard=st.booleans())
    def send(self, which: int, *, is_heard: bool) -> None:
        """What is sent is what was sealed: a record that says otherwise was refused before. The bank may not answer."""
        ready = [holder for holder in self.holders if holder.is_counted]
        self._send(ready[which % len(ready)], is_heard=is_heard)

    def _send(self, holder: Holder, *, is_heard: bool) -> None:
        self.holders.remove(holder)
        if holder.record.amount != self.amounts[holder.record.key]:
            self.ledger.move(holder.record, Verb.FAIL_CLAIMED, Change(due_in=1), actor="worker")
            return
        self.sent[holder.day.name].append(holder.record.key)
        self.ledger.move(holder.record, Verb.DECLINE if is_heard else Verb.DOUBT, _then(is_heard), actor="worker")

    @precondition(lambda self: self.queued)
    @rule(which=WHICH)
    def work_undisturbed(self, which: int) -> None:
        """From the claim to the bank's answer."""
        before = len(self.holders)
        self.take_in_hand(which)
        if len(self.holders) > before:
            holder = self.holders[-1]
            self._count(holder)
            if holder.is_counted:
                self._send(holder, is_heard=True)

    @precondition(lambda self: self.holders)
    @rule(which=WHICH)
    def prove_unsent(self, which: int) -> None:
        self._give_back(self.holders[which % len(self.holders)])

    @precondition(lambda self: self.holders)
    @rule(which=WHICH)
    def die(self, which: int) -> None:
        holder = self.holders.pop(which % len(self.holders))
        self.lost.append(holder.record)

    @precondition(lambda self: self.lost)
    @rule(which=WHICH)
    def sweep(self, which: int) -> None:
        """The card is still there: nothing was sent. But a sweeper gives nothing back: what it reads may be forged."""
        self._queue_again(self.lost.pop(which % len(self.lost)))

    @precondition(lambda self: self.amounts)
    @rule(which=WHICH, amount=st.sampled_from([0, 1, 50, 1000]))
    def write_by_hand(self, which: int, amount: int) -> None:
        """A user that may write records changes an amount, or (0) puts it right again.

        A worker may have read the record before, or reads it after.
        """
        key = list(self.amounts)[which % len(self.amounts)]
        self.client.hset(redis_keys.record(key), "amount", str(amount or self.amounts[key]))
        fresh = self.ledger.get(key)
        if fresh is not None and fresh.state is State.QUEUED:
            self.queued.append(fresh)

    @precondition(lambda self: any(self.sent.values()))
    @rule(which=WHICH)
    def have_it_sent_again(self, which: int) -> None:
        """A producer in wrong hands calls a transfer queued that was sent, and puts its card in once more."""
        keys = [key for keys in self.sent.values() for key in keys]
        key = keys[which % len(keys)]
        forged = {"state": "queued", "amount": str(self.amounts[key])}
        self.client.hset(redis_keys.record(key), mapping=forged)  # type: ignore[arg-type]  # redis-py's own type is too narrow
        self.queued.append(found(self.ledger, Record(key=key, state=State.QUEUED)))

    @rule()
    def end_the_day(self) -> None:
        self.clock.advance((Day.of(self.clock.now_ms()).ends_ms - self.clock.now_ms()) / 1000)

    @invariant()
    def what_is_sent_stays_within_the_limits(self) -> None:
        if not hasattr(self, "sent"):
            return
        for keys in self.sent.values():
            amounts = [self.amounts[key] for key in keys]
            assert all(amount <= (MOST.transfer or 0) for amount in amounts)
            assert sum(amounts) <= (MOST.terminal_day or 0)
            for card in CARDS:
                to_card = sum(self.amounts[key] for key in keys if self.cards[key] == card)
                assert to_card <= (MOST.receiver_day or 0)

    @invariant()
    def each_claim_counts_unless_its_worker_proved_it_unsent(self) -> None:
        """And what was sent was counted."""
        if not hasattr(self, "sent"):
            return
        for day, claimed in self.claimed.items():
            assert int(str(self.client.hget(redis_keys.limits(day), "sum:main:KZT"))) == self.sums[day]
            assert self.sums[day] <= (MOST.terminal_day or 0)
            to_cards = self.client.hmget(redis_keys.receiver_limits(day), [f"{card}:KZT" for card in CARDS])
            assert all(int(str(amount or 0)) <= (MOST.receiver_day or 0) for amount in to_cards)
            assert set(self.sent[day]) <= claimed & self.counted[day]

    def _with_card(self, counts: Counts, key: str) -> Counts:
        return replace(counts, card=f"{self.cards[key]}:KZT", unsent_of_card=f"unsent {key}")

    def _give_back(self, holder: Holder) -> None:
        """Its own worker says that it sent nothing."""
        self.holders.remove(holder)
        if not holder.is_counted:
            holder.counts = replace(holder.counts, card="")
        self.ledger.give_back(holder.counts)
        self.unsent[holder.day.name, holder.record.key] = holder.record.amount
        self._queue_again(holder.record)

    def _queue_again(self, record: Record) -> None:
        moved = self.ledger.move(record, Verb.REQUEUE, Change(due_in=1), actor="worker")
        if isinstance(moved, Moved):
            self.queued.append(found(self.ledger, record))


def _then(is_heard: bool) -> Change:  # noqa: FBT001 - as the dice fell
    return Change() if is_heard else Change(due_in=1)


@pytest.mark.timeout(0)  # a failure is made smaller for minutes
def test_what_is_sent_on_a_day_stays_within_its_limits_whatever_happens(ledger_client: redis.Redis) -> None:
    """A transfer that is claimed again on its day counts once, or honest retries would use the limit up."""
    Machine.client = ledger_client

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
