"""What asyncio adds: threads that no waiting call holds, the end of a task that is cancelled, one loop beside others.

What each call means is in the suite that runs on all of them: `tests/web/test_conformance.py`, `test_outcomes.py`.
"""

import asyncio
import contextvars
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Event
from epay_transfers.producers import (
    AsyncTransfers,
    IntentRejected,
    LedgerUnavailable,
    NotFound,
    Outcome,
    State,
    Transfers,
    WrongCall,
    running_loop,
)
from epay_transfers.producers.context import Context
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.testing.web import fake_web
from epay_transfers.producers.web import Request, Web
from tests.producers.conftest import Hands, build, by_pan, by_saved_card
from tests.support.logged import names_of
from tests.support.waiting import until

T = TypeVar("T")

#: Seconds, after which a test that would hang is red.
PATIENCE_S = 30

REQUEST = contextvars.ContextVar("request", default="")


@pytest.fixture
def _destroyed_here() -> Iterator[None]:
    """Asyncio logs that a task was destroyed while it was pending: here, and not in a later test's log."""
    yield
    gc.collect()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def in_time() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(in_time())


class HeldWakeups(Wakeups):
    """The last step of an enqueue: it waits until the test lets it go on."""

    def __init__(self, queue: redis.Redis) -> None:
        super().__init__(Broker(queue, [], {}))
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.seen: list[str] = []

    def send_all(self, records: Any) -> int:
        self.seen.append(REQUEST.get())
        self.reached.set()
        assert self.go_on.wait(PATIENCE_S)
        return super().send_all(records)


@pytest.fixture
def held(queue_client: redis.Redis) -> Iterator[HeldWakeups]:
    wakeups = HeldWakeups(queue_client)
    yield wakeups
    wakeups.go_on.set()


@asynccontextmanager
async def enqueueing(transfers: AsyncTransfers, held: HeldWakeups) -> AsyncIterator[asyncio.Task[Any]]:
    """A task whose enqueue has come to its last step, in its thread."""
    task = asyncio.create_task(transfers.enqueue(by_pan()))
    await asyncio.to_thread(held.reached.wait, PATIENCE_S)
    yield task
    held.go_on.set()


def names_of_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("transfers")]


def test_an_enqueue_that_is_cancelled_may_be_stored_and_the_same_one_again_replays(
    parts: Context, held: HeldWakeups
) -> None:
    """Its thread goes on to the end; no second transfer comes of it."""

    async def cancelled() -> None:
        async with AsyncTransfers(build(parts, wakeups=held)) as transfers:
            async with enqueueing(transfers, held) as task:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            again = await transfers.enqueue(by_pan())
            assert (again.replayed, again.state) == (True, State.QUEUED)
            assert (await transfers.get(reference="order-1")).key == again.key

    run(cancelled())


def test_one_that_is_cancelled_while_it_waits_for_a_thread_is_not_stored(parts: Context, held: HeldWakeups) -> None:
    async def cancelled() -> None:
        async with AsyncTransfers(build(parts, wakeups=held), threads=1) as transfers:
            async with enqueueing(transfers, held) as first:
                second = asyncio.create_task(transfers.enqueue(by_saved_card()))
                await asyncio.sleep(0)  # it is in line
                second.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await second
            await first
            with pytest.raises(NotFound):
                await transfers.get(reference="payout-1")

    run(cancelled())


def test_closing_waits_for_what_a_cancelled_task_has_begun(parts: Context, held: HeldWakeups) -> None:
    """Else its connections would be cut between the ledger and the vault."""

    async def closed() -> None:
        transfers = AsyncTransfers(build(parts, wakeups=held))
        async with enqueueing(transfers, held) as task:
            task.cancel()
            closing = asyncio.create_task(transfers.close())
            done, _ = await asyncio.wait([closing], timeout=0.1)
            assert not done
        await closing
        assert names_of_threads() == []

    run(closed())


def test_a_thread_knows_the_context_of_the_call(parts: Context, held: HeldWakeups) -> None:
    """A backend's log lines name the request that they belong to."""

    async def enqueued() -> None:
        held.go_on.set()
        REQUEST.set("request-7")
        async with AsyncTransfers(build(parts, wakeups=held)) as transfers:
            await transfers.enqueue(by_pan())

    run(enqueued())
    assert held.seen == ["request-7"]


def test_waiting_holds_no_thread(parts: Context, hands: Hands) -> None:
    """45 clients wait by two threads, and all else goes on meanwhile."""

    async def waited() -> None:
        async with AsyncTransfers(build(parts, clock=SystemClock()), threads=2) as transfers:
            receipt = await transfers.enqueue(by_pan())
            waiting = [asyncio.create_task(transfers.wait(receipt.key, timeout=PATIENCE_S)) for _ in range(45)]
            await asyncio.sleep(0.1)
            other = await transfers.enqueue(by_saved_card())
            assert (await transfers.get(other.key)).state is State.QUEUED
            assert not [task for task in waiting if task.done()]
            await asyncio.to_thread(hands.bring, receipt.key, State.PAID)
            assert {transfer.state for transfer in await asyncio.gather(*waiting)} == {State.PAID}

    run(waited())


def test_waiting_on_a_fake_waits_no_real_second() -> None:
    async def waited() -> State:
        fake = FakeTransfers()
        async with AsyncTransfers(fake) as transfers:
            receipt = await transfers.enqueue(by_pan())
            return (await transfers.wait(receipt.key, timeout=10_000_000)).state

    assert run(waited()) is State.EXPIRED


def meeting() -> Callable[[], None]:
    """Where two threads can be at once, each waits here for the other; where one is kept out, it goes on alone."""
    barrier = threading.Barrier(2)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(0.3)

    return meet


class MeetingDict(dict[str, str]):
    meet = staticmethod(meeting())

    def __contains__(self, key: object) -> bool:
        is_there = super().__contains__(key)
        self.meet()
        return is_there


class MeetingList(list[Event]):
    meet = staticmethod(meeting())

    def __getitem__(self, at: Any) -> Any:
        self.meet()
        return super().__getitem__(at)


def test_a_fake_is_shared_by_tasks() -> None:
    """As a server does, it lets one thread at a time in: a reference is one transfer, and an outcome comes once."""

    async def shared() -> None:
        fake = FakeTransfers()
        async with AsyncTransfers(fake) as transfers:
            fake._scripts.suffixes = MeetingDict()  # between the look for what is known and the record
            receipts = await asyncio.gather(*(transfers.enqueue(by_pan()) for _ in range(2)))
            assert sorted(receipt.replayed for receipt in receipts) == [False, True]

            async def read() -> list[tuple[str, int]]:
                return [(outcome.key, outcome.version) async for outcome in transfers.outcomes("payouts")]

            fake._scripts.events = MeetingList(fake._scripts.events)  # between what is taken, and that it is
            first, second = await asyncio.gather(read(), read())
            assert len({*first, *second}) == len([*first, *second]) > 0

    run(shared())


# Outcomes.


async def first_of(transfers: AsyncTransfers, consumer: str | None = None) -> str:
    async with aclosing(transfers.outcomes("payouts", consumer=consumer)) as outcomes:
        async for outcome in outcomes:
            await outcome.ack()
            return outcome.reference
    raise AssertionError


def test_a_reader_that_is_cancelled_while_nothing_is_new_ends_its_thread_and_leaves_its_group(
    parts: Context, ledger_client: redis.Redis
) -> None:
    async def cancelled() -> None:
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.enqueue(by_pan())
            assert await first_of(transfers) == "order-1"
            reader = asyncio.create_task(first_of(transfers))
            while not ledger_client.xinfo_consumers(redis_keys.EVENTS, "payouts"):  # noqa: ASYNC110 - a server's list
                await asyncio.sleep(0.01)
            assert "transfers-outcomes_0" in names_of_threads()

            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
            assert ledger_client.xinfo_consumers(redis_keys.EVENTS, "payouts") == []

    run(cancelled())
    for thread in threading.enumerate():
        if thread.name.startswith("transfers"):
            thread.join(PATIENCE_S)
    assert names_of_threads() == []


def test_readers_that_wait_hold_no_thread_of_the_calls(parts: Context) -> None:
    """Three of them, beside one thread: what is enqueued meanwhile comes to one of them."""

    async def read() -> None:
        async with AsyncTransfers(build(parts), threads=1) as transfers:
            await transfers.is_guessing()  # the one thread is there
            readers = [asyncio.create_task(first_of(transfers)) for _ in range(3)]
            await asyncio.sleep(0.1)
            await transfers.enqueue(by_pan())
            done, waiting = await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
            assert [task.result() for task in done] == ["order-1"]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    run(read())


def test_a_consumer_with_a_name_goes_on_after_it_was_cancelled_in_the_middle(parts: Context) -> None:
    """What it had not acknowledged comes again."""

    async def cancelled() -> None:
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.enqueue(by_pan())
            reached = asyncio.Event()

            async def stuck() -> None:
                async for _ in transfers.outcomes("payouts", consumer="one"):
                    reached.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(stuck())
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await first_of(transfers, "one") == "order-1"

    run(cancelled())


def test_an_async_handler_is_awaited_in_the_callers_loop_and_its_return_acknowledges(parts: Context) -> None:
    """What it returned from comes no more."""
    calls: list[tuple[str, object]] = []

    async def handler(outcome: Outcome) -> None:
        await asyncio.sleep(0)
        calls.append((outcome.reference, asyncio.get_running_loop()))

    async def handled() -> None:
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.enqueue(by_pan())
            await transfers.run_outcomes(handler, group="payouts", idle=0.1)
            await transfers.run_outcomes(handler, group="payouts", idle=0.1)
            assert calls == [("order-1", asyncio.get_running_loop())]

    run(handled())


def test_a_cancelled_task_lets_its_handler_finish_and_leaves_its_group(
    parts: Context, ledger_client: redis.Redis
) -> None:
    begun, finished = asyncio.Event(), []

    async def handler(outcome: Outcome) -> None:
        begun.set()
        await asyncio.sleep(0.2)  # it is in the middle of its work when the task is cancelled
        finished.append(outcome.reference)

    async def cancelled() -> None:
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.enqueue(by_pan())
            task = asyncio.create_task(transfers.run_outcomes(handler, group="payouts"))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert finished == ["order-1"]
            assert ledger_client.xinfo_consumers(redis_keys.EVENTS, "payouts") == []
            assert cast("Any", ledger_client.xpending(redis_keys.EVENTS, "payouts"))["pending"] == 0

    run(cancelled())


def test_a_handler_that_is_not_async_is_a_wrong_call_at_its_first_outcome(parts: Context) -> None:
    """It did its work once, and the outcome stays owed: it is not tried again and again, and set aside."""
    calls: list[int] = []

    def handler(outcome: Outcome) -> None:
        calls.append(outcome.deliveries)

    async def handled() -> None:
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.enqueue(by_pan())
            with pytest.raises(WrongCall, match="give an async function"):
                await transfers.run_outcomes(cast("Any", handler), group="payouts", idle=5)
            assert calls == [1]
            assert await first_of(transfers) == "order-1"

    run(handled())


def test_a_handler_may_be_any_function_that_gives_something_to_await(parts: Context) -> None:
    calls: list[str] = []

    async def handler(name: str, outcome: Outcome) -> None:
        calls.append(f"{name} {outcome.reference}")

    async def handled() -> None:
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.enqueue(by_pan())
            await transfers.run_outcomes(lambda outcome: handler("shop", outcome), group="payouts", idle=0.1)

    run(handled())
    assert calls == ["shop order-1"]


@pytest.mark.usefixtures("_destroyed_here")
@pytest.mark.parametrize("is_in_handler", [False, True])
def test_a_loop_that_is_closed_ends_the_thread_and_the_outcome_stays_owed(
    parts: Context, ledger_client: redis.Redis, *, is_in_handler: bool
) -> None:
    """By a program that ends without its tasks: else the thread would keep its process for ever, and set all aside."""
    begun = threading.Event()

    async def handler(_outcome: Outcome) -> None:
        begun.set()
        await asyncio.Event().wait()

    transfers = AsyncTransfers(build(parts))
    loop = asyncio.new_event_loop()
    task = loop.create_task(transfers.run_outcomes(handler, group="payouts"))
    if is_in_handler:
        loop.run_until_complete(transfers.enqueue(by_pan()))
        loop.run_until_complete(asyncio.to_thread(begun.wait, PATIENCE_S))
    else:
        loop.run_until_complete(asyncio.sleep(0.2))
    loop.close()
    build(parts).enqueue(by_pan("order-2"))

    for thread in threading.enumerate():
        if thread.name.startswith("transfers-outcomes"):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    assert not task.done()
    seen: list[Outcome] = []
    build(parts).run_outcomes(seen.append, group="payouts", idle=0, claim_after=0)
    assert len(seen) == 1 + is_in_handler
    assert ledger_client.hlen(redis_keys.OUTCOMES_ASIDE) == 0
    asyncio.run(transfers.close())


@pytest.mark.usefixtures("_destroyed_here")
def test_a_loop_that_is_closed_ends_a_reading_which_leaves_its_group(
    parts: Context, ledger_client: redis.Redis
) -> None:
    """As with a handler: a program that forgets its task can end."""

    async def read(transfers: AsyncTransfers) -> None:
        async for _ in transfers.outcomes("payouts"):
            pass

    transfers = AsyncTransfers(build(parts))
    loop = asyncio.new_event_loop()
    task = loop.create_task(read(transfers))
    loop.run_until_complete(asyncio.sleep(0.2))
    assert len(ledger_client.xinfo_consumers(redis_keys.EVENTS, "payouts")) == 1
    loop.close()

    until(lambda: ledger_client.xinfo_consumers(redis_keys.EVENTS, "payouts") == [])
    assert not task.done()


def test_a_ledger_that_is_away_is_said_while_one_iterates(without_ledger: Transfers) -> None:
    async def read() -> None:
        async with AsyncTransfers(without_ledger) as transfers:
            with pytest.raises(IntentRejected):
                transfers.outcomes("no group")
            outcomes = transfers.outcomes("payouts")
            with pytest.raises(LedgerUnavailable):
                await anext(outcomes)

    run(read())


def test_no_thread_at_all_is_a_wrong_call() -> None:
    with pytest.raises(WrongCall, match="threads: give 1 or more"):
        AsyncTransfers(FakeTransfers(), threads=0)


def test_closed_ones_connect_again(transfers: Transfers) -> None:
    """As `Transfers` do: an application's tests start and end it many times."""

    async def again() -> None:
        asynchronous = AsyncTransfers(transfers)
        for at in range(2):
            async with asynchronous:
                await asynchronous.enqueue(by_pan(f"order-{at}"))

    run(again())


# A call of `Transfers` in a loop.


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test may have been told."""
    monkeypatch.setattr(running_loop, "_TOLD", threading.Event())


def test_a_call_in_a_running_loop_is_said_once_a_process(
    parts: Context, untold: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def call() -> None:
        for _ in range(2):
            with pytest.raises(NotFound):
                build(parts).find("nobody")

    caplog.set_level(logging.INFO)  # at a lower level asyncio has lines of its own
    run(call())

    assert names_of(caplog.records) == ["transfers.in_event_loop"]
    assert "use AsyncTransfers, or await asyncio.to_thread(" in caplog.records[0].getMessage()


def test_elsewhere_nothing_is_said(parts: Context, untold: None, caplog: pytest.LogCaptureFixture) -> None:
    """Without a loop; by `AsyncTransfers`, whose threads have none; by a fake, which waits for no server."""
    build(parts).enqueue(by_pan())

    async def call() -> None:
        FakeTransfers().enqueue(by_pan())
        async with AsyncTransfers(build(parts)) as transfers:
            await transfers.check()
            await transfers.find("order-1")
            await transfers.wait((await transfers.enqueue(by_saved_card())).key, timeout=0)
            assert [outcome.state async for outcome in transfers.outcomes("payouts", idle=0)] == [State.QUEUED] * 2

    run(call())

    assert "transfers.in_event_loop" not in names_of(caplog.records)


def test_a_forked_process_has_threads_of_its_own(parts: Context) -> None:
    """Its parent's are not in it: else each call would wait for them for ever."""
    transfers = AsyncTransfers(build(parts))
    receipt = asyncio.run(transfers.enqueue(by_pan()))
    until(lambda: cast("Any", transfers._pool)._idle_semaphore._value == 1)  # its thread waits for the next call

    async def asked() -> None:
        async with asyncio.timeout(PATIENCE_S), transfers:
            assert (await transfers.get(receipt.key)).reference == "order-1"

    pid = os.fork()
    if not pid:
        try:
            asyncio.run(asked())
        except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    asyncio.run(asked())


def test_what_is_no_transfers_is_a_wrong_call_at_once(parts: Context) -> None:
    """A web tier, another `AsyncTransfers`, and a file in the place of settings."""
    for wrong in (AsyncTransfers(build(parts)), fake_web(FakeTransfers()), ".env"):
        with pytest.raises(WrongCall, match=r"give a Transfers, like web\.transfers"):
            AsyncTransfers(cast("Any", wrong))
    for from_env in (Transfers.from_env, AsyncTransfers.from_env, Web.from_env):
        for file in (".env", Path(".env")):
            with pytest.raises(WrongCall, match="env_file="):
                from_env(cast("Any", file))
    with pytest.raises(WrongCall, match="route: give one of pay, 3ds, result, notify"):
        fake_web(FakeTransfers()).answer("paid", "A" * 22, Request("GET"))
