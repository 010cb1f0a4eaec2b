"""What the console's pages cost the server with many transfers in the ledger: the one that looks, and those after it.

`python -m benchmarks.console [COUNT] [FOLDER] [PATH...]`: so many transfers (100,000; a folder keeps them between runs,
as `benchmarks.large_ledger` says), and each page's median and longest of the rounds in milliseconds: of the wall, and
of this process alone. `looks`: the facts are gathered for it; `shared`: another page has them, at most a second old.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette

from benchmarks.large_ledger import TERMINALS, filled
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store.heartbeats import ANSWERED, Calls, Heartbeat, Heartbeats, Sight
from epay_transfers.ledger.store.samples import KEPT, Sample, Samples
from epay_transfers.ops.console.looks import Looks
from epay_transfers.ops.console.visit import Console
from epay_transfers.ops.context import Context
from epay_transfers.ops.settings import OpsSettings
from tests.support.console_pages import console_of, shown

ROUNDS = 15
PAGES = ("/", "/workers", "/servers")
_KINDS = ("token", "transfer", "confirm", "status")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    kept = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with filled(count, kept) as there:
        _live(there.client)
        spaces = {name: {"space": name} for name in TERMINALS[1:]}
        settings = OpsSettings(
            redis_url=there.ledger_url, vault_url=there.vault_url, durability="relaxed", epay_terminals=spaces
        )
        os.environ["REDIS_URL"] = there.ledger_url  # the page of keys reads its own settings
        context = Context(settings, SystemClock(), there.client)
        app = console_of(context)
        print(f"{count:,} transfers; median and longest of {ROUNDS} rounds, ms; wall, then this process alone")
        for path in sys.argv[3:] or PAGES:
            for name, before in (("looks", lambda: _forget(app)), ("shared", lambda: _look(app))):
                wall, own = _measured(app, path, before)
                print(f"{path:<28}{name:<8}{_told(wall)}{_told(own)}")


def _live(client: object) -> None:
    """Four workers that are heard, and samples of the last four hours."""
    heartbeats, samples = Heartbeats(client), Samples(client)  # type: ignore[arg-type]
    calls = {kind: Calls({ANSWERED: 300}, {"20": 290, "30": 10}) for kind in _KINDS}
    sees = {name: Sight() for name in ("ledger", "vault", "queue", "bank")}
    told = Heartbeat(host="a", threads=16, busy=7, calls=calls, sees=sees, vault_keys=["ab12cd34"])
    now_ms = 0
    for pid in range(4):
        now_ms = heartbeats.tell(f"worker a {pid}", replace(told, pid=pid))
    for minute in range(KEPT, 0, -1):
        grown = (KEPT - minute) * 100
        counts = {"paid": grown, "declined": grown // 20, "in_doubt": minute % 7, "parked": minute % 50, "dead": 9}
        sums = {state: {"KZT": number * 1_500_000} for state, number in counts.items()}
        p95 = dict.fromkeys(_KINDS, 100 + minute * 7 % 50)
        used = dict.fromkeys(TERMINALS, grown)
        samples.put(Sample(now_ms - minute * 60_000, counts, p95, dict.fromkeys(_KINDS, 300), used, sums=sums))


def _console(app: Starlette) -> Console:
    console: Console = app.state.console
    return console


def _forget(app: Starlette) -> None:
    console = _console(app)
    app.state.console = replace(console, looks=Looks(console.context))


def _look(app: Starlette) -> None:
    _console(app).looks.now()


def _measured(app: Starlette, path: str, before: Callable[[], None]) -> tuple[list[float], list[float]]:
    wall, own = [], []
    for _ in range(ROUNDS + 1):
        before()
        began, own_began = time.perf_counter(), time.process_time()
        told = shown(app, path)
        wall.append(time.perf_counter() - began)
        own.append(time.process_time() - own_began)
        if told.status != 200:
            raise SystemExit(f"{path}: {told.status}")
    return wall[1:], own[1:]  # the first one also reads the template


def _told(spans: list[float]) -> str:
    return f"{statistics.median(spans) * 1000:>9.1f}{max(spans) * 1000:>8.1f}"


if __name__ == "__main__":
    main()
