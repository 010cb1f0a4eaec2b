"""Overview, queues and workers, servers and keys: they say what the terminal says, and show nothing old or secret."""

import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ops.console.looks import Look
from epay_transfers.ops.context import Context
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge import judge
from epay_transfers.ops.overview.judgement import Trouble
from epay_transfers.ops.overview.page import page
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from epay_transfers.runtime.server_look import ServerLook
from tests.console.conftest import RunningConsole
from tests.ops.test_judge import AWAY, CASES, WELL, pause, worker
from tests.support.clocks import FakeClock
from tests.support.console_pages import console_of, headline_of, shown
from tests.support.intents import payout
from tests.support.platform import Platform, ledger_of
from tests.support.waiting import until

HOUR_MS = 3_600_000


class Still:
    """A look that stays as it is."""

    def __init__(self, facts: Facts) -> None:
        self._look = Look(facts, judge(facts))

    def now(self) -> Look:
        return self._look


def overview_of(facts: Facts) -> str:
    settings = OpsSettings(redis_url="redis://127.0.0.1:1/0", durability="relaxed")
    app = console_of(Context(settings, SystemClock(), connect("redis://127.0.0.1:1/0")))
    app.state.console = replace(app.state.console, looks=Still(facts))
    answer = shown(app, "/")
    assert answer.status == 200
    return answer.text


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def words_of(lines: list[str]) -> Iterator[str]:
    """What a line of the terminal says in pieces that its layout does not part."""
    for line in lines:
        yield from (piece.strip() for piece in re.split(r" {2,}|; ", line[12:]) if piece.strip(" ?"))


@pytest.mark.parametrize("trouble", [None, *CASES])
def test_it_says_what_the_terminal_says(trouble: Trouble | None) -> None:
    """The first sentence and its advice, and each word on the bank, workers, pauses, servers, ids, requests, acts."""
    facts = WELL if trouble is None else replace(WELL, **CASES[trouble])
    judgements = judge(facts)
    html = overview_of(facts)
    text, headline = text_of(html), headline_of(html)

    if judgements:
        first = judgements[0]
        assert (headline["level"], headline["says"]) == (first.level.name, first.says)
        assert headline["Next"] == first.next.replace("`", "")
        assert headline.get("Safe", "") == first.safe.replace("`", "")
        assert headline.get("NOT SAFE", "") == first.unsafe.replace("`", "")
    lines = page(facts, judgements)
    begins = next(number for number, line in enumerate(lines) if line.startswith("BANK"))
    shown_alike = text.replace(" ; ", "; ").lower()
    for words in words_of([line for line in lines[begins:] if not line.startswith("WORKERS")]):
        plain = re.sub(r"^(breaker +|vault |queue |ledger |main: )", "", words).removeprefix("(").removesuffix(")")
        for part in plain.split(": ") if plain.startswith("k7f3") else [plain]:
            assert part.lower() in shown_alike, (part, text)


def test_what_is_unknown_is_a_question_mark_in_every_part() -> None:
    names = ("counters", "workers", "pauses", "breakers", "requests", "events", "outcomes_aside", "samples", "oldest")
    unknown: dict[str, Any] = dict.fromkeys(names)
    html = overview_of(replace(WELL, **unknown))

    for part in ("money", "bank", "workers", "pauses", "servers", "others", "charts"):
        (section,) = re.findall(rf'<section data-live="{part}".*?</section>', html, re.DOTALL)
        assert "?" in text_of(section), part
        assert "none" not in text_of(section).lower().split("(")[0], part


def test_the_money_behind_a_pause_leads_to_what_it_keeps_back() -> None:
    html = overview_of(replace(WELL, pauses=[pause(Cause.FRAUD)]))

    assert 'behind it <a href="/transfers?state=queued&amp;terminal=main">2 with 30 000.00 KZT</a>' in html


def test_workers_beyond_a_few_are_counted() -> None:
    silent = [worker(worker=f"worker a {pid}", pid=pid, at_ms=WELL.now_ms - HOUR_MS) for pid in range(9)]

    html = overview_of(replace(WELL, workers=silent))

    assert html.count("silent 60 min") + html.count("silent 1 h") >= 5
    assert '<a href="/workers">and 4 more</a>' in html


@pytest.fixture
def _busy(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is heard, one that is not, a pause, and payouts that wait behind it."""
    client = platform.ledger_client
    told = Heartbeat(host="a", pid=7, threads=16, busy=3, version="1.2.3", vault_keys=["ab12cd34"])
    Heartbeats(client).tell("worker a 7", told)
    minute_ago = FakeClock(ledger_of(platform, None).now_ms() - 60_000)
    Heartbeats(client, minute_ago).tell("worker b 8", replace(told, host="b", pid=8, busy=5, vault_keys=["ffff0000"]))
    Pauses(client).pause(Lane.SEND, ALL, actor="operator aigul", reason="asked", cause=Cause.FRAUD)
    with platform.transfers(monkeypatch) as transfers:
        for number in range(3):
            transfers.enqueue(payout(f"payout-{number}"))


@pytest.mark.usefixtures("_busy")
def test_the_pages_of_a_ledger_with_something_in_it(console: RunningConsole, platform: Platform) -> None:
    """Each count has its list; a silent worker is shown as silent; keys by their ids; and no secret on any page."""
    session = console.session("vera@test")

    def got(path: str) -> str:
        answer = session.get(console.url + path, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.text

    first, workers, servers = got("/"), got("/workers"), got("/servers")

    assert '<a href="/workers#workers">1</a> heard, <a href="/workers#workers">1</a> silent' in first
    behind = "/transfers?state=queued"
    assert f'behind it <a href="{behind}">3 with 450.00 KZT</a>' in first
    assert got(behind).count('<a href="/transfer/') == 3
    rows = re.findall(r"<tr.*?</tr>", workers, re.DOTALL)
    (heard,) = (row for row in rows if "a pid 7" in row)
    (silent,) = (row for row in rows if "b pid 8" in row)
    assert "heard, and well" in heard
    assert "3 of 16" in heard
    assert '<tr class="silent">' in silent
    assert "SILENT" in silent
    assert "5 of 16" not in silent, "what it did a minute ago is no more known"
    assert "transfers.now" in workers
    assert "None, of the 1 000" in text_of(workers)
    assert "1 of 1 workers open with it" in text_of(servers), "a silent worker's keys are not counted"
    assert "ab12cd34" in servers
    assert "fingerprint producers compare intents by it" in re.sub(r" not known ", " ", text_of(servers))
    assert "send is paused for all terminals" in text_of(servers), "doctor's finding, with its cure"
    secrets = [value for name, value in platform.env.items() if re.search("KEY|SECRET|PASSWORD", name) and value]
    assert secrets
    assert not [each for each in secrets for html in (first, workers, servers) if each in html and len(each) > 8]


def test_a_ledger_that_does_not_answer_is_told_on_every_page(
    console: RunningConsole, ledger_server: EmbeddedServer
) -> None:
    """As what it is, and with nothing that was known before."""
    session = console.session("vera@test")
    assert "transfers.now" in session.get(f"{console.url}/workers", timeout=20).text
    ledger_server.process.send_signal(signal.SIGSTOP)
    try:
        away = "the ledger can't be used"  # a look that is shared is a second old at the most
        until(lambda: headline_of(session.get(console.url, timeout=30).text)["says"].startswith(away))
        for path, parts in (
            ("/", ("money", "bank", "workers", "pauses")),
            ("/workers", ("queues", "workers", "inboxes")),
        ):
            answer = session.get(console.url + path, timeout=30)
            assert answer.status_code == 200
            assert headline_of(answer.text)["says"].startswith(away)
            for part in parts:
                (section,) = re.findall(rf'<section data-live="{part}".*?</section>', answer.text, re.DOTALL)
                assert "?" in text_of(section)
                assert "transfers.now" not in section
        assert "AWAY" in session.get(f"{console.url}/servers", timeout=30).text
    finally:
        ledger_server.process.send_signal(signal.SIGCONT)
    until(lambda: headline_of(session.get(console.url, timeout=30).text)["level"] == "WELL")


def test_a_server_that_is_away_is_called_that_in_both() -> None:
    for name in ("ledger", "vault", "queue"):
        looks: dict[str, Any] = {name: ServerLook("REDIS_URL", AWAY)}
        facts = replace(WELL, **looks)
        lines = [line[12:] for line in page(facts, judge(facts)) if "AWAY" in line]

        (section,) = re.findall(r'<section data-live="servers".*?</section>', overview_of(facts), re.DOTALL)
        assert f"{name} AWAY" in "; ".join(lines)
        assert f"{name} AWAY" in re.sub("Ledger|Vault|Queue", lambda word: word[0].lower(), text_of(section))
