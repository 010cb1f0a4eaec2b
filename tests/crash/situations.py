"""The situations: how transfers come to stand before a point, by the kind of work that a way names."""

from collections.abc import Callable
from typing import Any

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.replies import Created
from epay_transfers.ledger.vault.sealing import Purpose, Sealer
from tests.crash.bench import Bench
from tests.crash.past import Past
from tests.crash.points import Way

#: Longer than a horizon of these tests.
_LONG_MS = 3_600_000

#: So many die at most before one has come to what it was sent for.
_WORKERS = 5

#: What the child must be told of its transfers.
_Said = dict[str, Any]


def prepare(bench: Bench, way: Way) -> _Said:
    """Fresh transfers that come by the point, and what the child must be told of them."""
    bench.queue.flushdb()  # a ring is nothing: so none of an earlier round disturbs this one
    bench.platform.ledger_client.delete(redis_keys.BREAKERS)  # a host where nobody listens has one, which would open
    return _SITUATIONS.get(way.work, _queued)(bench, way) or {}


def _new(bench: Bench, way: Way) -> _Said:
    return {"references": [bench.reference() for _ in range(way.batch)]}


def _queued(bench: Bench, way: Way) -> _Said:
    return {"keys": _enqueued(bench, way)}


def _parked(bench: Bench, way: Way) -> _Said:
    return {"answers": [bench.answer() for _ in range(way.together)]}


def _answered(bench: Bench, way: Way) -> None:
    for _ in range(way.together):
        bench.transfers.confirm(**bench.answer())


def _unanswered(bench: Bench, way: Way) -> _Said:
    """Who cancels them wants them cancelled: their clients never answer."""
    names = [bench.parked.pop()[0] for _ in range(way.together)]
    bench.want(names, State.CANCELLED)
    return {"keys": names}


def _late(bench: Bench, way: Way) -> None:
    """Queued, with their cards, and past their deadline."""
    sealer, now_ms = Sealer(bench.platform.env["VAULT_PUBLIC_KEY"]), bench.clock.now_ms()
    new_transfers = [
        NewTransfer(
            reference=bench.reference(),
            space="main",
            terminal="main",
            amount=15000,
            currency="KZT",
            urgency="now",
            order_details="{}",
            fingerprints="",
            lasts_ms=0,
            day_ms=now_ms,
            sender_card="",
            receiver_card="",
        )
        for _ in range(way.together)
    ]
    records = [made.record for made in bench.ledger.create(new_transfers, actor="test") if isinstance(made, Created)]
    bench.vault.put_cards([(r.key, r.epoch, sealer.seal(b"{}", Purpose.CARD, r.key), 60_000) for r in records])
    bench.wakeups.send_all(records)


def _left(bench: Bench, way: Way) -> None:
    """Nobody was rung for them, and the sweeper's time has come."""
    names = [receipt.key for receipt in bench.enqueue("Payout", way.batch)]
    bench.queue.flushdb()
    bench.platform.ledger_client.zadd(redis_keys.DUE, dict.fromkeys(names, bench.clock.now_ms()))


def _asked(bench: Bench, way: Way) -> None:
    """A worker that was killed just when it had written down that it does not know; and somebody who asks."""
    bench.ask_and_ring("inquire", _in_doubt(bench, way))


def _asked_open(bench: Bench, way: Way) -> None:
    """The same, of a challenge that nobody can confirm; and the horizon is over, so that the bank is believed."""
    names = [name for name in _in_doubt(bench, way) if bench.record(name).state is State.IN_DOUBT]
    for name in names:
        bench.platform.ledger_client.hset(redis_keys.record(name), "in_doubt_since", bench.clock.now_ms() - _LONG_MS)
    bench.want(names, State.EXPIRED)
    bench.ask_and_ring("inquire", names)


def _dead(bench: Bench, way: Way) -> _Said:
    """Nobody got a token for them, so nothing was sent; whoever requeues them wants them paid."""
    names = _enqueued(bench, way)
    for name in names:
        fields: RecordFields = {"reason": "token_refused", "wakeups": 0}
        bench.ledger.move(bench.record(name), Verb.FAIL_QUEUED, Change(due_in=_LONG_MS, fields=fields), actor="test")
    bench.want(names, State.PAID, State.NEEDS_REVIEW)  # held, where the next kill is between its card and the wire
    return {"keys": names}


def _dead_asked(bench: Bench, way: Way) -> None:
    bench.ask_and_ring("requeue", _dead(bench, way)["keys"])


def _forgotten(bench: Bench, way: Way) -> _Said:
    """The bank has paid, and the ledger goes back to before the claim."""
    return {"keys": _sent_and_forgotten(bench, way)}


def _forgotten_late(bench: Bench, way: Way) -> None:
    """The same; and then the deadline comes."""
    bench.ring_for(_sent_and_forgotten(bench, way, expires=bench.clock.now_ms()))


def _dead_forgotten(bench: Bench, way: Way) -> None:
    """Dead, requeued and paid; the ledger goes back to where they are dead, and who discards them knows no better."""
    names = _dead(bench, way)["keys"]
    past = Past.of(bench.platform.ledger_client, names)
    bench.ask_and_ring("requeue", names)
    executed = _executed(bench, way, names, "pays", "Bank.transfer")
    bench.ask_and_ring("discard", _forget(bench, past, executed))


def _answered_forgotten(bench: Bench, way: Way) -> None:
    """The bank has confirmed; the ledger goes back to before the client's answer, and the challenge's time is over."""
    names = [key for key, _ in bench.parked[-way.together :]]
    past = Past.of(bench.platform.ledger_client, names)
    _answered(bench, way)
    executed = _executed(bench, way, names, "answered", "Bank.confirm")
    now_ms = bench.clock.now_ms()
    bench.ring_for(_forget(bench, past, executed, parked_until=now_ms, next=now_ms))


def _enqueued(bench: Bench, way: Way) -> list[str]:
    return [receipt.key for receipt in bench.enqueue(_DESCRIPTIONS.get(way.work, "Payout"), way.together)]


def _in_doubt(bench: Bench, way: Way) -> list[str]:
    names = _enqueued(bench, way)
    bench.work("silent", "Ledger.move:doubt", way.together)
    return names


def _sent_and_forgotten(bench: Bench, way: Way, **times: int) -> list[str]:
    names = _enqueued(bench, way)
    past = Past.of(bench.platform.ledger_client, names)
    return _forget(bench, past, _executed(bench, way, names, "pays", "Bank.transfer"), **times)


def _executed(bench: Bench, way: Way, names: list[str], work: str, step: str) -> list[str]:
    """Whom the bank has executed when a worker has died of this step: none but them can have been paid in the end.

    It may have died of others, whom an earlier kill had left; then another one goes.
    """
    for _ in range(_WORKERS):
        bench.ring_for(names)
        bench.work(work, step, way.together)
        orders = bench.platform.books()["orders"]
        if executed := [name for name in names if orders.get(name, {}).get("executions")]:
            return executed
    raise AssertionError(f"no worker came to {step} with these")


def _forget(bench: Bench, past: Past, executed: list[str], **times: int) -> list[str]:
    past.back(executed, bench.clock.now_ms(), **times)
    bench.want(executed, State.PAID)
    return executed


_DESCRIPTIONS = {
    "declines": "Payout [decline:484]",
    "challenges": "Payout [3ds]",
    "silent": "Payout [drop-after]",
    "asked": "Payout [drop-after]",
    "asked-declined": "Payout [decline:484] [drop-after]",
    "asked-unheard": "Payout [drop-before]",
    "asked-open": "Payout [3ds-no-id]",
}

#: All others are only enqueued.
_SITUATIONS: dict[str, Callable[[Bench, Way], _Said | None]] = {
    "new": _new,
    "parked": _parked,
    "answered": _answered,
    "unanswered": _unanswered,
    "late": _late,
    "left": _left,
    "asked": _asked,
    "asked-declined": _asked,
    "asked-unheard": _asked,
    "asked-open": _asked_open,
    "dead": _dead,
    "dead-asked": _dead_asked,
    "forgotten": _forgotten,
    "forgotten-late": _forgotten_late,
    "dead-forgotten": _dead_forgotten,
    "answered-forgotten": _answered_forgotten,
}
