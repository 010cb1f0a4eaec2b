"""The last hours from samples: rates are differences, a minute without a sample is a gap, the rest is unknown."""

from dataclasses import replace

from epay_transfers.ledger.store.samples import KEPT, Sample
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.history import SPAN_MS, History, histories
from tests.ops.test_judge import NOW, WELL

MINUTE = 60_000


def told(*samples: Sample) -> dict[str, History]:
    found = histories(replace(WELL, samples=samples))
    assert found is not None
    return {history.name: history for history in found}


def values(history: History, name: str) -> list[float | None]:
    (line,) = [line for line in history.lines if line.name == name]
    return [point.value for point in line.points]


def at(minutes: float, **counts: int) -> Sample:
    return Sample(int(NOW - minutes * MINUTE), counts)


def test_a_rate_is_what_two_samples_differ_by() -> None:
    """By the time between them; the first sample has nothing before it, and the newest stands last."""
    found = told(at(0, paid=70, declined=4), at(1, paid=40, declined=4), at(2.5, paid=10))

    assert values(found["throughput"], "paid") == [None, 20.0, 30.0]
    assert values(found["outcomes"], "declined") == [None, 4 / 1.5, 0.0]


def test_a_minute_without_a_sample_is_a_gap_and_no_zero() -> None:
    """Nor is what happened in it shown as if it had in one minute."""
    found = told(at(30, paid=10, dead=2), at(10, paid=500, dead=3), at(9, paid=510, dead=3))

    assert values(found["throughput"], "paid") == [None, None, 10.0, None]
    assert values(found["counts"], "dead") == [2, None, 3, 3, None]
    assert found["counts"].lines[0].last is None, "what it was nine minutes ago is not shown as what it is"
    times = [NOW - SPAN_MS, *(NOW - minutes * MINUTE for minutes in (30, 10, 9, 0))]
    assert found["counts"].gaps == [(times[0], times[1]), (times[1], times[2]), (times[3], times[4])]


def test_fewer_than_before_is_no_negative_rate() -> None:
    """One was corrected."""
    assert values(told(at(1, paid=10), at(0, paid=9))["throughput"], "paid") == [None, 0.0]


def test_what_a_sample_does_not_say_is_unknown() -> None:
    """An older worker's has no sums; a kind of call that was not made has no latency."""
    older = Sample(NOW - MINUTE, {"dead": 2}, {"token": 90})
    newer = Sample(NOW, {"dead": 2}, {"token": 80, "transfer": 1500}, sums={"dead": {"KZT": 3_000_050}})

    found = told(older, newer)

    assert values(found["money-KZT"], "dead") == [None, 30_000.5]
    assert values(found["money-KZT"], "parked") == [None, 0.0], "one that says sums, and none of these, has none"
    assert values(found["latency"], "token") == [0.09, 0.08]
    assert values(found["latency"], "transfer") == [None, 1.5]
    assert "money-USD" not in found


def test_it_goes_back_four_hours() -> None:
    found = told(*(at(minutes, dead=1) for minutes in range(KEPT + 20)))

    assert len(values(found["counts"], "dead")) == KEPT + 1


def test_none_is_unknown_and_no_sample_is_no_chart() -> None:
    def of(facts: Facts) -> object:
        return histories(facts)

    assert of(replace(WELL, samples=None)) is None
    assert of(replace(WELL, samples=[])) == []
