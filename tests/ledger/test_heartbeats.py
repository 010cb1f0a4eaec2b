"""What workers tell of themselves: which are heard, which are silent, which are forgotten."""

import redis

from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.heartbeats import (
    ANSWERED,
    SILENT_MS,
    UNCLEAR,
    Calls,
    Heartbeat,
    Heartbeats,
    Sight,
    bucket_of,
    calls_of,
)
from epay_transfers.ledger.store.samples import KEPT, Sample, Samples
from tests.support.clocks import FakeClock

DAY_S = 86_400


def test_a_worker_is_heard_then_silent_and_forgotten_after_a_day(ledger_client: redis.Redis, clock: FakeClock) -> None:
    """By the ledger's time, at which each heartbeat is written."""
    heartbeats = Heartbeats(ledger_client, clock)
    assert heartbeats.told() == []
    heartbeats.tell("worker a 1", Heartbeat(host="a", pid=1))
    clock.advance(SILENT_MS / 1000)
    assert [one.worker for one in heartbeats.alive()] == ["worker a 1"]
    clock.advance(1)

    heartbeats.tell("worker b 2", Heartbeat(host="b", pid=2))

    assert [one.worker for one in heartbeats.told()] == ["worker a 1", "worker b 2"]
    assert [one.silent_ms(clock.now_ms()) for one in heartbeats.told()] == [SILENT_MS + 1000, 0]
    assert [one.worker for one in heartbeats.alive()] == ["worker b 2"]
    clock.advance(DAY_S - SILENT_MS / 1000)
    heartbeats.tell("worker b 2", Heartbeat(host="b", pid=2))
    assert [one.worker for one in heartbeats.told()] == ["worker b 2"]


def test_a_worker_that_ends_in_order_is_not_missed(ledger_client: redis.Redis, clock: FakeClock) -> None:
    heartbeats = Heartbeats(ledger_client, clock)
    heartbeats.tell("worker a 1", Heartbeat())

    heartbeats.leave("worker a 1")

    assert heartbeats.told() == []


def test_a_worker_that_ends_and_begins_all_day_does_not_fill_the_ledger(
    ledger_client: redis.Redis, clock: FakeClock
) -> None:
    """The longest silent ones are forgotten first."""
    heartbeats = Heartbeats(ledger_client, clock)
    for number in range(205):
        clock.advance(1)
        heartbeats.tell(f"worker a {number}", Heartbeat())

    kept = [one.worker for one in heartbeats.told()]

    assert kept == [f"worker a {number}" for number in range(5, 205)]


def test_what_was_told_is_read_as_it_was(ledger_client: redis.Redis, clock: FakeClock) -> None:
    heartbeats = Heartbeats(ledger_client, clock)
    calls = {"token": Calls({ANSWERED: 3}, {"20": 3}, 1, 2.5, "timeout")}
    told = Heartbeat(host="a", pid=7, sees={"vault": Sight("away", 5)}, calls=calls, vault_keys=["id"], busy=2)

    at_ms = heartbeats.tell("worker a 7", told)

    (read,) = heartbeats.told()
    assert at_ms == clock.now_ms() == read.at_ms
    assert (read.worker, read.sees, read.calls, list(read.vault_keys)) == (
        "worker a 7", told.sees, told.calls, ["id"],
    )  # fmt: skip


def test_what_can_not_be_read_is_a_worker_all_the_same(ledger_client: redis.Redis, clock: FakeClock) -> None:
    """Of another version, or written by a thief: it is shown, and it stops no reader."""
    ledger_client.hset(redis_keys.WORKERS, mapping={"worker a 1": f"{clock.now_ms()} [1]", "worker b 2": "nonsense"})

    read = Heartbeats(ledger_client, clock).told()

    assert [(one.worker, one.at_ms, one.is_readable) for one in read] == [
        ("worker b 2", 0, False),
        ("worker a 1", clock.now_ms(), False),
    ]


def test_a_thread_that_hangs_is_told_by_the_others() -> None:
    """The heartbeat's own thread does not vouch for them. A consumer fetches nothing while the threads are at work."""
    well = Heartbeat(patience_s=30, loops={"sweeper": 1.0}, queues={"confirms": 29.0}, busy=1, longest_busy_s=29)

    assert well.hung == []
    assert Heartbeat(patience_s=30, loops={"sweeper": 31.0}).hung == ["sweeper 31 s"]
    assert Heartbeat(patience_s=30, busy=2, longest_busy_s=31).hung == ["a transfer's thread 31 s"]
    assert Heartbeat(patience_s=30, queues={"confirms": 31.0}).hung == ["consumer of confirms 31 s"]
    assert Heartbeat(patience_s=30, queues={"confirms": 31.0}, busy=1).hung == []
    assert Heartbeat(patience_s=30, queues={"confirms": 31.0}, sees={"queue": Sight("away")}).hung == []


def test_calls_of_many_workers_are_added_up() -> None:
    """So a percentile is that of all calls, and no mean of percentiles."""
    quick = Heartbeat(calls={"token": Calls({ANSWERED: 99}, {bucket_of(100): 99})})
    slow = Heartbeat(calls={"token": Calls({UNCLEAR: 11}, {bucket_of(10_000): 11}, 1, 4.0, "timeout")})

    (token,) = calls_of([quick, slow]).values()

    assert (token.count, token.failures, token.under_way, token.longest_s, token.why) == (110, 11, 1, 4.0, "timeout")
    p50, p95 = token.percentile_ms(0.5), token.percentile_ms(0.95)
    assert p50 is not None
    assert p95 is not None
    assert 100 <= p50 <= 125
    assert 10_000 <= p95 <= 12_500
    assert Calls().percentile_ms(0.5) is None


def test_one_worker_of_all_brings_a_sample_a_minute(ledger_client: redis.Redis) -> None:
    samples, others = Samples(ledger_client), Samples(ledger_client)

    assert [samples.is_turn(), others.is_turn(), samples.is_turn()] == [True, False, False]
    assert 55_000 < ledger_client.pttl(redis_keys.SAMPLE_TURN) < 60_000
    samples.put(Sample(at_ms=1, counts={"paid": 3}, p95_ms={"token": 90}))
    samples.put(Sample(at_ms=2))
    ledger_client.rpush(redis_keys.SAMPLES, "nonsense")
    assert [sample.at_ms for sample in samples.read()] == [2, 1]
    assert samples.read()[1].counts == {"paid": 3}
    for number in range(KEPT):
        samples.put(Sample(at_ms=number))
    assert ledger_client.llen(redis_keys.SAMPLES) == KEPT


def test_a_sample_of_an_older_worker_and_of_a_newer_one_is_read(ledger_client: redis.Redis) -> None:
    """What one does not say is unknown, and no zero; what only a later one says is left out."""
    for told in ('{"at_ms": 1, "counts": {"paid": 3}}', '{"at_ms": 2, "sums": {"paid": {"KZT": 5}}, "mood": "good"}'):
        ledger_client.lpush(redis_keys.SAMPLES, told)

    newer, older = Samples(ledger_client).read()

    assert (older.counts, older.sums) == ({"paid": 3}, None)
    assert (newer.counts, newer.sums) == ({}, {"paid": {"KZT": 5}})
