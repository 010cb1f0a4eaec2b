"""A rolling upgrade, and the way back: workers and producers of two versions on one ledger, as real processes.

The newer version is a copy of this one: two scripts have another text, a record has a field more, and a message with
an option more is read.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import epay_transfers
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.queue.broker import NAMESPACE, NOW
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.producers import Transfers
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.servers import queue_url
from tests.support.waiting import until

#: Each version's producers enqueue so many.
EACH = 12

#: File → what stands there, and what the newer version has in its place.
CHANGES = {
    "ledger/lua/claim.lua": ("-- claim:", "-- claim, in the newer version:"),
    "ledger/lua/_move.lua": ("-- ", "-- In the newer version: "),
    "ledger/record.py": ('    pares_digest: str = ""', '    of_the_next_version: int = 42\n    pares_digest: str = ""'),
    "ledger/store/ledger.py": ('_SAME = {"schema"', '_SAME = {"of_the_next_version": "42", "schema"'),
    "ledger/queue/message_guard.py": (
        "options.keys() != _OPTIONS",
        'options.keys() - {"of_the_next_version"} != _OPTIONS',
    ),
}

#: The version after that writes such a message, too: its producers were upgraded before the older workers were gone.
MESSAGES = (
    "ledger/queue/broker.py",
    'options={"redis_message_id": wakeup.message_id}',
    'options={"redis_message_id": wakeup.message_id, "of_the_next_version": 42}',
)

_ENQUEUE = """
import json, sys
from epay_transfers.producers import Receiver, SavedCard, TransferIntent, Transfers
with Transfers.from_env() as transfers:
    card, receiver = SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"), Receiver(number="5522042705066736")
    intents = [TransferIntent(reference=reference, amount=150, description="Payout", sender=card, receiver=receiver)
               for reference in sys.argv[1:]]
    print(json.dumps([transfers.enqueue(intent).key for intent in intents]))
"""


def change(folder: Path, name: str, before: str, after: str) -> None:
    file = folder / "epay_transfers" / name
    text = file.read_text(encoding="utf-8")
    assert before in text, f"{name} has it no more: change what the newer version changes"
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The folder from which Python imports the newer version."""
    folder = tmp_path / "newer"
    package = Path(epay_transfers.__file__).parent
    shutil.copytree(package, folder / "epay_transfers", ignore=shutil.ignore_patterns("__pycache__"))
    for name, (before, after) in CHANGES.items():
        change(folder, name, before, after)
    return folder


@pytest.fixture
def producers(newer: Path, tmp_path: Path) -> Path:
    """The same, of a version that also writes what the newer one reads."""
    folder = tmp_path / "producers"
    shutil.copytree(newer, folder)
    change(folder, *MESSAGES)
    return folder


def enqueued(platform: Platform, folder: Path, *references: str) -> list[str]:
    """The keys of what a producer of the version in this folder enqueues."""
    command = [sys.executable, "-c", _ENQUEUE, *references]
    env = platform.env | {"PYTHONPATH": str(folder)}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - this very program
    keys: list[str] = json.loads(ended.stdout)
    return keys


def claimers(platform: Platform) -> set[str]:
    """Which workers have sent something."""
    events = Events(platform.ledger_client, SystemClock()).newest(10_000)
    return {event.fields["actor"] for event in events if event.fields["verb"] == "claim"}


def wait_for_all(transfers: Transfers, keys: list[str]) -> None:
    assert {transfers.wait(key, timeout=100).state for key in keys} == {State.PAID}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_both_versions_carry_transfers_and_after_the_way_back_nothing_is_guessed(
    platform: Platform, newer: Path, producers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paid twice: none. Lost: none. What the next schema wrote stays unread and unpaid until its version is back."""
    transfers, client = platform.transfers(monkeypatch), platform.ledger_client
    older = platform.start_worker(WORKER_THREADS="2")
    its_own = platform.start_worker(PYTHONPATH=str(newer), WORKER_THREADS="2")
    until(lambda: platform.log_text().count("worker.started") == 2)

    keys = enqueued(platform, producers, *(f"newer-{number}" for number in range(EACH)))
    keys += [transfers.enqueue(payout(f"older-{number}")).key for number in range(EACH)]

    def both_were_at_work() -> bool:
        """Each has sent something; until then there is more to send."""
        if len(claimers(platform)) < 2:
            keys.extend([transfers.enqueue(payout(f"more-{len(keys)}-{number}")).key for number in range(EACH)])
        return len(claimers(platform)) == 2

    until(both_were_at_work)
    assert len(keys) == len(set(keys)), "each payout has a reference of its own"
    wait_for_all(transfers, keys)

    added = [client.hget(redis_keys.record(key), "of_the_next_version") for key in keys]
    assert added == ["42"] * EACH + [None] * (len(keys) - EACH), "each version leaves the other's fields alone"
    assert (older.poll(), its_own.poll()) == (None, None)

    # Back by one version: what the newer one wrote is carried on, but for what only it can read.
    its_own.terminate()
    assert its_own.wait(30) == 0
    keys += enqueued(platform, producers, "left-behind")
    change(newer, "ledger/record.py", "\nSCHEMA = 1\n", "\nSCHEMA = 2\n")
    (unread,) = enqueued(platform, newer, "of-the-next-schema")
    client.zadd(redis_keys.DUE, {unread: 1})
    wait_for_all(transfers, keys)
    alarms = Events(client, SystemClock())
    until(lambda: any(event.fields["verb"] == "record_unreadable" for event in alarms.newest(1000)))

    with pytest.raises(RecordUnreadable, match="run the version that wrote it"):
        transfers.get(unread)
    assert client.hget(redis_keys.record(unread), "state") == "queued"
    assert client.zscore(redis_keys.DUE, unread) is not None
    assert executed(platform) == len(keys)
    assert older.poll() is None

    # The newer version again: it carries on with what was set aside.
    older.terminate()
    assert older.wait(30) == 0
    again = platform.start_worker(PYTHONPATH=str(newer), WORKER_THREADS="2")
    client.zadd(redis_keys.DUE, {unread: 1})
    until(lambda: client.hget(redis_keys.record(unread), "state") == "paid")

    assert executed(platform) == len(keys) + 1
    assert again.poll() is None
    transfers.close()
    platform.stop()
    assert_only_the_newer_messages_were_set_aside(platform)


def executed(platform: Platform) -> int:
    """How many orders the bank has paid: each once."""
    totals = platform.books()["totals"]
    assert totals["executed_twice"] == []
    assert totals["executions"] == totals["executed"]
    return int(totals["executions"])


def assert_only_the_newer_messages_were_set_aside(platform: Platform) -> None:
    """In the dead letters, for a person; the log says why."""
    queue = connect(queue_url(platform.env["REDIS_URL"]))
    texts = queue.hvals(f"{NAMESPACE}:{NOW}.XQ.msgs")
    queue.close()
    assert all("of_the_next_version" in str(text) for text in texts)
    said = re.findall(r"is no wake-up, and was set aside: (.*?)[\"\n]", platform.log_text())
    assert set(said) <= {"a wake-up has no option but its own id"}
