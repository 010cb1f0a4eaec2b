"""Figure 11: the import of the producers' package, and a worker from its start to its first claim.

`python -m benchmarks.start [ROUNDS]`. The times are of the wall, for a person or a supervisor waits. CPU
stands beside: it is what would be left of them on a machine with nothing else to do.
"""

import os
import sys
import time

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.events import Events

_IMPORT = (
    "import time; wall, cpu = time.perf_counter(), time.process_time(); import epay_transfers.producers; "
    "print(time.perf_counter() - wall, time.process_time() - cpu)"
)
ROUNDS = 2 * figures.ROUNDS


def imported() -> tuple[float, float]:
    """Seconds of the wall, and of CPU."""
    wall, cpu = processes.run(["-c", _IMPORT], os.environ).split()
    return float(wall), float(cpu)


def claimed() -> tuple[float, float]:
    """The same of a worker for which one transfer waits, up to the claim as the ledger tells it."""
    with ours.running() as given:
        given.enqueue(1)
        begun = time.time()
        with given.worker() as worker:
            processes.until(lambda: given.bank.counts().get("token", 0) > 0, "a token")
            cpu = processes.cpu_s(worker)
            given.until(State.PAID, 1)
        return _first_claim_s(given) - begun, cpu


def _first_claim_s(given: ours.Ours) -> float:
    """Since 1970: the server's clock is this machine's."""
    claims = [event.at_ms for event in Events(given.client).newest() if event.fields.get("verb") == Verb.CLAIM]
    return claims[0] / 1000


def measure(rounds: int = ROUNDS) -> list[Figure]:
    runs = figures.in_turn({"import": imported, "claim": claimed}, rounds)
    wall = {name: figures.median([each[0] for each in its]) for name, its in runs.items()}
    cpu = {name: figures.median([each[1] for each in its]) for name, its in runs.items()}
    names = {"import": ("import of epay_transfers.producers", 0.3), "claim": ("worker, start to first claim", 0.8)}
    found = []
    for name, (what, most) in names.items():
        note = figures.spread([each[0] for each in runs[name]])
        found.append(Figure(11, what, wall[name], "s", at_most=most, note=note))
        found.append(Figure(11, f"{what}, CPU", cpu[name], "s", at_most=most))
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(figures.table(measure(rounds)))


if __name__ == "__main__":
    main()
