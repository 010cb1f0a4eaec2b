"""The drill: the ledger's disk is lost, and a backup is restored by the runbook, with its commands as they stand there.

A fraud stop and a settlement were made after the backup. Both stand, or are asked for. The time that each step took is
printed.
"""

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Cause, Pauses
from epay_transfers.ops.exit_status import ExitStatus
from epay_transfers.producers import Receipt
from epay_transfers.runtime.settings import EX_CONFIG
from tests.crash.conftest import KillablePlatform
from tests.support import factories
from tests.support.forked_commands import ForkedCommands
from tests.support.intents import payout
from tests.support.operator_at_work import OperatorAtWork
from tests.support.runbook import RUNBOOK, sections_of
from tests.support.tools import server_binary
from tests.support.waiting import until

SECTIONS = sections_of(RUNBOOK)
LEDGER, BACKUP = "/var/lib/transfers-ledger", "/var/backups/transfers-ledger"

WHY = ("--reason", "compared with the bank's statement")
PROOF = ("--evidence", "the bank's letter", "--reason", "the bank never had it")


def typed(section: str) -> list[str]:
    """The lines of the blocks of a section, in their order."""
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", SECTIONS[section], re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


class Drill:
    """The machines of the drill, and the person who types."""

    def __init__(self, killable: KillablePlatform, folder: Path, commands: ForkedCommands) -> None:
        self.killable = killable
        self.platform = killable.platform
        self.backup = folder / "backup"
        self.commands = commands
        self.operator = OperatorAtWork(self.platform.env, self.platform.bank_url, folder, commands)

    def type(self, line: str, *more: str, expects: frozenset[int] = frozenset({ExitStatus.DONE})) -> str:
        """A line of the runbook, with this drill's folders in the place of the runbook's."""
        line = line.replace(LEDGER, str(self.killable.ledger.folder)).replace(BACKUP, str(self.backup))
        words = shlex.split(line)
        if words[1:2] == ["verify-backup"]:
            more = ("--server", server_binary("valkey"), *more)  # no other product may read what this one wrote
        if words[0] == "transfers":
            return self.operator.types(*words[1:], *more, expects=expects)
        if words[0] == "redis-server":
            self.killable.ledger.restart()
            return ""
        if words[0] == "redis-cli":
            client = self.platform.ledger_client if words[2] == "$REDIS_URL" else self.platform.vault_client
            return str(client.execute_command(*words[3:]))  # type: ignore[no-untyped-call]  # redis-py types it not
        done = subprocess.run(["/bin/sh", "-e", "-c", line], capture_output=True, text=True, check=True)  # noqa: S603 - the runbook's own words
        return done.stdout

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        print(f"{what}: {time.monotonic() - begun:.1f} s")  # noqa: T201 - the drill's times

    def settle(self, key: str) -> None:
        """Two operators, as the bank's silence settles nothing."""
        for name, expects in (("aigul", ExitStatus.LATER), ("bolat", ExitStatus.DONE)):
            self.operator = OperatorAtWork(
                self.platform.env | {"OPERATOR": name}, self.platform.bank_url, self.backup.parent, self.commands
            )
            self.operator.types("settle", key, "--not-paid", *PROOF, "--wait", "60", expects=frozenset({expects}))

    def state(self, key: str) -> State | None:
        record = Ledger(self.platform.ledger_client).get(key)
        return record.state if record else None

    def stop_workers(self) -> None:
        for worker in self.platform.workers:
            worker.kill()
            worker.wait(10)
        self.platform.workers.clear()


@pytest.fixture
def drill(killable: KillablePlatform, tmp_path: Path) -> Iterator[Drill]:
    with ForkedCommands(tmp_path) as commands:
        yield Drill(killable, tmp_path, commands)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_backup_is_restored_by_the_runbook_and_what_came_after_it_stands_or_is_asked_for(  # noqa: PLR0915 - its steps
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, ledger = drill.platform, Ledger(drill.platform.ledger_client)
    platform.start_worker()
    producer = platform.transfers(monkeypatch)
    before = producer.enqueue(payout("before"))
    until(lambda: drill.state(before.key) is State.PAID)
    in_review = factories.into(ledger, (State.NEEDS_REVIEW, Phase.SEND), "in-review").key

    with drill.step("backup and its check"):
        for line in typed("Backups"):
            drill.type(line)

    with drill.step("what came after it"):
        drill.settle(in_review)
        assert drill.state(in_review) is State.DECLINED
        after = producer.enqueue(payout("after"))
        until(lambda: drill.state(after.key) is State.PAID)
        drill.type(typed("A fraud stop")[0])
        (fraud,) = Pauses(platform.ledger_client).standing()
        until(lambda: bool(platform.vault_client.hlen(redis_keys.KEPT_PAUSES)))
        waits = producer.enqueue(payout("waits"))
        assert isinstance(waits, Receipt)

    drill.stop_workers()
    drill.killable.ledger.kill()
    shutil.rmtree(drill.killable.ledger.folder)

    with drill.step("steps 2 to 4: verified, put in place, started, paused"):
        for line in typed("Restoring a backup"):
            if line.startswith(("transfers list", "transfers doubt")):
                break
            drill.type(line)
    assert drill.state(in_review) is State.NEEDS_REVIEW
    assert (drill.state(after.key), drill.state(waits.key)) == (None, None)

    with drill.step("a worker refuses it"):
        worker = platform.start_worker()
        assert worker.wait(200) == EX_CONFIG
        drill.stop_workers()

    with drill.step("compared with the bank's statement"):
        found = drill.operator.recovers()
        assert [each["name"] for each in found["absent"]] == [after.key]
        for line in re.findall(r"(redis-cli -u \"\$REDIS_URL\" .+)", drill.operator.recovers_in_words()):
            drill.type(line)

    with drill.step("counted on, and a worker looks"):
        numbers = [line for line in typed("The ledger went back") if line.startswith("redis-cli")][-3:]
        mark, own, write = numbers
        higher = max(int(drill.type(mark)), int(drill.type(own))) + 1000
        drill.type(re.sub(r"\d+$", str(higher), write))
        platform.start_worker()
        until(lambda: fraud.id in {pause.id for pause in Pauses(platform.ledger_client).standing()})

    standing = Pauses(platform.ledger_client).standing()
    assert {Cause.FRAUD, Cause.FAILOVER} <= {pause.cause for pause in standing}, "each closes by itself"
    with drill.step("what was settled is asked for, and settled again"):
        listed = json.loads(drill.type("transfers list needs_review --json"))
        assert [each["key"] for each in listed["transfers"]] == [in_review]
        drill.settle(in_review)
        assert drill.state(in_review) is State.DECLINED

    with drill.step("opened, but for the fraud stop"):
        for pause in standing:
            if pause.id != fraud.id:
                drill.operator.ends(pause.id, "compared with the bank's statement")
        again = producer.enqueue(payout("before"))
        assert (again.key, again.replayed) == (before.key, True)
        assert [pause.id for pause in Pauses(platform.ledger_client).standing()] == [fraud.id]
    assert platform.books()["totals"]["executed_twice"] == []
    executed = {key for key, order in platform.books()["orders"].items() if order["executions"]}
    assert executed == {before.key, after.key}
    producer.close()
