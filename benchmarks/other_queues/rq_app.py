"""The two calls of the bank as a job of RQ. `python -m benchmarks.other_queues.rq_app COUNT` sends so many."""

import os
import sys

import redis
import requests
from rq import Queue

from benchmarks.plain_payment import CARD, pay


def pay_job(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    pay(requests.post, invoice, amount, card, cvc, receiver)


def main() -> None:
    queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_REDIS"]))
    for number in range(int(sys.argv[1])):
        queue.enqueue("benchmarks.other_queues.rq_app.pay_job", f"{number:012d}", 100, *CARD)


if __name__ == "__main__":
    main()
