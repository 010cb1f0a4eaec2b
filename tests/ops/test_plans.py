"""Plans for many: a file freezes which transfers are meant, and `transfers apply` does exactly that, once."""

import io
import json
from dataclasses import replace

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.plan import How, Item, Plan, What


def _item(number: int, amount: int = 1_500_000, currency: str = "KZT") -> Item:
    return Item(
        key=f"{100_000_000_000_000 + number}",
        reference=f"payout-{number}",
        state=State.DEAD,
        state_since=1_700_000_000_000 + number,
        version=number,
        amount=amount,
        currency=currency,
        verdict="not_found",
    )


def _plan(*items: Item) -> Plan:
    return Plan(what=What.REQUEUE, items=items, made_at=1_700_000_000_123, made_by="aigul", chosen_by="dead")


def _written(plan: Plan) -> str:
    file = io.StringIO()
    plans.write(plan, file)
    return file.getvalue()


def test_a_plan_is_read_as_it_was_written() -> None:
    """What is read from the file is the plan that was written, with its count and its sum for each currency."""
    plan = _plan(_item(1), _item(2, 50), _item(3, 7, "USD"))

    text = _written(plan)

    assert plans.read(text) == plan
    assert json.loads(text)["count"] == 3
    assert json.loads(text)["sums"] == {"KZT": "15000.50", "USD": "0.07"}
    assert sum('"key"' in line for line in text.splitlines()) == 3
    assert plans.read(_written(_plan())) == _plan()


def test_a_plan_to_settle_keeps_its_evidence() -> None:
    """How the transfers ended, and the evidence for it, are part of the plan and of its digest."""
    item = replace(_item(1), state=State.NEEDS_REVIEW)
    plan = replace(_plan(item), what=What.SETTLE, how=How.NOT_PAID, evidence="statement of 2026-11-28, page 4")

    assert plans.read(_written(plan)) == plan
    assert plan.digest != replace(plan, how=How.PAID).digest
    assert plan.digest != replace(plan, evidence="another").digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"amount": "15000.00"', '"amount": "1.00"'),
        ('"what": "requeue"', '"what": "discard"'),
        ('"version": 2', '"version": 3'),
        ('"verdict": "not_found"', '"verdict": "declined"'),
        ("aigul", "bolat"),
    ],
)
def test_an_edited_plan_is_refused(before: str, after: str) -> None:
    """A plan in which anything was changed by hand is refused with a sentence."""
    text = _written(_plan(_item(1), _item(2)))
    assert before in text

    with pytest.raises(Refusal, match="its digest is another"):
        plans.read(text.replace(before, after))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"digest": 1}', "[" * 100_000, '{"schema": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    """Any other file is refused with a sentence too, and none ends in a traceback."""
    with pytest.raises(Refusal):
        plans.read(text)


def test_a_well_digested_plan_with_a_wrong_state_is_refused() -> None:
    """Anyone can compute a digest, so the fields are checked as well: a paid transfer is in no plan."""
    with pytest.raises(Refusal, match="Make it anew"):
        plans.read(_written(_plan(replace(_item(1), state=State.PAID))))


def test_a_repeat_has_the_same_request_id_and_another_operator_has_another() -> None:
    """The id of an entry comes from the plan, the transfer and the operator: a repeat is harmless."""
    plan = _plan(_item(1), _item(2))

    ids = {plans.request_id(each, key, by) for each in (plan, plans.read(_written(plan))) for key, by in (("1", "a"),)}
    others = {plans.request_id(plan, "2", "a"), plans.request_id(plan, "1", "b")}

    assert len(ids) == 1
    assert len(ids | others) == 3
    assert all(len(each) == 24 for each in ids | others)
