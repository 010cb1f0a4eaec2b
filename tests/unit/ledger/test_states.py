"""The table of states against the one that the tests know: a change of either is seen here."""

import ast
import inspect
import itertools
import re

import pytest

from epay_transfers.ledger import states
from epay_transfers.ledger.state_tables import diagram
from epay_transfers.ledger.states import FINAL, MONEY, UNFINISHED, Advance, Money, Phase, State, Verb
from tests.support.state_table import (
    ADVANCE,
    AS_SEEN,
    ENTERS,
    FINAL_NAMES,
    KEEPS_DUE,
    LATE,
    PHASE,
    TABLE,
    UNFINISHED_NAMES,
    UNLESS_PAID,
    cells,
)


def test_every_verb_is_a_row_and_there_are_no_others() -> None:
    assert set(TABLE) == set(Verb)


@pytest.mark.parametrize("verb", Verb)
def test_each_row_is_the_one_of_the_design(verb: Verb) -> None:
    assert {str(start): str(end) for start, end in verb.row.moves.items()} == cells(TABLE[verb])


@pytest.mark.parametrize("verb", Verb)
def test_each_row_asks_and_changes_what_the_design_says(verb: Verb) -> None:
    row = verb.row

    assert row.late == (verb in LATE)
    assert row.as_seen == (verb in AS_SEEN)
    assert row.phase == PHASE.get(verb)
    assert row.enters == ENTERS.get(verb)
    assert row.advance == ADVANCE.get(verb, "keep")
    assert row.unless_paid == (verb in UNLESS_PAID)
    assert row.keeps_due == (verb in KEEPS_DUE)


def test_every_state_is_reached_and_every_unfinished_one_is_left() -> None:
    ends = {end for verb in Verb for start, end in verb.row.moves.items() if start is not end} | {State.QUEUED}
    starts = {start for verb in Verb for start, end in verb.row.moves.items() if start is not end}

    assert ends == set(State)
    assert starts >= UNFINISHED


def test_what_is_final_goes_nowhere_but_from_paid_to_reversed_and_by_a_correction() -> None:
    """Nothing else changes what has ended: what only notes something leaves it as it is."""
    out_of_final = {
        (verb, start, end)
        for verb in Verb
        for start, end in verb.row.moves.items()
        if start in FINAL and start is not end
    }

    others = {(start, end) for verb, start, end in out_of_final if not verb.startswith("correct_")}
    assert others == {(State.PAID, State.REVERSED)}
    assert all(end in FINAL for _, _, end in out_of_final)


def test_an_end_is_noted_at_without_a_time_in_due() -> None:
    """What has ended does not stand in `due`."""
    noting = [verb for verb in Verb if any(start is end and start in FINAL for start, end in verb.row.moves.items())]

    assert noting
    assert all(verb.row.keeps_due and not verb.row.ends for verb in noting)


@pytest.mark.parametrize("verb", Verb)
def test_a_row_ends_transfers_or_keeps_them_never_both(verb: Verb) -> None:
    """So a caller knows beforehand whether to say when to look again; a verb that keeps `due` says it of none."""
    if verb.row.keeps_due:
        assert all(start is end for start, end in verb.row.moves.items())
    else:
        assert len({end.final for end in verb.row.moves.values()}) <= 1


def test_money_is_asked_for_by_state() -> None:
    assert {str(state) for state in FINAL} == set(FINAL_NAMES)
    assert {str(state) for state in UNFINISHED} == set(UNFINISHED_NAMES)
    assert set(MONEY) == set(State)
    assert {str(state) for state in State if state.money is Money.MOVED} == {"paid"}
    assert all(isinstance(state.money, Money) for state in State)
    unknown = {state for state in State if state.money is Money.UNKNOWN}
    assert unknown == {"sending", "confirming", "in_doubt", "needs_review"}
    assert all(state.final == (state in FINAL) for state in State)


def test_only_a_confirm_can_follow_a_resume() -> None:
    """A transfer that was queued is before the send; nothing leads back from the second money call to the first."""
    entering = {verb for verb, row in ((verb, verb.row) for verb in Verb) if row.enters}

    assert all(verb.row.enters is Phase.CONFIRM for verb in entering)
    assert all(verb.row.phase is Phase.SEND for verb in (Verb.REQUEUE, Verb.FAIL_CLAIMED, Verb.PARK))


def test_no_move_back_into_the_queue_keeps_the_epoch() -> None:
    """Who held the card under the old epoch must find nothing to take under the new one."""
    for verb, row in ((verb, verb.row) for verb in Verb):
        for start, end in row.moves.items():
            if end in {State.QUEUED, State.RESUMED} and start is not end:
                assert row.advance is Advance.TRY, verb


def test_the_diagram_holds_every_arrow() -> None:
    arrows = dict(re.findall(r"^    (\w+ --> \w+): (.+)$", diagram(), re.MULTILINE))
    lines = diagram().splitlines()

    for verb, row in ((verb, verb.row) for verb in Verb):
        for start, end in row.moves.items():
            is_wide_net = verb in LATE and start not in {State.SENDING, State.CONFIRMING}
            if start is not end and not is_wide_net:
                assert verb in arrows[f"{start} --> {end}"].split(", ")
    drawn = {(verb, arrow) for arrow, verbs in arrows.items() for verb in verbs.split(", ")}
    assert all(arrow in {f"{a} --> {b}" for a, b in Verb[verb.upper()].row.moves.items()} for verb, arrow in drawn)
    assert all(f"    {name} --> [*]" in lines for name in FINAL_NAMES)
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> queued: create"]


def test_each_state_has_its_paragraph() -> None:
    """Who enters, who leaves, what if we die here."""
    body = next(
        node.body
        for node in ast.parse(inspect.getsource(states)).body
        if isinstance(node, ast.ClassDef) and node.name == "State"
    )
    told = {
        one.targets[0].id
        for one, next_one in itertools.pairwise(body)
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and isinstance(next_one, ast.Expr)
        and isinstance(next_one.value, ast.Constant)
        and len(str(next_one.value.value)) > 25
    }

    assert told == {state.name for state in State}
