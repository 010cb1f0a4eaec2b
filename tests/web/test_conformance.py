"""One suite for the real `Transfers`, the fake one, and `AsyncTransfers` on either of them.

So what is tested against the fake holds for the real one, and what a call means in asyncio is what it means without.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from epay_transfers.producers import (
    Ambiguous,
    AsyncTransfers,
    Cancel,
    Conflict,
    IntentRejected,
    LedgerUnavailable,
    Money,
    NotFound,
    Notified,
    Page,
    QueueFull,
    Receipt,
    Receiver,
    SavedCard,
    State,
    SuffixTaken,
    TerminalPaused,
    TransferIntent,
    Transfers,
    TransfersError,
    Verdict,
)
from epay_transfers.producers.testing import FakeTransfers
from tests.support.in_a_loop import in_a_loop
from tests.web.conftest import PA_RES, intent
from tests.web.real import RealTransfers

Build = Callable[..., FakeTransfers]


@pytest.fixture(params=["real", "fake", "async real", "async fake"])
def build(request: pytest.FixtureRequest) -> Iterator[Build]:
    one: Build = partial(FakeTransfers, terminals={"kiosk": "kiosk"})
    if "real" in request.param:
        one = partial(RealTransfers, *(request.getfixturevalue(name) for name in ("ledger", "vault", "queue", "clock")))
    with ExitStack() as stack:
        yield (lambda **bent: stack.enter_context(in_a_loop(one(**bent)))) if "async" in request.param else one


@pytest.fixture
def transfers(build: Build) -> FakeTransfers:
    return build()


def surface(of: type) -> dict[str, inspect.Signature]:
    methods = inspect.getmembers(of, inspect.isroutine)
    return {name: inspect.signature(method) for name, method in methods if not name.startswith("_")}


def test_the_fake_has_the_same_surface() -> None:
    fake = surface(FakeTransfers)
    assert {name: fake.get(name) for name in surface(Transfers)} == surface(Transfers)


def test_the_async_one_has_the_same_surface_each_call_a_coroutine_of_the_same_answer() -> None:
    """But for `outcomes`, which is iterated, handler and `stop` of `run_outcomes`, and `from_env`, which waits not."""
    one, other = surface(Transfers), surface(AsyncTransfers)
    told = other.pop("from_env"), one.pop("from_env"), other.pop("outcomes"), one.pop("outcomes")
    threads = told[0].parameters["threads"]
    asynchronous, synchronous = other.pop("run_outcomes"), one.pop("run_outcomes")
    differ = [name for name, its in asynchronous.parameters.items() if its != synchronous.parameters[name]]
    assert differ == ["handler", "stop"]
    assert asynchronous.parameters.keys() == synchronous.parameters.keys()

    assert other == one
    assert [
        name for name in one if not inspect.iscoroutinefunction(inspect.unwrap(getattr(AsyncTransfers, name)))
    ] == []
    assert [*told[1].parameters.values(), threads] == list(told[0].parameters.values())
    assert told[2].parameters == told[3].parameters


def test_an_intent_gets_a_receipt_and_the_same_one_again(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    again = transfers.enqueue(intent())

    assert (receipt.state, receipt.replayed, again.replayed) == (State.QUEUED, False, True)
    assert (again.key, again.handle) == (receipt.key, receipt.handle)
    assert len(receipt.handle) == 22
    assert transfers.get(receipt.key) == transfers.get(reference="order-1") == transfers.find("order-1")
    assert transfers.get(receipt.key).sender_card == "440563******5096"


def waiting(transfers: FakeTransfers, reference: str = "payout-1", **bent: Any) -> TransferIntent:
    """One that may wait in a backend's own database, for three days."""
    deadline = datetime.fromtimestamp(transfers._time.now_ms() // 1000, UTC) + timedelta(days=3)
    cards = {"sender": SavedCard(card_id="88481433-595e-4c01"), "receiver": Receiver(card_id="86496cb0-bb5d-4791")}
    return intent(reference, **{"deadline": deadline} | cards | bent)


def test_a_text_that_waited_is_the_transfer_of_its_intent(transfers: FakeTransfers) -> None:
    """However often it comes, and beside the intent itself; and another one under its reference is a conflict."""
    text = waiting(transfers).to_json()
    receipt = transfers.enqueue_json(text)
    again = [transfers.enqueue_json(text), transfers.enqueue(TransferIntent.from_json(text))]

    assert (receipt.state, receipt.replayed) == (State.QUEUED, False)
    assert [(one.key, one.replayed) for one in again] == [(receipt.key, True)] * 2
    with pytest.raises(Conflict) as conflict:
        transfers.enqueue_json(waiting(transfers, amount=1).to_json())
    assert conflict.value.fields == ("amount",)


def test_a_text_that_waited_too_long_is_refused_unless_its_reference_is_known(build: Build) -> None:
    """A sender that dies after `enqueue`, and comes back a week later, learns what became of it."""
    transfers = build()
    told, untold = waiting(transfers, "told").to_json(), waiting(transfers, "untold").to_json()
    receipt = transfers.enqueue_json(told)

    transfers._time.advance(4 * 86_400)

    assert transfers.enqueue_json(told).key == receipt.key
    with pytest.raises(IntentRejected, match="deadline: has passed already"):
        transfers.enqueue_json(untold)


def test_what_is_no_intents_text_stores_nothing(transfers: FakeTransfers) -> None:
    for text in ("", "{}", waiting(transfers).to_json().replace(":1,", ":2,", 1)):
        with pytest.raises(IntentRejected):
            transfers.enqueue_json(text)

    with pytest.raises(NotFound):
        transfers.get(reference="payout-1")


@pytest.mark.parametrize(
    ("bent", "fields"),
    [
        ({"amount": "1"}, ("amount",)),
        ({"description": "another", "urgency": "batch"}, ("description", "urgency")),
        ({"back_link": "https://shop.example/"}, ("back_link",)),
        ({"invoice_id": "123456"}, ("invoice_id",)),
        ({"metadata": {"user": "1001"}}, ("metadata",)),
        ({"amount": "1", "metadata": {"user": "1001"}}, ("amount", "metadata")),
    ],
)
def test_another_intent_under_the_same_reference_is_a_conflict_that_names_the_fields(
    transfers: FakeTransfers, bent: dict[str, Any], fields: tuple[str, ...]
) -> None:
    transfers.enqueue(intent())

    with pytest.raises(Conflict) as conflict:
        transfers.enqueue(intent(**bent))
    assert conflict.value.fields == fields


USER = {"user": "1001", "shop.order": "Заказ 7"}


def test_metadata_come_back_with_the_transfer_however_it_came_and_however_it_is_asked_for(
    transfers: FakeTransfers,
) -> None:
    first = transfers.enqueue(intent("a", metadata=USER))
    many = transfers.enqueue_many([intent("b", metadata=USER), intent("c", metadata={"user": ""}), intent("d")])
    text = transfers.enqueue_json(waiting(transfers, "e", metadata=USER).to_json())
    wanted = {"a": USER, "b": USER, "c": {"user": ""}, "d": {}, "e": USER}

    assert len({first.key, text.key, *(each.key for each in many if isinstance(each, Receipt))}) == 5
    assert {each.reference: each.metadata for each in transfers.list().items} == wanted
    for name, given in wanted.items():
        found = transfers.get(reference=name)
        assert found.metadata == transfers.find(name).metadata == given
        assert transfers.get(found.key).metadata == transfers.wait(found.key, timeout=0.01).metadata == given
        assert found.to_json()["metadata"] == given
        assert {found} == {transfers.get(found.key)}, "a transfer can be an element of a set"


@pytest.mark.parametrize("verb", ["park", "doubt", "decline", "fail", "expire", "pay"])
def test_metadata_stay_with_the_transfer_whatever_becomes_of_it(transfers: FakeTransfers, verb: str) -> None:
    receipt = transfers.enqueue(intent(metadata=USER))
    getattr(transfers, verb)(receipt.key)

    assert transfers.get(receipt.key).metadata == USER
    assert transfers.enqueue(intent(metadata=dict(reversed(USER.items())))).replayed, "in whatever order they come"


@pytest.mark.parametrize("others", [{"user": "1002", "shop.order": "Заказ 7"}, {"user": "1001"}, {}])
@pytest.mark.parametrize("verb", ["", "decline", "pay"])
def test_a_replay_with_other_metadata_is_a_conflict_that_pays_nothing_and_changes_nothing(
    transfers: FakeTransfers, others: dict[str, str], verb: str
) -> None:
    """It says that it is the same payment: a person who took a new reference would pay it twice."""
    receipt = transfers.enqueue(intent(metadata=USER))
    if verb:
        getattr(transfers, verb)(receipt.key)
    before = transfers.get(receipt.key)

    with pytest.raises(Conflict, match=r"it is the same payment, .* no new reference") as conflict:
        transfers.enqueue(intent(metadata=others))

    assert (conflict.value.fields, conflict.value.all_differ) == (("metadata",), False)
    assert "100" not in str(conflict.value)
    assert transfers.get(receipt.key) == before
    assert len(transfers.list().items) == 1
    assert transfers.enqueue(intent(metadata=USER)).key == receipt.key


@pytest.mark.parametrize("text", ["4405639704015096", "card 4405 6397 0401 5096"])
def test_a_card_number_in_metadata_is_enqueued_nowhere(transfers: FakeTransfers, text: str) -> None:
    """Neither made here nor brought in the text of an intent that waited."""
    waited = json.loads(waiting(transfers).to_json()) | {"metadata": {"user": text}}

    with pytest.raises(IntentRejected, match=r"metadata\.user: looks like a card number"):
        transfers.enqueue(intent(metadata={"user": text}))
    with pytest.raises(IntentRejected, match=r"metadata\.user: looks like a card number"):
        transfers.enqueue_json(json.dumps(waited))
    assert transfers.list().items == ()


def test_the_last_six_digits_are_taken_once_in_a_space(transfers: FakeTransfers) -> None:
    assert transfers.enqueue(intent("a", invoice_id="111000001")).key == "111000001"
    with pytest.raises(SuffixTaken):
        transfers.enqueue(intent("b", invoice_id="222000001"))
    with pytest.raises(Conflict):
        transfers.enqueue(intent("c", invoice_id="111000001"))

    assert transfers.enqueue(intent("d", invoice_id="222000001", terminal="kiosk")).key == "kiosk:222000001"


def names(page: Page) -> list[str]:
    return [transfer.reference for transfer in page.items]


def all_pages(transfers: FakeTransfers, *states: State, **options: Any) -> list[str]:
    """The references of all pages of a list; it ends."""
    found: list[str] = []
    cursor = None
    for _ in range(50):
        page = transfers.list(*states, cursor=cursor, **options)
        assert len(page.items) <= options.get("limit", 100)
        found += names(page)
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the list has no end")


def listed(transfers: FakeTransfers) -> None:
    """Seven transfers in four states and two terminals, a second apart."""
    for name in "abcdefg":
        transfers.enqueue(intent(name, terminal="kiosk" if name in "bdf" else "main"))
        transfers.advance(1)
    transfers.pay("c")
    transfers.advance(1)
    transfers.decline("f")
    transfers.advance(1)
    transfers.park("a")


def test_a_list_is_of_states_and_of_a_terminal_those_longest_in_their_state_first(transfers: FakeTransfers) -> None:
    listed(transfers)

    assert names(transfers.list()) == ["b", "d", "e", "g", "c", "f", "a"]
    assert names(transfers.list(State.QUEUED)) == ["b", "d", "e", "g"]
    assert names(transfers.list(State.PARKED, State.PAID)) == ["c", "a"]
    assert names(transfers.list(terminal="kiosk")) == ["b", "d", "f"]
    assert names(transfers.list(State.QUEUED, terminal="main", newest=True)) == ["g", "e"]
    assert names(transfers.list(State.DEAD)) == []
    assert transfers.list(State.DEAD).cursor is None
    (paid,) = transfers.list(State.PAID).items
    assert paid == transfers.get(reference="c")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("newest", [False, True])
def test_the_pages_of_a_list_are_the_list(transfers: FakeTransfers, limit: int, newest: bool) -> None:  # noqa: FBT001 - a parameter
    listed(transfers)
    whole = ["b", "d", "e", "g", "c", "f", "a"]

    assert all_pages(transfers, limit=limit, newest=newest) == (whole[::-1] if newest else whole)
    few = [name for name in whole if name in "bdf"]
    assert all_pages(transfers, limit=limit, newest=newest, terminal="kiosk") == (few[::-1] if newest else few)
    assert transfers.list(limit=7).cursor is None, "a page that has them all is the last"


def test_a_list_takes_no_wrong_call(transfers: FakeTransfers) -> None:
    for wrong in ({"limit": 0}, {"limit": 1001}, {"limit": True}, {"limit": "10"}):
        with pytest.raises(TypeError, match="limit: give a number from 1 to 1000"):
            transfers.list(**wrong)
    with pytest.raises(TypeError, match="list takes states"):
        transfers.list("pending")  # type: ignore[arg-type]  # what a caller may not write
    for cursor in ("", "x", "1.x", "4405639704015096"):
        with pytest.raises(TransfersError, match="cursor: can't be read"):
            transfers.list(cursor=cursor)
    with pytest.raises(IntentRejected, match="terminal: ") as rejected:
        transfers.list(terminal="no-such")
    assert "no-such" not in str(rejected.value)


def test_a_list_is_no_answer_while_the_ledger_is_away() -> None:
    fake = FakeTransfers()
    fake.enqueue(intent())
    fake.set_away(ledger=True)

    with pytest.raises(LedgerUnavailable):
        fake.list()


def test_of_a_batch_each_has_its_own_answer(transfers: FakeTransfers) -> None:
    first, again, wrong, last = transfers.enqueue_many(
        [intent("a"), intent("a"), intent("b", terminal="nobody"), intent("c")]
    )

    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (again.key, again.replayed) == (first.key, True)
    assert isinstance(wrong, IntentRejected)
    assert isinstance(last, Receipt)


def test_a_stopped_terminal_and_a_full_queue_say_so(build: Build) -> None:
    transfers = build(queue_limit=1)
    transfers.enqueue(intent("a"))
    with pytest.raises(QueueFull):
        transfers.enqueue(intent("b"))

    transfers.pause_terminal("main", until=datetime(2036, 1, 1, tzinfo=UTC))
    with pytest.raises(TerminalPaused) as stopped:
        transfers.enqueue(intent("c"))
    assert stopped.value.until == datetime(2036, 1, 1, tzinfo=UTC)


def test_a_pause_without_an_end_accepts_transfers_since_it_may_end_before_their_deadline(build: Build) -> None:
    transfers = build()

    transfers.pause_terminal("main")

    assert transfers.enqueue(intent("a")).state is State.QUEUED


def test_what_is_not_there_is_not_found(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent("123456", invoice_id="654321"))
    transfers.enqueue(intent("other", invoice_id="123456"))
    calls: list[Callable[[], object]] = [
        lambda: transfers.get("999999"),
        lambda: transfers.get("999654321"),
        lambda: transfers.get(reference="nobody"),
        lambda: transfers.find("nobody"),
        lambda: transfers.challenge(receipt.key),
        lambda: transfers.visit("A" * 22),
        lambda: transfers.three_ds2_returned("A" * 22, {"cres": 1}),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Ambiguous):
        transfers.find("123456")


@pytest.mark.parametrize(
    ("verb", "state", "money"),
    [
        ("pay", State.PAID, Money.MOVED),
        ("decline", State.DECLINED, Money.NONE),
        ("doubt", State.IN_DOUBT, Money.UNKNOWN),
        ("send_to_review", State.NEEDS_REVIEW, Money.UNKNOWN),
        ("fail", State.DEAD, Money.NONE),
        ("expire", State.EXPIRED, Money.NONE),
    ],
)
def test_each_thing_that_can_happen(transfers: FakeTransfers, verb: str, state: State, money: Money) -> None:
    receipt = transfers.enqueue(intent())

    getattr(transfers, verb)("order-1")

    transfer = transfers.get(receipt.key)
    assert (transfer.state, transfer.money, transfer.final) == (state, money, state.final)
    assert transfers.wait(receipt.key, timeout=0.01).state is state
    assert transfers.enqueue(intent()).state is state


def test_what_can_not_happen_is_the_tests_mistake(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    transfers.pay(receipt.key)
    transfers.reverse(receipt.key)

    for verb in (transfers.pay, transfers.park, transfers.send_to_review, transfers.fail):
        with pytest.raises(AssertionError, match="can't happen to a transfer that is reversed"):
            verb(receipt.key)


def test_waiting_ends_when_the_time_is_over(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())

    assert transfers.wait(receipt.key, timeout=30).state is State.QUEUED


def test_a_challenge_is_there_until_it_is_answered(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    assert transfers.challenge(receipt.handle) is None

    challenge = transfers.park(receipt.key)

    assert transfers.challenge(receipt.handle) == transfers.visit(receipt.handle).challenge == challenge
    assert transfers.confirm(md="unheard of", pa_res=PA_RES) is Verdict.UNKNOWN
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES, handle="A" * 22) is Verdict.UNKNOWN
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES, handle=receipt.handle) is Verdict.ACCEPTED
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.DUPLICATE
    assert transfers.confirm(md=challenge.md, pa_res="b3RoZXI=") is Verdict.CONFLICTING
    assert transfers.challenge(receipt.handle) is None
    assert transfers.pay(receipt.key).final
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.DUPLICATE


def test_a_challenge_that_is_over_takes_no_answer(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    challenge = transfers.park(receipt.key)

    transfers.advance(901)

    assert transfers.visit(receipt.handle).challenge is None
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.TOO_LATE


@pytest.mark.parametrize(
    ("verb", "answer", "state"),
    [
        ("", Cancel.CANCELLED, State.CANCELLED),
        ("fail", Cancel.CANCELLED, State.CANCELLED),
        ("park", Cancel.ASKED, State.PARKED),
        ("doubt", Cancel.TOO_LATE, State.IN_DOUBT),
        ("pay", Cancel.TOO_LATE, State.PAID),
    ],
)
def test_a_cancel_by_state(transfers: FakeTransfers, verb: str, answer: Cancel, state: State) -> None:
    receipt = transfers.enqueue(intent())
    if verb:
        getattr(transfers, verb)(receipt.key)

    assert transfers.cancel(receipt.key, reason="a mistake") is answer
    assert transfers.get(receipt.key).state is state
    with pytest.raises(IntentRejected):
        transfers.cancel(receipt.key, reason=" ")


def test_a_cancel_that_was_asked_for_is_granted_by_a_worker(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    challenge = transfers.park(receipt.key)
    transfers.cancel(receipt.key, reason="the client has left")
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.TOO_LATE

    assert transfers.grant_cancel(receipt.key).state is State.CANCELLED


def test_notifications_and_strange_answers_ask(transfers: FakeTransfers) -> None:
    receipt = transfers.enqueue(intent())
    assert transfers.notify({"invoiceId": receipt.invoice_id}) is Notified.NOT_NEEDED

    transfers.park(receipt.key)

    assert transfers.three_ds2_returned(receipt.handle, {"cres": 10}) is Notified.ASKED
    assert transfers.notify({"invoiceId": receipt.invoice_id}) is Notified.ASKED
    assert transfers.notify({"invoiceId": "999999"}) is Notified.UNKNOWN


def test_the_page_of_an_ended_transfer_knows_the_way_home(transfers: FakeTransfers) -> None:
    links = {"back_link": "https://shop.example/ok", "failure_back_link": "https://shop.example/no"}
    receipts = [transfers.enqueue(intent("with", **links)), transfers.enqueue(intent("without"))]
    for receipt in receipts:
        transfers.pay(receipt.key)

    pages = [transfers.visit(receipt.handle) for receipt in receipts]

    assert [page.transfer.state for page in pages] == [State.PAID, State.PAID]
    assert [(page.back_link, page.failure_back_link) for page in pages] == [tuple(links.values()), ("", "")]
    assert transfers.enqueue(intent("with", **links)).replayed
    with pytest.raises(Conflict) as conflict:
        transfers.enqueue(intent("with", **links | {"back_link": "https://shop.example/other"}))
    assert conflict.value.fields == ("back_link",)


def test_the_handle_ends_a_day_after_the_transfer(build: Build) -> None:
    """On the server the day is the server's own; there it is seen to be counted down."""
    transfers = build()
    receipt = transfers.enqueue(intent())
    transfers.pay(receipt.key)
    if milliseconds_left := getattr(transfers, "milliseconds_left", None):
        assert 86_390_000 < milliseconds_left(receipt.handle) <= 86_400_000
        return
    transfers.advance(86_401)

    with pytest.raises(NotFound):
        transfers.visit(receipt.handle)


def test_a_server_that_is_away_is_said_and_the_same_call_again_mends_it() -> None:
    transfers = FakeTransfers()
    for away in ({"ledger": True}, {"vault": True}):
        transfers.set_away(**away)
        with pytest.raises(TransfersError):
            transfers.enqueue(intent(next(iter(away))))
        transfers.set_away()
        assert transfers.enqueue(intent(next(iter(away)))).state is State.QUEUED


def test_a_fake_needs_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARD_TTL", "nonsense")

    with FakeTransfers.from_env() as transfers:
        assert transfers.enqueue(intent()).state is State.QUEUED


def test_an_archived_transfer_answers_a_replay_with_its_end_and_nothing_is_made(transfers: FakeTransfers) -> None:
    """A year later its producer repeats the reference: the same key and the end that it had."""
    first = transfers.enqueue(intent("order-1"))
    transfers.pay("order-1")

    archived = transfers.archive("order-1")
    again = transfers.enqueue(intent("order-1"))

    assert (again.key, again.state, again.replayed, again.handle) == (first.key, State.PAID, True, "")
    assert archived.archived_at is not None
    got = transfers.get(reference="order-1")
    assert (got.reference, got.state, got.final, got.receiver_card) == ("order-1", State.PAID, True, "")
    assert got.archived_at == archived.archived_at
    assert transfers.get(first.key).reference.startswith("sha256.")
    assert transfers.find("order-1").key == first.key
    assert [each.key for each in transfers.list(State.PAID).items] == [first.key]


def test_an_archived_reference_with_another_amount_is_a_conflict_and_its_invoice_id_is_never_free(
    transfers: FakeTransfers,
) -> None:
    first = transfers.enqueue(intent("order-1"))
    transfers.decline("order-1")
    transfers.archive("order-1")

    with pytest.raises(Conflict) as conflict:
        transfers.enqueue(intent("order-1", amount=151))
    assert conflict.value.fields == ("amount",)
    with pytest.raises(SuffixTaken):
        transfers.enqueue(intent("order-2", invoice_id=f"9{first.invoice_id[-6:]}"))
    assert transfers.enqueue(intent("order-1", description="Another text")).replayed


@pytest.mark.parametrize("others", [USER, {"user": "1002"}, {}])
def test_of_an_archived_transfer_no_metadata_are_left_to_show_or_to_compare(
    transfers: FakeTransfers, others: dict[str, str]
) -> None:
    """They may name a person. The payment is the same one, so its replay is answered and nothing is made."""
    first = transfers.enqueue(intent("order-1", metadata=USER))
    transfers.pay("order-1")

    assert transfers.archive("order-1").metadata == transfers.get(reference="order-1").metadata == {}
    again = transfers.enqueue(intent("order-1", metadata=others))

    assert (again.key, again.replayed) == (first.key, True)
    assert len(transfers.list().items) == 1


def test_what_has_not_ended_is_not_archived(transfers: FakeTransfers) -> None:
    transfers.enqueue(intent("order-1"))

    with pytest.raises(AssertionError):
        transfers.archive("order-1")
