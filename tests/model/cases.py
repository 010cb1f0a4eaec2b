"""What is explored: the spaces in which every law must hold, and for each rule the space in which it is missed.

Each space is as small as its claim allows: a few tries, at most one going-back, one kind of trouble more than the last.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.model import suffix, transfer
from tests.model.explore import Found
from tests.model.laws import held_without_cause
from tests.model.suffix import SuffixRules, SuffixScope
from tests.model.world import Rules, Scope

HOLDS: Final = "holds"
BREAKS: Final = "breaks"
NOT_FOUND: Final = "no failing order found"  #: kept though the space that was searched does not need it


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    expects: str
    explore: Callable[[int], Found[Any]]
    describe: Callable[[Any], str]
    limit: int


def _case(
    name: str, rules: Rules, scope: Scope, expects: str, *, limit: int = 2_500_000, must_end: bool = False
) -> Case:
    return Case(
        name=name,
        expects=expects,
        explore=lambda most: transfer.run(rules, scope, limit=most, must_end=must_end),
        describe=transfer.describe,
        limit=limit,
    )


def _held(name: str, rules: Rules, scope: Scope, expects: str) -> Case:
    return Case(
        name=name,
        expects=expects,
        explore=lambda most: transfer.run(rules, scope, limit=most, law=held_without_cause),
        describe=transfer.describe,
        limit=1_000_000,
    )


def _suffix(name: str, rules: SuffixRules, scope: SuffixScope, expects: str) -> Case:
    return Case(
        name=name,
        expects=expects,
        explore=lambda most: suffix.run(rules, scope, limit=most),
        describe=suffix.describe,
        limit=1_000_000,
    )


ALL: Final = Rules()
#: The rules as they were before issue 9: a vault that goes back, silence as proof, nothing names its claim.
BEFORE: Final = replace(
    ALL,
    foreign_blob_proves_nothing=False,
    writes_are_compared=False,
    silence_is_no_proof=False,
    die_compares_version=False,
    sweep_compares_version=False,
    burnt_by_me_is_not_sent=False,
    tombstones_name_their_claim=False,
    proof_names_its_claim=False,
    deadline_from_lease=False,
    ledger_time_decides=False,
)
#: With what the model found to help against transfers that are held though nothing was sent.
FENCED_SAYS_SO: Final = replace(ALL, worker_says_it_was_fenced=True)
#: With all that is not in the protocol, and is explored so that it can be taken.
MORE: Final = replace(
    FENCED_SAYS_SO, late_not_sent_counts=True, close_hears_any_tombstone=True, own_claim_is_compared=True
)

SMALL: Final = Scope(tries=2)
SENDING: Final = Scope(tries=2, generations=1, producers=2)
SWEEPERS: Final = Scope(producers=2, sweepers=2)
CHALLENGE: Final = Scope(tries=3, has_3ds=True, web=2)
ONE_CLIENT: Final = replace(CHALLENGE, tries=2, web=1)
OPERATORS: Final = Scope(tries=2, can_cancel=True, has_operator=True)
VAULT_BACK: Final = Scope(tries=2, vault_goes_back="other_run")
VAULT_BACK_CHALLENGE: Final = Scope(
    tries=2, has_3ds=True, web=1, workers=1, can_repeat=False, vault_forgets=False, vault_goes_back="other_run"
)
SNAPSHOT: Final = Scope(tries=2, workers=1, can_repeat=False, vault_goes_back="same_run", leases_are_true=True)
LEDGER_BACK: Final = Scope(
    tries=2, producers=2, vault_forgets=False, card_times_out=False, ledger_goes_back="before_create"
)
LEDGER_ANYWHERE: Final = replace(LEDGER_BACK, producers=1, ledger_goes_back="anywhere")
LEDGER_ANYWHERE_CHALLENGE: Final = Scope(
    tries=2,
    has_3ds=True,
    web=1,
    can_repeat=False,
    vault_forgets=False,
    card_times_out=False,
    ledger_goes_back="anywhere",
)
BUSY_WORKERS: Final = replace(LEDGER_BACK, producers=1, in_hand="workers")
LEDGER_ONE_STEP: Final = replace(LEDGER_BACK, producers=1, ledger_goes_back="one_step")
LEDGER_ONE_STEP_CHALLENGE: Final = Scope(
    has_3ds=True,
    web=1,
    producers=1,
    can_repeat=False,
    vault_forgets=False,
    card_times_out=False,
    ledger_goes_back="one_step",
)
CLOCK_JUMPS: Final = Scope(tries=2, has_3ds=True, web=1, clock_jumps=True)
SLEEP: Final = Scope(tries=2, has_operator=True)
PROMPT: Final = Scope(can_crash=False, can_time_out=False, workers_are_prompt=True)
PROMPT_BACK: Final = replace(PROMPT, tries=2, vault_goes_back="other_run")

SUFFIX_FREE: Final = SuffixScope(is_suffix_free=True, may_outgrow=True, moves=6)
SUFFIX_TAKEN: Final = SuffixScope()
SUFFIX_OUTGROWN: Final = SuffixScope(may_outgrow=True)
DIGEST_ALONE: Final = SuffixRules(mark_is_compared=False, nonce_is_compared=False, producer_compares=False)

MUST_HOLD: Final = [
    _case("sending, with new cards", ALL, SENDING, HOLDS),
    _case("sending, two sweepers", ALL, SWEEPERS, HOLDS),
    _case("3-D Secure", ALL, CHALLENGE, HOLDS),
    _case("operators and cancels; nothing is stuck", ALL, OPERATORS, HOLDS, must_end=True),
    _case("the vault goes back, another run", ALL, VAULT_BACK, HOLDS),
    _case("the vault goes back, another run, 3-D Secure", ALL, VAULT_BACK_CHALLENGE, HOLDS),
    _case("the vault goes back, same run, the take's count told", ALL, SNAPSHOT, HOLDS),
    _case("the ledger goes back to before create", ALL, LEDGER_BACK, HOLDS),
    _case("the ledger goes back to any earlier record", ALL, LEDGER_ANYWHERE, HOLDS),
    _case("the ledger goes back to any earlier record, 3-D Secure", ALL, LEDGER_ANYWHERE_CHALLENGE, HOLDS),
    _case("the ledger goes back by one step", ALL, LEDGER_ONE_STEP, HOLDS),
    _case("the ledger goes back by one step, 3-D Secure", ALL, LEDGER_ONE_STEP_CHALLENGE, HOLDS),
    _suffix("the ledger goes back, the suffix is free: the digest alone", DIGEST_ALONE, SUFFIX_FREE, HOLDS),
    _suffix("the ledger goes back, the suffix is taken: mark and nonce", SuffixRules(), SUFFIX_TAKEN, HOLDS),
    _case("a clock jumps", ALL, CLOCK_JUMPS, HOLDS),
    _case("a process sleeps before its send", ALL, SLEEP, HOLDS),
    _case("the ledger goes back under busy workers, own claims compared", MORE, BUSY_WORKERS, HOLDS),
    _case("what else may help breaks nothing", MORE, VAULT_BACK, HOLDS),
    _held("none is held without cause", FENCED_SAYS_SO, PROMPT, HOLDS),
    _held("the same, and the vault goes back", FENCED_SAYS_SO, PROMPT_BACK, HOLDS),
]


def _without(rule: str, scope: Scope, expects: str = BREAKS, *, name: str = "", must_end: bool = False) -> Case:
    rules = replace(ALL, **{rule: False})
    return _case(f"without {rule}{name}", rules, scope, expects, limit=1_000_000, must_end=must_end)


#: What is left open, with every rule on: no rule closes it, so the design says so.
WINDOWS: Final = [
    _case("same run, the take's count told to no one", ALL, replace(SNAPSHOT, told_before_going_back=False), BREAKS),
    _case(
        "same run, the count read before the vault went back", ALL, replace(SNAPSHOT, counts_are_fresh=False), BREAKS
    ),
    _case("same run, others' writes outgrow the count", ALL, replace(SNAPSHOT, others_write=3), BREAKS),
    _case("same run, a lease thought over too early", ALL, replace(SNAPSHOT, leases_are_true=False), BREAKS),
    _case("the ledger goes back under busy workers", ALL, BUSY_WORKERS, BREAKS),
    _case("the ledger goes back, a process has it in hand", ALL, replace(LEDGER_BACK, in_hand="all"), BREAKS),
    _case("the ledger goes back, the vault forgets", ALL, replace(LEDGER_BACK, vault_forgets=True), BREAKS),
    _suffix("the ledger went back and reached the mark again, suffix taken", SuffixRules(), SUFFIX_OUTGROWN, BREAKS),
]

ABLATIONS: Final = [
    _case("before issue 9: the vault goes back", BEFORE, VAULT_BACK, BREAKS),
    _case("before issue 9: a restart, and not found", BEFORE, SMALL, BREAKS),
    _case("before issue 9: a process sleeps", BEFORE, SLEEP, BREAKS),
    _held("before issue 9: held without cause", BEFORE, PROMPT, BREAKS),
    _without("foreign_blob_proves_nothing", VAULT_BACK),
    _without("writes_are_compared", SNAPSHOT),
    _without("writers_are_compared_too", SNAPSHOT),
    _without("silence_is_no_proof", SMALL),
    _without("die_compares_version", VAULT_BACK, NOT_FOUND),
    _without("tombstones_name_their_claim", LEDGER_BACK),
    _without("proof_names_its_claim", replace(LEDGER_BACK, in_hand="all"), name=", a worker has it in hand"),
    _without("deadline_from_lease", SLEEP),
    _without("ledger_time_decides", CLOCK_JUMPS),
    _held("without burnt_by_me_is_not_sent", replace(FENCED_SAYS_SO, burnt_by_me_is_not_sent=False), PROMPT, BREAKS),
    _held("without worker_says_it_was_fenced", ALL, PROMPT, BREAKS),
    _held("without sweep_compares_version", replace(FENCED_SAYS_SO, sweep_compares_version=False), PROMPT, BREAKS),
    _suffix("without suffix_is_digest", replace(DIGEST_ALONE, suffix_is_digest=False), SUFFIX_FREE, BREAKS),
    _suffix("without mark_is_compared", SuffixRules(mark_is_compared=False), SUFFIX_TAKEN, BREAKS),
    _suffix("without nonce_is_compared", SuffixRules(nonce_is_compared=False), SUFFIX_TAKEN, BREAKS),
    _suffix("without present_is_read", SuffixRules(present_is_read=False), SUFFIX_TAKEN, BREAKS),
    _suffix("without producer_compares", SuffixRules(producer_compares=False), SUFFIX_TAKEN, NOT_FOUND),
    _without("card_again_takes_generation", SWEEPERS),
    _without("generation_is_no_try", SENDING),
    _without("put_is_said_once", SENDING),
    _without("late_answers_count", SMALL),
    _without("results_compare_epoch", ONE_CLIENT),
    _without("requeue_compares_epoch", SENDING),
    _without("take_compares_epoch", SMALL),
    _without("inquiry_compares_epoch", ONE_CLIENT),
    _without("expire_compares_epoch", replace(ONE_CLIENT, web=2), NOT_FOUND),
    _without("open_challenge_never_parks", ONE_CLIENT),
    _without("open_challenge_waits_for_horizon", ONE_CLIENT),
    _without("open_challenge_looks_for_confirm", LEDGER_ANYWHERE_CHALLENGE),
    _without("question_after_horizon", SENDING, NOT_FOUND),
    _without("resume_raises_epoch", ONE_CLIENT),
    _without("confirm_is_never_refenced", replace(CHALLENGE, workers=1)),
    _without("fenced_confirm_is_requeued", LEDGER_ONE_STEP_CHALLENGE, NOT_FOUND),
    _without("sweeper_peeks", SMALL),
    _without("refence_may_repeat", SMALL, NOT_FOUND, must_end=True),
    _without("revive_refences", OPERATORS, NOT_FOUND),
    _without("nothing_is_no_proof", SMALL, NOT_FOUND),
    _without("pares_before_resume", replace(ONE_CLIENT, web=2), NOT_FOUND),
    _without("unburn_compares", SMALL, NOT_FOUND),
    _without("unburn_needs_tombstone", SMALL, NOT_FOUND),
    _without("ending_closes_vault", replace(LEDGER_ONE_STEP, can_cancel=True)),
    _without("later_answers_count", LEDGER_ONE_STEP, NOT_FOUND),
]
