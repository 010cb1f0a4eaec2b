"""Senders of an outbox at work at once, on PostgreSQL: `python -m tests.web.two_senders RECIPE SOCKET_FOLDER`.

A process of its own, since Django takes its settings once. It prints a JSON line of what it saw.
"""

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from epay_transfers.producers import Receipt
from epay_transfers.producers.testing import FakeTransfers
from tests.support.postgres import USER
from tests.web.killed_lines import load, make_table, saved, with_django

#: Seconds, after which what would wait for ever is said.
_PATIENCE_S = 20

_ROWS, _SENDERS = 40, 4


class Died(BaseException):
    """In place of a process that ends in the middle of a row: its transaction is rolled back."""


class Bench(FakeTransfers):
    """It notes each call, and holds the one for `held` until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.dies_at = "", ""
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.calls: Counter[str] = Counter()

    def enqueue_json(self, text: str) -> Receipt:
        reference = json.loads(text)["reference"]
        self.calls[reference] += 1
        if reference == self.held:
            self.reached.set()
            assert self.go_on.wait(_PATIENCE_S)
        receipt = super().enqueue_json(text)
        if reference == self.dies_at:
            self.dies_at = ""
            raise Died
        return receipt


class WithSqlalchemy:
    def __init__(self, folder: Path) -> None:
        from sqlalchemy import create_engine  # noqa: PLC0415 - of this recipe alone

        self.example = load("outbox_with_sqlalchemy")
        self.engine = create_engine(f"postgresql+psycopg://{USER}@/postgres?host={folder}", pool_size=10)
        self.example.Base.metadata.create_all(self.engine)

    def put(self, *references: str) -> None:
        from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

        with Session(self.engine) as session, session.begin():
            for reference in references:
                self.example.put(session, saved(reference))

    def send_one(self, transfers: Bench) -> bool:
        return bool(self.example.send_one(self.engine, transfers))

    def sent(self) -> list[str]:
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql("select reference from payout_outbox where sent_at is not null")
            return sorted(row[0] for row in found)


class WithDjango:
    def __init__(self, folder: Path) -> None:
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": USER, "HOST": str(folder)}
        self.example = with_django("outbox_with_django", database)
        make_table(self.example.PayoutOutbox)

    def put(self, *references: str) -> None:
        from django.db import transaction  # noqa: PLC0415 - after the settings

        with transaction.atomic():
            for reference in references:
                self.example.put(saved(reference))

    def send_one(self, transfers: Bench) -> bool:
        return bool(self.example.send_one(transfers))

    def sent(self) -> list[str]:
        rows = self.example.PayoutOutbox.objects.filter(sent_at__isnull=False)
        return sorted(rows.values_list("reference", flat=True))


RECIPES: dict[str, Callable[[Path], Any]] = {
    "outbox_with_sqlalchemy": WithSqlalchemy,
    "outbox_with_django": WithDjango,
}


def in_thread(call: Callable[[], object], answers: list[object]) -> threading.Thread:
    def called() -> None:
        try:
            answers.append(call())
        except Died:
            answers.append("died")
        finally:
            if "django" in sys.modules:
                from django.db import connection  # noqa: PLC0415 - after the settings

                connection.close()

    thread = threading.Thread(target=called, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(_PATIENCE_S)
    return not thread.is_alive()


def one_row_is_held(recipe: Any) -> dict[str, Any]:
    """A sender is in the middle of the first row: what do two others do?"""
    bench = Bench()
    bench.held = "first"
    recipe.put("first")
    recipe.put("second")
    firsts: list[object] = []
    others: list[object] = []
    first = in_thread(lambda: recipe.send_one(bench), firsts)
    assert bench.reached.wait(_PATIENCE_S)
    went_on = [ended(in_thread(lambda: recipe.send_one(bench), others)) for _ in range(2)]
    sent = recipe.sent()
    bench.go_on.set()
    assert ended(first)
    return {
        "went_on": went_on, "others": others, "sent_meanwhile": sent, "calls": bench.calls, "sent": recipe.sent(),
        "nothing_left": recipe.send_one(bench),
    }  # fmt: skip


def many_at_once(recipe: Any) -> dict[str, Any]:
    bench = Bench()
    names = [f"row-{number}" for number in range(_ROWS)]
    recipe.put(*names)

    def work() -> None:
        while recipe.send_one(bench):
            pass

    done: list[object] = []
    threads = [in_thread(work, done) for _ in range(_SENDERS)]
    assert all(map(ended, threads))
    return {"calls": sorted(set(bench.calls.values())), "sent": len(set(recipe.sent()) & set(names))}


def one_dies(recipe: Any) -> dict[str, Any]:
    """After the ledger has it, and before the row is marked: the row is another sender's at once."""
    bench = Bench()
    bench.dies_at = "dead"
    recipe.put("dead")
    answers: list[object] = []
    for _ in range(2):
        assert ended(in_thread(lambda: recipe.send_one(bench), answers))
    transfers = [outcome.reference for outcome in bench.outcomes("made") if outcome.version == 1]
    return {"answers": answers, "calls": bench.calls, "transfers": transfers, "is_sent": "dead" in recipe.sent()}


def main(name: str, folder: Path) -> None:
    recipe = RECIPES[name](folder)
    found = {each.__name__: each(recipe) for each in (one_row_is_held, many_at_once, one_dies)}
    print(json.dumps(found))  # noqa: T201 - it prints


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
