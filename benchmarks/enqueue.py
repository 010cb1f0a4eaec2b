"""Figure 5: `enqueue` and `enqueue_many` beside a bare `.send()` to the same durable server.

The ratios are of rates: one half means that ours takes twice the time. A bare message has the card in it and is no more
than a message; ours is a record, sealed cards and a message. `python -m benchmarks.enqueue [ROUNDS]`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure

TRANSFERS = 1000


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one transfer or message, in microseconds."""

    cpu: float
    wall: float

    @classmethod
    def of(cls, cpu_s: float, wall_s: float) -> "Spent":
        return cls(cpu_s / TRANSFERS * 1e6, wall_s / TRANSFERS * 1e6)


def bare() -> Spent:
    with processes.ledger_server() as server:
        environment = dict(os.environ, BENCH_REDIS=server.url)
        cpu, wall = processes.run(["-m", "benchmarks.plain_actors", "tuned", str(TRANSFERS)], environment).split()
        return Spent.of(float(cpu), float(wall))


def ours_in(batch: int) -> Spent:
    with ours.running() as given:
        return Spent.of(*given.enqueue(TRANSFERS, batch=batch))


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    sides: dict[str, Callable[[], Spent]] = {
        ".send()": bare,
        "enqueue": lambda: ours_in(0),
        "enqueue_many": lambda: ours_in(500),
    }
    spent = figures.in_turn(sides, rounds)
    cpu = {name: figures.median([each.cpu for each in its]) for name, its in spent.items()}
    wall = {name: figures.median([each.wall for each in its]) for name, its in spent.items()}
    found = [Figure(5, f"producer's CPU, {name}", cpu[name], "µs", note=f"wall {wall[name]:,.0f} µs") for name in sides]
    for name, least in (("enqueue", 0.3), ("enqueue_many", 0.8)):
        found.append(Figure(5, f"{name} ÷ .send(), CPU", cpu[".send()"] / cpu[name], at_least=least))
        found.append(Figure(5, f"{name} ÷ .send(), wall", wall[".send()"] / wall[name], at_least=least))
    return found


if __name__ == "__main__":
    figures.show(measure)
