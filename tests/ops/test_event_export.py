"""`transfers events --export`: every event once, chained; and nothing leaves the log that the file does not have."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events, place_of
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops import event_export, server_users
from epay_transfers.ops.event_export import EventFile, export
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime import trail
from tests.ops.test_upgrade import _apart
from tests.support.command_line import Cli
from tests.support.factories import into
from tests.support.redis_state import snapshot


def fill(ledger: Ledger, count: int, first: int = 0) -> None:
    for at in range(first, first + count):
        into(ledger, (State.PAID, Phase.SEND), f"payout-{at}")


def told(path: Path) -> list[dict[str, str]]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def in_log(client: redis.Redis) -> list[dict[str, str]]:
    entries: Any = client.xrange(redis_keys.EVENTS)
    return [{"id": place} | fields for place, fields in entries]


def test_it_adds_what_the_file_lacks_and_each_event_once(transfers: Cli, ledger: Ledger) -> None:
    path = Path("events.jsonl")
    fill(ledger, 3)
    assert transfers("events", "--export", str(path)).status == 0
    fill(ledger, 2, first=3)

    said = transfers("events", "--export", str(path), "--json").json

    assert told(path) == in_log(ledger.client)
    assert (said["added"], said["events"], said["missing"], said["trimmed"]) == (6, 15, 0, 0)
    assert oct(path.stat().st_mode) == "0o100600"
    assert transfers("events", "--export", str(path), "--json").json["added"] == 0


def test_only_what_is_in_the_file_leaves_the_log_and_the_trail_has_no_flaw(
    transfers: Cli, ledger: Ledger, events: Events
) -> None:
    path = Path("events.jsonl")
    fill(ledger, 400)
    was = in_log(ledger.client)

    said = transfers("events", "--export", str(path), "--trim-older", "0s", "--json").json

    assert said["trimmed"] > 500
    assert told(path) == was
    left = in_log(ledger.client)
    assert [each for each in left if each["verb"] != "trimmed"] == was[said["trimmed"] :]
    assert left[-1]["actor"] == "operator aigul"
    state = events.state()
    assert list(trail.flaws(state, events.all_until(state.last_id))) == []
    assert transfers("audit").out.startswith("No discrepancy.")


def test_the_log_may_be_longer_than_what_stands_in_memory(transfers: Cli, ledger: Ledger) -> None:
    """Exported and trimmed again and again, the file has all, and the log stays short."""
    path = Path("events.jsonl")
    for round_ in range(4):
        fill(ledger, 150, first=round_ * 150)
        assert transfers("events", "--export", str(path), "--trim-older", "0s").status == 0
    transfers("events", "--export", str(path))

    numbers = [int(each["number"]) for each in told(path)]
    assert numbers == list(range(1, numbers[-1] + 1))
    assert numbers[-1] == ledger.counters()["events"]
    assert ledger.client.xlen(redis_keys.EVENTS) < len(numbers) / 2


def test_what_a_group_owes_stays(transfers: Cli, ledger: Ledger, events: Events) -> None:
    fill(ledger, 400)
    events.join("payouts")
    was = in_log(ledger.client)

    said = transfers("events", "--export", "events.jsonl", "--trim-older", "0s", "--json").json

    assert said["trimmed"] == 0
    assert in_log(ledger.client) == was


def test_what_was_added_after_the_export_is_not_trimmed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger, 400)
    last = in_log(ledger.client)[-1]["id"]
    verify = EventFile.verify
    more = iter([None, 300])

    def busy(self: EventFile) -> None:
        verify(self)
        if count := next(more):
            fill(ledger, count, first=1000)

    monkeypatch.setattr(EventFile, "verify", busy)

    done = export(Events(ledger.client), Path("events.jsonl"), trim_older_ms=0, actor="operator aigul")

    assert done.trimmed
    left = {each["id"] for each in in_log(ledger.client)}
    assert len([place for place in left if place_of(place) > place_of(last)]) == 901


def test_events_that_were_trimmed_before_are_told(transfers: Cli, ledger: Ledger, events: Events) -> None:
    fill(ledger, 1)
    transfers("events", "--export", "events.jsonl")
    fill(ledger, 400, first=1)
    gone = events.trim(0)
    assert gone > 500

    said = transfers("events", "--export", "events.jsonl")

    assert said.status == 1
    assert f"{gone - 3} events were removed from the log before they were exported" in said.err


@pytest.mark.parametrize("harm", ["a letter", "a line", "two lines in another order", "a line twice"])
def test_a_file_that_was_changed_is_refused_and_nothing_is_trimmed(transfers: Cli, ledger: Ledger, harm: str) -> None:
    path = Path("events.jsonl")
    fill(ledger, 400)
    transfers("events", "--export", str(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        {
            "a letter": path.read_bytes().replace(b"payout-7", b"payout-8", 1),
            "a line": b"".join(lines[:5] + lines[6:]),
            "two lines in another order": b"".join([lines[1], lines[0], *lines[2:]]),
            "a line twice": b"".join([lines[0], *lines]),
        }[harm]
    )
    was, content = snapshot(ledger.client), path.read_bytes()

    said = transfers("events", "--export", str(path), "--trim-older", "0s")

    assert said.status == 1
    assert "is not as it was written" in said.err
    assert snapshot(ledger.client) == was
    assert path.read_bytes() == content


def test_a_file_that_is_cut_off_goes_on_at_its_last_whole_line(transfers: Cli, ledger: Ledger) -> None:
    path = Path("events.jsonl")
    fill(ledger, 5)
    transfers("events", "--export", str(path))
    whole = path.read_bytes()
    for size in range(0, len(whole), 101):
        path.write_bytes(whole[:size])
        assert transfers("events", "--export", str(path)).status == 0
        assert path.read_bytes() == whole


def test_killed_at_any_write_nothing_is_trimmed_that_the_file_lacks(ledger: Ledger, tmp_path: Path) -> None:
    was: list[dict[str, str]] = []
    for at in range(1, 12):
        ledger.client.flushall()
        ledger = Ledger(ledger.client)
        path = tmp_path / f"{at}.jsonl"
        fill(ledger, 40)
        was = in_log(ledger.client)
        child = os.fork()
        if not child:
            _export_and_die(ledger, path, at)
        _, ended = os.waitpid(child, 0)

        left = {each["id"] for each in in_log(ledger.client)}
        gone = [each for each in was if each["id"] not in left]
        with EventFile.opened(path) as file:
            assert not gone or file.known.events >= len(gone)
        assert told(path)[: len(gone)] == gone
        if not os.WIFSIGNALED(ended):
            break
    assert at > 4


def _export_and_die(ledger: Ledger, path: Path, at: int) -> None:
    made = 0
    event_export._PAGE = 30

    def step(call: Any) -> Any:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            nonlocal made
            made += 1
            if made == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return stepped

    try:
        ledger.client.connection_pool.reset()
        for owner, name in ((EventFile, "add"), (EventFile, "verify"), (Events, "trim"), (os, "fsync")):
            setattr(owner, name, step(getattr(owner, name)))
        export(Events(ledger.client), path, trim_older_ms=0, actor="operator aigul")
    finally:
        os._exit(0)


def test_two_at_once_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventFile.opened(path), pytest.raises(Refusal, match="another process"):
        export(Events(ledger.client), path)


def test_trim_without_a_file_is_wrong_usage(transfers: Cli) -> None:
    assert transfers("events", "--trim-older", "7d").status == 2
    assert transfers("events", "--export", "x", "--follow").status == 2


def test_a_younger_event_than_the_span_stays(transfers: Cli, ledger: Ledger) -> None:
    fill(ledger, 400)

    assert transfers("events", "--export", "events.jsonl", "--trim-older", "7d", "--json").json["trimmed"] == 0


def test_an_operator_may_export_and_the_user_archive_may_trim(
    transfers: Cli, ledger: Ledger, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, 400)
    users = server_users.users("ledger", ["aigul"])
    for name in ("ops-aigul", "archive"):
        digests = [server_users.digest(script) for script in users[name].scripts]
        rules = users[name].line(name, digests).split(" ", 4)[4]
        ledger.client.execute_command("ACL", "SETUSER", name, "on", ">word", *_apart(rules))  # type: ignore[no-untyped-call]
    try:
        for name, more, status in (
            ("ops-aigul", (), 0),
            ("ops-aigul", ("--trim-older", "0s"), 78),
            ("archive", ("--trim-older", "0s"), 0),
        ):
            monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"].replace("//", f"//{name}:word@"))
            assert transfers("events", "--export", "events.jsonl", *more).status == status
    finally:
        ledger.client.execute_command("ACL", "DELUSER", "ops-aigul", "archive")  # type: ignore[no-untyped-call]


def test_what_is_no_event_file_is_refused(transfers: Cli) -> None:
    for text in ("the diary of a person\n", "the diary of a person", "{"):
        Path("events.jsonl").write_text(text)

        said = transfers("events", "--export", "events.jsonl")

        assert (said.status, Path("events.jsonl").read_text()) == ((1, text) if text != "{" else (0, ""))
