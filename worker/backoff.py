"""When to try again, when to ask again, when to send the next wake-up, when to give up.

Pure: numbers in, a decision out. Only what is proved not to have been sent is tried again; after that we only ask. The
ledger keeps the time and does the waiting (`due`), so each of these says in how many milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

#: Inquiries after a transfer came into doubt, in seconds; the last one repeats.
INQUIRY_LADDER_S = (5, 15, 60, 300, 900, 3600)

#: After inquiries in a row that were not answered, in seconds; the last one repeats. The first may be the wire's fault;
#: an outage of the bank is over when it is over, and thousands may be asking then.
SILENCE_LADDER_S = (5, 15, 30, 60, 120, 300)

#: Each wake-up that no worker answers doubles the time to the next one, up to five minutes.
FIRST_WAKEUP_S = 5
LAST_WAKEUP_S = 300

#: How long a transfer is left to another worker, by one that lacks its terminal's credentials.
HAND_ON_S = 1

#: After so many wake-ups, the sweeper's and those that were handed on, it seems that no worker has the credentials ...
HAND_ON_WAKEUPS = 20

#: ... and then it is left alone for so long.
HAND_ON_LATER_S = 30

#: Nothing is to be done today.
TOMORROW_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again in so many ms; the caller heeds the deadline, at which the sweeper ends what is still queued."""

    in_ms: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The tries are used up."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """`RETRY_ATTEMPTS`, `RETRY_MIN_BACKOFF`, `RETRY_MAX_BACKOFF`."""

    attempts: int = 20
    min_backoff_s: float = 1.0
    max_backoff_s: float = 60.0


def next_try(
    rule: RetryRule,
    *,
    attempts: int,
    retry_after_s: float | None,
    chance: Callable[[], float],
) -> Retry | GiveUp:
    """After `attempts` tries of which nothing was sent: exponential with full jitter, at least what the bank asked for.

    The ceiling of the wait after the n-th try is `min_backoff * 2^(n-1)`, at most `max_backoff`; `chance` draws from
    [0, 1).
    """
    if attempts >= rule.attempts:
        return GiveUp()
    ceiling_s = min(rule.max_backoff_s, rule.min_backoff_s * 2 ** min(attempts - 1, 32))
    wait_s = max(chance() * ceiling_s, retry_after_s or 0.0)
    return Retry(int(wait_s * 1000))


def next_inquiry_ms(inquiries: int) -> int:
    """In how many ms to ask again after so many inquiries."""
    return INQUIRY_LADDER_S[min(inquiries, len(INQUIRY_LADDER_S) - 1)] * 1000


def after_silence_ms(unanswered: int) -> int:
    """The same after `unanswered` questions in a row that were not answered, one at least."""
    return SILENCE_LADDER_S[min(unanswered, len(SILENCE_LADDER_S)) - 1] * 1000


def next_wakeup_ms(wakeups: int) -> int:
    """In how many ms to look again after `wakeups` wake-ups that no worker answered."""
    return min(FIRST_WAKEUP_S << min(wakeups, 16), LAST_WAKEUP_S) * 1000


def hand_on_ms(wakeups: int) -> int:
    """In how many ms another worker gets a wake-up: sooner than after one that no worker answered."""
    return (HAND_ON_S if wakeups < HAND_ON_WAKEUPS else HAND_ON_LATER_S) * 1000
