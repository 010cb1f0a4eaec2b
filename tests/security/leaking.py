"""A program that leaks wherever it can, run with our error reports or with the library's own: `python -m
tests.security.leaking ours|theirs DSN` (and a card as the last argument, which is one of the leaks).
"""

import logging
import sys
from contextlib import suppress
from typing import Any

import dramatiq
import redis
import requests
import sentry_sdk
from dramatiq.brokers.stub import StubBroker
from pydantic import BaseModel

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.secret import Secret
from epay_transfers.runtime import sentry
from tests.security.canaries import CVC, HOLDER, PAN, RECEIVER_PAN, dresses

_LOG = logging.getLogger("epay_transfers.worker.leaking")


class Order(BaseModel):
    amount: int


def main(mode: str, dsn: str) -> None:
    if mode == "ours":
        sentry.set_up(Secret(dsn), "transfers", "test")
        if sentry_sdk.get_client().options["traces_sample_rate"] != 0:
            raise RuntimeError("tracing is on")
        sentry_sdk.get_client().options["traces_sample_rate"] = 1.0  # as if somebody had turned it on
    else:
        sentry_sdk.init(dsn=dsn, traces_sample_rate=1.0, enable_logs=True)
    with sentry_sdk.start_transaction(name=f"pay {PAN}", op="queue"):
        scope = sentry_sdk.get_current_scope()
        scope.set_tag("card", PAN)
        scope.set_user({"name": HOLDER})
        scope.set_context("card", {"cvc": CVC, "number": PAN})
        scope.add_attachment(bytes=PAN.encode(), filename="card.txt")
        sentry_sdk.add_breadcrumb(message=f"card {PAN}")
        for leak in (in_an_argument, in_a_model, in_a_request, in_redis, in_a_log, in_a_message, in_a_chain):
            leak(PAN)
        sentry_sdk.capture_message(f"card {RECEIVER_PAN} of {HOLDER}")
        sentry_sdk.logger.warning(f"card {PAN}")
        sentry_sdk.metrics.count("cards", 1, attributes={"card": PAN})
    _LOG.error("message.quarantined", extra={"key": "251124000001", "why": f"not a ring: {PAN}", "card": HOLDER})
    why = f"not a ring: {PAN}"
    log_line(_LOG.error, "message.set_aside", "%(key)s: %(why)s", key="251124000001", why=why, card=HOLDER)
    sentry_sdk.flush(5)


def in_an_argument(card: str) -> None:
    cvc = CVC
    try:
        raise ValueError(f"card {card}, {cvc}")  # noqa: TRY301 - the leak itself
    except ValueError:
        _LOG.exception("actor.broke")


def in_a_model(card: str) -> None:
    try:
        Order.model_validate({"amount": f"{card} {HOLDER}"})
    except ValueError:
        _LOG.exception("model.broke")


def in_a_request(card: str) -> None:
    try:
        requests.post(f"http://127.0.0.1:1/{card}", json={"card": card, "cvc": CVC, "name": HOLDER}, timeout=1)
    except requests.RequestException:
        _LOG.exception("bank.broke")


def in_redis(card: str) -> None:
    with suppress(redis.RedisError):
        redis.Redis(port=1).set(card, HOLDER)
    _LOG.error("redis.broke")


def in_a_log(card: str) -> None:
    _LOG.error("card %s of %s", card, HOLDER)
    _LOG.error(f"{HOLDER}, CVC {CVC}")
    for dress in dresses(card):
        _LOG.error("card." + dress)


def in_a_message(card: str) -> None:
    broker: Any = StubBroker()
    broker.emit_after("process_boot")
    actor: Any = dramatiq.actor(broker=broker, max_retries=0)(_fails)
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    actor.send(card, name=HOLDER)
    with suppress(RuntimeError):
        broker.join("default", timeout=5000)
    worker.stop()


def _fails(card: str, name: str) -> None:
    raise RuntimeError(f"no such card {card} of {name}")


def in_a_chain(card: str) -> None:
    try:
        try:
            raise KeyError(HOLDER)  # noqa: TRY301 - the leak itself
        except KeyError as error:
            raise LookupError(card) from error
    except LookupError:
        _LOG.exception("chain.broke", extra={"key": "251124000001"})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
