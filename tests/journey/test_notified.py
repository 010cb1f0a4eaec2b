"""The bank's notification where no status address is set: a proved payment settles what is in doubt.

Of everything else a person decides, and above all of a decline: the web tier reads each notification's proof, so one in
an attacker's hands can pass it on with another code.
"""

import json
from dataclasses import replace

import pytest

from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import NOT_MOVED, State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.inboxes import WEB, Inboxes, Kind
from epay_transfers.ledger.store.pauses import Lane
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ops.descriptions import happened
from epay_transfers.runtime.web_addresses import Places, secret_hash
from epay_transfers.worker.bank import StatusReport, StatusWord
from tests.support.stage import Stage

SILENT = "[drop-after] Payout"
HASH_KEY = Secret("k" * 40)

#: Final codes of the bank's, one of each class that says "declined".
DECLINES = ["484", "487", "455", "468", "2872"]


def proving(stage: Stage) -> None:
    """The worker proves notifications, and has no status address."""
    preflight = replace(stage.rules.preflight, hash_key=HASH_KEY)
    stage.with_rules(preflight=preflight, has_status=False)


def passed_on(stage: Stage, key: str, **said: str) -> None:
    """The web tier passes a notification on: with the proof that the bank gave, and with any word that it likes."""
    order = stage.sandbox.book.get(key)
    assert order is not None
    words = {"secret_hash": order.secret_hash, "amount": "15000", "currency": "KZT"} | said
    sealed = stage.sealer.seal(json.dumps(words).encode(), Purpose.NOTIFICATION, key)
    inboxes = Inboxes(stage.ledger.client, stage.ledger.test_clock)
    inboxes.put(WEB, Kind.NOTIFICATION, {"key": key, "sealed": sealed})
    assert stage.worker.inbox.run_once() == 1


def states_told(stage: Stage, key: str) -> list[str]:
    """Every state that an event, and so an outcome, has said of it."""
    return [event.fields["state"] for event in stage.events.newest(1000) if event.fields.get("key") == key]


@pytest.mark.parametrize("code", ["0", "ok"])
@pytest.mark.parametrize(("number", "state"), [("484", State.NEEDS_REVIEW), ("0", State.PAID), ("00", State.PAID)])
def test_a_payment_with_the_number_of_a_decline_says_nothing(
    stage: Stage, code: str, number: str, state: State
) -> None:
    proving(stage)
    key = stage.new(SILENT)
    stage.journey.execute(key)

    passed_on(stage, key, code=code, reasonCode=number)
    for _ in range(2):
        stage.later(90_000)

    assert stage.state(key) is state


@pytest.mark.parametrize("code", DECLINES)
@pytest.mark.parametrize("is_held", [False, True])
def test_a_payments_proof_with_another_code_never_ends_the_transfer_as_unpaid(
    stage: Stage,
    code: str,
    is_held: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A web tier in an attacker's hands drops the bank's "paid" and says the contrary: the payer would pay again."""
    proving(stage)
    key = stage.new(SILENT)
    stage.journey.execute(key)
    if is_held:
        stage.later(10)
    assert stage.executions(key) == 1

    passed_on(stage, key, code="error", reasonCode=code)
    for _ in range(3):
        stage.later(90_000)

    record = stage.record(key)
    assert (record.state, record.reason) == (State.NEEDS_REVIEW, "bank_notified_decline")
    assert record.notification == f"{record.epoch}:{code}"
    assert not NOT_MOVED & set(states_told(stage, key))


@pytest.mark.parametrize("description", ["[3ds] Order", "[3ds] [confirm-drop-after] Order"])
def test_nor_does_it_end_one_whose_client_is_at_3d_secure(stage: Stage, description: str) -> None:
    """Parked, or with the confirm's answer lost."""
    proving(stage)
    key = stage.new(description)
    stage.journey.execute(key)
    if "confirm" in description:
        stage.answer_challenge(key)
        stage.journey.confirm(key)
        assert stage.executions(key) == 1

    passed_on(stage, key, code="error", reasonCode="484")
    for _ in range(3):
        stage.later(90_000)

    record = stage.record(key)
    assert (record.state, record.reason, record.code) == (State.NEEDS_REVIEW, "bank_notified_decline", "")
    assert not NOT_MOVED & set(states_told(stage, key))


def test_nor_one_that_a_worker_is_sending(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forged word comes while the bank's answer is on its way, and is kept until the doubt."""
    proving(stage)
    key = stage.new(SILENT)
    real = stage.bank.transfer

    def answer(*args: object, **said: object) -> object:
        kept(stage, key, "484")
        return real(*args, **said)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(stage.bank, "transfer", answer)

    stage.journey.execute(key)
    stage.later(10)

    assert (stage.state(key), stage.executions(key)) == (State.NEEDS_REVIEW, 1)
    assert not NOT_MOVED & set(states_told(stage, key))


def test_a_forged_decline_takes_no_payment_away_and_a_payment_after_it_counts(stage: Stage) -> None:
    proving(stage)
    key = stage.new(SILENT)
    stage.journey.execute(key)
    passed_on(stage, key, code="error", reasonCode="484")
    stage.later(10)
    assert stage.state(key) is State.NEEDS_REVIEW

    passed_on(stage, key, code="ok")
    passed_on(stage, key, code="error", reasonCode="484")
    stage.later(10)

    record = stage.record(key)
    assert (record.state, record.code, record.reason) == (State.PAID, "0", "bank_notified")


@pytest.mark.parametrize(("has_status", "state"), [(False, State.PAID), (True, State.NEEDS_REVIEW)])
def test_what_a_declines_proof_can_still_do_is_a_false_payment_by_which_no_money_moves(
    stage: Stage,
    has_status: bool,  # noqa: FBT001 - a table's column
    state: State,
) -> None:
    """`docs/security.md` says so. Where the bank can be asked, a person sees that it says the contrary."""
    proving(stage)
    stage.with_rules(has_status=has_status)
    key = stage.new("[decline:484] [drop-after] Payout")
    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT

    passed_on(stage, key, code="ok")
    for _ in range(12):
        stage.later(3700)

    assert (stage.state(key), stage.executions(key)) == (state, 0)


def test_the_event_tells_the_notified_code_once_and_an_operators_answer_ends_it(stage: Stage) -> None:
    """The record's own code stays empty: the operator may find that the bank paid."""
    proving(stage)
    key = stage.new(SILENT)
    stage.journey.execute(key)
    for _ in range(3):
        passed_on(stage, key, code="error", reasonCode="484")
        stage.later(10)

    told = [happened(event) for event in stage.events.newest(1000)]
    assert [sentence for sentence in told if "484" in sentence] == [
        "the bank's words do not settle it: an operator must (bank_notified_decline; code 484)"
    ]
    assert stage.record(key).code == stage.record(key).requested_action == ""
    moved = stage.ledger.move(
        stage.record(key), Verb.OPERATOR_PAID, Change(fields={"reason": "settled_by_operator"}), actor="operator aigul"
    )
    assert isinstance(moved, Moved)
    assert (stage.state(key), stage.record(key).notification) == (State.PAID, "")


def noted(stage: Stage, key: str, note: str) -> Record:
    """What the web tier leaves of a notification, and the worker that is rung for."""
    record = stage.record(key)
    moved = stage.ledger.move(
        record,
        Verb.REQUEST,
        Change(due_at=stage.clock.now_ms(), fields={"requested_action": "inquire", "notification": note}),
        actor="web",
    )
    assert isinstance(moved, Moved)
    stage.journey.inquire(key)
    return stage.record(key)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_proved_payment_settles_a_doubt(stage: Stage, is_held: bool) -> None:  # noqa: FBT001 - a table's column
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)
    if is_held:
        stage.later(10)
    assert stage.state(key) is (State.NEEDS_REVIEW if is_held else State.IN_DOUBT)

    record = noted(stage, key, f"{stage.record(key).epoch}:0")

    assert (record.state, record.code, record.reason) == (State.PAID, "0", "bank_notified")
    assert record.notification == record.requested_action == ""


@pytest.mark.parametrize("code", ["100", "454", "500", "424242"])
def test_a_code_that_is_not_final_leaves_it_to_a_person(stage: Stage, code: str) -> None:
    """Of the last one nobody has heard."""
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)

    record = noted(stage, key, f"{stage.record(key).epoch}:{code}")

    assert (record.state, record.reason) == (State.NEEDS_REVIEW, "no_status_address")


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [("484", State.NEEDS_REVIEW, "no_status_address"), ("0", State.PAID, "bank_notified")],
)
def test_of_an_earlier_epoch_a_payment_is_heard_and_a_decline_is_not(
    stage: Stage, code: str, state: State, reason: str
) -> None:
    """The bank's hash proves the invoice: what it paid is paid, whatever the try. A decline is of one try alone."""
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)

    record = noted(stage, key, f"{stage.record(key).epoch - 1}:{code}")

    assert (record.state, record.reason) == (state, reason)


def kept(stage: Stage, key: str, code: str = "0") -> None:
    """What the web tier leaves of a proved notification while a worker is at the transfer."""
    record = stage.record(key)
    change = Change(fields={"notification": f"{record.epoch}:{code}"})
    assert isinstance(stage.ledger.move(record, Verb.KEEP_NOTIFICATION, change, actor="web"), Moved)


def while_it_is_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch, call: str, key: str) -> None:
    """The notification comes while the bank's answer is on its way."""
    real = getattr(stage.bank, call)

    def answer(*args: object, **said: object) -> object:
        kept(stage, key)
        return real(*args, **said)

    monkeypatch.setattr(stage.bank, call, answer)


def test_a_payment_that_is_notified_while_it_is_sending_ends_it_as_paid(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is lost, and there is nobody to ask: without the note it would be held."""
    stage.without_status()
    key = stage.new(SILENT)
    while_it_is_asked(stage, monkeypatch, "transfer", key)

    stage.journey.execute(key)
    assert stage.state(key) is State.IN_DOUBT
    stage.later(10)

    assert (stage.state(key), stage.record(key).reason) == (State.PAID, "bank_notified")


def test_a_payment_that_is_notified_while_it_is_confirming_ends_it_as_paid(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.without_status()
    key = stage.new("[3ds] [confirm-drop-after] Order")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    while_it_is_asked(stage, monkeypatch, "confirm", key)

    stage.journey.confirm(key)
    stage.later(10)

    assert stage.state(key) is State.PAID


@pytest.mark.parametrize("has_status", [True, False])
def test_what_waits_to_be_sent_and_was_paid_is_not_sent(stage: Stage, has_status: bool) -> None:  # noqa: FBT001 - a table's column
    """The bank has proved that it paid it: to send it would pay it twice, whatever the vault says."""
    stage.with_rules(has_status=has_status)
    key = stage.new()
    kept(stage, key)

    stage.journey.execute(key)
    assert (stage.state(key), stage.record(key).reason) == (State.IN_DOUBT, "bank_notified_paid")
    stage.later(10)

    assert stage.state(key) is (State.IN_DOUBT if has_status else State.PAID)
    assert stage.executions(key) == 0


def test_what_is_past_its_deadline_and_was_paid_does_not_expire(stage: Stage) -> None:
    stage.without_status()
    key = stage.new()
    kept(stage, key)

    stage.later(1000)

    assert stage.state(key) is State.PAID


def test_a_resumed_one_that_was_paid_is_not_confirmed(stage: Stage) -> None:
    stage.without_status()
    key = stage.new("[3ds] Order")
    stage.journey.execute(key)
    stage.answer_challenge(key)
    kept(stage, key)

    stage.journey.confirm(key)
    stage.later(10)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 0)


def test_a_dead_one_that_was_paid_is_never_queued_again(stage: Stage) -> None:
    key = stage.new()
    stage.worker.recorder.fail(stage.record(key), "attempts_used_up", verb=Verb.FAIL_QUEUED)
    record = stage.record(key)
    said: RecordFields = {"requested_action": "requeue", "notification": f"{record.epoch}:0"}
    stage.ledger.move(record, Verb.REQUEST, Change(due_at=stage.clock.now_ms(), fields=said), actor="web")

    stage.journey.inquire(key)
    stage.later(10)

    assert (stage.state(key), stage.executions(key)) == (State.IN_DOUBT, 0)


def test_a_lease_that_ran_out_does_not_lead_back_to_the_queue_where_it_was_paid(stage: Stage) -> None:
    """Its card is untouched, which proves to us that nothing was sent; the bank has proved the opposite."""
    stage.without_status()
    key = stage.new()
    record = stage.record(key)
    assert isinstance(stage.worker.preflight.claim(record, Lane.SEND), Moved)
    kept(stage, key)

    stage.later(61)
    stage.later(10)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 0)


@pytest.mark.parametrize("word", [StatusWord.NOT_PAID, StatusWord.NOT_FOUND, StatusWord.CHALLENGE_OPEN])
@pytest.mark.parametrize("description", ["[drop-after] Payout", "[3ds] Order"])
def test_what_was_paid_by_a_proved_notification_never_ends_as_unpaid_by_an_inquiry(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, description: str, word: StatusWord
) -> None:
    """The bank says both: a person looks, and is told of it once."""
    key = stage.new(description)
    stage.journey.execute(key)
    kept(stage, key)
    monkeypatch.setattr(stage.bank, "status", lambda *_args, **_said: StatusReport(word, status_name="REJECT"))

    for _ in range(12):
        stage.later(3700)

    assert stage.state(key) is State.NEEDS_REVIEW
    told = [event.fields["verb"] for event in stage.events.newest(1000)]
    says_the_opposite = {StatusWord.NOT_PAID} | ({StatusWord.CHALLENGE_OPEN} if description != "[3ds] Order" else set())
    assert told.count("contradiction") == (word in says_the_opposite)


def test_a_notification_between_the_look_and_the_claim_keeps_it_from_being_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token takes its time."""
    stage.without_status()
    key = stage.new()
    while_it_is_asked(stage, monkeypatch, "token", key)

    stage.journey.execute(key)
    assert (stage.state(key), stage.executions(key)) == (State.QUEUED, 0)
    stage.later(10)

    assert (stage.state(key), stage.executions(key)) == (State.PAID, 0)


def test_a_workers_decline_of_what_was_notified_as_paid_is_an_alarm_and_settles_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called declined, its payer would pay it another way: so it is in doubt, whatever was said last."""
    key = stage.new("[decline:484] Order")
    while_it_is_asked(stage, monkeypatch, "transfer", key)

    stage.journey.execute(key)

    record = stage.record(key)
    assert (record.state, record.reason, record.code) == (State.IN_DOUBT, "bank_notified_otherwise", "484")
    told = stage.events.newest(1)[0].fields
    assert (told["verb"], told["key"], told["bank_said"], told["ledger"]) == (
        "contradiction", key, "decline", "notification_paid"
    )  # fmt: skip


def test_where_the_bank_can_be_asked_it_is_asked_and_its_word_counts(stage: Stage) -> None:
    key = stage.new(SILENT)
    stage.journey.execute(key)
    assert stage.executions(key) == 1

    record = noted(stage, key, f"{stage.record(key).epoch}:487")

    assert (record.state, record.reason) == (State.PAID, "bank_status_AUTH")


@pytest.mark.parametrize(("code", "state"), [("0", State.PAID), ("487", State.NEEDS_REVIEW), ("100", State.PARKED)])
def test_a_proved_payment_settles_a_parked_transfer_too_and_a_decline_is_a_persons(
    stage: Stage, code: str, state: State
) -> None:
    stage.without_status()
    key = stage.new("[3ds] Order")
    stage.journey.execute(key)

    noted(stage, key, f"{stage.record(key).epoch}:{code}")
    stage.settle_down()

    assert stage.state(key) is state


def test_a_decline_leaves_a_client_the_time_to_answer_who_brought_fields_of_3d_secure_2(stage: Stage) -> None:
    """It may be of a wrong password, and the client tries again at the bank: its PaRes may still come."""
    stage.without_status()
    key = stage.new("[3ds] Order")
    stage.journey.execute(key)
    fields = Change(due_at=0, fields={"three_ds2_fields": "cres:10"})
    assert isinstance(stage.ledger.move(stage.record(key), Verb.REQUEST, fields, actor="web"), Moved)

    assert noted(stage, key, f"{stage.record(key).epoch}:468").state is State.PARKED
    stage.later(901)

    assert (stage.state(key), stage.record(key).reason) == (State.NEEDS_REVIEW, "bank_notified_decline")


@pytest.mark.parametrize(("code", "state"), [("0", State.PAID), ("468", State.IN_DOUBT)])
def test_a_decline_after_an_answer_by_3d_secure_2_may_be_of_a_password_before(
    stage: Stage, code: str, state: State
) -> None:
    stage.without_status()
    key = stage.new("[3ds] Order")
    stage.journey.execute(key)
    stage.ledger.move(
        stage.record(key), Verb.REQUEST, Change(due_at=0, fields={"three_ds2_fields": "cres:10"}), actor="web"
    )
    stage.clock.advance(901)

    assert noted(stage, key, f"{stage.record(key).epoch}:{code}").state is state


def test_a_held_one_that_was_asked_about_in_vain_can_be_asked_about_again(stage: Stage) -> None:
    """Or a hint that comes before the proof would shut the door behind it."""
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)
    stage.later(10)

    record = noted(stage, key, "")

    assert (record.state, record.requested_action) == (State.NEEDS_REVIEW, "")


def test_the_bank_is_told_where_the_web_tier_is_and_a_hash_that_proves_its_notification(stage: Stage) -> None:
    key_of_ours = Secret("k" * 40)
    preflight = stage.rules.preflight
    bent = type(preflight)(**{name: getattr(preflight, name) for name in preflight.__slots__} | {
        "places": Places("https://shop.example/t", Secret("s" * 20)), "hash_key": key_of_ours
    })  # fmt: skip
    stage.with_rules(preflight=bent)
    key = stage.new("Order")

    stage.journey.execute(key)

    order, handle = stage.sandbox.book.get(key), stage.record(key).handle
    assert order is not None
    assert order.post_link == f"https://shop.example/t/notify/{'s' * 20}"
    assert order.secret_hash == secret_hash(key_of_ours, key)
    assert stage.worker.preflight.order(stage.record(key)).back_link == f"https://shop.example/t/result/{handle}"
    assert handle not in stage.record(key).order_details


def test_an_intents_own_links_are_kept() -> None:
    places = Places("https://shop.example/t")

    filled = places.fill(OrderDetails(back_link="https://own.example/", foreign=False), "handle")

    assert filled == OrderDetails(
        back_link="https://own.example/",
        failure_back_link="https://shop.example/t/result/handle",
        post_link="",
        foreign=False,
    )
