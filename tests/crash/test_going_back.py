"""A server that comes up from an older copy of itself: real servers, real dumps, real workers, and the bank's books."""

import os
import signal
from pathlib import Path

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import LedgerWentBack
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.producers import Transfers
from tests.crash.conftest import KillablePlatform
from tests.support.books import busy
from tests.support.intents import payout
from tests.support.servers import KillableServer
from tests.support.waiting import until

#: A bank that keeps silent after it has executed is waited for: the worker is killed meanwhile.
PATIENT = {"HTTP_READ_TIMEOUT": "3", "HTTP_DEADLINE": "3", "LEASE": "4", "DOUBT_HORIZON": "5"}


def record_of(killable: KillablePlatform, key: str) -> Record:
    record = Ledger(killable.platform.ledger_client, SystemClock()).get(key)
    assert record is not None
    return record


def executions(killable: KillablePlatform) -> int:
    return sum(order["executions"] for order in killable.platform.books()["orders"].values())


def copied(server: KillableServer, *names: str) -> dict[Path, bytes]:
    """A copy of what a server keeps on disk, and of nothing else."""
    return {path: path.read_bytes() for name in names for path in server.folder.rglob(name) if path.is_file()}


def put_back(server: KillableServer, files: dict[Path, bytes]) -> None:
    server.kill()
    for path in server.folder.rglob("*"):
        if path.is_file() and path.name != "server.log":
            path.unlink()
    for path, content in files.items():
        path.write_bytes(content)
    server.restart()


def kill(killable: KillablePlatform) -> None:
    for worker in killable.platform.workers:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
    killable.platform.workers.clear()


def alarms(killable: KillablePlatform) -> set[str]:
    events = Events(killable.platform.ledger_client, SystemClock()).newest(100)
    return {event.fields["verb"] for event in events}


@pytest.mark.slow
@pytest.mark.parametrize("loses", ["the answer", "its worker"])
def test_a_vault_that_comes_up_from_its_dump_has_nothing_sent_a_second_time(
    killable: KillablePlatform, monkeypatch: pytest.MonkeyPatch, loses: str
) -> None:
    """The card is put, saved, taken out and sent; then it stands in the vault again, as it stood before."""
    platform = killable.platform
    platform.env |= PATIENT
    transfers = platform.transfers(monkeypatch)
    words = "[drop-after]" if loses == "the answer" else "[hang-after:2.5]"
    key = transfers.enqueue(payout("payout-1", f"Payout {words}[status-500]")).key
    platform.vault_client.save()
    dump = copied(killable.vault, "dump.rdb")
    assert dump
    platform.vault_client.config_resetstat()
    platform.env["DURABILITY"] = "relaxed"  # else no worker starts on a vault that was saved

    platform.start_worker()
    until(lambda: executions(killable) == 1)
    if loses == "its worker":
        kill(killable)
        assert record_of(killable, key).state is State.SENDING
    put_back(killable.vault, dump)
    if loses == "its worker":
        platform.start_worker()
    until(lambda: not busy(platform.ledger_client))

    assert executions(killable) == 1
    assert platform.books()["totals"]["executed_twice"] == []
    assert record_of(killable, key).state in {State.PAID, State.NEEDS_REVIEW}
    transfers.close()


@pytest.mark.slow
def test_what_the_bank_executed_is_never_called_a_lost_card(
    killable: KillablePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is killed, the vault restarts empty, and the bank says "not found": a producer must not pay again."""
    platform = killable.platform
    platform.env |= PATIENT
    transfers = platform.transfers(monkeypatch)
    key = transfers.enqueue(payout("payout-1", "Payout [hang-after:2.5][false-not-found:9]")).key
    platform.start_worker()
    until(lambda: executions(killable) == 1)
    kill(killable)
    assert record_of(killable, key).state is State.SENDING

    put_back(killable.vault, {})
    platform.start_worker()
    until(lambda: not busy(platform.ledger_client))

    transfer = transfers.get(key)
    assert (transfer.state, transfer.money) == (State.NEEDS_REVIEW, Money.UNKNOWN)
    assert executions(killable) == 1
    transfers.close()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["its own suffix", "another suffix"])
def test_a_ledger_that_went_back_before_a_transfer_was_made_does_not_send_it_again(
    killable: KillablePlatform, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The worker that sent is gone, an idle one takes over, and a producer that knows nothing repeats its reference.

    While its suffix is free, the reference meets its own tombstone. Where another transfer has it by then, the vault's
    mark shows that the ledger stands below what it was, as long as it has not grown past that again.
    """
    platform = killable.platform
    first, second = platform.transfers(monkeypatch), platform.transfers(monkeypatch)
    second.check()  # a process that looks at its servers later is refused
    idle = platform.start_worker()
    until(lambda: "worker.started" in platform.log_text())
    os.kill(idle.pid, signal.SIGSTOP)
    before = copied(killable.ledger, "*.aof", "*.rdb", "*.manifest")
    others = [first.enqueue(payout(f"other-{number}", "Payout")).key for number in range(3)]
    sender = platform.start_worker()
    until(lambda: all(record_of(killable, other).state is State.PAID for other in others))
    key = first.enqueue(payout("payout-1", "Payout")).key
    until(lambda: record_of(killable, key).state is State.PAID)
    sender.kill()
    sender.wait(10)
    first.close()

    put_back(killable.ledger, before)
    if place == "another suffix":
        taker = payout("taker", "Payout").model_copy(update={"invoice_id": f"999{key[-6:]}"})
        second.cancel(second.enqueue(taker).key, reason="it only takes the suffix")
    again = second.enqueue(payout("payout-1", "Payout")).key
    os.kill(idle.pid, signal.SIGCONT)
    until(lambda: _stands_still(killable) or record_of(killable, again).state is State.PAID)

    assert executions(killable) == 1 + len(others)
    assert place == "its own suffix" or again[-6:] != key[-6:]
    second.close()


def _stands_still(killable: KillablePlatform) -> bool:
    """It has met what the ledger forgot at its claim, or has looked at its servers before that."""
    return bool(killable.platform.ledger_client.exists(redis_keys.PAUSES)) or "servers_unfit" in alarms(killable)


def test_a_producer_that_is_ahead_of_the_ledger_says_so_and_puts_no_card(
    killable: KillablePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copied(killable.ledger, "*.aof", "*.rdb", "*.manifest")
    transfers: Transfers = killable.platform.transfers(monkeypatch)
    transfers.enqueue(payout("payout-1", "Payout"))
    put_back(killable.ledger, before)
    killable.platform.vault_client.flushall()

    with pytest.raises(LedgerWentBack):
        transfers.enqueue(payout("payout-2", "Payout"))

    assert killable.platform.vault_client.dbsize() == 0
    assert "ledger_went_back" in alarms(killable)
    with pytest.raises(LedgerWentBack):
        transfers.enqueue(payout("payout-3", "Payout"))
    transfers.close()
