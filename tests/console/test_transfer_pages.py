"""Search, lists, and the page of a transfer: what is shown is what the ledger has, and how far it was looked at."""

import re

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops import search
from epay_transfers.ops.console.pages import transfers as page_of_lists
from tests.console.conftest import RunningConsole
from tests.console.forms import Person, said
from tests.console.together import HOUR_MS, console, fresh, into, ledger, platform
from tests.support.waiting import until

__all__ = ["console", "ledger", "platform"]

CARD = "5522042705066736"
BANK_ID, BANK_REFERENCE = "a1f6c0de-17", "326100009021"


@pytest.fixture(scope="module")
def vera(console: RunningConsole) -> Person:
    return Person(console, "vera@test")


@pytest.fixture(scope="module", autouse=True)
def made(ledger: Ledger) -> dict[str, Record]:
    """A paid one that the bank has given names; one whose last four are another's amount and reference; and dead."""
    records = {}
    paid = into(ledger, State.SENDING, "order-77", receiver_card="552204******4321", amount=7_700_000)
    ledger.move(
        paid, Verb.PAY, Change(fields={"bank_id": BANK_ID, "bank_reference": BANK_REFERENCE, "code": "0"}), actor="w"
    )
    records["paid"] = fresh(ledger, paid)
    records["amount"] = into(ledger, State.QUEUED, "order-78", amount=432_100)
    records["reference"] = into(ledger, State.QUEUED, "4321")
    for at in range(60):
        reason: RecordFields = (
            {"reason": "card_lost"} if at < 5 else {"reason": "attempts_used_up", "message": "token_401"}
        )
        record = into(ledger, State.QUEUED, f"dead-{at}")
        ledger.move(record, Verb.FAIL_QUEUED, Change(due_in=HOUR_MS, fields=reason), actor="worker")
    for at in range(3):
        into(ledger, State.PARKED, f"parked-{at}", amount=1_500_000 + (at == 2))
    return records


# Search.


@pytest.mark.parametrize("name", ["key", "order-77", BANK_ID, BANK_REFERENCE, "  order-77 "])
def test_one_hit_leads_to_its_page(vera: Person, made: dict[str, Record], name: str) -> None:
    """Its key alone stands in the address, whatever was typed."""
    answer = vera.searches(made["paid"].key if name == "key" else name)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/transfer/{made['paid'].key}")


def test_four_digits_are_shown_as_each_that_they_may_be(vera: Person, made: dict[str, Record]) -> None:
    """A reference, a card's last four, an amount: none of the three is taken silently."""
    answer = vera.searches("4321")

    parts = {part.partition("</h2>")[0]: part for part in answer.text.split("<h2>")[1:]}
    assert answer.status_code == 200
    assert made["reference"].key in parts["As a reference"]
    assert made["paid"].key in parts["As the last four digits 4321 of a card"]
    assert made["amount"].key in parts["As an amount of 4 321.00"]
    assert "none" in parts["As the bank&#39;s reference"].lower()


def test_nothing_found_says_what_was_looked_for_and_how_far(vera: Person) -> None:
    answer = vera.searches("9876")

    words = said(answer)
    assert "Nothing was found for 9876" in words
    assert all(f"As {what}" in words for what in ("a reference", "the bank&#39;s id", "the bank&#39;s reference"))
    assert "As the last four digits 9876 of a card None; all 66 were looked at." in words
    assert "As an amount of 9 876.00 None; all 66 were looked at." in words


def test_a_look_that_ends_early_says_so_and_finds_no_only_one(
    ledger: Ledger, made: dict[str, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be another one behind what was looked at: so no page of one transfer is opened by it."""
    monkeypatch.setattr(search, "MOST_LOOKS", 64)

    searched = search.search(ledger, "15000.01")

    (look,) = [each for each in searched.looks if each.filters]
    assert "1 found so far: the newest 64 of" in look.says
    assert (searched.only, look.is_whole) == (None, False)
    monkeypatch.undo()
    assert search.search(ledger, "15000.01").only is not None


@pytest.mark.parametrize("text", [CARD, "5522 0427 0506 6736", "5522-0427-0506-6736", f"card {CARD} of a client"])
def test_a_whole_card_number_is_refused_and_stands_nowhere(vera: Person, console: RunningConsole, text: str) -> None:
    """Not in the answer, nor in an address, nor in a log. What the ledger was asked is not it: it was not asked."""
    answer = vera.searches(text)

    assert answer.status_code == 200
    assert "Search by its last four digits" in answer.text
    assert "location" not in answer.headers
    assert not re.search(r"5522.?0427|6736", answer.text)
    assert not re.search(r"5522.?0427|6736", console.log.read_text(encoding="utf-8"))


def test_a_text_that_may_be_a_card_number_is_not_repeated(vera: Person) -> None:
    """One digit of it is wrong: it is looked up, for a reference may be so, and shown nowhere."""
    answer = vera.searches("5522042705066737")

    assert "Nothing was found" in answer.text
    assert "55220427" not in answer.text


def test_an_address_searches_nothing_and_the_form_puts_nothing_into_one(vera: Person) -> None:
    page = vera.get("/search?q=order-77")

    assert page.status_code == 200
    assert "order-77" not in page.text
    assert '<form class="search" action="/search" method="post"' in page.text


def test_a_card_number_among_the_filters_of_a_list_does_not_stay_in_the_address(vera: Person) -> None:
    answer = vera.get(f"/transfers?why={CARD}")

    assert (answer.status_code, answer.url.endswith("/transfers?refused=card")) == (409, True)
    assert CARD not in answer.text


def test_nor_does_one_in_a_link_of_another_site(console: RunningConsole) -> None:
    """The page that asks for itself anew would keep the address, card and all, in the browser's history."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    with console.session("vera@test") as without_cookie:
        asked, plain = (
            without_cookie.get(f"{console.url}/transfers?why={why}", headers=link, timeout=30, allow_redirects=False)
            for why in (CARD, "x")
        )

    assert (asked.status_code, asked.headers.get("Location")) == (303, "/transfers?refused=card")
    assert (plain.status_code, plain.headers.get("Refresh")) == (200, "0")


# Lists.


def rows(page: str) -> list[str]:
    return re.findall(r'<tr><td><a href="/transfer/([0-9]+)"', page)


def test_a_list_goes_on_by_its_cursor_and_has_as_many_as_it_says(vera: Person) -> None:
    first = vera.get("/transfers?state=dead")
    (following,) = re.findall(r'rel="next"[^>]*href="([^"]+)"', first.text)
    second = vera.get(following.replace("&amp;", "&"))

    assert '<b class="count">60</b> transfers: 60 with' in first.text
    assert "looked at 50 of 60" in first.text
    keys = rows(first.text) + rows(second.text)
    assert (len(keys), len(set(keys))) == (60, 60)
    assert 'rel="next"' not in second.text


def test_without_a_state_each_page_goes_on_with_the_newest(vera: Person) -> None:
    first = vera.get("/transfers")
    (following,) = re.findall(r'rel="next"[^>]*href="([^"]+)"', first.text)
    second = vera.get(following.replace("&amp;", "&"))

    keys = rows(first.text) + rows(second.text)
    assert len(keys) == len(set(keys)) == 66


def test_each_sum_by_reason_leads_to_exactly_as_many(vera: Person) -> None:
    page = vera.get("/transfers?state=dead").text
    links = dict(re.findall(r'<a href="(/transfers\?state=dead&amp;counted=[^"]+)">([0-9]+)</a>', page))

    assert sorted(map(int, links.values())) == [5, 55]
    for link, count in links.items():
        listed = vera.get(link.replace("&amp;", "&")).text
        assert f'<b class="count">{count}</b> transfers' in listed
        assert len(rows(listed)) == min(int(count), page_of_lists.ROWS)


def test_a_look_at_records_says_how_many_it_looked_at(vera: Person) -> None:
    assert "1 on this page. 66 of 66 were looked at for it" in said(vera.get("/transfers?amount=77000"))
    asked = said(vera.get("/transfers?state=dead&verb=fail_queued&operator=olga"))
    assert "0 on this page. 60 of 60 were looked at for it" in asked


@pytest.mark.parametrize("query", ["state=gone", "verb=fly", "older=soon", "amount=x", "last_four=12", "cursor=1"])
def test_a_wrong_filter_is_a_sentence(vera: Person, query: str) -> None:
    answer = vera.get(f"/transfers?{query}")

    assert answer.status_code == 409
    assert 'role="alert"' in answer.text


# The pages of states.


def test_the_dead_are_grouped_by_root_cause_with_a_link_to_exactly_these(vera: Person) -> None:
    page = vera.get("/dead").text
    cells = dict(re.findall(r'counted=([a-z0-9_]+)">([0-9]+)</a>', page))

    assert cells == {"token_401": "55", "card_lost": "5"}
    words = said(vera.get("/dead"))
    assert re.search(r"token_401 55 825 000.00 KZT yes, once the cause is mended", words)
    assert re.search(r"\(card_lost\) 5 75 000.00 KZT no: its card is gone", words)
    assert "Dramatiq" in words


def test_the_parked_say_how_many_end_soon_and_the_list_has_as_many(vera: Person, ledger: Ledger) -> None:
    """Two of three have their clients' time end within five minutes."""
    records = ledger.in_state(State.PARKED)
    for at, record in enumerate(records):
        ledger.client.hset(
            f"transfers:{{t}}:r:main:{record.key[-6:]}", "parked_until", ledger.now_ms() + (at + 1) * 130_000
        )

    found: list[str] = []

    def shows_two() -> bool:
        """What is looked at for all pages is a second old at the most."""
        page = vera.get("/parked").text
        found[:] = re.findall(r'<a href="([^"]*ends=5min)"><b class="count">2</b></a> end within 5 min', page)
        return bool(found)

    until(shows_two)
    assert len(rows(vera.get(found[0].replace("&amp;", "&")).text)) == 2


def test_what_is_in_doubt_and_in_review_is_listed_with_what_the_bank_said_and_was_not_believed(
    vera: Person, ledger: Ledger
) -> None:
    review = into(ledger, State.NEEDS_REVIEW, "review-1")
    doubt = into(ledger, State.SENDING, "doubt-1")
    fields: RecordFields = {"reason": "timeout", "unbelieved_bank_id": "b-77", "unbelieved_message": "perhaps"}
    ledger.move(doubt, Verb.DOUBT, Change(due_in=HOUR_MS, fields=fields), actor="worker")

    words = said(vera.get("/doubt"))

    assert "In review: a person says how each ended 1 : 1 with 15 000.00 KZT" in words
    assert f"{review.key} review-1" in words
    assert f"{doubt.key} doubt-1" in words
    assert "Said by the bank, not believed: id b-77, message perhaps" in words
    assert vera.forms("ask") == [], "a viewer asks nothing"


# A transfer.


def test_the_inquiries_of_a_doubt_are_folded_and_none_is_lost(vera: Person, ledger: Ledger) -> None:
    record = into(ledger, State.IN_DOUBT, "folded-1")
    for at in range(7):
        change = Change(due_in=HOUR_MS, event={"bank_said": f"not_yet {at}"})
        ledger.move(fresh(ledger, record), Verb.INQUIRY_INCONCLUSIVE, change, actor="worker")

    page = vera.get(f"/transfer/{record.key}").text

    folded = re.search(r'<details id="inquiries-[^"]+"><summary>7 inquiries, from .*?</details>', page, re.DOTALL)
    assert folded is not None
    assert all(f"not_yet {at}" in folded[0] for at in range(7))
    assert "7 inquiries" not in page.replace(folded[0], "")


def test_a_page_shows_all_that_status_and_explain_show(vera: Person, made: dict[str, Record]) -> None:
    record = made["paid"]

    words = said(vera.get(f"/transfer/{record.key}"))

    for text in (
        "paid", "moved", "77 000.00 KZT", "order-77", "552204******4321", "main", BANK_ID, BANK_REFERENCE,
        "ANSWERED: the bank said so", "nothing: it has ended", "the bank told you that it gave the money back",
    ):  # fmt: skip
        assert text in words


def test_what_the_bank_notified_and_3_d_secure_2_stand_on_the_page(vera: Person, ledger: Ledger) -> None:
    record = into(ledger, State.PARKED, "notified-1")
    fields: RecordFields = {"notification": f"{record.epoch}:0", "three_ds2_fields": "cres:120"}
    ledger.move(record, Verb.REQUEST, Change(due_in=HOUR_MS, fields=fields), actor="web")

    words = said(vera.get(f"/transfer/{record.key}"))

    assert "The bank notified that it paid" in words
    assert "its client brought no PaRes, but cres:120" in words


def test_a_contradiction_stands_on_top(vera: Person, ledger: Ledger) -> None:
    record = into(ledger, State.DECLINED, "against-1")
    ledger.client.hset("transfers:{t}:contradicted", record.key, "paid CHARGE")
    try:
        assert "The bank says paid CHARGE, and the record says declined" in said(vera.get(f"/transfer/{record.key}"))
    finally:
        ledger.client.hdel("transfers:{t}:contradicted", record.key)


def test_by_a_reference_its_address_leads_to_the_key(vera: Person, made: dict[str, Record]) -> None:
    assert vera.get("/transfer/order-77").url.endswith(f"/transfer/{made['paid'].key}")
