"""The statement of the sandbox's books beside what the worker made of the same transfers: it says what they say."""

import time
import urllib.request
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from epay_transfers.ledger.invoice import ALMATY
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.ledger.store.lists import Listed
from epay_transfers.ops.reconcile import reading, recovery, statement
from epay_transfers.ops.reconcile.comparison import Comparison
from epay_transfers.ops.reconcile.mapping import Mapping
from epay_transfers.ops.reconcile.statement import Day
from tests.support.redis_state import empty
from tests.support.stage import Stage

MAPPING = Mapping.read(Path(__file__).parents[2] / "docs" / "examples" / "statement.toml")


def rows(stage: Stage, folder: Path) -> tuple[statement.Row, ...]:
    path = folder / "statement.csv"
    with urllib.request.urlopen(f"{stage.sandbox.url}/statement") as answer:  # noqa: S310 - our sandbox
        path.write_bytes(answer.read())
    return statement.read(path, MAPPING)


def compared(stage: Stage, folder: Path) -> Comparison:
    day = Day.of(f"{datetime.fromtimestamp(stage.clock.now_ms() / 1000, ALMATY):%Y-%m-%d}", ALMATY)
    return reading.reconcile(stage.ledger, rows(stage, folder), day, space="main", terminals=(), unreadable=[])


def test_what_worker_and_bank_agree_on_and_what_the_worker_has_not_heard(stage: Stage, tmp_path: Path) -> None:
    """Paid: matched. Executed, and the answer was lost: the statement would settle it. Declined: no row at all."""
    paid, unheard, declined = stage.new(), stage.new("[drop-after] Payout"), stage.new("[decline:484] Payout")
    for key in (paid, unheard, declined):
        stage.journey.execute(key)
    assert [stage.state(key) for key in (paid, unheard, declined)] == [State.PAID, State.IN_DOUBT, State.DECLINED]

    found = compared(stage, tmp_path)

    assert (found.matched, found.matched_sums) == ({"KZT": 1}, {"KZT": 1_500_000})
    assert [(finding.kind, finding.key) for finding in found.findings] == [("settles", unheard)]


def test_a_gateway_that_doubled_a_request_is_seen_in_the_statement(stage: Stage, tmp_path: Path) -> None:
    """The first one was executed, and the second one's decline was heard."""
    key = stage.new("[decline:484] Payout")
    stage.journey.execute(key)
    order = stage.sandbox.book.get(key)
    assert order is not None
    order.execute(Decimal(15000), time.time())

    found = compared(stage, tmp_path)

    assert [(finding.kind, finding.key) for finding in found.findings] == [("not_paid_here", key)]
    assert found.is_grave


def test_a_ledger_that_went_back_pays_nothing_twice_once_it_was_recovered(stage: Stage, tmp_path: Path) -> None:
    """It calls queued what was paid since, and the vault was lost too: the one case in which money goes out twice."""
    key = stage.new()
    before = stage.ledger.client.hgetall(redis_keys.record(key))
    stage.journey.execute(key)
    assert stage.executions(key) == 1
    goes_back(stage, key, before)
    empty(stage.vault.client)
    stage.put(stage.record(key))  # a producer brings the card again: nothing remembers the first take

    named = reading.names(stage.ledger, rows(stage, tmp_path), "main")
    found = recovery.sort(named.by_key, named.by_reference, reading.by_key(stage.ledger, list(named.by_key), []))
    assert [executed.name for executed in found.unsent_here] == [key]
    fields = {"key": key, "why": "the ledger went back", "proof": "statement of today"}
    Inboxes(stage.ledger.client, stage.clock).put(operator("aigul"), Kind.DOUBT, fields)
    stage.worker.inbox.run_once()

    for _ in range(5):
        stage.journey.execute(key)
        stage.later(20)
    assert (stage.state(key), stage.executions(key)) == (State.PAID, 1)


def goes_back(stage: Stage, key: str, before: dict[Any, Any]) -> None:
    """The record and its places are those of before."""
    client, now = stage.ledger.client, stage.record(key)
    client.zrem(redis_keys.BY_STATE, _place(Listed.of(now)))
    client.delete(redis_keys.record(key))
    client.hset(redis_keys.record(key), mapping=before)
    back = stage.record(key)
    client.zadd(redis_keys.BY_STATE, {_place(Listed.of(back)): 0})
    client.zadd(redis_keys.DUE, {key: stage.clock.now_ms()})


def _place(listed: Listed) -> str:
    return f"{listed.state}:{listed.terminal}:{listed.at.since_ms}:{listed.at.key}"
