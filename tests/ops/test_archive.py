"""`transfers archive`: nothing is reduced that was not exported, verified and read back, wherever it is killed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived, reference_digest
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.scripts import Scripts
from epay_transfers.ledger.transfer import moment
from epay_transfers.ops import server_users
from epay_transfers.ops.archive import archiving, files
from epay_transfers.ops.archive.archiving import Archiving
from epay_transfers.ops.archive.files import Folder, read
from epay_transfers.ops.exit_status import Refusal
from tests.ops.test_upgrade import _apart
from tests.support.clocks import FakeClock
from tests.support.command_line import Cli
from tests.support.factories import into as factory_into
from tests.support.redis_state import assert_agrees, snapshot

DAY_MS = 86_400_000
REASON = ("--reason", "kept for a year")


@pytest.fixture
def past(ledger_client: redis.Redis) -> Ledger:
    """The ledger, a year ago."""
    return Ledger(ledger_client, FakeClock(SystemClock().now_ms() - 365 * DAY_MS))


def ended(past: Ledger, count: int = 3) -> list[Record]:
    states = [State.PAID, State.DECLINED, State.CANCELLED]
    return [factory_into(past, (states[at % 3], Phase.SEND), f"payout-{at}") for at in range(count)]


def day(days_ago: int) -> str:
    return f"{moment(SystemClock().now_ms() - days_ago * DAY_MS):%F}"


def archive(transfers: Cli, *more: str, before: int = 100) -> Any:
    return transfers("archive", "--before", day(before), "--to", "archive", *more)


def raw(ledger: Ledger, record: Record) -> dict[str, str]:
    return dict(ledger.client.hgetall(redis_keys.record(record.key)))  # type: ignore[arg-type]  # texts


def lines_of(folder: Path) -> dict[str, dict[str, str]]:
    """By key: what the finished files have of each record."""
    return {each.key: dict(each.record) for path in sorted(folder.glob("*.jsonl")) for each in read(path)}


def test_without_apply_it_counts_and_changes_nothing(transfers: Cli, past: Ledger) -> None:
    ended(past)
    was = snapshot(past.client)

    said = archive(transfers)

    assert said.status == 0
    assert "3 transfers would be archived. Nothing was changed." in said.out
    assert snapshot(past.client) == was
    assert not Path("archive").exists()


def test_what_ended_is_exported_whole_and_then_reduced(transfers: Cli, past: Ledger, ledger: Ledger) -> None:
    records = ended(past)
    was = {record.key: raw(past, record) for record in records}
    young = factory_into(ledger, (State.PAID, Phase.SEND), "young")

    said = archive(transfers, "--apply", *REASON)

    assert "Archived 3 transfers, in 1 files of archive." in said.out
    assert lines_of(Path("archive")) == was
    (path,) = Path("archive").glob("*.jsonl")
    assert {(oct(each.stat().st_mode)) for each in (path, Path("archive"))} == {"0o100600", "0o40700"}
    for at, record in enumerate(records):
        left = raw(past, record)
        assert (left["reference"], left["archive"]) == (reference_digest(f"payout-{at}"), path.name)
        assert not left.keys() & {"rc", "receiver_card"}
    assert raw(ledger, young)["reference"] == "young"
    assert_agrees(past.client)
    assert archive(transfers, "--apply", *REASON).out.startswith("Archived 0 transfers")


def test_each_event_that_is_left_is_exported_too(transfers: Cli, past: Ledger) -> None:
    (record, *_) = ended(past, 1)
    told = [{"id": event.id} | event.fields for event in Events(past.client).of(record).events]
    assert len(told) > 1

    archive(transfers, "--apply", *REASON)

    (path,) = Path("archive").glob("*.jsonl")
    assert [dict(event) for event in read(path)[0].events] == told


def test_an_outcome_that_a_group_owes_keeps_its_transfer_whole(transfers: Cli, past: Ledger) -> None:
    (first, second, third) = ended(past)
    events = Events(past.client)
    events.join("payouts")
    read_ = events.take("payouts", "c1", count=100)
    of_first = [event for event in read_ if event.fields["key"] == first.key]
    for event in of_first:
        events.ack("payouts", event.id)

    said = archive(transfers, "--apply", *REASON)

    assert "Archived 1 transfers" in said.out
    assert "Left as they are: 2 that have an outcome that a group of readers has not dealt with." in said.out
    assert raw(past, first)["archive"]
    assert "archive" not in raw(past, second) | raw(past, third)


def test_an_alarm_and_a_contradiction_keep_their_transfers_whole(transfers: Cli, past: Ledger) -> None:
    (first, second, _) = ended(past)
    fields = {"actor": "worker", "key": first.key, "reference": first.reference, "other": "251124000009"}
    Events(past.client).tell(Alarm.FOREIGN_BANK_ID, fields | {"bank_said": "paid"})
    past.client.hset(redis_keys.CONTRADICTED, second.key, "paid")

    said = archive(transfers, "--apply", "--json", *REASON).json

    assert (said["archived"], {each["why"]: each["count"] for each in said["left"] if each["count"]}) == (
        1,
        {"alarm": 1, "contradiction": 1},
    )


def test_an_archived_transfer_is_found_by_the_banks_reference_too(transfers: Cli, past: Ledger) -> None:
    """A line of an old statement leads to it."""
    record = factory_into(past, (State.SENDING, Phase.SEND), "payout-0")
    past.move(record, Verb.PAY, Change(fields={"bank_reference": "423812345678"}), actor="worker")
    archive(transfers, "--apply", *REASON)

    said = transfers("status", "423812345678")

    assert (said.status, record.key in said.out, "archived on" in said.out) == (0, True, True)


def test_a_day_that_is_too_near_is_refused(transfers: Cli, past: Ledger) -> None:
    ended(past)
    was = snapshot(past.client)

    said = archive(transfers, "--apply", *REASON, before=10)

    assert said.status == 2
    assert "30 days past" in said.err
    assert snapshot(past.client) == was


def test_the_commands_know_an_archived_one_and_say_so(transfers: Cli, past: Ledger, ledger: Ledger) -> None:
    (record, *_) = ended(past)
    archive(transfers, "--apply", *REASON)
    sentence = f"its details are in {raw(past, record)['archive']}"

    for command in (("status", "payout-0"), ("explain", "payout-0"), ("status", record.key)):
        said = transfers(*command)
        assert (said.status, "archived on" in said.out) == (0, True), said
        assert sentence.replace(" ", "") in said.out.replace(" ", "").replace("\n", "")
    listed = transfers("list", "paid", "--json").json
    assert listed["transfers"][0]["archived_at"]
    assert transfers("status", "payout-0", "--json").json["archive"] == raw(past, record)["archive"]
    assert transfers("audit").out.startswith("No discrepancy.")
    assert "3 of those that ended" in transfers("overview").out
    assert transfers("overview", "--json").json["archived"] == 3


# Killed.


class _Steps:
    """Every step of a run, counted; before the `at`-th the process is killed."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.made = 0

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.made += 1
            if self.made == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return stepped


def _run_and_die(ledger: Ledger, folder: Path, at: int) -> bool:
    """In a process of its own. Did it live to its end?"""
    child = os.fork()
    if not child:
        status = 1
        try:
            ledger.client.connection_pool.reset()
            steps = _Steps(at)
            for name in ("_write", "_sync", "_rename"):
                setattr(files, name, steps.before(getattr(files, name)))
            Scripts.run = steps.before(Scripts.run)  # type: ignore[method-assign]
            archiving.PAGE = 2
            _archiving(ledger).run(Folder(folder))
            status = 0
        finally:
            os._exit(status)
    _, ended_with = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended_with) or os.WEXITSTATUS(ended_with) == 0
    return not os.WIFSIGNALED(ended_with)


def _archiving(ledger: Ledger) -> Archiving:
    before_ms = SystemClock().now_ms() - 100 * DAY_MS
    return Archiving(ledger, before_ms=before_ms, actor="operator aigul", progress=lambda _done, _of: None)


def test_killed_between_every_two_steps_nothing_is_reduced_that_was_not_exported(
    past: Ledger, ledger: Ledger, tmp_path: Path
) -> None:
    """And the next run ends what was begun: each is archived, and each file is whole."""
    at = 0
    while True:
        at += 1
        ledger.client.flushall()
        past, ledger = Ledger(past.client, past.test_clock), Ledger(ledger.client)
        records = ended(past, 5)
        was = {record.key: raw(past, record) for record in records}
        folder = tmp_path / f"{at}"

        lived = _run_and_die(ledger, folder, at)

        on_disk = {
            each.key: dict(each.record)
            for path in (*folder.glob("*.jsonl"), *folder.glob("*.exported"))
            for each in read(path)
        }
        for record in records:
            left = raw(past, record)
            if "archive" in left:
                assert on_disk[record.key] == was[record.key], f"killed before step {at}"
            else:
                assert left == was[record.key], f"killed before step {at}"
        _archiving(ledger).run(Folder(folder))
        assert lines_of(folder) == was
        assert all(not raw(past, record).keys() & {"rc", "receiver_card"} for record in records)
        assert not list(folder.glob("*.part")) + list(folder.glob("*.exported"))
        assert_agrees(past.client)
        if lived:
            break
    assert at > 15, "the steps were not counted"


@pytest.mark.parametrize("harm", ["a letter", "the last line", "a line", "a half line", "a line twice"])
def test_a_file_that_is_not_as_it_was_written_reduces_nothing(
    past: Ledger, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    records = ended(past)
    was = [raw(past, record) for record in records]
    monkeypatch.setattr(Archived, "reduce", lambda *_a, **_k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        _archiving(ledger).run(Folder(tmp_path / "archive"))
    monkeypatch.undo()
    (path,) = (tmp_path / "archive").glob("*.exported")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        {
            "a letter": path.read_bytes().replace(b"552204", b"552205", 1),
            "the last line": b"".join(lines[:-1]),
            "a line": b"".join(lines[1:]),
            "a half line": path.read_bytes()[:-20],
            "a line twice": lines[0] + b"".join(lines),
        }[harm]
    )

    where = "line 1 is not as" if harm == "a letter" else "is not as it was written"
    with pytest.raises(Refusal, match=where):
        _archiving(ledger).run(Folder(tmp_path / "archive"))
    assert [raw(past, record) for record in records] == was


def test_two_at_once_in_one_folder_are_refused(past: Ledger, ledger: Ledger, tmp_path: Path) -> None:
    with Folder(tmp_path / "archive").used(), pytest.raises(Refusal, match="another `transfers archive`"):
        _archiving(ledger).run(Folder(tmp_path / "archive"))


def test_a_folder_that_can_not_be_written_is_a_sentence(transfers: Cli, past: Ledger) -> None:
    ended(past)
    Path("archive").write_text("a file")

    said = archive(transfers, "--apply", *REASON)

    assert said.status == 1
    assert said.err.startswith("archive: ")
    assert "Traceback" not in said.err


# Its server user.


def test_the_user_archive_may_archive_and_have_a_group_forgotten_and_an_operator_may_not(
    transfers: Cli, past: Ledger, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator may see how far each group is."""
    ended(past)
    group = ("outcomes", "forget", "old-shop", "--apply", *REASON)
    users = server_users.users("ledger", ["aigul"])
    assert not users["archive"].is_on
    for name in ("ops-aigul", "archive"):
        digests = [server_users.digest(script) for script in users[name].scripts]
        rules = users[name].line(name, digests).split(" ", 4)[4]
        past.client.execute_command("ACL", "SETUSER", name, "on", ">word", *_apart(rules))  # type: ignore[no-untyped-call]
    try:
        for name, status in (("ops-aigul", 78), ("archive", 0)):
            monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"].replace("//", f"//{name}:word@"))
            said = archive(transfers, "--apply", *REASON)
            assert said.status == status, said
            Events(past.client).join("old-shop")
            assert transfers("outcomes", "groups").status == 0
            said = transfers(*group)
            assert said.status == status, said
            assert len(past.client.xinfo_groups(redis_keys.EVENTS)) == (0 if name == "archive" else 1)
    finally:
        past.client.execute_command("ACL", "DELUSER", "ops-aigul", "archive")  # type: ignore[no-untyped-call]
    assert_agrees(past.client)
