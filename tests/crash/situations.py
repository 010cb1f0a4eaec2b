"""The situations: how transfers come to stand before a point, by the kind of work that a way names."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from epay_transfers.ledger.record import RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.replies import Created
from epay_transfers.ledger.vault.sealing import Purpose, Sealer
from tests.crash.kill_run import KillRun
from tests.crash.past import Past
from tests.crash.points import Way

#: Longer than a horizon of these tests.
_LONG_MS = 3_600_000

#: So many die at most before one has come to what it was sent for.
_WORKERS = 5

#: What the child must be told of its transfers.
_Said = dict[str, Any]


def prepare(run: KillRun, way: Way) -> _Said:
    """Fresh transfers that come by the point, and what the child must be told of them."""
    run.queue.flushdb()  # a ring is nothing: so none of an earlier round disturbs this one
    run.platform.ledger_client.delete(redis_keys.BREAKERS)  # a host where nobody listens has one, which would open
    return _SITUATIONS.get(way.work, _queued)(run, way) or {}


def _new(run: KillRun, way: Way) -> _Said:
    return {"references": [run.reference() for _ in range(way.batch)]}


def _queued(run: KillRun, way: Way) -> _Said:
    return {"keys": _enqueued(run, way)}


def _parked(run: KillRun, way: Way) -> _Said:
    return {"answers": [run.answer() for _ in range(way.together)]}


def _answered(run: KillRun, way: Way) -> None:
    for _ in range(max(way.together, way.batch)):
        run.transfers.confirm(**run.answer())


def _unanswered(run: KillRun, way: Way) -> _Said:
    """Who cancels them wants them cancelled: their clients never answer."""
    names = [run.parked.pop()[0] for _ in range(way.together)]
    run.want(names, State.CANCELLED)
    return {"keys": names}


def _late(run: KillRun, way: Way) -> None:
    """Queued, with their cards, and past their deadline."""
    sealer, now_ms = Sealer(run.platform.env["VAULT_PUBLIC_KEY"]), run.clock.now_ms()
    new_transfers = [
        NewTransfer(
            reference=run.reference(),
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
    records = [made.record for made in run.ledger.create(new_transfers, actor="test") if isinstance(made, Created)]
    run.vault.put_cards([(r.key, r.epoch, sealer.seal(b"{}", Purpose.CARD, r.key), 60_000) for r in records])
    run.wakeups.send_all(records)


def _left(run: KillRun, way: Way) -> None:
    """Nobody was rung for them, and the sweeper's time has come."""
    names = [receipt.key for receipt in run.enqueue("Payout", way.batch)]
    run.queue.flushdb()
    run.platform.ledger_client.zadd(redis_keys.DUE, dict.fromkeys(names, run.clock.now_ms()))


def _asked(run: KillRun, way: Way) -> None:
    """A worker that was killed just when it had written down that it does not know; and somebody who asks."""
    run.ask_and_ring("inquire", _in_doubt(run, way))


def _asked_open(run: KillRun, way: Way) -> None:
    """The same, of a challenge that nobody can confirm; and the horizon is over, so that the bank is believed."""
    names = [name for name in _in_doubt(run, way) if run.record(name).state is State.IN_DOUBT]
    for name in names:
        run.platform.ledger_client.hset(redis_keys.record(name), "in_doubt_since", run.clock.now_ms() - _LONG_MS)
    run.want(names, State.EXPIRED)
    run.ask_and_ring("inquire", names)


def _dead(run: KillRun, way: Way) -> _Said:
    """Nobody got a token for them, so nothing was sent; whoever requeues them wants them paid."""
    names = _enqueued(run, way)
    for name in names:
        fields: RecordFields = {"reason": "token_refused", "wakeups": 0}
        run.ledger.move(run.record(name), Verb.FAIL_QUEUED, Change(due_in=_LONG_MS, fields=fields), actor="test")
    run.want(names, State.PAID, State.NEEDS_REVIEW)  # held, where the next kill is between its card and the wire
    return {"keys": names}


def _dead_requested(run: KillRun, way: Way) -> None:
    """An operator has asked for them, and no worker has read it."""
    inboxes = Inboxes(run.platform.ledger_client)
    for name in _dead(run, replace(way, together=way.batch))["keys"]:
        fields = {"key": name, "what": RequestedAction.REQUEUE, "why": "it is to be tried again"}
        inboxes.put(operator("test"), Kind.REQUEST, fields)


def _dead_asked(run: KillRun, way: Way) -> None:
    run.ask_and_ring("requeue", _dead(run, way)["keys"])


def _forgotten(run: KillRun, way: Way) -> _Said:
    """The bank has paid, and the ledger goes back to before the claim."""
    return {"keys": _sent_and_forgotten(run, way)}


def _forgotten_late(run: KillRun, way: Way) -> None:
    """The same; and then the deadline comes."""
    run.ring_for(_sent_and_forgotten(run, way, deadline_at=run.clock.now_ms()))


def _dead_forgotten(run: KillRun, way: Way) -> None:
    """Dead, requeued and paid; the ledger goes back to where they are dead, and who discards them knows no better."""
    names = _dead(run, way)["keys"]
    past = Past.of(run.platform.ledger_client, names)
    run.ask_and_ring("requeue", names)
    executed = _executed(run, way, names, "pays", "Bank.transfer")
    assert executed, "the bank executed none of them"
    run.ask_and_ring("discard", _forget(run, past, executed))


def _answered_forgotten(run: KillRun, way: Way) -> None:
    """The bank has confirmed; the ledger goes back to before the client's answer, and the challenge's time is over."""
    names = [key for key, _ in run.parked[-way.together :]]
    past = Past.of(run.platform.ledger_client, names)
    _answered(run, way)
    executed = _executed(run, way, names, "answered", "Bank.confirm")
    assert executed, "the bank executed none of them"
    now_ms = run.clock.now_ms()
    run.ring_for(_forget(run, past, executed, parked_until=now_ms, next_attempt_at=now_ms))


def _enqueued(run: KillRun, way: Way) -> list[str]:
    return [receipt.key for receipt in run.enqueue(_DESCRIPTIONS.get(way.work, "Payout"), way.together)]


def _in_doubt(run: KillRun, way: Way) -> list[str]:
    names = _enqueued(run, way)
    run.work("silent", "Ledger.move:doubt", way.together)
    return names


def _sent_and_forgotten(run: KillRun, way: Way, **times: int) -> list[str]:
    """On a machine under load a worker may die before the bank has executed one: then others are sent."""
    for _ in range(_WORKERS):
        names = _enqueued(run, way)
        past = Past.of(run.platform.ledger_client, names)
        if executed := _executed(run, way, names, "pays", "Bank.transfer"):
            return _forget(run, past, executed, **times)
    raise AssertionError("the bank executed none of them")


def _executed(run: KillRun, way: Way, names: list[str], work: str, step: str) -> list[str]:
    """Whom the bank has executed when a worker has died of this step: none but them can have been paid in the end.

    It may have died of others, whom an earlier kill had left; then another one goes.
    """
    for _ in range(_WORKERS):
        run.ring_for(names)
        run.work(work, step, way.together)
        orders = run.platform.books()["orders"]
        if executed := [name for name in names if orders.get(name, {}).get("executions")]:
            return executed
    return []


def _forget(run: KillRun, past: Past, executed: list[str], **times: int) -> list[str]:
    past.back(executed, run.clock.now_ms(), **times)
    run.forgotten |= set(executed)
    run.want(executed, State.PAID)
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
_SITUATIONS: dict[str, Callable[[KillRun, Way], _Said | None]] = {
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
    "dead-requested": _dead_requested,
    "forgotten": _forgotten,
    "forgotten-late": _forgotten_late,
    "dead-forgotten": _dead_forgotten,
    "answered-forgotten": _answered_forgotten,
}
