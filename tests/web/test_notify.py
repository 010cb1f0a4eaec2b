"""The bank's notification: a hint that makes a worker ask at once, answered fast, safe to replay."""

import json
from dataclasses import replace
from typing import Any

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.producers import Notified, Receipt, State
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Web
from epay_transfers.runtime.web_addresses import Places, secret_hash
from tests.web.conftest import BASE, FORM, SECRET, Visitor, WorkedTransfers, intent

KEY = Secret("k" * 40)


def notice(receipt: Receipt, **bent: Any) -> dict[str, Any]:
    fields = {
        "id": "a9e1b986",
        "invoiceId": receipt.invoice_id,
        "amount": 12000,
        "currency": "KZT",
        "code": "ok",
        "reason": "success",
        "reasonCode": 0,
        "secret_hash": secret_hash(KEY, receipt.invoice_id),
    }
    return fields | bent


@pytest.fixture
def proving(fake: WorkedTransfers) -> WorkedTransfers:
    """Its worker is the real one, as far as notifications go, and has the key that the hashes are made with."""
    fake.play_worker(KEY)
    return fake


def last(fake: FakeTransfers) -> dict[str, str]:
    return fake._scripts.events[-1].fields


@pytest.mark.parametrize("verb", ["doubt", "send_to_review", "park"])
def test_a_worker_is_asked_to_ask_the_bank(fake: FakeTransfers, visitor: Visitor, receipt: Receipt, verb: str) -> None:
    getattr(fake, verb)(receipt.key)
    before = fake.get(receipt.key)

    reply = visitor.post("notify", SECRET, json.dumps(notice(receipt)).encode(), "application/json")

    assert (reply.status, reply.body) == (200, b"ok\n")
    assert fake.get(receipt.key).state is before.state
    assert (last(fake)["verb"], last(fake)["requested_action"], last(fake)["by"]) == (
        "request",
        "inquire",
        "notification",
    )


def test_replays_ask_once_until_a_worker_has_asked(fake: FakeTransfers, receipt: Receipt) -> None:
    fake.doubt(receipt.key)
    assert fake.notify(notice(receipt)) is Notified.ASKED
    version = fake.get(receipt.key).version

    assert [fake.notify(notice(receipt)) for _ in range(5)] == [Notified.ASKED] * 5
    assert fake.get(receipt.key).version == version


@pytest.mark.parametrize("verb", ["pay", "decline", "fail", "_sent", ""])
def test_where_nothing_is_to_be_asked_nothing_happens_and_the_answer_is_the_same(
    fake: FakeTransfers, visitor: Visitor, receipt: Receipt, verb: str
) -> None:
    if verb:
        getattr(fake, verb)(receipt.key)
    version = fake.get(receipt.key).version

    reply = visitor.post("notify", SECRET, json.dumps(notice(receipt)).encode(), "application/json")

    assert (reply.status, reply.body) == (200, b"ok\n")
    assert fake.get(receipt.key).version == version


@pytest.mark.parametrize("verb", ["decline", "expire"])
def test_a_proved_payment_of_what_has_ended_unpaid_is_an_alarm(
    proving: WorkedTransfers, receipt: Receipt, verb: str
) -> None:
    """Nobody asks the bank about it any more: this is the only word that will ever contradict the ledger."""
    getattr(proving, verb)(receipt.key)
    ended = proving.get(receipt.key)

    assert proving.notify(notice(receipt)) is Notified.NOT_NEEDED

    told = last(proving)
    assert (told["verb"], told["bank_said"], told["ledger"]) == ("contradiction", "notification_paid", str(ended.state))
    assert proving.get(receipt.key).version == ended.version


@pytest.mark.parametrize("bent", [{"secret_hash": "x"}, {"amount": 1}, {"code": "error", "reasonCode": 484}])
def test_what_proves_no_payment_is_no_alarm(proving: WorkedTransfers, receipt: Receipt, bent: dict[str, Any]) -> None:
    proving.decline(receipt.key)

    assert proving.notify(notice(receipt, **bent)) is Notified.NOT_NEEDED

    assert last(proving)["verb"] == "decline"


def test_a_note_that_is_always_overtaken_is_said_again_and_never_dropped(
    proving: WorkedTransfers, visitor: Visitor, receipt: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bank is told to try again, and so is the client."""
    proving.doubt(receipt.key)
    move, refusals = proving._context.ledger.move, [3]

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        refusals[0] -= 1
        return Refused(State.IN_DOUBT) if refusals[0] >= 0 else move(*args, **kwargs)

    monkeypatch.setattr(proving._context.ledger, "move", overtaken)
    assert proving.notify(notice(receipt, code="error", reasonCode=484)) is Notified.ASKED
    assert proving._named(receipt.key).notification.endswith(":484")

    refusals[0] = 100
    said = json.dumps(notice(receipt)).encode()
    assert visitor.post("notify", SECRET, said, "application/json").status == 503


def test_a_cancel_that_somebody_asked_for_stays_asked(fake: FakeTransfers, receipt: Receipt) -> None:
    fake.park(receipt.key)
    fake.cancel(receipt.key, reason="the client has left")

    assert fake.notify(notice(receipt)) is Notified.ASKED
    assert fake._named(receipt.key).requested_action == "cancel"


@pytest.mark.parametrize("name", ["invoiceId", "invoiceID", "orderID"])
def test_the_invoice_id_may_have_any_of_the_banks_names(fake: FakeTransfers, receipt: Receipt, name: str) -> None:
    fake.doubt(receipt.key)

    assert fake.notify({name: receipt.invoice_id}) is Notified.ASKED


@pytest.mark.parametrize(
    "payload", [{}, {"invoiceId": "999999"}, {"invoiceId": None}, {"invoiceId": ["1"]}, {"invoiceId": True}]
)
def test_a_stranger_is_unknown_and_answered_alike(
    fake: FakeTransfers, visitor: Visitor, payload: dict[str, Any]
) -> None:
    assert fake.notify(payload) is Notified.UNKNOWN
    assert visitor.post("notify", SECRET, json.dumps(payload).encode(), "application/json").status == 200


def test_a_transfer_of_another_space_is_found_by_its_invoice_id() -> None:
    fake = WorkedTransfers(terminals={"kiosk": "kiosk"})
    receipt = fake.enqueue(intent(terminal="kiosk"))
    fake.doubt(receipt.key)

    assert fake.notify(notice(receipt)) is Notified.ASKED


def test_a_form_is_taken_as_well(fake: FakeTransfers, visitor: Visitor, receipt: Receipt) -> None:
    fake.doubt(receipt.key)

    assert visitor.post("notify", SECRET, f"invoiceId={receipt.invoice_id}&code=ok".encode(), FORM).status == 200
    assert last(fake)["requested_action"] == "inquire"


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 50_000, b'{"amount":' + b"9" * 5000 + b"}"])
def test_what_is_no_notification_is_400_or_unknown(visitor: Visitor, body: bytes) -> None:
    assert visitor.post("notify", SECRET, body, "application/json").status in {200, 400}


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", SECRET[:-1], "й" * 20])
def test_without_the_secret_there_is_no_such_address(fake: FakeTransfers, visitor: Visitor, secret: str) -> None:
    assert visitor.post("notify", secret, b"{}", "application/json").status == 404
    assert Visitor(Web(fake, Places(BASE))).post("notify", secret, b"{}", "application/json").status == 404


def test_while_the_ledger_is_away_the_bank_is_told_to_try_again(fake: FakeTransfers, visitor: Visitor) -> None:
    fake.set_away(ledger=True)

    assert visitor.post("notify", SECRET, b'{"invoiceId":"123456"}', "application/json").status == 503


# Proved to be the bank's: its word is noted for a worker that has nobody to ask.


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({}, "0"),
        ({"code": 0, "reasonCode": None}, "0"),
        ({"amount": "12000.00"}, "0"),
        ({"code": "error", "reasonCode": 487}, "487"),
        ({"code": "error", "reasonCode": "-31"}, "-31"),
        ({"code": 484}, "484"),
    ],
)
def test_what_is_proved_is_noted_under_the_epoch(
    proving: WorkedTransfers, receipt: Receipt, bent: dict[str, Any], code: str
) -> None:
    proving.doubt(receipt.key)

    proving.notify(notice(receipt, **bent))

    record = proving._named(receipt.key)
    assert record.notification == f"{record.epoch}:{code}"
    assert record.state is State.IN_DOUBT


@pytest.mark.parametrize(
    "bent",
    [
        {"secret_hash": ""},
        {"secret_hash": "0" * 64},
        {"secret_hash": "й"},
        {"secret_hash": "\ud800"},
        {"secret_hash": secret_hash(KEY, "123456")},
        {"amount": 11999},
        {"amount": "12000.001"},
        {"amount": "1e4"},
        {"amount": None},
        {"currency": "USD"},
        {"code": "ok", "reasonCode": 484},
        {"code": "error", "reasonCode": 0},
        {"code": "error", "reasonCode": None},
        {"code": "perhaps"},
        {"code": None},
    ],
)
def test_what_is_not_proved_or_does_not_agree_is_a_hint_and_no_more(
    proving: WorkedTransfers, receipt: Receipt, bent: dict[str, Any]
) -> None:
    proving.doubt(receipt.key)

    assert proving.notify(notice(receipt, **bent)) is Notified.ASKED
    assert proving._named(receipt.key).notification == ""


@pytest.mark.parametrize("name", ["secret_hash", "amount", "currency", "code", "invoiceId", "orderId"])
def test_half_a_character_in_a_notification_is_answered_like_any_other(
    proving: FakeTransfers, receipt: Receipt, name: str
) -> None:
    """JSON may hold half of a surrogate pair, which no encoder takes."""
    proving.doubt(receipt.key)
    body = json.dumps(notice(receipt, **{name: "\ud800"})).encode()

    assert Visitor(Web(proving, Places(BASE, Secret(SECRET)))).post("notify", SECRET, body).status == 200
    is_read = name != "orderId"  # which counts where there is no invoiceId
    assert (proving._named(receipt.key).notification == "") is is_read


def test_half_a_character_is_no_secret_of_the_address(visitor: Visitor) -> None:
    assert visitor.post("notify", "\ud800", b"{}").status == 404


def test_a_proof_is_of_one_transfer_and_not_of_its_namesake_in_another_space() -> None:
    """The same invoice id, amount and currency twice: the bank's word about one of them may not settle the other."""
    fake = WorkedTransfers(terminals={"kiosk": "kiosk"})
    fake.play_worker(KEY)
    here, there = fake.enqueue(intent()), fake.enqueue(intent(terminal="kiosk", reference="another"))
    fake.doubt(here.key)
    fake.doubt(there.key)

    for receipt, other in ((here, "kiosk:"), (there, "")):
        fake.notify(notice(receipt, secret_hash=secret_hash(KEY, f"{other}{receipt.invoice_id}")))
        assert fake._named(receipt.key).notification == ""

    for receipt in (here, there):
        fake.notify(notice(receipt, secret_hash=secret_hash(KEY, receipt.key)))
        assert fake._named(receipt.key).notification


def test_without_the_key_no_hash_proves_anything(fake: FakeTransfers, receipt: Receipt) -> None:
    fake.doubt(receipt.key)

    fake.notify(notice(receipt))

    assert fake._named(receipt.key).notification == ""


def test_a_proof_that_comes_after_a_hint_is_noted_all_the_same(proving: WorkedTransfers, receipt: Receipt) -> None:
    proving.doubt(receipt.key)
    proving.notify(notice(receipt, secret_hash=""))

    proving.notify(notice(receipt))

    assert proving._named(receipt.key).notification


def test_a_proof_leaves_a_cancel_asked(proving: WorkedTransfers, receipt: Receipt) -> None:
    proving.park(receipt.key)
    proving.cancel(receipt.key, reason="the client has left")

    proving.notify(notice(receipt))

    record = proving._named(receipt.key)
    assert (record.requested_action, record.notification) == ("cancel", f"{record.epoch}:0")


@pytest.mark.parametrize("verb", ["_sent", ""])
def test_a_proved_payment_of_what_is_under_way_is_kept_and_nothing_else_is_changed(
    proving: WorkedTransfers, receipt: Receipt, verb: str
) -> None:
    """Sending, or queued still: its worker is not disturbed, and the bank's word is not lost."""
    if verb:
        getattr(proving, verb)(receipt.key)
    before = proving._named(receipt.key)

    assert [proving.notify(notice(receipt)) for _ in range(3)] == [Notified.NOTED] * 3

    record = proving._named(receipt.key)
    assert record == replace(before, notification=f"{before.epoch}:0", version=before.version + 1)
    assert (last(proving)["verb"], last(proving)["by"]) == ("keep_notification", "notification")


@pytest.mark.parametrize(("verb", "kept"), [("_sent", "484"), ("", "")])
def test_a_proved_decline_is_kept_only_of_what_is_on_the_way(
    proving: WorkedTransfers, receipt: Receipt, verb: str, kept: str
) -> None:
    """Of what waits to be sent, a decline speaks of a try before, and would be heard of the next one."""
    if verb:
        getattr(proving, verb)(receipt.key)

    assert proving.notify(notice(receipt, code="error", reasonCode=484)) is Notified.NOTED

    assert proving._named(receipt.key).notification.partition(":")[2] == kept


@pytest.mark.parametrize("verb", ["_sent", "doubt"])
def test_a_decline_that_comes_after_a_proved_payment_does_not_take_it_away(
    proving: WorkedTransfers, receipt: Receipt, verb: str
) -> None:
    getattr(proving, verb)(receipt.key)
    proving.notify(notice(receipt))

    proving.notify(notice(receipt, code="error", reasonCode=484))

    assert proving._named(receipt.key).notification.endswith(":0")


def test_a_proved_payment_of_a_dead_transfer_is_an_alarm_and_a_worker_is_asked(
    proving: WorkedTransfers, receipt: Receipt
) -> None:
    """The ledger says that nothing was sent: one of the two is wrong, and it may not be queued again."""
    proving.fail(receipt.key)

    assert [proving.notify(notice(receipt)) for _ in range(3)] == [Notified.ASKED] * 3

    told = [event.fields["verb"] for event in proving._scripts.events]
    assert told.count("contradiction") == 1
    assert proving._named(receipt.key).is_paid_by_notification


@pytest.mark.parametrize("end", ["decline", "doubt"])
def test_a_proved_payment_that_loses_a_race_is_kept_or_is_an_alarm(
    proving: WorkedTransfers, receipt: Receipt, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The worker writes what it heard between our reading and our note."""
    proving._sent(receipt.key)
    move, is_first = proving._context.ledger.move, [True]

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        if is_first and is_first.pop():
            getattr(proving, end)(receipt.key)
        return move(*args, **kwargs)

    monkeypatch.setattr(proving._context.ledger, "move", overtaken)
    proving.notify(notice(receipt))

    told = [event.fields["verb"] for event in proving._scripts.events]
    assert proving._named(receipt.key).is_paid_by_notification == (end == "doubt")
    assert ("contradiction" in told) == (end == "decline")


@pytest.mark.parametrize("verb", ["cancel", "send_to_review", "pay"])
def test_what_happens_between_reading_and_asking_is_not_undone(
    proving: WorkedTransfers, receipt: Receipt, verb: str
) -> None:
    """The note of the epoch that was read stays right: an epoch that moves on is another one."""
    proving.park(receipt.key) if verb == "cancel" else proving.doubt(receipt.key)
    stale = proving._named(receipt.key)
    if verb == "cancel":
        proving.cancel(receipt.key, reason="the client has left")
    else:
        getattr(proving, verb)(receipt.key)

    proving.notifications.note(stale, "")

    assert (
        proving._named(receipt.key).requested_action
        == {"cancel": "cancel", "send_to_review": "inquire", "pay": ""}[verb]
    )
