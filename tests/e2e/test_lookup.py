"""A worker process on a machine where one name's lookup hangs."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.queue.broker import BATCH, NAMESPACE, NOW
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.producers import Receipt, Transfers, Verdict
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.servers import queue_url
from tests.support.waiting import until

QUICK = {"WORKER_THREADS": "4", "HTTP_CONNECT_TIMEOUT": "0.5", "HTTP_DEADLINE": "3", "LEASE": "5"}


@pytest.fixture
def hangs(tmp_path: Path) -> Path:
    """While this file is there, the name `localhost` hangs."""
    return tmp_path / "hangs"


def start(platform: Platform, hangs: Path, **env: str) -> "subprocess.Popen[bytes]":
    worker = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "tests.e2e.hanging", str(hangs)],
        cwd=Path(__file__).parents[2],
        env=platform.env | QUICK | env,
        stderr=platform.log,
    )
    platform.workers.append(worker)
    return worker


def elsewhere(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


def secure(platform: Platform, transfers: Transfers) -> Receipt:
    receipt = transfers.enqueue(payout("secure", "[3ds]"))
    until(lambda: transfers.challenge(receipt.handle) is not None)
    return receipt


def test_transfers_whose_host_has_a_name_that_hangs_hold_up_no_confirm_and_no_drain(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, hangs: Path
) -> None:
    """More of them than the worker has threads. None was sent, the breaker opens, and SIGTERM ends it with 0."""
    transfers = platform.transfers(monkeypatch)
    worker = start(platform, hangs, EPAY_TRANSFER_URL=elsewhere(platform.env["EPAY_TRANSFER_URL"]))
    parked = secure(platform, transfers)
    challenge = transfers.challenge(parked.handle)
    assert challenge is not None

    hangs.touch()
    waiting = [transfers.enqueue(payout(f"waits-{number}")) for number in range(8)]
    until(lambda: "breaker_opened" in str(platform.ledger_client.xrange("transfers:{t}:events")))
    pa_res = platform.answer(challenge.md)
    assert transfers.confirm(md=challenge.md, pa_res=pa_res, handle=parked.handle) is Verdict.ACCEPTED
    assert transfers.wait(parked.key, timeout=60).state is State.PAID

    worker.terminate()
    assert worker.wait(60) == 0
    unsent = {receipt.key for receipt in waiting} - set(platform.books()["orders"])
    assert unsent  # the others found a connection of before
    assert {transfers.get(key).state for key in unsent} == {State.QUEUED}
    transfers.close()


def test_a_worker_whose_ledger_and_queue_have_a_name_that_hangs_ends_when_it_is_told_to(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, hangs: Path
) -> None:
    """It can't give back what it has fetched, and says so by its status: a supervisor does not wait for ever.

    The queue's name hangs once the messages are fetched, and not before: a consumer that has not connected yet when the
    worker says that it has started, or whose connection was lost to a busy machine, would fetch none.
    """
    ledger, queue_at = elsewhere(platform.env["REDIS_URL"]), queue_url(platform.env["REDIS_URL"])
    worker = start(platform, hangs, REDIS_URL=ledger, BROKER_URL=queue_at.replace("127.0.0.1", "127.0.0.2"))
    until(lambda: "worker.started" in platform.log_text())
    queue = connect(queue_at)

    hangs.write_text("localhost", encoding="utf-8")
    break_off(platform.ledger_client, 0)
    with platform.transfers(monkeypatch) as transfers:
        for number in range(4):
            transfers.enqueue(payout(f"now-{number}"))
            transfers.enqueue(payout(f"batch-{number}").model_copy(update={"urgency": "batch"}))
    until(lambda: queue.llen(f"{NAMESPACE}:{NOW}") == 0)
    until(lambda: queue.llen(f"{NAMESPACE}:{BATCH}") == 2)  # half of the threads are all that a batch may hold
    hangs.write_text("localhost 127.0.0.2", encoding="utf-8")
    break_off(queue, 1)
    queue.close()

    worker.terminate()
    assert worker.wait(60) == 1
    assert "worker.not_drained" in platform.log_text()


def break_off(client: redis.Redis, database: int) -> None:
    """All other connections to this database: who comes again has to look the name up."""
    own = client.client_id()
    for other in client.client_list():
        if int(other["db"]) == database and int(other["id"]) != own:
            client.client_kill_filter(_id=other["id"])
