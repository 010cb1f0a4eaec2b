"""What an operator asked is done though the worker that took it died: the next one works under the same server user."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.inboxes import Inboxes, Kind
from epay_transfers.ledger.store.pauses import Lane, Pauses
from tests.security.guarded import Guarded, act_as, bank, guarded, worker_of
from tests.support.waiting import until

__all__ = ["act_as", "bank", "guarded"]

OPERATOR = "ops:first"


def taken_by_one_that_died(guarded: Guarded, kind: Kind, fields: dict[str, str]) -> str:
    """The entry's id: an operator put it in, a worker took it, and its time is over."""
    with guarded.client("ledger", "ops-first") as operator, guarded.client("ledger", "root") as root:
        entry_id = Inboxes(operator).put(OPERATOR, kind, fields)
        entry = cast("str", root.lpop(redis_keys.inbox(OPERATOR)))
        root.zadd(redis_keys.TAKEN, {f"{OPERATOR} {entry}": 1})
    return entry_id


def answers_to(guarded: Guarded, entry_id: str) -> list[Event]:
    with guarded.client("ledger", "root") as root:
        return [event for event in Events(root).newest(100) if entry_id in event.fields.get("request", "").split()]


@pytest.mark.parametrize("kind", [Kind.UNPAUSE, Kind.ASK, Kind.REQUEST])
def test_what_a_worker_died_on_is_answered_by_the_next(
    guarded: Guarded, act_as: Callable[[str], None], tmp_path: Path, kind: Kind
) -> None:
    """It looks into the event log whether the one that died has answered, which its user may read."""
    with guarded.client("ledger", "root") as root:
        pauses = Pauses(root)
        pause_id = pauses.pause(Lane.SEND, "kiosk", actor="worker", reason=f"its limit {secrets.token_hex(4)}")
        there = pauses.get(pause_id)
        assert there is not None
        fields = {"pause": pause_id, "seen": str(there.since_ms), "key": "251124000009", "what": "discard"}
        entry_id = taken_by_one_that_died(guarded, kind, fields | {"why": "it is over"})

        with worker_of(guarded, tmp_path / "worker.log"):
            until(lambda: len(answers_to(guarded, entry_id)) == 1)

        assert (pauses.get(pause_id) is None) == (kind is Kind.UNPAUSE)
        assert not root.exists(redis_keys.TAKEN)
        root.delete(redis_keys.PAUSES)
