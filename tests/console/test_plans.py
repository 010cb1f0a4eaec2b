"""Plans in a browser: made from a form, applied by a person, shown as they stand; the files they are."""

import json
import re
import stat
from pathlib import Path

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.folder import PlanFolder
from tests.console.conftest import RunningConsole, running_console
from tests.console.plan_forms import (
    APPROVER,
    CANCEL,
    CAPS,
    MAKER,
    SECOND,
    VIEWER,
    applied,
    apply,
    enqueue,
    make,
    said,
    see,
    send,
    until,
)
from tests.support.platform import Platform


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the console keeps its plans."""
    return tmp_path / "plans"


@pytest.fixture
def queued(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of three that no worker sends: their lane is paused for the time of the test."""
    return enqueue(platform, monkeypatch, 3)


def states(platform: Platform, keys: list[str]) -> set[State]:
    return {record.state for record in Ledger(platform.ledger_client).get_many(keys)}


def cancels(platform: Platform) -> list[str]:
    """The key of each cancel that was made."""
    newest = Events(platform.ledger_client).newest(1000)
    return [event.fields["key"] for event in newest if event.fields.get("verb") == "cancel"]


def lines(folder: Path) -> list[dict[str, str]]:
    (journal,) = folder.glob("*.done")
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_a_plan_is_made_read_and_applied(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """A form freezes a set, its page counts what its lists have, and a worker does exactly what a person applies."""
    platform.start_worker()
    digest = make(console, asks="yes")
    late = "late"

    page = see(console, VIEWER, f"/plans/{digest}")
    assert f'<a href="/plans/{digest}#items">3</a> with <span class="money">450.00 KZT</span>' in page
    assert all(f'<a href="/transfer/{key}">' in page for key in queued)
    verdicts = re.findall(r'<a href="(/plans/[0-9a-f]+\?verdict=[^"]+)#items">(\d+)</a>', page)
    assert verdicts
    for address, count in verdicts:
        assert see(console, VIEWER, address).count('<a href="/transfer/') == int(count)
    (file,) = folder.glob("*-cancel-*.json")
    assert (plans.read(file.read_text()).digest, plans.read(file.read_text()).made_by) == (digest, "olga-test")
    assert late not in page

    assert applied(console, APPROVER, digest) == "all looked at: 3 done"

    assert states(platform, queued) == {State.CANCELLED}
    assert {(line["became"], line["by"]) for line in lines(folder)} == {("done", "anna-test")}
    page = see(console, VIEWER, f"/plans/{digest}")
    assert re.search(r"<dt>Done</dt><dd><a href=\"/plans/\w+\?became=done#items\">3</a>", page)
    assert see(console, VIEWER, f"/plans/{digest}?became=done").count('<a href="/transfer/') == 3
    assert "3 of 3" in see(console, VIEWER, "/plans")
    made = {path: stat.S_IMODE(path.stat().st_mode) for path in (file, file.with_name(f"{file.name}.done"))}
    assert set(made.values()) == {0o600}, made


def test_applied_again_nothing_is_done_twice(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """By a new form, and by the same form sent twice."""
    platform.start_worker()
    digest = make(console)
    session = console.session(APPROVER)
    text = session.get(f"{console.url}/plans/{digest}", timeout=30).text
    fields = dict(re.findall(r'name="(csrf|request|digest)" value="([^"]*)"', text)) | CAPS | {"reason": "once"}

    for _ in range(2):
        answer = session.post(f"{console.url}/acts/apply", data=fields, timeout=60)
        assert answer.status_code in {200, 202}, said(answer)
    until(lambda: "under way" not in see(console, VIEWER, "/plans"), "it has ended")

    assert applied(console, APPROVER, digest) == "all looked at: 3 done"
    assert sorted(cancels(platform)) == sorted(queued)
    assert len(lines(folder)) == 3


def test_what_has_moved_since_is_left_alone(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """A stale plan: its page says what has moved, and applying it does nothing with that."""
    first, second = make(console), make(console, max_count="3")
    assert first != second
    platform.start_worker()
    assert applied(console, APPROVER, first) == "all looked at: 3 done"

    page = see(console, VIEWER, f"/plans/{second}")
    assert f'<a href="/plans/{second}?moved=yes#items">3</a>' in page
    assert see(console, VIEWER, f"/plans/{second}?moved=yes").count('<a href="/transfer/') == 3

    assert applied(console, APPROVER, second) == "all looked at: 3 moved"
    assert sorted(cancels(platform)) == sorted(queued)


def test_a_plan_beyond_its_caps_is_refused(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """None is made, and none is applied, that is larger than its person said."""
    for cap, sentence in (({"max_count": "2"}, "these are 3 transfers"), ({"max_sum": "449"}, "the sum is 450.00 KZT")):
        answer = send(console, MAKER, "/plans/new?what=cancel", "plan", **(CANCEL | cap))
        assert (answer.status_code, sentence in said(answer)) == (409, True)
    assert not list(folder.glob("*-cancel-*"))
    digest = make(console)

    answer = apply(console, APPROVER, digest, max_count="2")

    assert (answer.status_code, "these are 3 transfers" in said(answer)) == (409, True)
    assert states(platform, queued) == {State.QUEUED}
    assert not list(folder.glob("*.done"))


def test_a_second_person_applies_the_same_plan(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """Beyond what one operator may do alone, the page asks for another one; who applies it then does it."""
    platform.start_worker(OPERATOR_LIMITS='{"transfers": 1, "KZT": "10000000"}')
    digest = make(console)

    first = applied(console, APPROVER, digest)
    page = see(console, SECOND, f"/plans/{digest}")
    mine = see(console, APPROVER, f"/plans/{digest}")
    second = applied(console, SECOND, digest)

    assert (first, second) == ("all looked at: 1 done, 2 second_needed", "all looked at: 2 done, 1 moved")
    assert f'anna-test asked for <a href="/plans/{digest}?became=second_needed#items">2</a>' in page
    assert "You asked already, so it is not you" in mine
    assert "You asked already" not in page
    assert states(platform, queued) == {State.CANCELLED}
    page = see(console, VIEWER, f"/plans/{digest}")
    assert "A second operator is needed" not in page
    assert re.search(r"<dt>Done</dt><dd><a [^>]*>3</a>", page)
    assert {line["by"] for line in lines(folder)} == {"anna-test", "amir-test"}


def test_one_at_a_time_applies_a_plan(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """Neither one person twice nor two persons at once: the second form is refused by the journal's lock, at once."""
    digest = make(console)
    first = apply(console, APPROVER, digest)

    again, other = apply(console, APPROVER, digest), apply(console, SECOND, digest)

    assert (first.status_code, "it goes on, also when you leave" in said(first)) == (202, True)
    assert [answer.status_code for answer in (again, other)] == [409, 409]
    assert all("being applied now" in said(answer) for answer in (again, other))
    assert "under way" in see(console, VIEWER, f"/plans/{digest}")
    platform.start_worker()
    until(lambda: len(lines(folder)) == 3, "a worker does what was asked")
    assert sorted(cancels(platform)) == sorted(queued)


def test_two_persons_apply_two_plans_at_once(
    console: RunningConsole, platform: Platform, queued: list[str], folder: Path
) -> None:
    """Of the same transfers: each is cancelled once, and the other's journal says that it had moved, or was refused."""
    one, other = make(console), make(console, max_count="3")
    assert [apply(console, APPROVER, one).status_code, apply(console, SECOND, other).status_code] == [202, 202]

    platform.start_worker()
    until(lambda: states(platform, queued) == {State.CANCELLED}, "workers do what was asked")
    until(lambda: "under way" not in see(console, VIEWER, "/plans"), "both have ended")

    assert sorted(cancels(platform)) == sorted(queued)


def test_a_console_that_dies_goes_on_with_the_journal(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It dies while entries wait for a worker. Applied again, each transfer is cancelled once, and has its line."""
    keys = enqueue(platform, monkeypatch, 60)
    with (tmp_path / "console.log").open("ab") as log:
        with running_console(platform, tmp_path, log) as console:
            digest = make(console)
            assert apply(console, APPROVER, digest).status_code == 202
            console.kill()
        assert not [line for line in lines(tmp_path / "plans") if line["became"] == "done"]
        with running_console(platform, tmp_path, log) as console:
            page = see(console, VIEWER, f"/plans/{digest}")
            assert re.search(r"<dt>Nothing yet</dt><dd><a [^>]*>60</a>", page)
            platform.start_worker()
            until(lambda: len(cancels(platform)) == 50, "what was asked before the end is done all the same")
            answer = apply(console, APPROVER, digest)
            until(lambda: "60 of 60" in see(console, VIEWER, "/plans"), said(answer))

    assert sorted(cancels(platform)) == sorted(keys)
    assert sorted(line["key"] for line in lines(tmp_path / "plans")) == sorted(keys)
    assert {line["became"] for line in lines(tmp_path / "plans")} == {"done"}


def test_a_console_that_dies_leaves_no_half_plan(platform: Platform, queued: list[str], tmp_path: Path) -> None:
    """It dies while it waits for the bank's word: no plan is there, and the next console shows none."""
    with (tmp_path / "console.log").open("ab") as log:
        with running_console(platform, tmp_path, log) as console:
            answer = send(console, MAKER, "/plans/new?what=cancel", "plan", asks="yes", **CANCEL)
            assert answer.status_code == 202
            assert "under way" in see(console, VIEWER, "/plans")
            console.kill()
        with running_console(platform, tmp_path, log) as console:
            assert "No plan is here." in see(console, VIEWER, "/plans")
    assert not list((tmp_path / "plans").glob("*-cancel-*"))


# The folder by itself.


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full half-way leaves nothing, and says so."""
    folder = PlanFolder(tmp_path)

    def full(_plan: object, file: object) -> None:
        file.write("{")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plans, "write", full)
    with pytest.raises(Exception, match="No space left on device; none was made"):
        folder.store(_empty())

    assert list(tmp_path.iterdir()) == []


def test_a_long_file_is_not_read_for_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list says that it was not, and reads it once its page has been opened."""
    folder = PlanFolder(tmp_path)
    folder.store(_empty())
    monkeypatch.setattr("epay_transfers.ops.plans.folder._READ_FOR_A_LIST", 10)

    (unread,) = folder.newest(0, 50).shown
    folder.find(_empty().digest)
    (read,) = folder.newest(0, 50).shown

    assert (unread.what, unread.refused, read.what) == (None, "", plans.What.CANCEL)


def _empty() -> plans.Plan:
    return plans.Plan(what=plans.What.CANCEL, items=(), made_at=1_700_000_000_123, made_by="aigul", chosen_by="queued")
