"""Metadata may be personal data: they stand in their transfer's record and nowhere else, and first of all in no log."""

import logging
from typing import Any

import pytest
import redis

from epay_transfers.ledger.store import redis_keys
from epay_transfers.producers import Conflict, IntentRejected, Outcome
from tests.support.redis_state import everything
from tests.web.conftest import intent, queue, real
from tests.web.real import RealTransfers

__all__ = ["queue", "real"]  # fixtures, used here too

MARK = "qanary-user-1001"
WITH = {"user": MARK}
ENDS = ("pay", "decline", "fail", "doubt", "send_to_review", "park", "expire")


def failing(outcome: Outcome) -> None:
    assert outcome.metadata is not None
    raise ValueError(MARK)


def play(transfers: RealTransfers) -> list[str]:
    """All that this project says to a backend or about a transfer, but for the transfer itself. Returns the keys."""
    said: list[Any] = []
    keys = [transfers.enqueue(intent(verb, metadata=WITH)).key for verb in ENDS]
    for verb in ENDS:
        getattr(transfers, verb)(verb)
        said.append(transfers.enqueue(intent(verb, metadata=WITH)))
        with pytest.raises(Conflict) as conflict:
            transfers.enqueue(intent(verb, metadata={"user": f"{MARK}2"}))
        said.append(conflict.value)
    for wrong in (f"{MARK}\n", MARK * 20, f"{MARK} 4405639704015096"):
        with pytest.raises(IntentRejected) as rejected:
            intent("wrong", metadata={"user": wrong})
        said.append(rejected.value)
    said.append(transfers.cancel(keys[ENDS.index("park")], reason="not wanted"))
    said += list(transfers.outcomes("books", idle=0))
    said += [intent("x", metadata=WITH), transfers.get(keys[0])]
    transfers.run_outcomes(failing, group="payouts", idle=0, set_aside_after=2)
    assert transfers.outcomes_aside("payouts")
    assert MARK not in repr(said)
    return keys


def test_they_are_in_the_record_and_in_no_other_key_no_log_line_no_answer_and_no_error(
    real: RealTransfers,
    ledger_client: redis.Redis,
    vault_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So in no event, and in no message: what a follower ships and what a worker is sent has none of them."""
    with caplog.at_level(logging.DEBUG):
        keys = play(real)

    logged = [repr(vars(record)) for record in caplog.records]
    assert any(keys[0] in line for line in logged), "the search reads the log"
    assert [line for line in logged if MARK in line] == []

    there = everything(ledger_client)
    kept = [ledger_client.hgetall(redis_keys.record(key)) for key in keys]
    assert [record["metadata"] for record in kept] == [f'{{"user":"{MARK}"}}'] * len(ENDS)
    assert there.count(MARK) == len(ENDS), "once in each record"
    assert MARK not in everything(vault_client)


def test_the_longest_of_them_leave_the_record_as_small_as_it_is_kept(
    real: RealTransfers, ledger_client: redis.Redis
) -> None:
    """A field that is longer than the server's setting would turn it into a table of several times the size."""
    longest = {f"name{number}": "x" * 88 for number in range(10)}
    record = redis_keys.record(real.enqueue(intent(metadata=longest)).key)

    assert 980 < len(str(ledger_client.hget(record, "metadata"))) <= 1000
    assert ledger_client.object("encoding", record) in {"listpack", b"listpack"}


def test_a_transfer_without_them_has_no_such_field(real: RealTransfers, ledger_client: redis.Redis) -> None:
    """It costs not one byte more than before there were metadata."""
    record = redis_keys.record(real.enqueue(intent()).key)
    real.pay("order-1")

    assert not ledger_client.hexists(record, "metadata")
    assert "metadata" not in everything(ledger_client)
