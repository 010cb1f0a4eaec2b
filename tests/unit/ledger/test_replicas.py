"""What is a proof that enough replicas have a claim, and what is none."""

import pytest
import redis
from redis.exceptions import NoPermissionError

from epay_transfers.ledger.store.replicas import WAIT_MS, Replicas

TWO = Replicas(2)
UNKNOWN = redis.ResponseError("unknown command 'WAITAOF', with args beginning with: '1' ")


def test_nothing_is_asked_where_no_replica_has_to_have_it() -> None:
    assert Replicas(0).commands == []
    assert Replicas(0).why_not([]) == ""


def test_the_disk_is_asked_for_behind_the_memory_and_only_where_it_counts() -> None:
    """Alone, the question about the disk would take a second each time."""
    assert TWO.commands == [("WAIT", 2, WAIT_MS), ("WAITAOF", 1, 2, WAIT_MS)]
    assert Replicas(2, on_disk=False).commands == [("WAIT", 2, WAIT_MS)]


@pytest.mark.parametrize("answers", [[2, [1, 2]], [3, [1, 3]], [2, UNKNOWN]])
def test_enough(answers: list[object]) -> None:
    """Redis 7.0 does not know WAITAOF."""
    assert TWO.why_not(answers) == ""


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([1, [1, 1]], "1 of 2 replicas of the ledger have what it confirmed"),
        ([1, UNKNOWN], "1 of 2 replicas of the ledger have what it confirmed"),
        ([2, [1, 1]], "1 of 2 replicas of the ledger have on disk"),
        ([2, [0, 2]], "has not on its disk"),
        ([2, redis.ResponseError("WAITAOF cannot be used when numlocal is set but appendonly is disabled.")], "disks"),
        ([2, redis.ConnectionError()], "went away"),
        ([redis.ConnectionError(), redis.ConnectionError()], "went away"),
        ([redis.TimeoutError(), redis.TimeoutError()], "went away"),
        ([NoPermissionError("this user has no permissions to run the 'wait' command"), UNKNOWN], "may not ask"),
        ([redis.ResponseError("unknown command 'WAIT'"), UNKNOWN], "does not say"),
        ([2, None], "went away"),
    ],
)
def test_too_few_or_no_proof(answers: list[object], why: str) -> None:
    assert why in TWO.why_not(answers)
