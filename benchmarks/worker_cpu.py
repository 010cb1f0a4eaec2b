"""Figures 1 and 2: the worker's CPU for one transfer beside two bare actors, which run in turn; and servers' CPU.

Each runs as it ships: ours keeps itself to one core, the actors are where the system puts them. So that nothing is
hidden by it, the actors are measured on one core as well, and ours where it is told not to keep to one.

With TLS the tuned actor keeps its connections, while ours opens one for each call: so two handshakes, as
`benchmarks.handshakes` measures them, are added to the actor's. `python -m benchmarks.worker_cpu [ROUNDS]`.
"""

import os
from collections.abc import Callable

from benchmarks import backlog, figures, handshakes
from benchmarks.backlog import Backlog, Cost
from benchmarks.figures import Figure

#: A worker's threads hand the interpreter on at each system call; on one core that costs less, for nothing moves.
_ONE = (0,)
_ON_ALL = {"WORKER_ONE_CORE": "0"}

#: A worker keeps to a core when it has looked twice: a second or two, in which it does some 600.
BACKLOG = Backlog(warm_up=700, measured=int(os.environ.get("BENCH_TRANSFERS", "1000")))


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    sides: dict[str, Callable[[], Cost]] = {
        "careless": lambda: backlog.plain("careless", BACKLOG),
        "tuned": lambda: backlog.plain("tuned", BACKLOG),
        "ours": lambda: backlog.product(BACKLOG),
        "tuned, TLS": lambda: backlog.plain("tuned", BACKLOG, tls=True),
        "ours, TLS": lambda: backlog.product(BACKLOG, tls=True),
        "careless, bound to one core": lambda: backlog.plain("careless", BACKLOG, cores=_ONE),
        "tuned, bound to one core": lambda: backlog.plain("tuned", BACKLOG, cores=_ONE),
        "ours, not kept on one core": lambda: backlog.product(BACKLOG, tls=False, **_ON_ALL),
        "ours, TLS, not kept on one core": lambda: backlog.product(BACKLOG, tls=True, **_ON_ALL),
    }
    costs = figures.in_turn(sides, rounds)
    middle = {name: figures.median([each.worker for each in its]) for name, its in costs.items()}
    two_handshakes = 2 * handshakes.one_us()
    found = [
        Figure(
            1 if name.startswith("careless") else 2,
            f"worker CPU a transfer, {name}",
            middle[name],
            "µs",
            note=figures.spread([each.worker for each in its]),
        )
        for name, its in costs.items()
    ]
    found += [
        Figure(1, "ours ÷ careless, plain HTTP", middle["ours"] / middle["careless"], at_most=0.75),
        Figure(2, "two handshakes, client's CPU", two_handshakes, "µs"),
        Figure(2, "ours ÷ tuned, plain HTTP", middle["ours"] / middle["tuned"], at_most=1.15),
        Figure(
            2,
            "ours ÷ (tuned + two handshakes), TLS",
            middle["ours, TLS"] / (middle["tuned, TLS"] + two_handshakes),
            at_most=1.1,
        ),
        Figure(1, "ours ÷ careless, each on one core alone", middle["ours"] / middle["careless, bound to one core"]),
        Figure(1, "ours ÷ careless, neither kept on one", middle["ours, not kept on one core"] / middle["careless"]),
        Figure(2, "ours ÷ tuned, each on one core alone", middle["ours"] / middle["tuned, bound to one core"]),
        Figure(2, "connections a transfer, ours", figures.median([each.connections for each in costs["ours"]])),
    ]
    return found + [_server(name, costs["ours"], of, most) for name, of, most in _SERVERS]


_SERVERS: tuple[tuple[str, Callable[[Cost], float], float], ...] = (
    ("ledger", lambda cost: cost.ledger, 350),
    ("vault", lambda cost: cost.vault, 60),
)


def _server(name: str, costs: list[Cost], of: Callable[[Cost], float], most: float) -> Figure:
    values = [of(each) for each in costs]
    what = f"{name}'s server CPU a transfer, enqueue and execute in a backlog"
    return Figure(4, what, figures.median(values), "µs", at_most=most, note=figures.spread(values))


if __name__ == "__main__":
    figures.show(measure)
