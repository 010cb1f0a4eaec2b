"""What is written first (careless), and second (tuned): bare Dramatiq actors with the card in the message, no ledger.

Ours is compared with them. `python -m dramatiq benchmarks.plain_actors` runs them; `BENCH_REDIS` and `BENCH_BANK` are
the addresses, and `BENCH_CA` the authority of a bank with TLS. `python -m benchmarks.plain_actors ACTOR N` sends N
messages to one of them and prints the seconds of CPU and of the wall.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import requests
from dramatiq.brokers.redis import RedisBroker

from benchmarks.plain_payment import CARD, pay

broker = RedisBroker(url=os.environ["BENCH_REDIS"])  # type: ignore[no-untyped-call]  # dramatiq's brokers are not typed
dramatiq.set_broker(broker)
_kept = threading.local()


@dramatiq.actor(max_retries=3)
def careless(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    pay(requests.post, invoice, amount, card, cvc, receiver)


@dramatiq.actor(max_retries=3)
def tuned(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    """A session a thread, so that connections are kept."""
    session: requests.Session | None = getattr(_kept, "session", None)
    if session is None:
        session = _kept.session = requests.Session()
        session.trust_env = False
    pay(session.post, invoice, amount, card, cvc, receiver)


@dramatiq.actor
def nothing(invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    """What the queue alone costs."""


def main() -> None:
    actors: dict[str, Any] = {"careless": careless, "tuned": tuned, "nothing": nothing}
    send: Callable[..., object] = actors[sys.argv[1]].send
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(int(sys.argv[2])):
        send(f"{number:012d}", 100, *CARD)
    print(time.process_time() - cpu, time.perf_counter() - wall)


if __name__ == "__main__":
    main()
