"""Terminals, pauses and operators' acts in a browser: what stands, what is behind it, and who did what."""

import re

import pytest

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Cause, Lane, Pause, Pauses
from epay_transfers.ops.operator_acts import OperatorActs
from tests.console.conftest import RunningConsole
from tests.console.plan_forms import APPROVER, MAKER, SECOND, VIEWER, said, see, send, until
from tests.support.intents import payout
from tests.support.platform import Platform

_PAUSE = {"lane": "send", "terminal": "", "cause": "maintenance", "until": "2h", "reason": "their window"}


@pytest.fixture
def pauses(platform: Platform) -> Pauses:
    return Pauses(platform.ledger_client)


def standing(pauses: Pauses) -> Pause:
    (found,) = pauses.standing()
    return found


def behind_it(console: RunningConsole) -> tuple[str, str]:
    """The link of the three transfers behind a pause, and the page; its counts are up to a second old."""
    found: list[tuple[str, str]] = []

    def counted() -> bool:
        page = see(console, VIEWER, "/pauses")
        at = re.search(r'<dt>Behind it</dt><dd><a href="([^"]+)">3</a> with <span class="money">450.00 KZT', page)
        found.extend([(at[1], page)] if at else [])
        return at is not None

    until(counted, "the page counts what is behind the pause")
    return found[0]


def unpause(console: RunningConsole, name: str, pause: Pause, **more: str) -> tuple[int, str]:
    fields = {"pause": pause.id, "since": str(pause.since_ms), "reason": "it is over"} | more
    answer = send(console, name, "/pauses", "unpause", **fields)
    return answer.status_code, said(answer)


def test_a_person_pauses_tries_and_ends(
    console: RunningConsole, platform: Platform, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause holds at once, and its page counts what its list has; one real try is one; ended, all goes on."""
    answer = send(console, MAKER, "/pauses", "pause", **_PAUSE)
    assert (answer.status_code, "send is paused for all terminals" in said(answer)) == (200, True)
    with platform.transfers(monkeypatch) as transfers:
        keys = [transfers.enqueue(payout(f"payout-{number}")).key for number in range(3)]
    platform.start_worker()
    until(lambda: standing(pauses).since_ms > 0, "a worker writes the pause down")
    behind, page = behind_it(console)
    listed = see(console, VIEWER, behind.replace("&amp;", "&"))
    assert listed.count('<a href="/transfer/') == 3
    assert "maintenance" in page
    assert "their window <span" in page
    assert "(operator olga-test)" in page

    ledger = Ledger(platform.ledger_client)
    assert unpause(console, MAKER, standing(pauses), tries="1")[0] == 200
    until(lambda: [record.state for record in ledger.get_many(keys)].count(State.PAID) == 1, "one goes through")
    assert "0 more may be tried; the last was <a" in see(console, VIEWER, "/pauses")
    status, words = unpause(console, MAKER, standing(pauses))

    assert (status, pauses.standing()) == (200, []), words
    until(lambda: {record.state for record in ledger.get_many(keys)} == {State.PAID}, "all go on")
    assert "No lane is paused." in see(console, VIEWER, "/pauses")


def test_a_stale_page_ends_no_other_pause(console: RunningConsole, platform: Platform, pauses: Pauses) -> None:
    """It stands anew, for another reason and under another id, or since later: a worker leaves it, and says so."""
    seen = _of_worker(pauses, "code 487")
    platform.start_worker()
    anew = _of_worker(pauses, "code 488")
    assert anew.id != seen.id

    by_id = unpause(console, MAKER, seen)
    by_since = unpause(console, MAKER, anew, since=str(anew.since_ms - 1))

    assert (by_id[0], f"{seen.id} stands anew as {anew.id}" in by_id[1]) == (409, True), by_id
    assert (by_since[0], "stands anew" in by_since[1]) == (409, True), by_since
    assert standing(pauses).id == anew.id


def _of_worker(pauses: Pauses, reason: str) -> Pause:
    pauses.pause(Lane.SEND, "main", actor="worker", reason=reason, cause=Cause.SETUP_CODE)
    return standing(pauses)


def test_a_form_that_is_sent_twice_pauses_once(console: RunningConsole, pauses: Pauses) -> None:
    """The second answer says so, and what came of the first; nothing is added."""
    session = console.session(MAKER)
    token = re.search(r'name="csrf" value="([^"]*)"', session.get(f"{console.url}/pauses", timeout=30).text)
    assert token
    fields = _PAUSE | {"csrf": token[1], "request": "b" * 24}

    first, second = (session.post(f"{console.url}/acts/pause", data=fields, timeout=30) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert "This form was sent before, and was one request" in said(second)
    assert standing(pauses).cause is Cause.MAINTENANCE


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"lane": "all"}, "lane: give one of send, confirm, inquire"),
        ({"cause": "failover"}, "cause: give one of fraud"),
        ({"cause": "none"}, "cause: give one of"),
        ({"until": "10s"}, "until: give 1min at least"),
        ({"until": "90d"}, "until: give 31d at most"),
        ({"until": "soon"}, "until: give a number and s, min, h or d"),
        ({"terminal": "Main"}, "terminal: unknown"),
        ({"reason": ""}, "reason: must be one line"),
        ({"reason": "4405 6450 0000 6150"}, "reason: looks like a card number"),
    ],
)
def test_a_wrong_value_is_a_sentence(
    console: RunningConsole, pauses: Pauses, fields: dict[str, str], sentence: str
) -> None:
    """As the command says it, and nothing is paused."""
    answer = send(console, MAKER, "/pauses", "pause", **(_PAUSE | fields))

    assert (answer.status_code, sentence in said(answer)) == (409, True), said(answer)
    assert pauses.standing() == []


def test_a_viewer_sees_what_stands_and_no_form(console: RunningConsole, pauses: Pauses) -> None:
    _of_worker(pauses, "code 487")

    page = see(console, VIEWER, "/pauses")

    assert "code 487" in page
    assert "to end a pause needs operator" in page
    assert "to pause a lane needs operator" in page
    assert '<form class="act"' not in page


# Operators' acts.


def test_acts_are_counted_by_person_and_verb(console: RunningConsole, platform: Platform) -> None:
    """Each count is a link, and its list has exactly that many; what waits for a worker is counted by inbox."""
    for name in (MAKER, MAKER, APPROVER, SECOND):
        assert send(console, name, "/pauses", "pause", **_PAUSE).status_code == 200
    waiting = '<th scope="row">operator olga-test</th><td class="number">2</td>'
    until(lambda: waiting in see(console, VIEWER, "/acts"), "all pages of a second have one look at the servers")
    assert "None is here, as far as was looked" in see(console, VIEWER, "/acts")
    platform.start_worker()
    until(lambda: "None waits." in see(console, VIEWER, "/acts"), "a worker takes them")
    until(lambda: "4 acts" in see(console, VIEWER, "/acts"), "a worker writes them down")

    page = see(console, VIEWER, "/acts")

    links = re.findall(r'<a href="(/acts\?[^"]*)">(\d+)</a>', page)
    assert ("/acts?person=olga-test&amp;verb=pause", "2") in links
    for address, count in links:
        listed = see(console, VIEWER, address.replace("&amp;", "&"))
        assert listed.count('<td class="when">') == int(count), address
    assert "all that the log keeps" in page


def test_a_page_of_acts_is_bounded(console: RunningConsole, platform: Platform) -> None:
    """Fifty a page, the last one first; each is on one page."""
    events = Events(platform.ledger_client)
    for number in range(120):
        events.alarm(Alarm.REQUEST_REFUSED, actor="operator olga-test", key=f"{100_000_000_000 + number}")

    keys = [
        re.findall(r'<a href="/transfer/(\d+)">', see(console, VIEWER, f"/acts?person=olga-test&page={page}"))
        for page in (1, 2, 3, 4)
    ]

    assert [len(each) for each in keys] == [50, 50, 20, 0]
    assert [key for page in keys for key in page] == [f"{100_000_000_000 + number}" for number in reversed(range(120))]


def test_acts_are_found_behind_many_events(platform: Platform) -> None:
    """More events than one look reads: the first answer says that older ones are being read; then they are there."""
    events = Events(platform.ledger_client)
    events.alarm(Alarm.REQUEST_REFUSED, actor="operator old", key="1")
    pipeline = platform.ledger_client.pipeline(transaction=False)
    for _ in range(5000):
        pipeline.xadd(redis_keys.EVENTS, {"actor": "worker", "verb": "pay"})
    pipeline.execute()
    acts = OperatorActs(events)

    first = acts.now()
    until(lambda: acts.now().is_whole, "it reads on")
    events.alarm(Alarm.REQUEST_REFUSED, actor="operator new", key="2")
    until(lambda: len(acts.now().events) == 2 and not acts.now().is_behind, "it reads the new one")
    last = acts.now()

    assert (first.events, first.is_whole) == ([], False)
    assert [event.fields["actor"] for event in last.events] == ["operator new", "operator old"]
    assert (last.looked_at, last.is_behind) == (5002, False)
