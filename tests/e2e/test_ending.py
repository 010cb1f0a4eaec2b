"""How a worker ends: drained at the first word, at once at the second; and no moment is a bad one for a signal."""

import subprocess
import sys

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.producers import Receipt, Transfers
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until

#: The worker, which sends itself a signal where nobody could aim: with a lock just taken by the thread that it
#: interrupts, which by then does nothing but watch the others.
AIMED = """
import signal, sys
from epay_transfers.worker.startup import main

is_watching = False

def look(frame, what, callee):
    global is_watching
    name = callee.__name__ if what.startswith("c_") else frame.f_code.co_name
    if (what, name, frame.f_back and frame.f_back.f_code.co_name) == ("return", "info", "run"):
        is_watching = True
    elif is_watching and what == "c_return" and name in {"acquire", "__enter__"}:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGTERM)

sys.setprofile(look)
sys.exit(main())
"""


def test_what_is_on_the_wire_is_answered_first(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    transfers = platform.transfers(monkeypatch)
    receipt, worker = on_the_wire(platform, transfers)

    worker.terminate()

    assert worker.wait(30) == 0
    assert transfers.get(receipt.key).state is State.PAID
    assert "worker.stopped" in platform.log_text()
    transfers.close()


def test_who_asks_twice_does_not_wait(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the wire is left to its lease, and to doubt."""
    transfers = platform.transfers(monkeypatch)
    receipt, worker = on_the_wire(platform, transfers)

    worker.terminate()
    until(lambda: "worker.draining" in platform.log_text())
    worker.terminate()

    assert worker.wait(30) == 1
    assert transfers.get(receipt.key).state is State.SENDING
    until(lambda: platform.books()["totals"]["executions"] == 1)  # and none is left for the books of another test
    transfers.close()


def test_no_moment_is_a_bad_one_for_a_signal(platform: Platform) -> None:
    """A handler that takes the lock that its own thread has just taken would wait for it for ever."""
    command = [sys.executable, "-c", AIMED]
    worker = subprocess.Popen(command, env=platform.env, stderr=platform.log)  # noqa: S603 - this very program
    platform.workers.append(worker)

    assert worker.wait(30) == 0
    assert "worker.stopped" in platform.log_text()


def on_the_wire(platform: Platform, transfers: Transfers) -> tuple[Receipt, "subprocess.Popen[bytes]"]:
    """A transfer that the bank takes its time for, and the worker that sends it."""
    receipt = transfers.enqueue(payout("payout-1", "Payout [slow:3]"))
    worker = platform.start_worker()
    until(lambda: transfers.get(receipt.key).state is State.SENDING)
    return receipt, worker
