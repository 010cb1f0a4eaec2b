"""A worker's time is the ledger's, as it was told last; its machine's only has to agree."""

import pytest

from epay_transfers.ledger.clock import AGAIN_MS, APART_MS
from epay_transfers.ledger.store import scripts
from epay_transfers.worker.ledger_clock import LedgerClock
from tests.support.clocks import FakeClock, MachineClock


@pytest.fixture
def machine(clock: FakeClock) -> MachineClock:
    return MachineClock(clock)


@pytest.fixture
def watch(machine: MachineClock) -> LedgerClock:
    return LedgerClock(machine)


def test_before_it_is_told_anything_it_goes_by_the_machine(watch: LedgerClock, machine: MachineClock) -> None:
    machine.off_ms = 7

    assert watch.now_ms() == machine.now_ms()


@pytest.mark.parametrize("off_ms", [7_200_000, -7_200_000])
def test_once_told_it_counts_on_whatever_the_machine_says(
    watch: LedgerClock, machine: MachineClock, clock: FakeClock, off_ms: int
) -> None:
    watch.told(clock.now_ms(), watch.monotonic())

    machine.off_ms = off_ms
    clock.advance(30)

    assert watch.now_ms() == clock.now_ms()
    assert watch.own_ms() == clock.now_ms() + off_ms


@pytest.mark.parametrize(
    ("off_ms", "took_s", "agrees"),
    [
        (APART_MS, 0, True),
        (APART_MS + 1, 0, False),
        (-APART_MS, 0, True),
        (-APART_MS - 1, 0, False),
        (-APART_MS, 5, True),
        (-APART_MS - 1, 5, False),
        (APART_MS, 5, True),
        (APART_MS + 1, 5, False),
    ],
)
def test_two_seconds_are_allowed_and_what_the_answer_took(
    watch: LedgerClock,
    machine: MachineClock,
    clock: FakeClock,
    off_ms: int,
    took_s: int,
    agrees: bool,  # noqa: FBT001 - a table's column
) -> None:
    """When in between the server looked at its clock is not known: at the end at the soonest, if it is ahead of us."""
    asked_at, soonest = watch.monotonic(), clock.now_ms()
    clock.advance(took_s)
    machine.off_ms = off_ms
    told = soonest if off_ms > 0 else clock.now_ms()  # the one that is the furthest from what the machine says

    assert watch.told(told, asked_at) is agrees


def test_a_time_that_the_machine_disagrees_with_is_not_taken_over(watch: LedgerClock, clock: FakeClock) -> None:
    """A server's clock may jump as well, and then nothing may be over because of that."""
    watch.told(clock.now_ms(), watch.monotonic())

    assert not watch.told(clock.now_ms() + 7_200_000, watch.monotonic())

    assert watch.now_ms() == clock.now_ms()


def test_an_answer_that_took_long_makes_what_is_known_no_worse(watch: LedgerClock, clock: FakeClock) -> None:
    watch.told(clock.now_ms(), watch.monotonic())
    asked_at, then = watch.monotonic(), clock.now_ms()
    clock.advance(5)

    watch.told(then + 10, asked_at)

    assert watch.now_ms() == clock.now_ms()


@pytest.mark.parametrize("off_ms", [1500, -1500])
def test_what_is_known_is_set_right_by_what_is_told(watch: LedgerClock, clock: FakeClock, off_ms: int) -> None:
    """Two crystals never agree for ever."""
    watch.told(clock.now_ms(), watch.monotonic())

    watch.told(clock.now_ms() + off_ms, watch.monotonic())

    assert watch.now_ms() == clock.now_ms() + off_ms


def test_the_ledger_lets_nobody_claim_whose_clock_a_watch_would_not_allow() -> None:
    assert f"local APART_MS = {APART_MS}\n" in scripts.text_of("claim")


def test_at_the_border_it_does_not_change_its_mind_with_each_look(
    watch: LedgerClock, machine: MachineClock, clock: FakeClock
) -> None:
    said = []
    for off_ms in (APART_MS + 1, APART_MS - 1, AGAIN_MS + 1, AGAIN_MS, APART_MS):
        machine.off_ms = off_ms
        said.append(watch.told(clock.now_ms(), watch.monotonic()))

    assert said == [False, False, False, True, True]
