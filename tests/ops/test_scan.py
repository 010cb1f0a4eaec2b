"""`transfers scan`: a card number is found wherever one may lie, is shown masked, and what was not read is said."""

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.queue import broker
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops.server_users import OPERATORS_READ
from epay_transfers.runtime import card_scan, embedded_servers, server_scan
from tests.ops.conftest import Into
from tests.support.command_line import Cli
from tests.support.servers import queue_url
from tests.support.waiting import until

PAN = "4405639704015096"
MASKED = "440563******5096"


@pytest.fixture
def queue(environment: dict[str, str]) -> Iterator[redis.Redis]:
    with connect(queue_url(environment["REDIS_URL"])) as client:
        client.flushdb()
        yield client
        client.flushdb()


def found(transfers: Cli, *words: str) -> list[tuple[str, str]]:
    """Places and masked numbers of what a scan found; its exit status agrees."""
    said = transfers("scan", *words, "--json")
    finds = [(find["place"], find["card"]) for find in said.json["finds"]]
    assert said.status == (1 if finds else 0), said
    return finds


def test_a_ledger_in_use_holds_none(transfers: Cli, into: Into, queue: redis.Redis) -> None:
    """Transfers in every state, their events, wake-ups and dead letters: no honest value is taken for a card number."""
    wakeups = Wakeups(Broker(queue, [], {}))
    for state in State:
        wakeups.send(into(state, f"is-{state}"))
    queue.zadd(f"{broker.NAMESPACE}:{broker.INQUIRIES}.XQ", {"a-message": 1})

    said = transfers("scan")

    assert said.status == 0, said.out
    assert re.search(r"ledger, database 0: [1-9]\d+; ledger, database 1: [1-9]", said.out)
    assert "No card number found in all of it." in said.out


KEY = redis_keys.record("251124000001")

#: What is written to the ledger's server, and where the search says that it stands.
PLANTED = {
    "record": (("HSET", KEY, "reason", f"card {PAN}"), f"{KEY}: field reason"),
    "field's name": (("HSET", KEY, f"of {PAN}", "x"), f"{KEY}: field of ****************"),
    "grouped": (("HSET", KEY, "reason", "4405 6397 0401 5096"), f"{KEY}: field reason"),
    "full-width": (("HSET", KEY, "reason", "".join(chr(0xFF10 + int(digit)) for digit in PAN)),
                   f"{KEY}: field reason"),
    "event": (("XADD", redis_keys.EVENTS, "9-9", "reason", PAN), f"{redis_keys.EVENTS}: entry 9-9, field reason"),
    "event's id": (("XADD", redis_keys.EVENTS, f"{PAN}-1", "reason", "x"),
                   f"{redis_keys.EVENTS}: entry ****************-1"),
    "list": (("RPUSH", "{transfers}:transfers.now", "x", PAN, "y"), "{transfers}:transfers.now: element -2"),
    "set": (("SADD", redis_keys.PAUSES, PAN), f"{redis_keys.PAUSES}: member ****************"),
    "zset": (("ZADD", "{transfers}:transfers.now.XQ", "1", PAN),
             "{transfers}:transfers.now.XQ: member ****************"),
    "score": (("ZADD", redis_keys.DUE, PAN, "251124000001"),
              f"{redis_keys.DUE}: score of the member 251124000001"),
    "dead letter": (("HSET", "{transfers}:inquiries.XQ.msgs", "id-1", f'{{"args": ["{PAN}"]}}'),
                    "{transfers}:inquiries.XQ.msgs: field id-1"),
    "string": (("SET", redis_keys.reference("payout"), PAN), f"{redis_keys.reference('payout')}: value"),
    "key": (("SET", redis_keys.reference(PAN), "x"), f"{redis_keys.reference('*' * 16)}: name"),
}  # fmt: skip


@pytest.mark.parametrize("database", [0, 1])
@pytest.mark.parametrize("kind", PLANTED)
def test_a_number_on_the_server_is_found_and_shown_masked(
    transfers: Cli, ledger_client: redis.Redis, queue: redis.Redis, kind: str, database: int
) -> None:
    """In the ledger's database and in the queue's."""
    command, place = PLANTED[kind]
    (queue if database else ledger_client).execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py

    assert found(transfers) == [(place, MASKED)]
    said = transfers("scan")
    assert (said.status, MASKED in said.out, PAN in said.out) == (1, True, False)
    assert "No card number" not in said.out


def test_every_page_of_a_long_collection_is_read(transfers: Cli, ledger_client: redis.Redis) -> None:
    """A number stands in the middle of a list, a stream, a hash, a set and a sorted set of thousands."""
    pipeline = ledger_client.pipeline(transaction=False)
    for at in range(3000):
        text = PAN if at == 1500 else f"text-{at}"
        pipeline.rpush("a:list", text)
        pipeline.xadd("a:stream", {"text": text})
        pipeline.hset("a:hash", f"f{at}", text)
        pipeline.sadd("a:set", text)
        pipeline.zadd("a:zset", {text: at})
    pipeline.execute()

    places = sorted(place.partition(",")[0] for place, _ in found(transfers))

    assert [place.partition(":")[2].partition(":")[0] for place in places] == ["hash", "list", "set", "stream", "zset"]
    assert "a:list: element -1500" in places


def test_no_element_at_the_edge_of_a_page_is_left_out(transfers: Cli, ledger_client: redis.Redis) -> None:
    pipeline = ledger_client.pipeline(transaction=False)
    for at in range(250):  # an id, with a count, that a report would star
        pipeline.rpush("a:list", PAN)
        pipeline.xadd("a:stream", {"text": PAN}, id=f"1764405639704-{15096 + at}")
    pipeline.execute()

    places = [place for place, _ in found(transfers)]

    assert sum(place.startswith("a:list: ") for place in places) == 250
    assert sum(place.startswith("a:stream: ") for place in places) == 250


def test_no_piece_of_a_longer_number_is_taken_for_one_at_an_edge() -> None:
    """Before each place that is looked at stands what was there, so that a number's beginning is seen."""
    for before in (card_scan._WINDOW - card_scan._MARGIN, 2 * card_scan._WINDOW - card_scan._MARGIN):
        text = "x" * (before - 9) + "123456789" + PAN + "x" * 300_000
        assert list(card_scan.search(text.encode())) == []
        assert list(card_scan.search(text.replace("123456789", "a number ").encode())) == [(before, MASKED)]


def test_a_long_string_is_read_in_pieces(transfers: Cli, ledger_client: redis.Redis) -> None:
    """Wherever in it the number stands, across the edges of the pieces too."""
    for before in (0, card_scan._WINDOW - 8, card_scan._WINDOW - card_scan._MARGIN - 3, 5 * card_scan._WINDOW + 77):
        ledger_client.set("long", "x " * (before // 2) + "y" * (before % 2) + f" {PAN} " + "z " * 100_000)
        assert found(transfers) == [("long: value", MASKED)], before


def test_a_type_that_is_unknown_is_said_and_not_passed_over(
    transfers: Cli, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module's type, say: what is not read is never told as a place without card numbers."""
    ledger_client.rpush("a:list", PAN)
    monkeypatch.setattr(server_scan, "_elements", lambda *_: None)

    said = transfers("scan")

    assert said.status == 0
    assert "its type list is unknown" in said.out
    assert "No card number in what was read. What was not read may hold some." in said.out
    assert "found in all of it" not in said.out


def test_a_key_that_the_user_may_not_read_is_said(
    transfers: Cli, ledger_client: redis.Redis, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of another make is refused by the server; the other keys are read."""
    ledger_client.acl_setuser("looker", enabled=True, passwords=["+a"], categories=["+@all"], keys=["open:*"])
    monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"].replace("redis://", "redis://looker:a@"))
    ledger_client.set("open:1", PAN)
    ledger_client.mset({redis_keys.handle("h1"): "x", redis_keys.handle("h2"): "x", "shut": "x"})
    try:
        said = transfers("scan", "--json")
    finally:
        ledger_client.acl_deluser("looker")

    assert [find["place"] for find in said.json["finds"]] == ["open:1: value"]
    assert [(each["what"], each["count"]) for each in said.json["not_read"]] == [
        ("ledger, database 0: shut", 1),
        (f"ledger, database 0: {redis_keys.every('handle:')}", 2),
    ]
    assert said.json["looked_at"]["ledger, database 0"] == 1


def test_what_an_operators_user_may_not_read_is_said_and_not_tried(
    transfers: Cli, ledger_client: redis.Redis, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would log a try as an attack. The name of such a key is searched all the same."""
    ledger_client.acl_setuser(
        "ops-looker", enabled=True, passwords=["+a"], categories=["+@all"], keys=list(OPERATORS_READ)
    )
    ledger_client.acl_log_reset()
    monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"].replace("redis://", "redis://ops-looker:a@"))
    ledger_client.hset(KEY, "reason", PAN)
    ledger_client.mset({redis_keys.handle(f"h-{PAN}"): "x", redis_keys.handle("h2"): PAN})
    try:
        said = transfers("scan", "--json")
        refused = ledger_client.acl_log()
    finally:
        ledger_client.acl_deluser("ops-looker")

    assert sorted(find["place"] for find in said.json["finds"]) == [
        f"{redis_keys.handle('h-' + '*' * 16)}: name",
        f"{KEY}: field reason",
    ]
    assert [(each["what"], each["count"], each["why"]) for each in said.json["not_read"]] == [
        (f"ledger, database 0: {redis_keys.every('handle:')}", 2, "this server user may not read it")
    ]
    assert refused == []


def test_what_was_found_before_a_server_went_away_is_told(
    transfers: Cli, ledger_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a find it is 75, as for any command."""

    def leaves(*_: object) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(server_scan, "_elements", leaves)
    ledger_client.rpush("a:list", "x")
    assert transfers("scan").status == 75
    ledger_client.delete("a:list")
    ledger_client.rpush(f"a:{PAN}", "x")

    said = transfers("scan")

    assert (said.status, MASKED in said.out) == (1, True)
    assert "the ledger did not answer" in said.out


def test_a_server_of_the_queue_alone_is_read_too(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], vault_client: redis.Redis
) -> None:
    """`BROKER_URL` names a server of its own."""
    monkeypatch.setenv("BROKER_URL", environment["VAULT_URL"])
    vault_client.hset("{transfers}:confirms.msgs", "id", PAN)

    assert found(transfers) == [("{transfers}:confirms.msgs: field id", MASKED)]


# Files.

PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("packed", ["", *PACKERS])
def test_a_number_in_a_log_is_found_at_its_byte(transfers: Cli, tmp_path: Path, packed: str) -> None:
    """Packed or not, in a folder of a folder; the byte is one of the text's, whatever letters stand before it."""
    text = "жол\n" * 30_000 + f"card={PAN}\n" + "line\n" * 30_000
    data = text.encode()
    (tmp_path / "logs/old").mkdir(parents=True)
    (tmp_path / "logs/old/a.log").write_bytes(PACKERS[packed](data) if packed else data)

    at = data.index(PAN.encode())
    assert found(transfers, "--files", "logs") == [(f"{'unpacked ' * bool(packed)}byte {at}", MASKED)]


def test_files_alone_need_no_settings_and_no_server(
    transfers: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL")
    (tmp_path / "a.log").write_text(f"{PAN}\n")
    (tmp_path / "b.log").write_text("nothing\n")

    assert found(transfers, "--files", "a.log", "b.log") == [("byte 0", MASKED)]
    assert transfers("scan", "--files").status == 2
    assert transfers("scan", "--files", "missing").status == 2


def test_files_are_read_beside_the_server(transfers: Cli, tmp_path: Path, ledger_client: redis.Redis) -> None:
    (tmp_path / "a.log").write_text(f"{PAN}\n")
    ledger_client.set("a", PAN)

    assert [place for place, _ in found(transfers, "a.log")] == ["a: value", "byte 0"]


def test_a_name_of_a_file_is_searched_and_starred(transfers: Cli, tmp_path: Path) -> None:
    (tmp_path / f"scan-{PAN}.txt").write_text("x")
    (tmp_path / "not-utf8-\udcff").write_text(PAN)

    said = transfers("scan", "--files", str(tmp_path))

    assert said.status == 1
    assert f"scan-{'*' * 16}.txt" in said.out


#: What can't be looked into, and the word for it.
CLOSED = {
    "zip": (b"PK\x03\x04rest", "a zip archive"),
    "zst": (b"\x28\xb5\x2f\xfdrest", "packed by zstd"),
    "utf16": (f"\ufeff{PAN}".encode("utf-16-le"), "a text in UTF-16"),
    "cut gz": (gzip.compress(os.urandom(5000))[:-900], "its packing is broken"),
    "bad gz": (b"\x1f\x8bnot really", "its packing is broken"),
    "bad xz": (b"\xfd7zXZnot really", "its packing is broken"),
    "bad bz2": (b"BZhnot really", "its packing is broken"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_a_file_that_can_not_be_looked_into_is_said(transfers: Cli, tmp_path: Path, kind: str) -> None:
    data, why = CLOSED[kind]
    (tmp_path / "file").write_bytes(data)

    said = transfers("scan", "--files", "file")

    assert said.status == 0
    assert why in said.out
    assert "What was not read may hold some." in said.out
    assert "found in all of it" not in said.out


def test_what_is_no_ordinary_file_and_what_may_not_be_read_is_said(transfers: Cli, tmp_path: Path) -> None:
    """A pipe is not waited for, and a link to a folder is not followed. Root may read all: a link to nothing stands
    for a file that is refused.
    """
    folder = tmp_path / "folder"
    (tmp_path / "other").mkdir()
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "nowhere").symlink_to(folder / "gone")
    (folder / "elsewhere").symlink_to(tmp_path / "other")

    told = {
        Path(each["what"]).name: each["why"]
        for each in transfers("scan", "--files", "folder", "--json").json["not_read"]
    }

    assert told == {
        "elsewhere": "a link to a folder: give the folder",
        "nowhere": "no such file or directory",
        "pipe": "no ordinary file",
    }


def test_what_is_cut_off_is_found_before_the_cut(transfers: Cli, tmp_path: Path) -> None:
    """Of a log that is written right now the packing may have no end."""
    packed = gzip.compress(f"{PAN}\n".encode() + os.urandom(200_000))
    (tmp_path / "a.gz").write_bytes(packed[:-9000])

    said = transfers("scan", "--files", "a.gz", "--json")

    assert [find["place"] for find in said.json["finds"]] == ["unpacked byte 0"]
    assert "its packing is broken" in said.json["not_read"][0]["why"]


#: Commands whose numbers a server's own files keep in several forms: as text, beside a byte of a length that looks like
#: a digit, as an integer of a listpack.
KEPT = (
    ("HSET", "as:number", "f", PAN),
    ("XADD", "as:event", "*", "f", PAN),
    ("SET", "begins:48", PAN + " " + "x" * 31),
    ("RPUSH", "ends:48", "x" * 30 + " " + PAN),
    ("RPUSH", "grouped", "4405 6397 0401 5096"),
    ("SET", "grouped:48", "4405 6397 0401 5096 " + "x" * 28),
)


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_servers_own_files_are_searched(transfers: Cli, tmp_path: Path, rewritten: bool) -> None:  # noqa: FBT001 - a parameter
    """The append-only file as commands, and rewritten as a dump, of a server under `deploy/ledger.conf`."""
    options = embedded_servers.LEDGER_OPTIONS | {"rdbcompression": "no"}
    folder = tmp_path / "server"
    folder.mkdir()
    with embedded_servers.running(options, folder) as server, connect(server.url) as client:
        for command in KEPT:
            client.execute_command(*command)
        if rewritten:
            client.bgrewriteaof()
            until(lambda: _is_rewritten(client))
        finds = found(transfers, "--files", str(folder))

    assert len(finds) == len(KEPT)
    assert {card for _, card in finds} == {MASKED}


def _is_rewritten(client: redis.Redis) -> bool:
    told = client.info("persistence")
    return not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])


def test_a_dump_is_said_to_be_seen_in_part(transfers: Cli, tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011\xfa\x09redis-ver\x057.0.0")

    said = transfers("scan", "--files", "dump.rdb")

    assert "strings that the server compressed" in said.out
    assert "What was not read may hold some." in said.out


def test_what_is_found_is_listed_up_to_a_limit_and_counted_beyond(
    transfers: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory is bounded."""
    monkeypatch.setattr(card_scan, "LISTED", 5)
    (tmp_path / "a.log").write_text(f"{PAN}\n" * 20)

    assert "And 15 more." in transfers("scan", "--files", "a.log").out
    assert transfers("scan", "--files", "a.log", "--json").json["more_finds"] == 15


def test_two_numbers_that_overlap_are_told_as_one(transfers: Cli, tmp_path: Path) -> None:
    """Two masks of one row of digits would show more than six and four of them."""
    (tmp_path / "a.log").write_text("4405 6397 0401 5096 4405 6397 0401 5096")

    assert found(transfers, "--files", "a.log") == [("byte 0", MASKED), ("byte 20", MASKED)]


def test_a_long_file_takes_little_memory(tmp_path: Path) -> None:
    """Of 64 MB, one line, the search holds a small part at any time."""
    with (tmp_path / "long").open("wb") as file:
        file.seek(64 << 20)
        file.write(PAN.encode())
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom epay_transfers.runtime.card_scan import Report\n"
        "from epay_transfers.ops.file_scan import scan_files\nreport = Report()\n"
        "scan_files([], report)\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "scan_files([Path(sys.argv[1])], report)\n"
        "print(len(report.finds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "long")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)  # noqa: S603 - this Python

    finds, grown_kb = map(int, done.stdout.split())
    assert finds == 1
    assert grown_kb < 20_000
