"""`AsyncTransfers`: the surface of `Transfers` for asyncio. Each call runs in a thread of a small pool of its own.

It is thin on purpose: what a call means is said and done in `Transfers` alone. Here is only what a loop needs: threads
that no other library shares, pauses in which no thread is held, and an end of what is cancelled.
"""

import asyncio
import contextvars
import inspect
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.states import State
from epay_transfers.ledger.tracebacks import clear_frames_on_async_error, clear_frames_on_error
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.producers.cancel import Cancel
from epay_transfers.producers.challenge import Challenge, PaymentPage
from epay_transfers.producers.confirm import Verdict
from epay_transfers.producers.intent import TransferIntent
from epay_transfers.producers.listing import Page
from epay_transfers.producers.notify import Notified
from epay_transfers.producers.outcomes import AnyOutcome, Outcome, check_names
from epay_transfers.producers.receipt import Receipt
from epay_transfers.producers.settings import SealingSettings
from epay_transfers.producers.transfers import Answers, Transfers

#: A call holds its thread for some milliseconds, and for as long as a server does not answer. More calls wait in line.
THREADS = 16

#: How often a thread that waits for the loop looks whether that was closed.
_LOOK_S = 1.0

_R = TypeVar("_R")


class _InThread(Protocol):
    async def __call__(self, work: Callable[[], _R]) -> _R: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncOutcome(AnyOutcome):
    """What one move made of a transfer, as `Outcome` says; `await outcome.ack()`."""

    _in_thread: _InThread = field(repr=False, compare=False)

    @clear_frames_on_async_error
    async def ack(self) -> None:
        """Mark it as processed: no reader of the group gets it again. Call it after your own commit.

        Raises `LedgerUnavailable`: then the outcome may come again.
        """
        await self._in_thread(self._acknowledge)


class AsyncTransfers:
    """Enqueue transfers and follow them, in asyncio: `async with AsyncTransfers.from_env() as transfers`.

    Each method means and raises what the one of `Transfers` does. They may be called from any task and any loop.

    **A task that is cancelled while it waits for a method**: what its thread has begun goes on to its end, and its
    answer is lost. So after a cancelled `enqueue` the transfer may be stored: call it again, with the same reference.
    """

    def __init__(self, transfers: Transfers, *, threads: int = THREADS) -> None:
        """`transfers`: those that do the work, a `FakeTransfers` in a unit test; `close` closes them.

        `threads`: so many calls run at once; the others wait in line. Reading outcomes has a thread of its own.
        """
        if not isinstance(transfers, Transfers):
            raise WrongCall("give a Transfers, like web.transfers; or call AsyncTransfers.from_env(env_file=...)")
        if threads < 1:
            raise WrongCall("threads: give 1 or more")
        self._transfers = transfers
        self._most = threads
        self._pool: ThreadPoolExecutor | None = None
        self._pool_of = 0  #: the process whose threads these are

    @classmethod
    @clear_frames_on_error
    def from_env(
        cls,
        settings: SealingSettings | Callable[[], SealingSettings] | None = None,
        *,
        env_file: str | Path | None = None,
        threads: int = THREADS,
    ) -> Self:
        """From the environment, a secrets directory, and the `.env` that `env_file` names; or from `settings`.

        It connects to nothing: the first call does, or `check`. Raises `SettingsWrong`.
        """
        return cls(Transfers.from_env(settings, env_file=env_file), threads=threads)

    @clear_frames_on_async_error
    async def check(self) -> None:
        """Look at the settings and the servers now, as the first call does. For the start of a process, and for health.

        Raises `SettingsWrong`, `LedgerUnavailable` or `VaultUnavailable`.
        """
        await self._in_thread(self._transfers.check)

    # A backend.

    @clear_frames_on_async_error
    async def enqueue(self, intent: TransferIntent) -> Receipt:
        """Put one transfer into the ledger and its card into the vault. It returns before anything is sent.

        The same reference and the same intent again: the same receipt, `replayed`, and nothing is sent twice. So it is
        what to do after a task was cancelled here: the transfer may be stored.

        Raises what `Transfers.enqueue` does.
        """
        return await self._in_thread(partial(self._transfers.enqueue, intent))

    @clear_frames_on_async_error
    async def enqueue_json(self, text: str) -> Receipt:
        """Enqueue an intent that waited in your own database as the text of `intent.to_json()`: for an outbox.

        Raises what `Transfers.enqueue_json` does.
        """
        return await self._in_thread(partial(self._transfers.enqueue_json, text))

    @clear_frames_on_async_error
    async def enqueue_many(self, intents: Sequence[TransferIntent]) -> Answers:
        """Put many transfers in, in a few round trips: for each, in order, its receipt or the error of `enqueue`.

        After a task was cancelled here, any of them may be stored. Raises `TypeError` and `SettingsWrong`.
        """
        return await self._in_thread(partial(self._transfers.enqueue_many, intents))

    @clear_frames_on_async_error
    async def get(self, key: str | None = None, *, reference: str | None = None) -> Transfer:
        """The transfer by its key (`receipt.key`), or by your own reference: `get(reference="payout-42")`.

        Raises `NotFound`; `TypeError` for none, or both, of the two.
        """
        return await self._in_thread(partial(self._transfers.get, key, reference=reference))

    @clear_frames_on_error
    def outcomes(
        self, group: str, *, consumer: str | None = None, idle: float | None = None, claim_after: float = 60.0
    ) -> AsyncGenerator[AsyncOutcome, None]:
        """What becomes of transfers, for one group of readers: every move, at least once, until each is acknowledged.

        As `Transfers.outcomes` says; the group exists once the first outcome is waited for. A task that is cancelled
        while it waits ends a second later at most: the reader's thread ends then, and a consumer without a name of its
        own leaves the group. To end a reading that you leave by `break` at once: `contextlib.aclosing`.

        Raises `IntentRejected` for a name of a group or a consumer that is none; `LedgerUnavailable` while you iterate.
        """
        check_names(group, consumer)
        begin = partial(self._transfers._reading, group, consumer, idle, claim_after)  # noqa: SLF001 - its other face
        return _each(begin, self._in_thread)

    @clear_frames_on_async_error
    async def run_outcomes(
        self,
        handler: Callable[[Outcome], Coroutine[Any, Any, None]],
        *,
        group: str,
        consumer: str | None = None,
        stop: threading.Event | asyncio.Event | None = None,
        idle: float | None = None,
        claim_after: float = 60.0,
        set_aside_after: int = 8,
    ) -> None:
        """Call `handler(outcome)` with each outcome, one after the other, until `stop` is set.

        It is awaited in this loop, and its return acknowledges the outcome, as `Transfers.run_outcomes` says. A task
        that is cancelled waits for the call of the handler that runs, takes nothing more, and is cancelled then, within
        a second. A loop that is closed ends it, too. Raises `WrongCall` for a handler that is not async.
        """
        loop = asyncio.get_running_loop()
        ends = _End(loop, stop)
        wrong: list[WrongCall] = []

        async def awaited(outcome: Outcome) -> None:
            answer: object = handler(outcome)
            if not inspect.isawaitable(answer):  # only its answer shows what it is
                ends.set()
                wrong.append(WrongCall(_NOT_ASYNC))
                raise wrong[0]
            await answer

        def handle(outcome: Outcome) -> None:
            if loop.is_closed():
                raise WrongCall(_LOOP_CLOSED)
            call = asyncio.run_coroutine_threadsafe(awaited(outcome), loop)
            while not wait([call], _LOOK_S).done:
                if loop.is_closed():  # it goes on nowhere, and this thread would keep the process from ending
                    raise WrongCall(_LOOP_CLOSED)
            call.result()

        work = partial(
            self._transfers.run_outcomes,
            handle,
            group=group,
            consumer=consumer,
            stop=ends,
            idle=idle,
            claim_after=claim_after,
            set_aside_after=set_aside_after,
        )
        thread = ThreadPoolExecutor(1, thread_name_prefix="transfers-outcomes")
        running = loop.run_in_executor(thread, contextvars.copy_context().run, work)
        thread.shutdown(wait=False)  # it ends after that
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            ends.set()
            await asyncio.wait([running])
            raise
        if wrong:
            raise wrong[0]

    @clear_frames_on_async_error
    async def find(self, text: str) -> Transfer:
        """The transfer by a text that is its key or its reference.

        Raises `NotFound`; `Ambiguous`, if it is one transfer's key and another one's reference.
        """
        return await self._in_thread(partial(self._transfers.find, text))

    @clear_frames_on_async_error
    async def wait(self, key: str, timeout: float = 30.0) -> Transfer:  # noqa: ASYNC109 - the sync one's; no error ends it
        """The transfer once it is final, or waits for a person, or `timeout` seconds are over: look at its `state`.

        It holds a thread for each look alone, and none between them: so hundreds may wait. Raises `NotFound`.
        """
        look = await self._in_thread(partial(self._transfers._looks, key, timeout))  # noqa: SLF001 - its other face
        while isinstance(seen := await self._in_thread(look), float):
            await self._pause(seen)
        return seen

    @clear_frames_on_async_error
    async def list(
        self,
        *states: State,
        terminal: str | None = None,
        newest: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """A page of the transfers that are in one of these states, or of all: those longest in their state first.

        Raises what `Transfers.list` does.
        """
        ask = partial(self._transfers.list, *states, terminal=terminal, newest=newest, limit=limit, cursor=cursor)
        return await self._in_thread(ask)

    @clear_frames_on_async_error
    async def cancel(self, key: str, *, reason: str) -> Cancel:
        """Take a transfer back, if no money can have moved. `reason` goes into the record: no card data.

        Raises `NotFound`; `IntentRejected` for a reason that is none; `VaultUnavailable`: then call it again.
        """
        return await self._in_thread(partial(self._transfers.cancel, key, reason=reason))

    # A web tier.

    @clear_frames_on_async_error
    async def challenge(self, handle: str) -> Challenge | None:
        """What the client's browser posts to the bank; None while a worker is at it, or once nothing is to be answered.

        Raises `NotFound`.
        """
        return await self._in_thread(partial(self._transfers.challenge, handle))

    @clear_frames_on_async_error
    async def confirm(self, *, md: str, pa_res: str, handle: str | None = None) -> Verdict:
        """What the client's browser brought back from the bank's page. With a handle, only for that transfer.

        Raises `IntentRejected` for a PaRes that is none; `VaultUnavailable`: then the client's browser sends it again.
        """
        return await self._in_thread(partial(self._transfers.confirm, md=md, pa_res=pa_res, handle=handle))

    @clear_frames_on_async_error
    async def visit(self, handle: str) -> PaymentPage:
        """The transfer of a handle, and what its client is shown.

        Raises `NotFound`.
        """
        return await self._in_thread(partial(self._transfers.visit, handle))

    @clear_frames_on_async_error
    async def notify(self, payload: Mapping[str, Any]) -> Notified:
        """The bank's notification, parsed: a hint on which a worker asks the bank. It may come as often as it likes."""
        return await self._in_thread(partial(self._transfers.notify, payload))

    @clear_frames_on_async_error
    async def three_ds2_returned(self, handle: str, sizes: Mapping[str, int]) -> Notified:
        """The client brought no PaRes but fields of 3-D Secure 2, of these sizes: a worker asks the bank at once.

        Raises `NotFound`.
        """
        return await self._in_thread(partial(self._transfers.three_ds2_returned, handle, sizes))

    @clear_frames_on_async_error
    async def is_guessing(self) -> bool:
        """Count one more request with a handle, an MD or an address that is none; True if too many came this minute."""
        return await self._in_thread(self._transfers.is_guessing)

    # The rest.

    @clear_frames_on_async_error
    async def close(self) -> None:
        """Close the connections, after the calls that run have ended. Transfers that were enqueued go on.

        End the tasks that read outcomes before. A call after this one connects again.
        """
        pool, self._pool = self._pool if self._pool_of == os.getpid() else None, None
        await asyncio.to_thread(self._close, pool)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _close(self, pool: ThreadPoolExecutor | None) -> None:
        if pool is not None:
            pool.shutdown()
        self._transfers.close()

    async def _in_thread(self, work: Callable[[], _R]) -> _R:
        if self._pool is None or self._pool_of != os.getpid():  # a forked process has none of its parent's threads
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="transfers")
            self._pool_of = os.getpid()
        return await _run(self._pool, work)

    async def _pause(self, seconds: float) -> None:
        """By the loop, where the transfers would sleep; a fake has a time of its own, which passes at once."""
        pause = self._transfers._pause  # noqa: SLF001 - its other face
        if pause is time.sleep:
            await asyncio.sleep(seconds)
        else:
            pause(seconds)


_NOT_ASYNC = "AsyncTransfers.run_outcomes awaits its handler: give an async function"
_LOOP_CLOSED = "the loop of the handler is closed: end the task of run_outcomes before it"


class _End(threading.Event):
    """Set by us, set by the caller, or the loop is closed, in which alone an outcome can be dealt with.

    A thread that went on without its loop would keep the process from ending.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: threading.Event | asyncio.Event | None = None) -> None:
        super().__init__()
        self._loop, self._stop = loop, stop

    def is_set(self) -> bool:
        return super().is_set() or self._loop.is_closed() or (self._stop is not None and self._stop.is_set())


async def _run(threads: Executor, work: Callable[[], _R]) -> _R:
    """With the caller's context variables, as `asyncio.to_thread` has it: a backend's log lines name its request."""
    return await asyncio.get_running_loop().run_in_executor(threads, contextvars.copy_context().run, work)


async def _each(
    begin: Callable[[Callable[[], bool]], Iterator[Outcome]], in_thread: _InThread
) -> AsyncGenerator[AsyncOutcome, None]:
    """Each outcome of one reading. It has a thread of its own, in which it waits for new ones."""
    loop = asyncio.get_running_loop()
    is_stopped = _End(loop)
    thread = ThreadPoolExecutor(1, thread_name_prefix="transfers-outcomes")
    read = _begun(begin, is_stopped.is_set)

    def next_one() -> Outcome | None:
        return next(read, None)

    step = clear_frames_on_async_error(lambda: _run(thread, next_one))
    try:
        while (outcome := await step()) is not None:
            yield AsyncOutcome(
                **{each.name: getattr(outcome, each.name) for each in fields(AnyOutcome)}, _in_thread=in_thread
            )
    finally:
        # A thread can't be interrupted: one that waits for the server looks each second whether it is to stop. What it
        # has taken by then stays owed by this consumer, and comes again.
        is_stopped.set()
        closing = thread.submit(read.close)
        thread.shutdown(wait=False)  # it ends after that
        if not loop.is_closed():  # a program may have forgotten this reading, and it is closed long after its loop
            await asyncio.shield(asyncio.wrap_future(closing, loop=loop))


def _begun(
    begin: Callable[[Callable[[], bool]], Iterator[Outcome]], is_stopped: Callable[[], bool]
) -> Generator[Outcome, None, None]:
    """It begins with its first step, and so in the reader's thread."""
    yield from begin(is_stopped)
