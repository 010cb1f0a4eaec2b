"""The two calls of the bank as a task of huey. `python -m benchmarks.other_queues.huey_app COUNT` sends so many."""

import os
import sys

import requests
from huey import RedisHuey

from benchmarks.plain_payment import CARD, pay

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)


@huey.task(name="pay")  # type: ignore[untyped-decorator]  # huey has no types
def pay_task(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    pay(requests.post, invoice, amount, card, cvc, receiver)


if __name__ == "__main__":
    from benchmarks.other_queues import huey_app  # the task's name has its module in it, which is another here

    for number in range(int(sys.argv[1])):
        huey_app.pay_task(f"{number:012d}", 100, *CARD)
