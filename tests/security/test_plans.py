"""A plan for many, under the operators' own server users, with a real worker and the sandbox bank: what takes two."""

import json
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import Inboxes, Kind, operator
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Purpose, Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops.plans import plan as plans
from epay_transfers.sandbox import RunningSandbox
from tests.security.guarded import Guarded, bank, guarded, worker_of
from tests.security.test_two_operators import FIRST, ORDER, SECOND, begin
from tests.support import factories
from tests.support.stage import in_clear
from tests.support.waiting import until

__all__ = ["bank", "guarded"]

AMOUNT = 1_000_00
ALONE = 3  # of what one operator may do alone


@pytest.fixture
def limited(guarded: Guarded) -> Guarded:
    """A worker lets one operator requeue three of these transfers a day."""
    limits = json.dumps({"transfers": 100, "KZT": ALONE * AMOUNT // 100})
    return replace(guarded, common=guarded.common | {"OPERATOR_LIMITS": limits})


@pytest.fixture
def ledger(guarded: Guarded, bank: RunningSandbox) -> Iterator[Ledger]:
    """With all rights, as a test alone has it; and a bank that knows none of its transfers."""
    bank.book.clear()
    with guarded.client("ledger", "root") as root, guarded.client("vault", "root") as vault:
        root.flushall()
        vault.flushall()
        yield Ledger(root)


def dead(guarded: Guarded, ledger: Ledger, count: int) -> list[Record]:
    """Proved not sent, with their cards in the vault."""
    sealer = Sealer(guarded.common["VAULT_PUBLIC_KEY"])
    records = []
    with guarded.client("vault", "root") as client:
        vault = Vault(client)
        for number in range(count):
            place, name = (State.DEAD, Phase.SEND), f"payout-{number}"
            order = json.dumps(ORDER)
            record = factories.into(ledger, place, name, lasts_ms=900_000, order_details=order, amount=AMOUNT)
            sealed = sealer.seal(in_clear(record), Purpose.CARD, record.key)
            vault.put(Purpose.CARD, record.key, record.epoch, sealed, 900_000)
            records.append(record)
    return records


def written(guarded: Guarded, user: str, path: Path, *words: str) -> None:
    process = begin(guarded, user, "plan", *words)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    path.write_text(out)


def applied(guarded: Guarded, user: str, path: Path) -> tuple[int, dict[str, int], str]:
    words = ("apply", str(path), "--reason", "the terminal works again", "--json")
    process = begin(guarded, user, *words)
    out, err = process.communicate(timeout=90)
    found = json.loads(out) if out else {"became": {}}
    return process.returncode, {word: each["count"] for word, each in found["became"].items()}, err


def executions(bank: RunningSandbox, records: Sequence[Record]) -> list[int]:
    orders = [bank.book.get(record.key) for record in records]
    return sorted(order.executions if order else 0 for order in orders)


def test_one_operator_has_a_few_sent_again_and_the_rest_takes_two(
    limited: Guarded, ledger: Ledger, bank: RunningSandbox, tmp_path: Path
) -> None:
    """Five dead ones: three are paid by one operator's plan, and the other two once a second operator applies it."""
    records, path = dead(limited, ledger, 5), tmp_path / "plan.json"

    with worker_of(limited, tmp_path / "worker.log"):
        written(limited, FIRST, path, "requeue")
        plan = plans.read(path.read_text())
        first, again = applied(limited, FIRST, path), applied(limited, FIRST, path)
        until(lambda: executions(bank, records) == [0, 0, 1, 1, 1])
        second = applied(limited, SECOND, path)
        until(lambda: executions(bank, records) == [1, 1, 1, 1, 1])
        until(lambda: {factories.found(ledger, record).state for record in records} == {State.PAID})

    assert (plan.count, {item.verdict for item in plan.items}, plan.made_by) == (5, {"not_found"}, "first")
    assert [each[:2] for each in (first, again)] == [(75, {"done": 3, "second_needed": 2})] * 2
    assert "A second operator, with a server user of their own" in first[2]
    assert second[:2] == (0, {"done": 2, "moved": 3})


def test_a_thief_of_one_password_gets_no_further_with_entries_of_its_own(
    limited: Guarded, ledger: Ledger, bank: RunningSandbox, tmp_path: Path
) -> None:
    """Its entries hold any name, label, id and sender: the inbox proves which operator asks, and a worker counts."""
    records = dead(limited, ledger, 6)
    with limited.client("ledger", FIRST) as client, worker_of(limited, tmp_path / "worker.log"):
        for label in ("first", "second", "third"):
            for number, record in enumerate(records):
                fields = {"key": record.key, "what": "requeue", "why": "a thief", "label": label, "by": label}
                Inboxes(client).put(operator("first"), Kind.REQUEST, fields, f"{number:024x}")
        until(lambda: not ledger.client.llen(redis_keys.inbox(operator("first"))))
        until(lambda: sum(executions(bank, records)) == ALONE)
        until(lambda: not ledger.client.zcard(redis_keys.TAKEN))
        until(lambda: _at_rest(ledger, records))

    assert executions(bank, records) == [0] * (6 - ALONE) + [1] * ALONE


def _at_rest(ledger: Ledger, records: Sequence[Record]) -> bool:
    fresh = [factories.found(ledger, record) for record in records]
    return all(each.state in {State.DEAD, State.PAID} and not each.requested_action for each in fresh)


def test_an_operators_user_reads_and_lowers_no_count(limited: Guarded) -> None:
    """Nor does any other user but the workers': with a count set back, the limit would be none."""
    key = redis_keys.operator_limits("20261129")
    for user in (FIRST, "producer", "web", "backend", "admin"):
        with limited.client("ledger", user) as client:
            for command in (
                ("HSET", key, "count:first", "0"),
                ("HDEL", key, "count:first"),
                ("DEL", key),
                ("HGETALL", key),
            ):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*command)


def test_ctrl_c_loses_nothing_and_the_next_run_goes_on(limited: Guarded, ledger: Ledger, tmp_path: Path) -> None:
    """Stopped while no worker runs, it ends with 130; what was asked is done, and the next run says so of each."""
    records, path = dead(limited, ledger, 4), tmp_path / "plan.json"
    inbox = redis_keys.inbox(operator("first"))
    written(limited, FIRST, path, "discard", "--no-ask")
    process = begin(limited, FIRST, "apply", str(path), "--reason", "paid in cash")
    until(lambda: ledger.client.llen(inbox) == len(records))

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)

    assert (process.returncode, out) == (130, "")
    assert "Stopped. Of 4: none yet. What was asked already is done all the same." in err
    with worker_of(limited, tmp_path / "worker.log"):
        assert applied(limited, FIRST, path)[:2] == (0, {"done": 4})
    assert {factories.found(ledger, record).state for record in records} == {State.CANCELLED}
    lines = [json.loads(line) for line in (tmp_path / "plan.json.done").read_text().splitlines()]
    assert {(line["key"], line["became"], line["by"]) for line in lines} == {
        (record.key, "done", "first") for record in records
    }
