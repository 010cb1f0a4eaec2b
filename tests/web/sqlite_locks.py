"""The sender of an outbox on SQLite, while another process commits between its read and its write: does it go on?

`python -m tests.web.sqlite_locks RECIPE FILE OPTIONS`: OPTIONS is the JSON of Django's `OPTIONS` for the database.
"""

import json
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from epay_transfers.producers import TransferIntent
from epay_transfers.producers.testing import FakeTransfers
from tests.web.killed_lines import RECIPES, saved


class Interrupted(FakeTransfers):
    """While the sender asks the ledger, a listener writes to the same file; it does not wait."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.listener = sqlite3.connect(file, timeout=0)

    def enqueue(self, intent: TransferIntent) -> Any:
        receipt = super().enqueue(intent)
        with suppress(sqlite3.OperationalError):  # the sender was first: a listener waits for it
            self.listener.execute("insert into orders values ('of-the-listener')")
            self.listener.commit()
        return receipt


def main(name: str, file: Path, options: str) -> None:
    recipe: Any = RECIPES[name]()
    if name.endswith("django"):
        from django.db import connection  # noqa: PLC0415 - Django wants its settings first

        connection.settings_dict["OPTIONS"] = {"timeout": 0.1} | json.loads(options)
    fake = FakeTransfers()
    recipe.begin(file, fake)
    recipe.put(saved("payout-1"))
    try:
        sent = recipe.example.send_one(*([recipe.engine] if hasattr(recipe, "engine") else []), Interrupted(file))
    except Exception as error:  # noqa: BLE001 - what the database says
        sent = str(error)
    print(json.dumps([sent]))  # noqa: T201 - it prints


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
