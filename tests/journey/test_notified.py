"""The bank's notification where no status address is set: proved, it settles what is in doubt; else a person must."""

import pytest

from ledger.record import Record
from ledger.secret import Secret
from ledger.states import State, Verb
from ledger.webtier import Places, secret_hash
from tests.journey.conftest import Stage

SILENT = "[drop-after] Payout"


def noted(stage: Stage, key: str, note: str) -> Record:
    """What the web tier leaves of a notification, and the worker that is rung for."""
    record = stage.record(key)
    moved = stage.ledger.move(
        record, Verb.ASK, actor="web", due=stage.clock.now_ms(), fields={"asked": "inquire", "notified": note}
    )
    assert moved
    stage.journey.inquire(key)
    return stage.record(key)


@pytest.mark.parametrize(
    ("code", "state"), [("0", State.PAID), ("487", State.DECLINED), ("484", State.DECLINED), ("2872", State.DECLINED)]
)
@pytest.mark.parametrize("is_held", [False, True])
def test_a_proved_word_for_good_settles_a_doubt(stage: Stage, code: str, state: State, is_held: bool) -> None:  # noqa: FBT001 - a table's column
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)
    if is_held:
        stage.later(10)
    assert stage.state(key) is (State.HELD if is_held else State.IN_DOUBT)

    record = noted(stage, key, f"{stage.record(key).epoch}:{code}")

    assert (record.state, record.code, record.reason) == (state, code, "bank_notified")
    assert record.notified == record.asked == ""


@pytest.mark.parametrize("code", ["100", "454", "500", "424242"])
def test_a_code_that_is_not_final_leaves_it_to_a_person(stage: Stage, code: str) -> None:
    """Of the last one nobody has heard."""
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)

    assert noted(stage, key, f"{stage.record(key).epoch}:{code}").state is State.HELD


def test_a_word_about_an_earlier_epoch_is_not_heard(stage: Stage) -> None:
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)

    assert noted(stage, key, f"{stage.record(key).epoch - 1}:0").state is State.HELD


def test_where_the_bank_can_be_asked_it_is_asked_and_its_word_counts(stage: Stage) -> None:
    key = stage.new(SILENT)
    stage.journey.execute(key)
    assert stage.executions(key) == 1

    record = noted(stage, key, f"{stage.record(key).epoch}:487")

    assert (record.state, record.reason) == (State.PAID, "bank_status_AUTH")


@pytest.mark.parametrize(("code", "state"), [("0", State.PAID), ("487", State.DECLINED), ("100", State.PARKED)])
def test_a_proved_word_for_good_settles_a_parked_transfer_too(stage: Stage, code: str, state: State) -> None:
    stage.without_status()
    key = stage.new("[3ds] Order")
    stage.journey.execute(key)

    assert noted(stage, key, f"{stage.record(key).epoch}:{code}").state is state


@pytest.mark.parametrize(("code", "state"), [("0", State.PAID), ("468", State.IN_DOUBT)])
def test_a_decline_after_an_answer_by_3d_secure_2_may_be_of_a_password_before(
    stage: Stage, code: str, state: State
) -> None:
    stage.without_status()
    key = stage.new("[3ds] Order")
    stage.journey.execute(key)
    stage.ledger.move(stage.record(key), Verb.ASK, actor="web", due=0, fields={"otherwise": "cres:10"})
    stage.clock.advance(901)

    assert noted(stage, key, f"{stage.record(key).epoch}:{code}").state is state


def test_a_held_one_that_was_asked_about_in_vain_can_be_asked_about_again(stage: Stage) -> None:
    """Or a hint that comes before the proof would shut the door behind it."""
    stage.without_status()
    key = stage.new(SILENT)
    stage.journey.execute(key)
    stage.later(10)

    record = noted(stage, key, "")

    assert (record.state, record.asked) == (State.HELD, "")


def test_the_bank_is_told_where_the_web_tier_is_and_a_hash_that_proves_its_notification(stage: Stage) -> None:
    key_of_ours = Secret("k" * 40)
    gate = stage.rules.gate
    bent = type(gate)(**{name: getattr(gate, name) for name in gate.__slots__} | {
        "places": Places("https://shop.example/t", Secret("s" * 20)), "hash_key": key_of_ours
    })  # fmt: skip
    stage.with_rules(gate=bent)
    key = stage.new("Order")

    stage.journey.execute(key)

    order, handle = stage.sandbox.book.get(key), stage.record(key).handle
    assert order is not None
    assert order.post_link == f"https://shop.example/t/notify/{'s' * 20}"
    assert order.secret_hash == secret_hash(key_of_ours, key)
    assert stage.worker.gate.order(stage.record(key)).back_link == f"https://shop.example/t/result/{handle}"
    assert handle not in stage.record(key).order


def test_an_intents_own_links_are_kept() -> None:
    places = Places("https://shop.example/t")

    filled = places.fill({"back_link": "https://own.example/", "failure_back_link": "", "foreign": False}, "handle")

    assert filled == {
        "back_link": "https://own.example/",
        "failure_back_link": "https://shop.example/t/result/handle",
        "post_link": "",
        "foreign": False,
    }
