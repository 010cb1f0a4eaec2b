"""What the bank's word means, as a whole table: each word, in each state, before and after the horizon."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import NOT_MOVED, UNFINISHED, Phase, State, Verb
from epay_transfers.worker.bank import StatusReport, StatusWord
from epay_transfers.worker.inquiry_rules import (
    AskAgain,
    InquiryRule,
    NothingThere,
    NotifiedDecline,
    Settled,
    Unsettled,
    Verdict,
    judge,
    not_found_is_final,
    noticed,
    settles,
)

DOUBTED = 1_795_500_000_000
RULE = InquiryRule(horizon_s=100, reads=3)
BEFORE, AFTER = DOUBTED + 99_999, DOUBTED + 100_000

W = StatusWord
KNOWN = {
    W.PAID: Settled(Verb.INQUIRY_PAID),
    W.NOT_PAID: Settled(Verb.INQUIRY_DECLINED),
    W.GIVEN_BACK: Settled(Verb.INQUIRY_REVERSED),
}

#: Word → the verdict before the horizon, and after it, for one in doubt of which two inquiries said the same.
TABLE: dict[StatusWord, tuple[Verdict, Verdict]] = {
    W.PAID: (KNOWN[W.PAID], KNOWN[W.PAID]),
    W.NOT_PAID: (KNOWN[W.NOT_PAID], KNOWN[W.NOT_PAID]),
    W.GIVEN_BACK: (KNOWN[W.GIVEN_BACK], KNOWN[W.GIVEN_BACK]),
    W.CHALLENGE_OPEN: (AskAgain(0), Settled(Verb.CHALLENGE_EXPIRED)),
    W.NOT_YET: (AskAgain(0), Unsettled()),
    W.NOT_FOUND: (AskAgain(0), NothingThere()),
    W.UNANSWERED: (AskAgain(2), AskAgain(2)),
}


def record(state: State = State.IN_DOUBT, reads: int = 2, read: str = W.NOT_FOUND) -> Record:
    return Record(key="251124000001", state=state, in_doubt_since=DOUBTED, agreeing_reads=reads, last_read=read)


@pytest.mark.parametrize("word", StatusWord)
def test_each_word_before_and_after_the_horizon(word: StatusWord) -> None:
    before, after = (judge(record(read=word), StatusReport(word), asked_at_ms=at, rule=RULE) for at in (BEFORE, AFTER))

    assert (before, after) == TABLE[word]


@pytest.mark.parametrize(("word", "state"), list(product(StatusWord, sorted(UNFINISHED - {State.IN_DOUBT}))))
def test_in_other_states_only_a_word_that_settles_counts_whatever_the_time(word: StatusWord, state: State) -> None:
    """A held one stays with its operator, a parked one with its client, a dead one with its evidence."""
    verdict = judge(record(state), StatusReport(word), asked_at_ms=AFTER + 10**9, rule=RULE)

    assert verdict == KNOWN.get(word, AskAgain(0))


@pytest.mark.parametrize(
    ("reads", "verdict"),
    [(0, AskAgain(1, AFTER + 15_000)), (1, AskAgain(2, AFTER + 15_000)), (2, NothingThere()), (9, NothingThere())],
)
def test_not_found_counts_only_when_enough_answers_in_a_row_agree(reads: int, verdict: Verdict) -> None:
    assert judge(record(reads=reads), StatusReport(W.NOT_FOUND), asked_at_ms=AFTER, rule=RULE) == verdict


@pytest.mark.parametrize("word", [W.NOT_FOUND, W.CHALLENGE_OPEN, W.NOT_YET])
def test_answers_that_differ_do_not_agree(word: StatusWord) -> None:
    """One answer alone is never believed, and what was said before another word does not count with it."""
    for other in {W.NOT_FOUND, W.CHALLENGE_OPEN, W.NOT_YET} - {word}:
        asked = record(reads=2, read=other)

        assert judge(asked, StatusReport(word), asked_at_ms=AFTER, rule=RULE) == AskAgain(1, AFTER + 15_000)


@pytest.mark.parametrize(("waited_ms", "verdict"), [(244_999, AskAgain(1, DOUBTED + 259_999)), (245_000, Unsettled())])
def test_a_bank_that_says_this_and_that_is_a_persons_in_the_end(waited_ms: int, verdict: Verdict) -> None:
    """After two horizons, and the time that the reads themselves would take."""
    asked = record(reads=2, read=W.NOT_YET)

    assert judge(asked, StatusReport(W.NOT_FOUND), asked_at_ms=DOUBTED + waited_ms, rule=RULE) == verdict


@given(st.sampled_from(StatusWord), st.integers(0, 50), st.integers(-(10**6), 99_999))
def test_before_the_horizon_nothing_but_the_banks_own_word_settles_anything(
    word: StatusWord, reads: int, waited_ms: int
) -> None:
    verdict = judge(record(reads=reads), StatusReport(word), asked_at_ms=DOUBTED + waited_ms, rule=RULE)

    assert isinstance(verdict, AskAgain) or word in KNOWN


@pytest.mark.parametrize("reads", [0, 2, 50])
@pytest.mark.parametrize(
    ("waited_ms", "is_over"), [(0, False), (244_999, False), (245_000, True), (245_001, True), (10**12, True)]
)
def test_a_silent_bank_is_asked_again_as_long_as_any_other(waited_ms: int, is_over: bool, reads: int) -> None:  # noqa: FBT001 - a table's column
    """An outage of the bank is no operator's case; and one answer that is missing does not end a row of reads."""
    verdict = judge(record(reads=reads), StatusReport(W.UNANSWERED), asked_at_ms=DOUBTED + waited_ms, rule=RULE)

    assert verdict == (Unsettled() if is_over else AskAgain(reads))


@pytest.mark.parametrize(
    ("early_ms", "verdict"), [(9_001, AskAgain(2, AFTER + 9_001)), (1, AskAgain(2, AFTER + 1)), (0, NothingThere())]
)
def test_a_question_that_was_asked_too_soon_is_no_further_read(early_ms: int, verdict: Verdict) -> None:
    """A notification may ask at any time: three answers within a moment would be one. The next read keeps its time."""
    asked = replace(record(), next_attempt_at=AFTER + early_ms)

    assert judge(asked, StatusReport(W.NOT_FOUND), asked_at_ms=AFTER, rule=RULE) == verdict


def test_who_keeps_asking_too_soon_keeps_nobody_in_doubt_for_ever() -> None:
    """A client with its handle could: the patience ends for early questions as well."""
    over_ms = DOUBTED + RULE.patience_s * 1000
    asked = replace(record(), next_attempt_at=over_ms + 1)

    assert judge(asked, StatusReport(W.NOT_FOUND), asked_at_ms=over_ms, rule=RULE) == Unsettled()


def test_an_open_challenge_after_a_confirm_is_a_persons() -> None:
    """The confirm may still be under way at the bank: it is never called expired."""
    confirmed = replace(record(read=W.CHALLENGE_OPEN), phase=Phase.CONFIRM)

    assert judge(confirmed, StatusReport(W.CHALLENGE_OPEN), asked_at_ms=AFTER, rule=RULE) == Unsettled()


@pytest.mark.parametrize(("horizon_s", "apart_s"), [(20, 15), (3600, 150), (86_400, 3600), (518_400, 3600)])
def test_the_reads_after_the_horizon_are_apart(horizon_s: int, apart_s: int) -> None:
    """Three answers within a moment would be one."""
    assert InquiryRule(horizon_s).between_reads_s == apart_s


@pytest.mark.parametrize("word", StatusWord)
def test_what_settles(word: StatusWord) -> None:
    assert settles(StatusReport(word)) == (KNOWN[word].verb if word in KNOWN else None)


@pytest.mark.parametrize(
    ("notified", "verdict"),
    [
        ("", None),
        ("1000001:0", Settled(Verb.NOTIFICATION_PAID)),
        ("1000001:484", NotifiedDecline("484")),
        ("1000001:454", None),  # a code that asks a question
        ("1000001:", None),
        ("1000000:0", Settled(Verb.NOTIFICATION_PAID)),  # of a try before: the bank's hash proves the invoice
        ("1000000:484", None),
        ("1000002:0", None),  # of a try that there was not
    ],
)
def test_a_notification_is_heard_for_a_code_that_is_final_and_a_decline_for_its_own_try_alone(
    notified: str, verdict: Settled | NotifiedDecline | None
) -> None:
    assert noticed(replace(record(), notification=notified)) == verdict


def test_a_notified_decline_is_a_persons_once_the_clients_answer_went_out() -> None:
    """It may be late, and speak of a wrong password before the right one: the confirm that came then may have paid."""
    confirmed = replace(record(), phase=Phase.CONFIRM)

    assert noticed(replace(confirmed, notification="1000001:468")) == NotifiedDecline("468")
    assert noticed(replace(confirmed, notification="1000001:0")) == Settled(Verb.NOTIFICATION_PAID)


def test_a_notified_decline_of_a_parked_one_waits_for_a_client_at_3d_secure_2() -> None:
    """Its PaRes may still come. The payment is heard at once."""
    parked = replace(record(), state=State.PARKED, three_ds2_fields="cres:10")

    assert noticed(replace(parked, notification="1000001:468")) is None
    assert noticed(replace(parked, notification="1000001:0")) == Settled(Verb.NOTIFICATION_PAID)


@pytest.mark.parametrize("state", [State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW])
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("code", ["0", "100", "454", "468", "484", "487", "2872", "-31", "424242"])
def test_no_notification_says_that_no_money_moved(state: State, phase: Phase, code: str) -> None:
    """The web tier reads its proof and may change its code, and an unpaid end makes an obedient backend pay again."""
    verdict = noticed(replace(record(), state=state, phase=phase, notification=f"1000001:{code}"))

    assert not isinstance(verdict, Settled) or not NOT_MOVED & set(verdict.verb.row.moves.values())


LETTER = replace(RULE, not_found_letter="letter of 3 May 2026, No 17")


@pytest.mark.parametrize(
    "named",
    [
        {"bank_id": "a9e1b986"},
        {"bank_reference": "204978430339"},
        {"notification": "1:484"},
        {"evidence": "answered"},
        {"phase": Phase.CONFIRM},
        {"reason": "bank_has_it"},
        {"reason": "statement_has_it"},
        {"reason": "bank_notified_paid"},
        {"reason": "bank_id_of_another_transfer"},
    ],
)
def test_not_found_is_final_by_the_letter_and_only_of_what_the_bank_has_never_named(named: dict[str, str]) -> None:
    """Each sign that the bank knew the order keeps its "not found" from ending it; so does the lack of a letter."""
    assert not_found_is_final(record(), LETTER)
    assert not not_found_is_final(record(), RULE)
    assert not not_found_is_final(replace(record(), **named), LETTER)  # type: ignore[arg-type]  # texts and a phase
