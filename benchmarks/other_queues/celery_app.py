"""The two calls of the bank as a Celery task. `python -m benchmarks.other_queues.celery_app COUNT` sends so many."""

import os
import sys

import requests
from celery import Celery

from benchmarks.plain_payment import CARD, pay

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False


@app.task(name="pay")  # type: ignore[untyped-decorator]  # celery has no types
def pay_task(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    pay(requests.post, invoice, amount, card, cvc, receiver)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        app.send_task("pay", (f"{number:012d}", 100, *CARD))
