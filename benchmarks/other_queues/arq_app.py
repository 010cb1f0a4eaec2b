"""The two calls of the bank as jobs of arq, one with `requests` in a thread pool, one with an async client.

`python -m benchmarks.other_queues.arq_app COUNT` sends so many to the first; with `async` after it, to the second.
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import requests
from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.other_queues import async_payment
from benchmarks.plain_payment import CARD, pay

THREADS = 16


async def pay_job(context: dict[str, Any], *what: Any) -> None:
    await asyncio.get_running_loop().run_in_executor(context["pool"], pay, requests.post, *what)


async def pay_async(context: dict[str, Any], *what: Any) -> None:
    await async_payment.pay(context["session"], *what)


async def start(context: dict[str, Any]) -> None:
    context["pool"] = ThreadPoolExecutor(THREADS)
    context["session"] = aiohttp.ClientSession()


class WorkerSettings:
    functions = (pay_job, pay_async)
    on_startup = start
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
    max_jobs = THREADS
    keep_result = 0


async def main() -> None:
    job = "pay_async" if sys.argv[2:] == ["async"] else "pay_job"
    pool = await create_pool(WorkerSettings.redis_settings)
    for number in range(int(sys.argv[1])):
        await pool.enqueue_job(job, f"{number:012d}", 100, *CARD)


if __name__ == "__main__":
    asyncio.run(main())
