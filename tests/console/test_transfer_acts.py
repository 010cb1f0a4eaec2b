"""What a person does with one transfer by a form: a real worker does it, once, for a role that may."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.acts.possible import Act
from epay_transfers.ops.console import links
from epay_transfers.ops.console.acts import new_request_id
from epay_transfers.ops.console.people import Role
from epay_transfers.ops.console.transfer_acts import ROLES
from tests.console.conftest import PEOPLE, RunningConsole, running_console
from tests.console.forms import Person, said
from tests.console.together import HOUR_MS, console, dead_with_its_card, fresh, into, ledger, platform
from tests.support.platform import Platform
from tests.support.waiting import until

__all__ = ["console", "ledger", "platform"]

WHY = {"reason": "the client called"}
PROOF = {"evidence": "letter 17 of the bank"} | WHY


@pytest.fixture(scope="module", autouse=True)
def _worker(platform: Platform) -> None:
    platform.start_worker()


@pytest.fixture
def olga(console: RunningConsole) -> Person:
    """An operator."""
    return Person(console, "olga@test")


@pytest.fixture
def anna(console: RunningConsole) -> Person:
    """An approver."""
    return Person(console, "anna@test")


def events_of(ledger: Ledger, record: Record) -> list[Event]:
    return Events(ledger.client).of(fresh(ledger, record)).events


def count(ledger: Ledger, record: Record, verb: Verb) -> int:
    return sum(event.fields["verb"] == verb for event in events_of(ledger, record))


def page_of(record: Record) -> str:
    return links.transfer(record.key)


# Each act, by a worker.


def test_the_bank_is_asked_and_its_word_stands_on_the_page_with_its_time(
    olga: Person, anna: Person, ledger: Ledger
) -> None:
    """Before that an approver has no form to settle by: first the bank's fresh word, then the form beside it."""
    record = into(ledger, State.NEEDS_REVIEW, "asked-1")
    anna.get(page_of(record))
    assert anna.forms("settle") == []
    assert "Ask the bank first" in anna.page

    answer = olga.does("ask", page_of(record))

    assert (answer.status_code, "the bank says: not_found" in said(answer)) == (200, True)
    anna.get(page_of(record))
    assert len(anna.forms("settle")) == 1
    assert "says: <b>not_found" in anna.page


def test_a_queued_one_is_cancelled(olga: Person, ledger: Ledger) -> None:
    record = into(ledger, State.QUEUED, "cancelled-1")

    answer = olga.does("cancel", page_of(record), **WHY)

    assert (answer.status_code, fresh(ledger, record).state) == (200, State.CANCELLED)
    (told,) = [event.fields for event in events_of(ledger, record) if event.fields["verb"] == Verb.CANCEL]
    assert (told["actor"], told["label"], told["why"]) == ("operator olga-test", "olga@test", "the client called")


def test_a_dead_one_is_queued_again_and_paid(
    olga: Person, ledger: Ledger, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its card lies where its producer put it; the bank, asked first, knows nothing of it."""
    key = dead_with_its_card(ledger, platform, monkeypatch, "dead-1")

    answer = olga.does("requeue", f"/transfer/{key}", **WHY)

    assert (answer.status_code, "queued again" in said(answer)) == (200, True)
    until(lambda: (found := ledger.get(key)) is not None and found.state is State.PAID)


def test_a_dead_one_is_discarded_and_one_without_its_card_has_no_form_to_requeue(olga: Person, ledger: Ledger) -> None:
    record = into(ledger, State.SENDING, "dead-2")
    ledger.move(record, Verb.FAIL_CLAIMED, Change(due_in=HOUR_MS, fields={"reason": "card_lost"}), actor="worker")
    olga.get(page_of(record))
    assert olga.forms("requeue") == []

    answer = olga.does("discard", page_of(record), **WHY)

    assert answer.status_code == 200
    assert fresh(ledger, record).state is State.CANCELLED


def test_a_review_is_settled_by_two_people_and_never_by_one_twice(
    anna: Person, console: RunningConsole, ledger: Ledger
) -> None:
    record = into(ledger, State.NEEDS_REVIEW, "settled-1")
    anna.does("ask", page_of(record))

    first = anna.does("settle", page_of(record), how="paid", **PROOF)
    again = anna.does("settle", page_of(record), how="paid", **PROOF)

    assert [answer.status_code for answer in (first, again)] == [202, 202]
    assert "A second operator" in said(again)
    assert fresh(ledger, record).state is State.NEEDS_REVIEW
    amir = Person(console, "amir@test")
    page = said(amir.get(page_of(record)))
    assert "by anna-test" in page
    assert "Reason: the client called. Evidence: letter 17 of the bank." in page
    assert 'value="not-paid"' not in amir.page, "the second person agrees, or leaves it"

    second = amir.does("settle", page_of(record), how="paid", evidence="statement, line 3", reason="it is there")

    assert second.status_code == 200
    assert fresh(ledger, record).state is State.PAID
    told = events_of(ledger, record)[-1].fields
    assert told["actor"] == "operators anna-test and amir-test"
    assert told["proof"] == "letter 17 of the bank / statement, line 3"


def test_a_decision_is_taken_back_by_its_own_person(anna: Person, console: RunningConsole, ledger: Ledger) -> None:
    record = into(ledger, State.NEEDS_REVIEW, "taken-back-1")
    anna.does("ask", page_of(record))
    anna.does("settle", page_of(record), how="not-paid", **PROOF)
    amir = Person(console, "amir@test")
    amir.get(page_of(record))
    assert amir.forms("take-back") == []

    assert anna.does("take-back", page_of(record), **WHY).status_code == 200
    assert fresh(ledger, record).decisions == ""


def test_an_end_is_corrected_by_two_people(anna: Person, console: RunningConsole, ledger: Ledger) -> None:
    record = into(ledger, State.DECLINED, "corrected-1")
    anna.does("ask", page_of(record))

    first = anna.does("correct", page_of(record), how="paid", **PROOF)

    assert (first.status_code, fresh(ledger, record).state) == (202, State.DECLINED)
    assert Person(console, "amir@test").does("correct", page_of(record), how="paid", **PROOF).status_code == 200
    assert fresh(ledger, record).state is State.PAID


# Two at once, a page of before, a form that is sent twice.


def test_of_two_operators_at_once_one_is_done_and_the_other_is_told(
    olga: Person, console: RunningConsole, ledger: Ledger
) -> None:
    record = into(ledger, State.SENDING, "both-1")
    ledger.move(record, Verb.FAIL_CLAIMED, Change(due_in=HOUR_MS, fields={"reason": "card_lost"}), actor="worker")
    omar = Person(console, "omar@test")
    forms = []
    for person in (olga, omar):
        person.get(page_of(record))
        forms.append((person, person.forms("discard")[0]))

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda each: each[0].send("discard", each[1], **WHY), forms))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (refused,) = [said(answer) for answer in answers if answer.status_code == 409]
    assert record.key in refused
    assert "nothing was done" in refused or "refused" in refused
    assert count(ledger, record, Verb.CANCEL) == 1


def test_of_two_approvers_at_once_one_decision_stands_and_the_other_is_told(
    anna: Person, console: RunningConsole, ledger: Ledger
) -> None:
    """They decide otherwise at the same moment: by the version that each saw, the later one has seen too little."""
    record = into(ledger, State.NEEDS_REVIEW, "both-2")
    anna.does("ask", page_of(record))
    amir = Person(console, "amir@test")
    forms = []
    for person, how in ((anna, "paid"), (amir, "not-paid")):
        person.get(page_of(record))
        forms.append((person, person.forms("settle")[0] | {"how": how}))

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda each: each[0].send("settle", each[1], **PROOF), forms))

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert fresh(ledger, record).state is State.NEEDS_REVIEW
    assert count(ledger, record, Verb.DECIDE) == 1


@pytest.mark.parametrize("act", [Act.CANCEL, Act.DISCARD, Act.SETTLE])
def test_a_page_of_before_does_nothing_and_says_so(anna: Person, ledger: Ledger, act: Act) -> None:
    """The transfer moves after the page is shown, and even comes back into the state that it shows."""
    state = {Act.CANCEL: State.QUEUED, Act.DISCARD: State.DEAD, Act.SETTLE: State.NEEDS_REVIEW}[act]
    record = into(ledger, state, f"stale-{act}")
    if act is Act.SETTLE:
        anna.does("ask", page_of(record))
    anna.get(page_of(record))
    (form,) = anna.forms(act)
    moves = {
        Act.CANCEL: (Verb.CLAIM, Verb.REQUEUE),
        Act.DISCARD: (Verb.REQUEUE_DEAD, Verb.FAIL_QUEUED),
        Act.SETTLE: (Verb.ANSWER,),
    }[act]
    for verb in moves:
        now = fresh(ledger, record)
        if verb is Verb.CLAIM:
            ledger.claim(now, lane="send", host="h", gap_ms=0, lease_ms=60_000, actor="worker")
        else:
            change = Change() if verb is Verb.ANSWER else Change(due_in=HOUR_MS)
            ledger.move(now, verb, change, actor="worker")
    before = fresh(ledger, record)
    assert before.state is state

    answer = anna.send(act, form, how="paid", **PROOF)

    assert answer.status_code == 409
    assert "since this page was shown, so nothing was done" in said(answer)
    assert fresh(ledger, record) == before


@pytest.mark.parametrize("act", [Act.ASK, Act.SETTLE])
def test_a_form_that_is_sent_twice_is_one_entry(anna: Person, ledger: Ledger, act: Act) -> None:
    """At the same moment, and once more after the answer: each says the same."""
    record = into(ledger, State.NEEDS_REVIEW, f"twice-{act}")
    asked = 0
    if act is Act.SETTLE:
        anna.does("ask", page_of(record))
        asked = 1
    anna.get(page_of(record))
    (form,) = anna.forms(act)
    typed = {"how": "paid"} | PROOF if act is Act.SETTLE else {}

    with ThreadPoolExecutor(2) as pool:
        at_once = list(pool.map(lambda _: anna.send(act, form, **typed), range(2)))
    later = anna.send(act, form, **typed)
    other = anna.send(act, form, **(typed | {"reason": "another"}))

    assert {answer.status_code for answer in (*at_once, later, other)} == {202 if act is Act.SETTLE else 200}
    assert "was one request" in said(later)
    assert "Its words were others then" in said(other)
    asked += act is Act.ASK
    assert count(ledger, record, Verb.ASK) == asked
    assert count(ledger, record, Verb.DECIDE) == (act is Act.SETTLE)


# Roles.


@pytest.fixture(scope="module")
def looked_at(ledger: Ledger) -> Record:
    return into(ledger, State.NEEDS_REVIEW, "roles-1")


@pytest.mark.parametrize("name", [*PEOPLE])
@pytest.mark.parametrize("act", sorted(Act))
def test_each_role_does_what_it_may_and_nothing_else(
    console: RunningConsole, ledger: Ledger, looked_at: Record, act: Act, name: str
) -> None:
    """By the token of a page of that person's, if there is a form on any; of a transfer that there is not."""
    person = Person(console, name)
    person.get(page_of(looked_at))
    role = next(role for role in Role if role.word == PEOPLE[name])
    token = [form["csrf"] for form in person.forms(Act.ASK)]
    assert bool(token) == (role is not Role.VIEWER)
    before = Events(ledger.client).state().counted
    form = {"csrf": "".join(token), "request": new_request_id(), "key": "111111111111", "how": "paid"} | PROOF

    answer = person.send(act, form)

    may = role >= ROLES[act]
    assert answer.status_code == (409 if may else 403)
    assert ("there is no transfer with this key" in said(answer)) == may
    assert (f"this needs {ROLES[act].word}" in said(answer)) == (not may and bool(token))
    assert Events(ledger.client).state().counted == before


def test_where_no_person_is_proved_nothing_can_be_sent(platform: Platform, tmp_path: Path, looked_at: Record) -> None:
    with (tmp_path / "console.log").open("wb") as log:
        settings = {"CONSOLE_IDENTITY": "none", "CONSOLE_PEOPLE": "", "CONSOLE_ORIGIN": ""}
        with running_console(platform, tmp_path, log, **settings) as alone:
            person = Person(alone, "")
            page = said(person.get(page_of(looked_at)))
            answer = person.send("ask", {"request": new_request_id(), "key": looked_at.key})

    assert "so it is read-only" in page
    assert [person.forms(act) for act in Act] == [[]] * len(Act)
    assert answer.status_code == 403


@pytest.mark.parametrize(("name", "forms"), [("vera@test", 0), ("olga@test", 1), ("anna@test", 1)])
def test_a_page_has_the_forms_of_a_role_and_says_why_it_has_no_others(
    console: RunningConsole, ledger: Ledger, name: str, forms: int
) -> None:
    record = into(ledger, State.DEAD, f"forms-{name.partition('@')[0]}")
    person = Person(console, name)

    page = said(person.get(page_of(record)))

    assert [len(person.forms(act)) for act in (Act.ASK, Act.REQUEUE, Act.DISCARD)] == [forms] * 3
    assert ("This needs the role operator; yours is viewer." in page) == (not forms)
    assert "Risk: small: the bank is asked first" in page
