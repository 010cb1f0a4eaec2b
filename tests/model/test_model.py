"""The checked model of the protocol: the quick part of `make model`, so that what the design claims can be checked."""

from dataclasses import asdict

import pytest

from epay_transfers.ledger.states import State, Verb
from tests.model import world
from tests.model.cases import (
    ABLATIONS,
    BEFORE,
    BREAKS,
    HOLDS,
    MUST_HOLD,
    NOT_FOUND,
    SMALL,
    VAULT_BACK,
    WINDOWS,
    Case,
)
from tests.model.ledger import MOVES
from tests.model.run import is_as_expected, outcome_of
from tests.model.transfer import run
from tests.model.world import Rules

CASES = {case.name: case for case in [*MUST_HOLD, *WINDOWS, *ABLATIONS]}

QUICK_HOLDS = [
    "the vault goes back, another run",
    "the ledger goes back to before create",
    "the ledger goes back to any earlier record",
    "the ledger goes back by one step",
    "the ledger goes back by one step, 3-D Secure",
    "the ledger goes back, the suffix is free: the digest alone",
    "the ledger goes back, the suffix is taken: mark and nonce",
    "a clock jumps",
    "none is held without cause",
]

QUICK_BREAKS = [
    "without foreign_blob_proves_nothing",
    "without writes_are_compared",
    "without writers_are_compared_too",
    "without silence_is_no_proof",
    "without deadline_from_lease",
    "without ledger_time_decides",
    "without suffix_is_digest",
    "without mark_is_compared",
    "without nonce_is_compared",
    "without present_is_read",
    "without burnt_by_me_is_not_sent",
    "without take_compares_epoch",
    "without late_answers_count",
]


def _explored(case: Case) -> str:
    found = case.explore(case.limit)
    trace = "\n".join(f"{label:<62} {case.describe(after)}" for label, after in found.trace)
    assert is_as_expected(case, outcome_of(found)), f"{case.name}: {found.broken or found.states}\n{trace}"
    return found.broken


def test_the_base_holds() -> None:
    """With every rule on, no order of steps breaks a law, in a small space that is explored to its end."""
    found = run(Rules(), SMALL, limit=100_000, must_end=True)

    assert found.holds, found.broken
    assert found.states > 5_000, "a space that small shows nothing"


@pytest.mark.parametrize("name", QUICK_HOLDS)
def test_a_fault_breaks_no_law(name: str) -> None:
    """A vault or a ledger that goes back, a clock that jumps: with every rule on, no order breaks a law."""
    assert CASES[name].expects == HOLDS
    _explored(CASES[name])


@pytest.mark.parametrize("name", QUICK_BREAKS)
def test_a_fault_breaks_a_law_without_its_rule(name: str) -> None:
    """Each rule is needed: with it switched off, an order of steps is found that breaks a law."""
    assert CASES[name].expects == BREAKS
    assert _explored(CASES[name])


@pytest.mark.parametrize("case", WINDOWS, ids=lambda case: case.name)
def test_what_is_left_open_is_open(case: Case) -> None:
    """The design names these windows: where a rule closes one, this test is red, and the design's sentence goes."""
    assert _explored(case)


def test_a_vault_that_goes_back_paid_twice_before() -> None:
    """The rules before issue 9 took the blob of an older run for the proof that nothing was sent."""
    found = run(BEFORE, VAULT_BACK, limit=100_000)

    assert found.broken == "queued although it was sent"
    assert len(found.trace) <= 10
    assert any(label == "THE VAULT GOES BACK" for label, _ in found.trace)


def test_silence_was_taken_for_proof_before() -> None:
    """The rules before issue 9 called dead what the bank had executed: a lost worker, a restart, and not found."""
    found = run(BEFORE, SMALL, limit=100_000)

    assert found.broken == "dead, but the bank executed"


def test_the_models_moves_are_the_tables() -> None:
    """The model makes no move that the product's table of states does not have."""
    rows = {verb.value: {str(a): str(b) for a, b in verb.row.moves.items()} for verb in Verb}

    assert {verb: moves for verb, moves in MOVES.items() if not moves.items() <= rows[verb].items()} == {}


def test_the_models_states_are_the_tables() -> None:
    """But for `reversed`, which is `paid` to all that the model asks."""
    assert {str(state) for state in State} - {"reversed"} == world.FINAL | world.UNFINISHED


def test_each_rule_is_switched_off_in_some_case() -> None:
    """So that a rule without an order that misses it is known as one."""
    optional = {rule for rule, is_on in asdict(Rules()).items() if not is_on}
    names = " ".join(case.name for case in ABLATIONS)
    missing = {name for name in asdict(Rules()) if name not in names} - optional

    assert missing == set()
    assert {case.expects for case in ABLATIONS} == {BREAKS, NOT_FOUND}
