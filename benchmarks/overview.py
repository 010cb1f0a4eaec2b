"""What `overview` costs with many transfers in the ledger: gathering the facts, judging, and the page.

`python -m benchmarks.overview [COUNT]` makes that many queued transfers (100,000) in embedded servers, by the script
that producers use, and prints the median of the rounds in milliseconds of the wall.
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import SERVER
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.context import Context
from epay_transfers.ops.overview.facts import gather
from epay_transfers.ops.overview.judge import judge
from epay_transfers.ops.overview.page import page
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.runtime import embedded_servers
from tests.support.factories import new_transfer

ROUNDS = 9
BATCH = 1000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        filling = embedded_servers.LEDGER_OPTIONS | {"appendfsync": "no"}  # what is measured only reads
        ledger_server = stack.enter_context(embedded_servers.running(filling, home / "ledger", SERVER))
        vault_server = stack.enter_context(
            embedded_servers.running(embedded_servers.VAULT_OPTIONS, home / "vault", SERVER)
        )
        client = connect(ledger_server.url)
        stack.callback(client.close)
        ledger = Ledger(client)
        for first in range(0, count, BATCH):
            ledger.create([new_transfer(f"payout-{number}") for number in range(first, first + BATCH)], actor="backend")
        Heartbeats(client).tell("worker a 1", Heartbeat(host="a", pid=1))
        settings = OpsSettings(redis_url=ledger_server.url, vault_url=vault_server.url, durability="relaxed")
        context = Context(settings, SystemClock(), client)
        times: dict[str, list[float]] = {"gather": [], "judge": [], "page": []}
        for _ in range(ROUNDS):
            began = time.perf_counter()
            facts = gather(context)
            gathered = time.perf_counter()
            judgements = judge(facts)
            judged = time.perf_counter()
            page(facts, judgements)
            times["gather"].append(gathered - began)
            times["judge"].append(judged - gathered)
            times["page"].append(time.perf_counter() - judged)
        counted = facts.totals.count if facts.totals else None
        print(f"{counted} transfers; median and longest of {ROUNDS} rounds, ms")
        for name, spans in times.items():
            print(f"{name:<8}{statistics.median(spans) * 1000:>8.1f}{max(spans) * 1000:>8.1f}")


if __name__ == "__main__":
    main()
