"""Two operators, each with a server user of their own, and a real worker: what one may do, and what takes two."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from epay_transfers.ledger import decisions
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import operator
from epay_transfers.ledger.store.ledger import Ledger
from tests.security.guarded import Guarded, bank, guarded, worker_of
from tests.support import factories
from tests.support.waiting import until

__all__ = ["bank", "guarded"]

FIRST, SECOND = "ops-first", "ops-second"
LONG = ("--wait", "60")

_LINKS = ("back_link", "failure_back_link", "post_link", "failure_post_link", "merchant_id_for_saving_cards")
ORDER = {"description": "Payout", "foreign": False} | dict.fromkeys(_LINKS, "")


@pytest.fixture
def ledger(guarded: Guarded) -> Iterator[Ledger]:
    """As nobody but a test has it."""
    with guarded.client("ledger", "root") as root, guarded.client("vault", "root") as vault:
        root.flushall()
        vault.flushall()  # its mark would say that the ledger went back
        yield Ledger(root)


def into(ledger: Ledger, state: State) -> Record:
    return factories.into(ledger, (state, Phase.SEND), "payout-1", lasts_ms=900_000, order_details=json.dumps(ORDER))


def begin(guarded: Guarded, user: str, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "epay_transfers", *words]
    env = {name: value for name, value in guarded.env(user).items() if name != "OPERATOR"}
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - this very program


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    out, err = process.communicate(timeout=90)
    return process.returncode, out + err


def test_of_two_requests_in_one_second_one_is_done_and_each_command_hears_its_own_answer(
    guarded: Guarded, ledger: Ledger, tmp_path: Path
) -> None:
    """One discards, the other requeues: the discard was overwritten once, reported the requeue, and it was paid."""
    record = into(ledger, State.DEAD)
    discard = begin(guarded, FIRST, "dead", "discard", record.key, "--reason", "paid in cash", *LONG)
    requeue = begin(guarded, SECOND, "dead", "requeue", record.key, "--reason", "the terminal works", *LONG)
    inboxes = [redis_keys.inbox(operator(name)) for name in ("first", "second")]
    until(lambda: all(ledger.client.llen(inbox) for inbox in inboxes))

    with worker_of(guarded, tmp_path / "worker.log"):
        status, said = ended(discard)
        other_status, other_said = ended(requeue)

    assert (status, other_status) == (0, 1)
    assert "cancelled before any money could move" in said
    assert "discard stands already" in other_said
    after = factories.found(ledger, record)
    assert after.state is State.CANCELLED
    assert [(each.what, each.by, each.why) for each in decisions.read(after.decisions)] == [
        ("discard", "first", "paid in cash")
    ]


def test_a_settlement_needs_two_server_users_where_the_bank_does_not_agree(
    guarded: Guarded, ledger: Ledger, tmp_path: Path
) -> None:
    """The bank has no such order. The worker's user may do all that this takes, and an operator's writes its inbox."""
    record = into(ledger, State.NEEDS_REVIEW)
    settle = ("settle", record.key, "--not-paid", "--evidence", "a letter", "--reason", "the bank says so", *LONG)

    with worker_of(guarded, tmp_path / "worker.log"):
        first, again = ended(begin(guarded, FIRST, *settle)), ended(begin(guarded, FIRST, *settle))
        assert factories.found(ledger, record).state is State.NEEDS_REVIEW
        second = ended(begin(guarded, SECOND, *settle))
        asked = ended(begin(guarded, FIRST, "ask", record.key, *LONG))
        correct = ("correct", record.key, "--paid", *settle[3:])
        corrected = [ended(begin(guarded, user, *correct))[0] for user in (FIRST, SECOND)]

    assert (first[0], again[0], second[0]) == (75, 75, 0)
    assert f"settle {record.key} --not-paid" in first[1]
    assert (asked[0], "the bank says: not_found" in asked[1]) == (0, True)
    assert corrected == [75, 0]
    after = factories.found(ledger, record)
    assert (after.state, after.reason) == (State.PAID, "corrected_by_operators")
    assert [each.by for each in decisions.read(after.decisions)] == ["first", "second"] * 2
    assert ledger.client.zscore(redis_keys.WATCHED, record.key)
