"""What must not end a worker, and what must keep it from starting: real processes."""

import json
import subprocess
import sys
from typing import cast

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.heartbeats import Heartbeats
from epay_transfers.producers import Notified
from epay_transfers.runtime.web_addresses import secret_hash
from tests.support.intents import payout
from tests.support.platform import Platform, ledger_of
from tests.support.waiting import until

#: Proves a notification, to this worker and to the test that plays the bank.
HASH_KEY = "abcdefghijklmnopqrstuvwxyz-0123456789"


def test_a_record_that_can_not_be_read_is_set_aside_and_all_others_go_on(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version was rolled back, and left states that this one does not know, in front of all others."""
    transfers, client = platform.transfers(monkeypatch), platform.ledger_client
    strange = [transfers.enqueue(payout(f"strange-{at}")).key for at in range(3)]
    for key, fields in zip(
        strange, ({"state": "frobnicating"}, {"phase": "refund"}, {"next_attempt_at": "soon"}), strict=True
    ):
        client.hset(redis_keys.record(key), mapping=fields)  # type: ignore[arg-type]  # str is a field's type
        client.zadd(redis_keys.DUE, {key: 1})
    workers = [platform.start_worker() for _ in range(2)]
    events = Events(client, SystemClock())

    def at(key: str) -> float:
        return float(cast("float", client.zscore(redis_keys.DUE, key)))

    good = transfers.enqueue(payout("good"))
    assert transfers.wait(good.key, timeout=60).state is State.PAID
    until(lambda: all(at(key) > SystemClock().now_ms() + 3_000_000 for key in strange))

    alarms = [event.fields["key"] for event in events.newest(1000) if event.fields["verb"] == "record_unreadable"]
    assert sorted(alarms) == sorted(strange)
    assert [worker.poll() for worker in workers] == [None, None]


def test_one_terminal_id_in_two_spaces_is_refused_by_settings_and_by_the_ledger(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one worker's own settings; and where two workers' settings differ, the second does not start."""
    env = platform.env
    one = {"terminal_id": env["EPAY_TERMINAL_ID"], "client_id": "c", "client_secret": env["EPAY_CLIENT_SECRET"]}
    kiosk = {"EPAY_TERMINALS": '{"kiosk": {"space": "kiosk"}}', "EPAY_CREDENTIALS": json.dumps({"kiosk": one})}

    both = _ended(platform, kiosk)
    assert both.returncode == 78
    assert both.stderr.startswith("EPAY_CREDENTIALS: gives one TerminalID to kiosk, main, which EPAY_TERMINALS puts")

    platform.start_worker()
    transfers = platform.transfers(monkeypatch)
    assert transfers.wait(transfers.enqueue(payout("first")).key, timeout=60).state is State.PAID
    for arguments in ([], ["--check"]):
        other = _ended(platform, kiosk | {"EPAY_TERMINAL_ID": "another"}, *arguments)
        assert other.returncode == 78
        said = "EPAY_TERMINALS: kiosk is in the space kiosk, and the transfers of its TerminalID are in the space main"
        assert other.stderr.startswith(said)


@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["start", "check"])
def test_a_queue_that_can_not_be_used_keeps_a_worker_from_starting(platform: Platform, arguments: list[str]) -> None:
    """It would receive nothing: each transfer would wait for the sweeper, or for ever."""
    place = platform.env["REDIS_URL"].removeprefix("redis://").removesuffix("/0").rpartition("@")[2]
    wrong = {
        "redis://127.0.0.1:1/0": (75, "BROKER_URL: the server at 127.0.0.1:1 refused the connection; start it"),
        f"redis://{place}/9999": (78, f"BROKER_URL: the server at {place} has no database 9999; raise `databases`"),
        f"redis://nobody:hunter22@{place}/1": (78, f"BROKER_URL: the server at {place} refused the user or the"),
    }
    for url, (status, sentence) in wrong.items():
        ended = _ended(platform, {"BROKER_URL": url}, *arguments)

        assert ended.returncode == status
        assert ended.stderr.startswith(sentence)
        assert "hunter22" not in ended.stderr


@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["start", "check"])
def test_too_few_replicas_keep_a_worker_from_starting(platform: Platform, arguments: list[str]) -> None:
    """It would send nothing. A replica may come by itself: the supervisor tries again."""
    ended = _ended(platform, {"LEDGER_REPLICAS": "1"}, *arguments)

    assert ended.returncode == 75
    assert ended.stderr.startswith("REDIS_URL: 0 of 1 replicas of the ledger have what it confirmed; start a replica")


def test_the_overview_has_a_worker_that_does_not_start_for_want_of_replicas_until_it_does(
    platform: Platform,
) -> None:
    """Its supervisor starts it every few seconds: it is one line, however often. A mere check leaves none."""
    for arguments in ([], [], ["--check"]):
        _ended(platform, {"LEDGER_REPLICAS": "1"}, *arguments)
    heartbeats = Heartbeats(platform.ledger_client)
    (told,) = heartbeats.alive()
    assert told.worker.endswith(" (not started)")

    command = [sys.executable, "-m", "epay_transfers", "overview"]
    says = subprocess.run(command, env=platform.env, capture_output=True, text=True, check=False).stdout  # noqa: S603 - ours
    says = " ".join(says.split())
    assert "all 1 workers stand still: 0 of 1 replicas of the ledger have what it confirmed" in says
    assert "start a replica of it" in says

    platform.start_worker()
    until(lambda: any(not each.unfit for each in heartbeats.alive()))
    assert [each.worker for each in heartbeats.told() if "not started" in each.worker] == []


def test_a_producer_that_has_a_terminal_in_another_space_than_its_workers_sends_nothing(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker would send two transfers with one invoice id at one terminal: the transfer waits instead."""
    platform.start_worker()
    monkeypatch.setenv("EPAY_TERMINALS", '{"main": {"space": "other"}}')
    transfers = platform.transfers(monkeypatch)

    receipt = transfers.enqueue(payout("stray"))

    assert receipt.key.startswith("other:")
    until(lambda: "SpaceDiffers" in platform.log_text())
    record = ledger_of(platform, SystemClock()).get(receipt.key)
    assert record is not None
    assert record.state is State.QUEUED
    assert receipt.invoice_id not in json.dumps(platform.books())


def test_a_proved_notification_that_comes_while_its_transfer_is_on_the_wire_is_not_lost(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bank executes, notifies, and never answers; it can't be asked. Without the note the transfer is held."""
    platform.env["EPAY_SECRET_HASH_KEY"] = HASH_KEY
    platform.start_worker(EPAY_STATUS_URL="none")
    transfers, ledger = platform.transfers(monkeypatch), ledger_of(platform, SystemClock())
    receipt = transfers.enqueue(payout("notified").model_copy(update={"description": "[hang-after] Payout"}))

    def state() -> State:
        record = ledger.get(receipt.key)
        assert record is not None
        return record.state

    until(lambda: state() is State.SENDING)
    until(lambda: platform.books()["totals"]["executions"] == 1)
    proof = secret_hash(Secret(HASH_KEY), receipt.key)
    payload = {"invoiceId": receipt.invoice_id, "amount": 150, "currency": "KZT", "code": "ok", "secret_hash": proof}
    assert transfers.notify(payload) is Notified.NOTED
    assert state() is State.SENDING

    until(lambda: state().final)
    assert state() is State.PAID


def _ended(platform: Platform, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "epay_transfers.worker", *arguments]
    return subprocess.run(command, env=platform.env | env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - this very program
