"""Every number that is a link leads to its list, and the list has exactly that many: all pages are walked."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import cast

import pytest
import redis
from starlette.applications import Starlette

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.queue import messages
from epay_transfers.ledger.queue.broker import ACTORS, NAMESPACE, NOW, QUEUES, Broker, new_message
from epay_transfers.ledger.queue.messages import Message, Where
from epay_transfers.ledger.queue.stats import Queues
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ops.context import Context
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from tests.console.routes import NO_PLAN, pages
from tests.support import factories
from tests.support.console_pages import console_of, shown
from tests.support.servers import queue_url

#: So many transfers of each: other numbers than each other's, and more than a page has of one.
COUNTS = {
    (State.QUEUED, Phase.SEND): 53,
    (State.PARKED, Phase.SEND): 2,
    (State.IN_DOUBT, Phase.SEND): 3,
    (State.NEEDS_REVIEW, Phase.SEND): 4,
    (State.DEAD, Phase.SEND): 5,
    (State.PAID, Phase.SEND): 6,
    (State.DECLINED, Phase.SEND): 7,
}

#: What of the lists is a row of what a number counts.
TABLES = r'aria-label="(?:Transfers|Messages|Outcomes that were set aside|Acts, the last one first)"'
CARD = "4405639704015096"
LISTS = ("/transfers", "/queues/", "/outcomes/", "/acts?")


@pytest.fixture
def keys(ledger_client: redis.Redis) -> list[str]:
    ledger = Ledger(ledger_client)
    made = [
        factories.into(ledger, place, f"{place[0]}-{number}", lasts_ms=900_000 if number else 60_000)
        for place, count in COUNTS.items()
        for number in range(count)
    ]
    more = {"terminal": "kiosk", "space": "kiosk", "lasts_ms": 900_000}
    made.append(factories.into(ledger, (State.QUEUED, Phase.SEND), "kiosk-1", currency="USD", **more))
    Pauses(ledger_client).pause(Lane.SEND, ALL, actor="operator aigul", reason="asked", cause=Cause.FRAUD)
    for number, record in enumerate(made[:3]):
        aside = AsideOutcome(
            group="payouts", key=record.key, place=f"179550000000{number}-0", reference=record.reference, version=2,
            state="paid", deliveries=8, error="ValueError", is_behind=False, at_ms=1_795_500_000_000,
        )  # fmt: skip
        ledger_client.hset(redis_keys.OUTCOMES_ASIDE, aside.field, aside.to_json())
    return [record.key for record in made]


@pytest.fixture
def broker(ledger_server: EmbeddedServer) -> Iterator[Broker]:
    """A worker's, that fetches and acknowledges nothing."""
    client = connect(queue_url(ledger_server.url), text=False)
    client.flushdb()
    broker = Broker(client, [], dict.fromkeys(QUEUES, 8))
    for queue in QUEUES:
        broker.declare_queue(queue)
    yield broker
    broker.close()
    client.close()


@pytest.fixture
def app(keys: list[str], broker: Broker, ledger_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    """55 messages that wait, two at work, and one dead letter."""
    broker.enqueue_all([new_message(NOW, ACTORS[NOW], key) for key in keys[:57]])
    assert len(broker.do_fetch(NOW, 2)) == 2
    broker.client.hset(f"{NAMESPACE}:{NOW}.XQ.msgs", "odd", CARD)
    broker.client.zadd(f"{NAMESPACE}:{NOW}.XQ", {"odd": SystemClock().now_ms()})
    monkeypatch.setenv("REDIS_URL", ledger_server.url)  # a page reads which keys this environment has
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")
    settings = OpsSettings(
        redis_url=ledger_server.url,
        durability="relaxed",
        epay_terminals='{"kiosk": {"space": "kiosk"}}',
    )
    return console_of(Context(settings, SystemClock(), connect(ledger_server.url)))


def numbers(html: str) -> dict[tuple[str, int], str]:
    """Of a page: (the list that it leads to, the number) → the words of the link."""
    found = {}
    for address, words in re.findall(r'<a href="([^"#]*)[^"]*"[^>]*>(.*?)</a>', html, re.DOTALL):
        plain = re.sub(r"<[^>]*>", "", unescape(words)).strip()
        number = re.search(r"([0-9]+) end within", plain) or re.match(r"(?:[a-z]+: )?([0-9 ]*[0-9])(?![0-9:.-])", plain)
        if number and unescape(address).startswith(LISTS):
            found[unescape(address), int(re.sub(r"\D", "", number[1]))] = plain
    return found


def rows(app: Starlette, path: str) -> int:
    """Of a list, on all its pages."""
    count = 0
    while path:
        page = shown(app, path)
        assert page.status == 200, path
        for table in re.findall(rf"<div[^>]*{TABLES}.*?</table>", page.text, re.DOTALL):
            count += len(re.findall("<tr", table.partition("<tbody>")[2]))
        following = re.search(r'<a rel="next"[^>]*href="([^"]*)"', page.text)
        path = unescape(following[1]) if following else ""
    return count


def test_every_number_leads_to_exactly_that_many(app: Starlette, keys: list[str]) -> None:
    lists = ["/transfers?state=queued", "/transfers?state=dead"]
    paths = dict.fromkeys([*pages({"key": keys[0], "digest": NO_PLAN}), *lists])
    walked = {path: shown(app, path) for path in paths}
    assert {path for path, page in walked.items() if page.status != 200} == {f"/plans/{NO_PLAN}"}
    found = {each: words for page in walked.values() for each, words in numbers(page.text).items()}

    wrong = {words: (address, rows(app, address)) for (address, number), words in found.items()
             if rows(app, address) != number}  # fmt: skip

    assert wrong == {}
    expected = {
        ("/transfers?state=queued", 54),
        ("/transfers?terminal=kiosk", 1),
        ("/transfers?state=queued&ends=5min", 1),
        ("/transfers?state=paid&younger=today", 6),
        ("/transfers?terminal=main", 80),
        ("/outcomes/payouts", 3),
        (f"/queues/{NOW}/waiting", 55),
        (f"/queues/{NOW}/at_work", 2),
        (f"/queues/{NOW}/dead_letters", 1),
    }
    assert expected <= found.keys()


def test_a_message_that_is_no_wakeup_is_told_and_not_shown(app: Starlette) -> None:
    page = shown(app, f"/queues/{NOW}/dead_letters")

    assert "No wake-up: a wake-up is JSON" not in page.text, "a number is JSON"
    assert "No wake-up: a wake-up is a JSON object" in page.text
    assert CARD not in page.text


def test_sums_of_several_currencies_lead_to_one_list_by_their_count(app: Starlette) -> None:
    page = shown(app, "/").text

    assert re.search(r'behind it <a href="/transfers\?state=queued">54</a>: 1 with [^;]* USD; 53 with [^;]* KZT;', page)


def test_a_terminal_that_the_settings_have_no_more_keeps_its_list(app: Starlette, ledger_client: redis.Redis) -> None:
    factories.create(Ledger(ledger_client), "old-1", terminal="old", space="old")
    page = shown(app, "/servers").text

    assert 'Of terminals that the settings have no more: <a href="/transfers?terminal=old">old: 1</a>' in page


def test_an_odd_outcome_and_a_huge_message_break_no_page(
    app: Starlette, broker: Broker, ledger_client: redis.Redis
) -> None:
    """Another program may write what it likes: what is no outcome's is left out, and what is huge is not read."""
    odd = {
        "payouts 251124000001 1-0": json.dumps({"at": 10**18, "error": CARD, "reference": CARD}),
        f"payouts 251124000002 {'9' * 5000}-0": "{}",
        "payouts 251124000003 1-1": "[" * 100_000,
    }
    ledger_client.hset(redis_keys.OUTCOMES_ASIDE, mapping=odd)  # type: ignore[arg-type]  # str is a field's type
    broker.client.hset(f"{NAMESPACE}:{NOW}.XQ.msgs", "odd", "x" * 1_000_000)

    outcomes, dead = shown(app, "/outcomes/payouts"), shown(app, f"/queues/{NOW}/dead_letters")

    assert (outcomes.status, dead.status) == (200, 200)
    assert "5 outcomes" in outcomes.text
    assert CARD not in outcomes.text
    assert "No wake-up: a wake-up is shorter" in dead.text
    assert shown(app, "/outcomes/x; curl").status == 404


def test_no_other_queue_and_no_other_place_has_a_page(app: Starlette) -> None:
    assert [shown(app, path).status for path in ("/queues/other/waiting", f"/queues/{NOW}/other")] == [404, 404]


def test_a_message_whose_text_is_gone_is_counted(broker: Broker, keys: list[str]) -> None:
    """The queue's length counts it, and so does the page."""
    broker.enqueue_all([new_message(NOW, ACTORS[NOW], key) for key in keys[:2]])
    (gone, _) = cast("list[bytes]", broker.client.lrange(f"{NAMESPACE}:{NOW}", 0, -1))
    broker.client.hdel(f"{NAMESPACE}:{NOW}.msgs", gone)

    found = messages.read(broker.client, NOW, Where.WAITING, start=0, limit=50)

    (queue,) = [each for each in Queues(broker.client, SystemClock()).read() if each.name == NOW]
    assert (queue.waiting, queue.at_work, found.of) == (2, 0, 2)
    assert [each.key for each in found.page] == ["", keys[1]]
    assert found.page[0] == Message(why_not="its text is gone from the queue")
