"""The two calls of the bank as tasks of taskiq: one with `requests` in its thread pool, one with an async client.

`python -m benchmarks.other_queues.taskiq_app COUNT` sends so many to the first; with `async` after it, to the second.
"""

import asyncio
import os
import sys

import aiohttp
import requests
from taskiq_redis import ListQueueBroker

from benchmarks.other_queues import async_payment
from benchmarks.plain_payment import CARD, pay

broker = ListQueueBroker(os.environ["BENCH_REDIS"])
_kept: list[aiohttp.ClientSession] = []


@broker.task(task_name="pay")  # type: ignore[untyped-decorator]  # it is not installed where types are checked
def pay_task(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    pay(requests.post, invoice, amount, card, cvc, receiver)


@broker.task(task_name="pay_async")  # type: ignore[untyped-decorator]  # as above
async def pay_async(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    if not _kept:
        _kept.append(aiohttp.ClientSession())
    await async_payment.pay(_kept[0], invoice, amount, card, cvc, receiver)


async def main() -> None:
    task = pay_async if sys.argv[2:] == ["async"] else pay_task
    await broker.startup()
    for number in range(int(sys.argv[1])):
        await task.kiq(f"{number:012d}", 100, *CARD)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
