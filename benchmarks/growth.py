"""Figure 7: what a transfer costs as the ledger grows. Ledgers are seeded directly, and each gets the same backlog.

All ledgers are seeded first and kept, and the rounds go over them in turn. `python -m benchmarks.growth [ROUNDS]` has
ledgers of up to 10^5 transfers (BENCH_MANY) in four spaces; with BENCH_LONG=1 one of 10^6, which takes some minutes to
seed. It writes the values to `growth.json`, of which `benchmarks.draw` makes the plots.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from benchmarks import backlog, figures, large_ledger, ours
from benchmarks.backlog import Backlog, Cost
from benchmarks.figures import Figure
from benchmarks.large_ledger import Plan
from benchmarks.ours import Ours
from epay_transfers.ledger.clock import ledger_ms
from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import redis_keys

BACKLOG = Backlog(warm_up=450, measured=int(os.environ.get("BENCH_TRANSFERS", "500")))
FIRST = 1_000
MANY = int(os.environ.get("BENCH_MANY", "100000"))
MOST = 1_000_000
IN_DOUBT = 1_900
VALUES = Path(__file__).with_name("growth.json")

_SETTLED: Plan = ((100, (Verb.CLAIM, Verb.PAY), {}),)
PARKED: Plan = ((100, (Verb.CLAIM, Verb.PARK), {}),)
_DOUBTED: Plan = ((100, (Verb.CLAIM, Verb.DOUBT), {"reason": "timeout"}),)
_A_DAY_S = "86400"  #: what waits in the queue must not expire before it is its turn
FAR = 10_000_000  #: the number of the first that waits in the queue; those of the backlogs are below
_USED = SUFFIXES * 999 // 1000
_CHANCE = random.Random(14)  # noqa: S311 - to be the same each time

#: What fills a ledger before the backlog comes.
Seed = Callable[[Ours], object]


def settled(count: int, given: Ours) -> None:
    large_ledger.seed(given.client, count, _SETTLED, name="settled")


def parked(given: Ours) -> None:
    settled(FIRST, given)
    large_ledger.seed(given.client, MANY, PARKED, name="parked")


def in_doubt(given: Ours) -> None:
    """Due at once: inquiries run beside the backlog, as many a second as all workers may make."""
    settled(FIRST, given)
    large_ledger.seed(given.client, IN_DOUBT, _DOUBTED, name="doubted", due_in_ms=0)


def queued(given: Ours) -> None:
    """The backlog goes behind these, and the worker carries the first of them.

    The sweeper has looked at each once, as it does in the first minute, and looks at them 200 a second from now on.
    """
    settled(FIRST, given)
    given.client.config_set("appendfsync", "always")  # a producer refuses another
    given.enqueue(MANY, first=FAR)
    now_ms = ledger_ms(given.client, None)
    waiting = cast("list[str]", given.client.zrange(redis_keys.DUE, 0, -1))
    given.client.zadd(redis_keys.DUE, {key: now_ms + number * 5 for number, key in enumerate(waiting)})


def crowded(given: Ours) -> None:
    """999 of 1,000 suffixes of the space are used, spread by chance. They have no records: the search counts."""
    settled(FIRST, given)
    used = bytearray(SUFFIXES // 8)
    for suffix in _CHANCE.sample(range(SUFFIXES), _USED):
        used[suffix // 8] |= 128 >> suffix % 8
    given.client.set(redis_keys.suffixes("main"), bytes(used))
    given.client.hset(redis_keys.COUNTERS, "used:main", _USED)


def _crowd_again(given: Ours) -> None:
    """As many suffixes are free as before the last round: of those that have no record."""
    bitmap = redis_keys.suffixes("main")
    while given.client.bitcount(bitmap) > _USED:
        suffix = _CHANCE.randrange(SUFFIXES)
        if not given.client.exists(redis_keys.suffix_record("main", suffix)):
            given.client.setbit(bitmap, suffix, 0)


def cases() -> dict[str, Seed]:
    """The first is what the others are compared with."""
    sizes = [FIRST, MANY] + ([MOST] if os.environ.get("BENCH_LONG") else [])
    return {f"{size:,} settled": partial(settled, size) for size in sizes} | {
        f"{MANY:,} parked": parked,
        f"{MANY:,} queued": queued,
        "99.9 % of suffixes used": crowded,
        f"{IN_DOUBT:,} in doubt": in_doubt,
    }


@contextmanager
def seeded(seed: Seed) -> Iterator[Ours]:
    """Seeding waits for no disk; what is measured does."""
    terminals = {name: {"space": name} for name in large_ledger.TERMINALS[1:]}
    credentials = {name: _credentials(name) for name in terminals}
    with ours.running(
        CARD_TTL=_A_DAY_S, EPAY_TERMINALS=json.dumps(terminals), EPAY_CREDENTIALS=json.dumps(credentials)
    ) as given:
        given.client.config_set("appendfsync", "no")
        seed(given)
        given.client.config_set("appendfsync", "always")
        yield given


def _credentials(name: str) -> dict[str, str]:
    return {"terminal_id": f"bench-{name}", "client_id": "test", "client_secret": "bench-secret"}


def once(given: Ours, numbers: Iterator[int]) -> Cost:
    """One more backlog on this ledger."""
    _crowd_again(given)
    return backlog.on(given, BACKLOG, first=next(numbers) * BACKLOG.count)


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    with ExitStack() as stack:
        ledgers = {name: stack.enter_context(seeded(seed)) for name, seed in cases().items()}
        numbers = iter(range(1_000_000))
        costs = figures.in_turn({name: partial(once, given, numbers) for name, given in ledgers.items()}, rounds)
    _keep(costs)
    return list(_figures(costs))


_PARTS: dict[str, Callable[[Cost], float]] = {
    "worker": lambda cost: cost.worker,
    "ledger": lambda cost: cost.ledger,
    "vault": lambda cost: cost.vault,
    "producer": lambda cost: cost.producer,
}


def _figures(costs: dict[str, list[Cost]]) -> Iterator[Figure]:
    names = list(costs)
    for part in ("worker", "ledger", "vault"):
        middle = {name: figures.median([_PARTS[part](each) for each in its]) for name, its in costs.items()}
        yield Figure(7, f"{part}'s CPU, {names[0]}", middle[names[0]], "µs")
        for name in names[1:]:
            ratio = middle[name] / middle[names[0]]
            yield Figure(7, f"{part}'s CPU, {name} ÷ first", ratio, at_most=1.25, note=f"{middle[name]:,.0f} µs")


def _keep(costs: dict[str, list[Cost]]) -> None:
    told = {
        name: {part: figures.median([of(each) for each in its]) for part, of in _PARTS.items()}
        for name, its in costs.items()
    }
    VALUES.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    figures.show(measure)
