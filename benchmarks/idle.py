"""Figure 12: a worker with nothing to do: `python -m benchmarks.idle [SECONDS]`. CPU of a core, and the server's share.

It is the mean of a minute, for part of what a worker does comes once in a minute.
"""

import sys
import time

from benchmarks import figures, ours, processes
from benchmarks.figures import Figure

SECONDS = 60.0
_SETTLE_S = 10.0


def measure(seconds: float = SECONDS) -> list[Figure]:
    with ours.running() as given:
        servers = (given.ledger.process.pid, given.vault.process.pid)
        alone = _shares(servers, 10.0)
        with given.worker() as worker:
            time.sleep(_SETTLE_S)
            own, ledger, vault = _shares((worker, *servers), seconds)
    note = f"over {seconds:.0f} s; alone it takes {alone[0]:.2f} %"
    return [
        Figure(12, "idle worker, CPU of a core", own, "%", at_most=1, note=f"over {seconds:.0f} s"),
        Figure(12, "idle worker, ledger's server", ledger - alone[0], "%", at_most=0.3, note=note),
        Figure(12, "idle worker, vault's server", vault - alone[1], "%"),
    ]


def _shares(pids: tuple[int, ...], seconds: float) -> list[float]:
    before, begun = [processes.cpu_s(pid) for pid in pids], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begun
    return [(processes.cpu_s(pid) - used) / took * 100 for pid, used in zip(pids, before, strict=True)]


def main() -> None:
    print(figures.table(measure(*map(float, sys.argv[1:]))))


if __name__ == "__main__":
    main()
