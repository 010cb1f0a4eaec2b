"""A machine that lets workers at a terminal's transfers in any order: what is sent on a day stays within its limits.

Workers claim, count, send, die between any two of these, and give back what they proved not to have sent; sweepers
queue again what a dead worker left; days end; a user that may write records writes into them. The scripts are real.
"""

from collections import defaultdict
from dataclasses import dataclass

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

from epay_transfers.ledger.limits import Day, Limits
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
        self.claimed: dict[str, dict[str, int]] = defaultdict(dict)  #: the most of each, by day and key
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
        reply = claim(self.ledger, record, limits=MOST, day=day)
        if isinstance(reply, Moved):
            self.queued.remove(record)
            self.holders.append(Holder(record, day))
            before = self.claimed[day.name].get(record.key, 0)
            self.claimed[day.name][record.key] = max(before, record.amount)

    @precondition(lambda self: self.holders)
    @rule(which=WHICH)
    def count(self, which: int) -> None:
        """Or it finds that the card's limit is reached, and gives the transfer back."""
        self._count(self.holders[which % len(self.holders)])

    def _count(self, holder: Holder) -> None:
        key = holder.record.key
        card, mark = f"{self.cards[key]}:KZT", f"mark of {key}"
        amount, most = holder.record.amount, MOST.receiver_day or 0
        if self.ledger.count_receiver(holder.day, card=card, mark=mark, amount=amount, most=most):
            holder.is_counted = True
            self.counted[holder.day.name].add(key)
        elif not holder.is_counted:
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
        """The card is still there: nothing was sent."""
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
    def each_claimed_transfer_counts_once_a_day(self) -> None:
        """However often it is claimed; and what was sent was counted."""
        if not hasattr(self, "sent"):
            return
        for day, claimed in self.claimed.items():
            assert int(str(self.client.hget(redis_keys.limits(day), "sum:main:KZT"))) == sum(claimed.values())
            assert sum(claimed.values()) <= (MOST.terminal_day or 0)
            to_cards = self.client.hmget(redis_keys.receiver_limits(day), [f"{card}:KZT" for card in CARDS])
            assert all(int(str(amount or 0)) <= (MOST.receiver_day or 0) for amount in to_cards)
            assert set(self.sent[day]) <= set(claimed) & self.counted[day]

    def _give_back(self, holder: Holder) -> None:
        self.holders.remove(holder)
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
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
