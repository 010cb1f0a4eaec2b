"""`transfers verify-backup`: says what a backup is good for, by a server on a copy; a broken one is a sentence."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.backup import verifying
from epay_transfers.runtime import embedded_servers
from tests.ops.test_schemas import validator_of
from tests.support.command_line import Cli
from tests.support.factories import into
from tests.support.servers import KillableServer

PAN = "4405639704015096"


class Home:
    """A ledger's server with its folder, and a backup that is made of it while it runs."""

    def __init__(self, folder: Path) -> None:
        self.server = KillableServer.start(folder / "ledger", embedded_servers.LEDGER_OPTIONS)
        self.client = connect(self.server.server.url)
        self.ledger = Ledger(self.client)
        self.backup = folder / "backup"

    def fill(self, count: int = 4) -> None:
        states = [State.PAID, State.QUEUED, State.NEEDS_REVIEW, State.DECLINED]
        for at in range(count):
            into(self.ledger, (states[at % 4], Phase.SEND), f"payout-{at}", lasts_ms=3_600_000)

    def back_up(self) -> Path:
        shutil.copytree(self.server.folder / "appendonlydir", self.backup)
        return self.backup

    def appended(self) -> Path:
        (path,) = self.backup.glob("*.incr.aof")
        return path

    def dump(self, folder: Path) -> Path:
        self.client.execute_command("SAVE")  # type: ignore[no-untyped-call]  # redis-py does not type it
        return Path(shutil.copy(self.server.folder / "dump.rdb", folder / "ledger.rdb"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.client.close()
    home.server.server.stop()


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_that_was_copied_while_the_server_runs_is_good(transfers: Cli, home: Home) -> None:
    home.fill()
    was = files(home.back_up())

    said = transfers("verify-backup", str(home.backup))

    assert said.status == 0, said
    assert said.out.startswith("GOOD: a whole ledger")
    assert "It has 4 transfers, 2 of them unfinished, 0 archived" in said.out
    assert "Its last event is of " in said.out
    assert files(home.backup) == was, "the backup was written to"


def test_a_dump_is_good_and_a_machine_is_told_all_of_it(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.fill()

    said = transfers("verify-backup", str(home.dump(tmp_path)), "--json").json
    if find_spec("jsonschema"):  # the environment of the lowest versions has none
        assert list(validator_of("verify-backup").iter_errors(said)) == []

    assert (said["good"], said["transfers"], said["unfinished"]) == (True, 4, 2)
    assert (said["sequence"], said["format"]) == (home.ledger.sequence(), "2")
    assert said["last_event_at"]
    assert 0 <= said["age_s"] < 600
    assert (said["discrepancies"], said["card_numbers"], said["cut_off"]) == ([], 0, False)


def test_the_single_file_of_one_is_read_too(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.fill()
    home.back_up()
    single = Path(shutil.copy(home.appended(), tmp_path / "ledger.aof"))

    assert transfers("verify-backup", str(single)).status == 0


def test_a_file_whose_end_is_cut_off_is_good_to_read_and_says_so(transfers: Cli, home: Home) -> None:
    home.fill()
    home.back_up()
    os.truncate(home.appended(), home.appended().stat().st_size - 40)

    said = transfers("verify-backup", str(home.backup))

    assert (said.status, said.out[:12]) == (1, "GOOD TO READ"), said
    assert "cut off" in said.out


@pytest.mark.parametrize("harm", ["middle", "text", "empty", "manifest", "missing"])
def test_a_broken_one_is_a_sentence(transfers: Cli, home: Home, harm: str) -> None:
    home.fill()
    home.back_up()
    content = home.appended().read_bytes()
    (manifest,) = home.backup.glob("*.manifest")
    if harm == "middle":
        half = len(content) // 2
        home.appended().write_bytes(content[:half] + b"\0rubbish\0" * 20 + content[half:])
    elif harm == "text":
        home.appended().write_text("no commands at all\n" * 50)
    elif harm == "empty":
        home.appended().write_bytes(b"")
    elif harm == "manifest":
        manifest.write_text("fi")
    else:
        home.appended().unlink()

    said = transfers("verify-backup", str(home.backup))

    assert (said.status, said.out) == (1, ""), said
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err
    assert PAN not in said.err


@pytest.mark.parametrize("name", ["nothing", "packed.gz", "a folder"])
def test_what_is_no_backup_is_a_sentence(transfers: Cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a folder":
        path.mkdir()
    elif name != "nothing":
        path.write_bytes(b"\x1f\x8b packed")

    said = transfers("verify-backup", str(path))

    assert (said.status, said.out) == (1, "")
    assert str(path) in said.err


def test_another_programs_data_is_no_ledger(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.client.set("session:1", "x")

    said = transfers("verify-backup", str(home.dump(tmp_path)))

    assert said.status == 1
    assert said.err.startswith("this is no ledger")


def test_a_vaults_copy_is_said_to_be_deleted(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.client.set(redis_keys.HIGH_WATER, "7")

    said = transfers("verify-backup", str(home.dump(tmp_path)))

    assert said.status == 1
    assert said.err.startswith("this is a copy of a vault")


def test_a_ledger_of_another_format_is_said(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.fill(1)
    home.client.hset(redis_keys.COUNTERS, "format", "9")

    said = transfers("verify-backup", str(home.dump(tmp_path)))

    assert said.status == 1
    assert "format" in said.err


def test_counters_that_contradict_the_records_are_not_good(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.fill()
    home.client.hincrby(redis_keys.COUNTERS, "used:main", 1)

    said = transfers("verify-backup", str(home.dump(tmp_path)))

    assert said.status == 1
    assert said.out.startswith("NOT GOOD to restore")
    assert "counters, ledger" in said.out


def test_a_card_number_is_found_and_not_shown(transfers: Cli, home: Home, tmp_path: Path) -> None:
    home.fill(1)
    home.client.set("leak", PAN)

    said = transfers("verify-backup", str(home.dump(tmp_path)))

    assert said.status == 1
    assert said.out.startswith("NOT GOOD: it holds card numbers")
    assert PAN not in said.out + said.err


def test_the_files_of_a_server_that_runs_are_refused(transfers: Cli, home: Home) -> None:
    """Two servers on one file would ruin it; and what is looked at here is a copy, so this is a mistake."""
    home.fill(1)

    said = transfers("verify-backup", str(home.server.folder))

    assert said.status == 1
    assert "it is a server's own; give a copy" in said.err


def test_its_server_lets_no_other_process_in_and_leaves_nothing_behind(
    transfers: Cli, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.fill(1)
    seen: list[str] = []
    look = verifying._look

    def tried(url: str, *, is_cut_off: bool) -> verifying.Verified:
        place = url.rpartition("@")[2]
        with connect(f"redis://{place}") as stranger, pytest.raises(redis.RedisError):
            stranger.ping()
        seen.append(place)
        return look(url, is_cut_off=is_cut_off)

    monkeypatch.setattr(verifying, "_look", tried)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)

    assert transfers("verify-backup", str(home.dump(tmp_path))).status == 0

    assert [place.startswith("127.0.0.1:") for place in seen] == [True]
    assert list((tmp_path / "tmp").iterdir()) == []
