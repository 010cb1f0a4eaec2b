"""`AsyncTransfers` with the face of `Transfers`: each call is run in an event loop. So one suite holds both."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any, cast

from epay_transfers.producers import AnyOutcome, AsyncOutcome, AsyncTransfers, Outcome
from epay_transfers.producers.testing import FakeTransfers


class InALoop:
    """What `AsyncTransfers` has is asked of it; all else, the verbs that play the bank, of the transfers below it."""

    def __init__(self, transfers: FakeTransfers, runner: asyncio.Runner) -> None:
        self._below = transfers
        self._runner = runner
        self._above = AsyncTransfers(transfers, threads=2)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(self._above, name):
            return getattr(self._below, name)
        return partial(self._run, getattr(self._above, name))

    def outcomes(self, *args: Any, **kwargs: Any) -> Iterator[Outcome]:
        return self._each(self._above.outcomes(*args, **kwargs))

    def _each(self, reading: AsyncGenerator[AsyncOutcome, None]) -> Iterator[Outcome]:
        try:
            while (outcome := self._run(anext, reading, None)) is not None:
                told = {each.name: getattr(outcome, each.name) for each in fields(AnyOutcome)}
                yield Outcome(**told | {"_acknowledge": partial(self._run, outcome.ack)})
        finally:
            self._run(reading.aclose)

    def _run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def called() -> Any:
            return await call(*args, **kwargs)

        return self._runner.run(called())


@contextmanager
def in_a_loop(transfers: FakeTransfers) -> Iterator[FakeTransfers]:
    with asyncio.Runner() as runner:
        above = InALoop(transfers, runner)
        yield cast("FakeTransfers", above)
        above.close()
