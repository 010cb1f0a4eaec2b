"""The boundary to Redis: an error of the client's ends here, and is one of ours from here on.

What the server said is dropped here: it may repeat what it was sent. Which server it was, and why, is kept as the
`ServerProblem` that `connection` put beside the client's error.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import redis

from epay_transfers.ledger.errors import (
    LedgerBroken,
    LedgerUnavailable,
    QueueUnavailable,
    ServerUnavailable,
    VaultUnavailable,
)
from epay_transfers.ledger.store.server_problems import known_problem

Unavailable = type[LedgerUnavailable | VaultUnavailable | QueueUnavailable]


@cache
def redis_errors_as(unavailable: Unavailable) -> AbstractContextManager[None]:
    """Raises `unavailable` for whatever the client raises while something is changed."""
    return _Mapped(unavailable, reading=False)


@cache
def read_errors_as(unavailable: Unavailable) -> AbstractContextManager[None]:
    """The same where nothing is changed: the sentence speaks of no change that may be stored."""
    return _Mapped(unavailable, reading=True)


@contextmanager
def of_its_type(part: str) -> Iterator[None]:
    """Raises `LedgerBroken` where the key of this part is of another type: no server answers otherwise later."""
    try:
        yield
    except redis.ResponseError as error:
        is_other = str(error).startswith("WRONGTYPE")
        if not is_other:
            raise
    else:
        return
    raise LedgerBroken(part)


def unavailable_for(error: Exception, unavailable: Unavailable, *, reading: bool = False) -> ServerUnavailable:
    """`unavailable` for an error that stood among the replies of a pipeline."""
    return unavailable(problem=known_problem(error), reading=reading)


class _Mapped:
    """One block for all threads, for nothing of a use stays in it: the standard way makes five objects for each."""

    __slots__ = ("_reading", "_unavailable")

    def __init__(self, unavailable: Unavailable, *, reading: bool) -> None:
        self._unavailable, self._reading = unavailable, reading

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: type[BaseException] | None, caught: BaseException | None, at: object) -> None:
        if isinstance(caught, redis.RedisError):
            error = unavailable_for(caught, self._unavailable, reading=self._reading)
            try:
                raise error from error.__cause__
            finally:
                error.__context__ = None  # the client's error, with what the server said
                del error, caught, at  # which this frame would keep, as long as the error lives, and be kept by them
