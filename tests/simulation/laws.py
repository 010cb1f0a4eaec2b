"""What must hold after every step, read from the real server in one look and compared with the bank's books."""

from dataclasses import dataclass, field

from epay_transfers.ledger.record import FIRST_EPOCH
from epay_transfers.ledger.states import FINAL, UNFINISHED, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.circuit_breakers import FARTHEST_MS
from tests.simulation.bank import Books
from tests.simulation.line import Line
from tests.simulation.world import World

_LOOK = """
local due, listed = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), redis.call('ZRANGE', KEYS[2], 0, -1)
local numbers = {}
for at, event in ipairs(redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 50)) do numbers[at] = event[2][2] end
local found = {due, listed, redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[4]), numbers}
for at = 6, #KEYS do
  found[#found + 1] = redis.call('HMGET', KEYS[at], 'key', 'state', 'state_since', 'amount', 'currency', 'epoch',
    'deadline_at', 'parked_until', 'terminal', 'reason', 'code', 'message')
end
return found
"""

_DAY_MS = 86_400_000
_NO_MONEY = frozenset({State.DECLINED, State.EXPIRED, State.CANCELLED, State.DEAD})
_NOT_UNDER_WAY = frozenset({State.QUEUED, State.DEAD, State.EXPIRED, State.CANCELLED})


class Broken(AssertionError):
    """A law of this project does not hold."""


@dataclass
class Laws:
    world: World
    line: Line
    names: list[str] = field(default_factory=list)  #: the transfers' keys
    books: Books | None = None
    has_forgotten: bool = False  #: the ledger went back by more than is promised to be harmless
    states: dict[str, State] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)  #: when each may expire, as it was before the last write
    forgotten: set[str] = field(default_factory=set)  #: claimed, or on the wire, when the ledger went back to `queued`
    dead_before: set[str] = field(default_factory=set)  #: dead, as the ledger went back to; it has forgotten a requeue

    def __post_init__(self) -> None:
        self._digest = str(self.line.one("SCRIPT", "LOAD", _LOOK))

    def forget(self) -> None:
        """The ledger went back: what it was is no measure any more.

        Nor can it know of a claim that it has lost, whether its request has left by now or is about to. One that it has
        as dead again was queued by an operator since, and sent: an operator who compares it with the bank's statement
        discards it, and its tombstone puts it in doubt.
        """
        assert self.books is not None
        claimed = {name for name, state in self.states.items() if state is State.SENDING}
        self.forgotten = claimed | {name for name in self.names if self.books.sum_of(name).under_way}
        sent = [name for name in self.names if self.books.sum_of(name).sent]
        self.dead_before = {
            name for name in sent if self.line.one("HGET", redis_keys.record(name), "state") == State.DEAD
        }
        self.states.clear()
        self.epochs.clear()
        self.ends.clear()

    def check(self) -> None:
        places = [redis_keys.record(name) for name in self.names]
        shared = (redis_keys.DUE, redis_keys.BY_STATE, redis_keys.COUNTERS, redis_keys.BREAKERS, redis_keys.EVENTS)
        look = self.line.one("EVALSHA", self._digest, len(shared) + len(places), *shared, *places)
        due, kept, flat, records = set(look[0][::2]), set(look[1]), look[2], look[5:]
        self._nobody_waits_too_long(look[0], look[3])
        counts: dict[str, int] = {}
        listed = set()
        for name, (key, word, since, amount, currency, epoch, *more) in zip(self.names, records, strict=True):
            if key is None:
                self._must(name not in due, f"{name} does not exist, but is due")
                continue
            state = State(word)
            self._must((state in UNFINISHED) == (key in due), f"{name} is {state}; due: {key in due}")
            deadline, parked, terminal, reason, code, message = more
            listed.add(f"{state}:{terminal}:{since}:{key}")
            place = f"{state}:{terminal}:{currency}:{_why(state, reason or '', code or '', message or '')}"
            for count, much in ((f"n:{place}", 1), (f"sum:{place}", int(amount))):
                counts[count] = counts.get(count, 0) + much
            self._one(name, state, int(epoch))
            self.ends[name] = int((parked if state is State.PARKED else deadline) or 0)
        self._must(kept == listed, f"listed by state are {kept}, and not {listed}")
        told = {name: int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
        told = {name: value for name, value in told.items() if value and name.startswith(("n:", "sum:"))}
        self._must(told == counts, f"the counters say {told}, and not {counts}")
        self._events_are_numbered(look[4], int(dict(zip(flat[::2], flat[1::2], strict=True)).get("events", 0)))

    def _events_are_numbered(self, newest: list[str], last: int) -> None:
        """One by one up to the counter's, whatever was lost on the way; the last ones of them, newest first."""
        wanted = [str(number) for number in range(last, max(0, last - 50), -1)]
        self._must(newest == wanted, f"the newest events have the numbers {newest}, and not {wanted}")

    def _nobody_waits_too_long(self, due: list[str], breakers: list[str]) -> None:
        """Whatever a machine's clock says: no rule puts anything off for more than a day, or a question to a host."""
        now = self.world.clock.now_ms()
        for name, at in zip(due[::2], due[1::2], strict=True):
            self._must(float(at) - now <= _DAY_MS, f"{name} is due in {(float(at) - now) / 1000} s")
        for name, at in zip(breakers[::2], breakers[1::2], strict=True):
            is_time = name.startswith("open:")
            self._must(not is_time or int(at) - now <= FARTHEST_MS, f"{name} is asked in {(int(at) - now) / 1000} s")

    def _one(self, name: str, state: State, epoch: int) -> None:
        assert self.books is not None
        account = self.books.sum_of(name)
        before, self.states[name] = self.states.get(name, state), state
        if state is not State.DEAD:
            self.dead_before.discard(name)
        is_expired = state is State.EXPIRED and before in {State.QUEUED, State.PARKED}
        left_ms = self.ends.get(name, 0) - self.world.clock.now_ms()
        self._must(not is_expired or left_ms <= 0, f"{name} expired {left_ms / 1000} s before its time")
        self._must(account.executions <= 1, f"{name} was executed {account.executions} times")
        if self.has_forgotten:
            return
        self._must(account.sent <= 1, f"{name} was sent {account.sent} times")
        self._must(account.confirmed <= 1, f"{name} was confirmed {account.confirmed} times")
        is_outdated = name in self.dead_before
        self._must(
            is_outdated or not (state in _NO_MONEY and account.executions),
            f"{name} is {state}, and the bank executed it",
        )
        self._must(not (state is State.PAID and not account.executions), f"{name} is paid, and the bank did nothing")
        is_given_back = any(each.word == "given_back" for each in self.books.of(name))
        self._must(not (state is State.REVERSED and not is_given_back), f"{name} is reversed; nothing was")
        is_unknown = is_outdated or (state is State.QUEUED and name in self.forgotten)
        may_be_under_way = state not in _NOT_UNDER_WAY or is_unknown
        self._must(may_be_under_way or not account.under_way, f"{name} is {state}, and a request of it is under way")
        self._must(
            before not in FINAL or before is state or state is State.REVERSED, f"{name} was {before}, is {state}"
        )
        self._must(epoch >= self.epochs.get(name, FIRST_EPOCH), f"the epoch of {name} went back to {epoch}")
        self.epochs[name] = epoch

    def _must(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - what must hold stands first
        if not holds:
            raise Broken(otherwise)


def _why(state: State, reason: str, code: str, message: str) -> str:
    """By which word it is counted, written a second time."""
    if state is State.DECLINED and code:
        return f"code_{code}"
    if state is State.DEAD and reason == "attempts_used_up" and message:
        return message
    counted = {State.DEAD, State.IN_DOUBT, State.NEEDS_REVIEW, State.DECLINED, State.EXPIRED, State.CANCELLED}
    return (reason or (code and f"code_{code}")) if state in counted else ""
