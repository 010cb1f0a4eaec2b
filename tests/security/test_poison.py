"""What a thief may write where workers read: no worker ends by it, and what others asked for is done."""

from collections.abc import Callable
from pathlib import Path

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.producers import Transfers
from tests.security.guarded import Guarded, act_as, bank, guarded, worker_of
from tests.security.test_users import intent, ops

__all__ = ["act_as", "bank", "guarded"]

#: Who writes it, and what: each of these ended every worker that came by, or kept all entries of others waiting.
POISON: list[tuple[str, tuple[str | bytes, ...]]] = [
    ("ops", ("SADD", redis_keys.OPERATORS, b"\xff")),
    ("ops", ("HSETNX", redis_keys.ADDED_PAUSES, b"\xff", "0 inquire kiosk - - []")),
    ("ops", ("HSETNX", redis_keys.ADDED_PAUSES, "odd", b"0 inquire kiosk - - \xff")),
    ("web", ("RPUSH", redis_keys.inbox("web"), b"\xff")),
    ("web", ("RPUSH", redis_keys.inbox("web"), b"[" * 5000)),
    ("ops", ("RPUSH", redis_keys.inbox("ops:first"), b'{"id": "\\ud800", "kind": "cancel", "key": "\\ud800"}')),
    ("producer", ("ZADD", redis_keys.DUE, "1", b"\xff")),
    ("producer", ("ZADD", redis_keys.DUE, "1", "weird")),
    ("producer", ("ZADD", redis_keys.DUE, "1", "a:b:c")),
]


def test_a_worker_lives_on_whatever_a_thief_wrote(
    guarded: Guarded, act_as: Callable[[str], None], tmp_path: Path
) -> None:
    with guarded.client("ledger", "root") as root:
        root.flushall()
    with guarded.client("vault", "root") as root:
        root.flushall()
    for user, words in POISON:
        with guarded.client("ledger", user) as thief:
            thief.execute_command(*words)
    with worker_of(guarded, tmp_path / "worker.log"):
        act_as("producer")
        with Transfers.from_env() as backend:
            paid = backend.enqueue(intent(f"poison-{guarded.ports['ledger']}"))
            parked = backend.enqueue(intent(f"poisoned-{guarded.ports['ledger']}", "[3ds]"))
            assert backend.wait(paid.key, timeout=60).state is State.PAID
            assert backend.wait(parked.key, timeout=60).state is State.PARKED
        act_as("ops")
        assert "cancelled" in ops("cancel", parked.key, "--reason", "a test", "--wait", "30")
    assert "thread_died" not in (tmp_path / "worker.log").read_text()
    with guarded.client("ledger", "root") as root:
        root.delete(redis_keys.OPERATORS, redis_keys.ADDED_PAUSES, redis_keys.DUE)
