"""A day of 20,000 rows beside a ledger of more: `.venv/bin/python -m benchmarks.reconcile`. Prints the seconds.

The statement is read from a file, and the ledger is on a server of its own, on this machine.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import large_ledger
from epay_transfers.ledger.invoice import ALMATY
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.reconcile import reading, statement
from epay_transfers.ops.reconcile.mapping import Mapping
from epay_transfers.ops.reconcile.statement import Day

ROWS = 20_000

#: Of which more than that many are paid.
_TRANSFERS = 30_000

#: So many paid ones are not in the statement.
LEFT_OUT = 5

_MAPPING = Mapping.model_validate(
    {
        "columns": {"invoice_id": "id", "amount": "amount", "state": "what", "at": "at"},
        "values": {"executed": ["OK"]},
        "currency": "KZT",
    }
)


def main() -> None:
    with large_ledger.filled(_TRANSFERS, terminals=("main",)) as given, tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(given.client)
        keys = [each.at.key for each in ledger.lists.all([State.PAID], terminal="main")]
        records = ledger.get_many(keys[: ROWS + LEFT_OUT])
        path = Path(folder) / "statement.csv"
        rows = [
            f"{each.key},{to_decimal(each.amount, 'KZT')},OK,{datetime.fromtimestamp(each.state_since / 1000, UTC)}"
            for each in records[LEFT_OUT:]
        ]
        path.write_text("id,amount,what,at\n" + "\n".join(rows))
        day = Day.of(f"{datetime.now(ALMATY):%Y-%m-%d}", ALMATY)

        begin, begin_cpu = time.perf_counter(), time.process_time()
        read = statement.read(path, _MAPPING)
        middle, middle_cpu = time.perf_counter(), time.process_time()
        found = reading.reconcile(ledger, read, day, space="main", terminals=("main",), unreadable=[])
        end, end_cpu = time.perf_counter(), time.process_time()

        sys.stdout.write(
            f"{len(read)} rows read in {middle - begin:.1f} s ({middle_cpu - begin_cpu:.1f} of processor time), "
            f"compared in {end - middle:.1f} s ({end_cpu - middle_cpu:.1f}): "
            f"{sum(found.matched.values())} matched, {len(found.findings)} findings\n"
        )


if __name__ == "__main__":
    main()
