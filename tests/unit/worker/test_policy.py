"""When to try, ask and ring again: whatever the numbers are, the limits hold."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.worker import backoff
from epay_transfers.worker.backoff import GiveUp, Retry, RetryRule, next_inquiry_ms, next_try, next_wakeup_ms

RULES = st.builds(
    RetryRule,
    attempts=st.integers(1, 60),
    min_backoff_s=st.floats(0.01, 100),
    max_backoff_s=st.floats(0.01, 1000),
)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(RULES, st.integers(1, 100), st.none() | st.floats(0, 10**6), CHANCES)
def test_a_next_try_keeps_every_limit(
    rule: RetryRule, attempts: int, retry_after_s: float | None, chance: float
) -> None:
    """Never sooner than the bank asked, and never later than the ceiling else; the deadline is the caller's to heed."""
    decision = next_try(
        rule,
        attempts=attempts,
        retry_after_s=retry_after_s,
        chance=lambda: chance,
    )

    if attempts >= rule.attempts:
        assert decision == GiveUp()
        return
    assert isinstance(decision, Retry)
    wait_ms = decision.in_ms
    asked_ms = int((retry_after_s or 0) * 1000)
    ceiling_s = min(rule.max_backoff_s, rule.min_backoff_s * 2 ** (attempts - 1))
    assert wait_ms >= max(0, asked_ms)
    assert wait_ms <= max(asked_ms, ceiling_s * 1000)


@pytest.mark.parametrize(("attempts", "ceiling_s"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (19, 60)])
def test_the_ceiling_doubles_up_to_its_own(attempts: int, ceiling_s: int) -> None:
    decision = next_try(
        RetryRule(),
        attempts=attempts,
        retry_after_s=None,
        chance=lambda: 0.999_999,
    )

    assert isinstance(decision, Retry)
    assert decision.in_ms == pytest.approx(ceiling_s * 1000, abs=10)


def test_the_jitter_is_full() -> None:
    """So a crowd that was refused together does not come back together."""
    waits = [
        next_try(RetryRule(), attempts=4, retry_after_s=None, chance=iter([part / 8]).__next__) for part in range(8)
    ]

    assert waits == [Retry(part * 1000) for part in range(8)]


def test_the_last_try_is_the_one_before_the_limit() -> None:
    decisions = [
        next_try(RetryRule(attempts=3), attempts=n, retry_after_s=None, chance=lambda: 0) for n in (1, 2, 3, 4)
    ]

    assert decisions == [Retry(0), Retry(0), GiveUp(), GiveUp()]


def test_inquiries_climb_their_ladder_and_stay_on_its_last_step() -> None:
    waits = [next_inquiry_ms(asks) for asks in range(9)]

    assert waits == [5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 3_600_000, 3_600_000, 3_600_000]


def test_a_bank_that_does_not_answer_is_asked_soon_and_then_less_and_less() -> None:
    """But within minutes: what it says once it is back is waited for."""
    waits = [backoff.after_silence_ms(unanswered) for unanswered in range(1, 10)]

    assert waits == [5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 300_000, 300_000, 300_000]


@given(st.integers(0, 10**9))
def test_rings_double_their_distance_up_to_five_minutes(rings: int) -> None:
    wait_ms = next_wakeup_ms(rings)

    assert 5_000 <= wait_ms <= 300_000
    assert next_wakeup_ms(rings + 1) in {2 * wait_ms, 300_000}


def test_the_first_rings() -> None:
    assert list(itertools.accumulate(next_wakeup_ms(n) // 1000 for n in range(7))) == [5, 15, 35, 75, 155, 315, 615]


def test_tomorrow_is_a_day_away() -> None:
    assert backoff.TOMORROW_MS == 86_400_000
