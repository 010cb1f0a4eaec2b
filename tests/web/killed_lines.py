"""A recipe of docs/transactions.md, whose process ends between every two lines of it, each run at one line further on.

`python -m tests.web.killed_lines RECIPE FOLDER`, with the servers' addresses in the environment, prints a JSON line for
each run; `--errors` tries what the sender of an outbox does with errors. A process of its own: Django takes its
settings once, and what forks here has no threads.
"""

import importlib.util
import itertools
import json
import os
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from epay_transfers.producers import IntentRejected, PanCard, Receiver, SavedCard, TransferIntent, Transfers
from epay_transfers.producers.testing import FakeTransfers

EXAMPLES = Path(__file__).parents[2] / "docs/examples"

_DIED = 9
_SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
_AT_ONCE = timedelta(0)


class RolledBackError(Exception):
    """What makes a backend's transaction roll back."""


def saved(reference: str, **fields: Any) -> TransferIntent:
    """From a saved card to a saved card."""
    given: dict[str, Any] = {
        "reference": reference,
        "amount": 15000,
        "description": "Payout",
        "sender": SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),
        "receiver": Receiver(card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce"),
        "urgency": "batch",
        "deadline": datetime.now(UTC) + timedelta(days=3),
    }
    return TransferIntent(**given | fields)


def card() -> PanCard:
    return PanCard(number="4405639704015096", expiry="01/30", cvc="815", name="CARD HOLDER")


class Recipe(Protocol):
    """`business`, `work` and the example's own lines are those before which a run ends."""

    example: Any
    rows: str  #: a query: the references of committed rows, each with "" while something is left to do

    def connect(self, file: Path) -> None: ...
    def begin(self, file: Path, transfers: Transfers) -> None: ...
    def business(self, run: str, transfers: Transfers, /) -> None: ...
    def work(self, transfers: Transfers) -> None: ...


class OutboxWithSqlalchemy:
    rows = "select orders.reference, coalesce(sent_at, '') from orders left join payout_outbox using (reference)"

    def __init__(self) -> None:
        self.example = load("outbox_with_sqlalchemy")

    def connect(self, file: Path) -> None:
        from sqlalchemy import create_engine, text  # noqa: PLC0415 - of this recipe alone

        self.engine = create_engine(f"sqlite:///{file}")
        self.own_row = text("insert into orders values (:reference)")

    def begin(self, file: Path, _: Transfers) -> None:
        from sqlalchemy import text  # noqa: PLC0415 - as above

        self.connect(file)
        self.example.Base.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(text("create table orders (reference)"))

    def business(self, run: str, _: Transfers) -> None:
        from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

        with Session(self.engine) as session, session.begin():
            session.execute(self.own_row, {"reference": f"{run}-committed"})
            self.example.put(session, saved(f"{run}-committed"))
        with suppress(RolledBackError), Session(self.engine) as session, session.begin():
            self.example.put(session, saved(f"{run}-rolled-back"))
            session.execute(self.own_row, {"reference": f"{run}-rolled-back"})
            raise RolledBackError

    def put(self, intent: TransferIntent) -> None:
        from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

        with Session(self.engine) as session, session.begin():
            self.example.put(session, intent)

    def work(self, transfers: Transfers) -> None:
        while self.example.send_one(self.engine, transfers):
            pass


class OutboxWithDjango:
    rows = OutboxWithSqlalchemy.rows

    def __init__(self) -> None:
        self.example = with_django("outbox_with_django")

    def connect(self, file: Path) -> None:
        _connect_django(file)

    def begin(self, file: Path, _: Transfers) -> None:
        from django.db import connection  # noqa: PLC0415 - as above

        self.connect(file)
        make_table(self.example.PayoutOutbox)
        with connection.cursor() as cursor:
            cursor.execute("create table orders (reference)")

    def business(self, run: str, _: Transfers) -> None:
        from django.db import connection, transaction  # noqa: PLC0415 - as above

        with transaction.atomic():
            connection.cursor().execute("insert into orders values (%s)", [f"{run}-committed"])
            self.example.put(saved(f"{run}-committed"))
        with suppress(RolledBackError), transaction.atomic():
            self.example.put(saved(f"{run}-rolled-back"))
            connection.cursor().execute("insert into orders values (%s)", [f"{run}-rolled-back"])
            raise RolledBackError

    def put(self, intent: TransferIntent) -> None:
        self.example.put(intent)

    def work(self, transfers: Transfers) -> None:
        while self.example.send_one(transfers):
            pass


class OnCommitWithSqlalchemy:
    """Two rows are there already, as an earlier crash left them: before the call of `enqueue`, and after it."""

    rows = "select reference, case state when 'enqueued' then state else '' end from payment"

    def __init__(self) -> None:
        self.example = load("on_commit_with_sqlalchemy")

    def connect(self, file: Path) -> None:
        from sqlalchemy import create_engine  # noqa: PLC0415 - as above

        self.engine = create_engine(f"sqlite:///{file}")

    def begin(self, file: Path, transfers: Transfers) -> None:
        from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

        self.connect(file)
        self.example.Base.metadata.create_all(self.engine)
        with Session(self.engine) as session, session.begin():
            session.add(self.example.Payment(reference=f"{file.stem}-left", amount=Decimal(12000)))
            session.add(self.example.Payment(reference=f"{file.stem}-unmarked", amount=Decimal(12000)))
        transfers.enqueue(self.example.intent_of(f"{file.stem}-unmarked", Decimal(12000), card()))

    def business(self, run: str, transfers: Transfers) -> None:
        self.example.pay(self.engine, transfers, f"{run}-committed", Decimal(12000), card())
        with suppress(IntentRejected):
            self.example.pay(self.engine, transfers, f"{run}-rolled-back", Decimal(0), card())

    def work(self, transfers: Transfers) -> None:
        from sqlalchemy import select  # noqa: PLC0415 - as above
        from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

        payment = self.example.Payment
        self.example.look_after(self.engine, transfers, _AT_ONCE)
        with Session(self.engine) as session:
            left = list(session.scalars(select(payment.reference).where(payment.state == "card_needed")))
        for reference in left:
            self.example.card_again(self.engine, transfers, reference, card())


class OnCommitWithDjango:
    rows = OnCommitWithSqlalchemy.rows.replace("payment", "payments_payment")

    def __init__(self) -> None:
        self.example = with_django("on_commit_with_django")

    def connect(self, file: Path) -> None:
        _connect_django(file)

    def begin(self, file: Path, transfers: Transfers) -> None:
        self.connect(file)
        make_table(self.example.Payment)
        self.example.Payment.objects.create(reference=f"{file.stem}-left", amount=Decimal(12000))
        self.example.Payment.objects.create(reference=f"{file.stem}-unmarked", amount=Decimal(12000))
        transfers.enqueue(self.example.intent_of(f"{file.stem}-unmarked", Decimal(12000), card()))

    def business(self, run: str, transfers: Transfers) -> None:
        from django.db import transaction  # noqa: PLC0415 - as above

        self.example.pay(transfers, f"{run}-committed", Decimal(12000), card())
        with suppress(RolledBackError), transaction.atomic():
            self.example.pay(transfers, f"{run}-rolled-back", Decimal(12000), card())
            raise RolledBackError

    def work(self, transfers: Transfers) -> None:
        self.example.look_after(transfers, _AT_ONCE)
        for row in self.example.Payment.objects.filter(state="card_needed"):
            self.example.card_again(transfers, row.reference, card())


RECIPES: dict[str, Callable[[], Any]] = {
    "outbox_with_sqlalchemy": OutboxWithSqlalchemy,
    "outbox_with_django": OutboxWithDjango,
    "on_commit_with_sqlalchemy": OnCommitWithSqlalchemy,
    "on_commit_with_django": OnCommitWithDjango,
}


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    if spec is None or spec.loader is None:
        raise LookupError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def with_django(name: str, database: dict[str, str] = _SQLITE) -> Any:
    import django  # noqa: PLC0415 - as above
    from django.conf import settings  # noqa: PLC0415 - as above

    settings.configure(DATABASES={"default": database}, USE_TZ=True)
    django.setup()
    return load(name)


def _connect_django(file: Path) -> None:
    from django.db import connection  # noqa: PLC0415 - as above

    connection.settings_dict["NAME"] = str(file)  # it connects at the first query


def make_table(model: Any) -> None:
    from django.db import connection  # noqa: PLC0415 - as above

    with connection.schema_editor() as editor:
        editor.create_model(model)


def _forked(call: Callable[[], None]) -> int:
    """The exit status of a process that makes this call."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        call()
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _end_before_line(number: int, recipe: Any, told: int) -> None:
    """The process ends before it runs so many lines of the recipe: no `finally`, no rollback of its own."""
    mine = {getattr(type(recipe), name).__code__ for name in ("business", "work")}
    seen = 0

    def at_line(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == number:
                os.write(told, f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}".encode())
                os._exit(_DIED)
        return at_line

    def at_call(frame: FrameType, _event: str, _: object) -> Any:
        is_example = frame.f_code.co_filename == recipe.example.__file__
        return at_line if is_example or frame.f_code in mine else None

    sys.settrace(at_call)


def _run(recipe: Any, number: int, folder: Path, transfers: Transfers) -> dict[str, Any]:
    """Business and work, ended before a line; then the work again, to its end."""
    run = f"r{number}"
    file = folder / f"{run}.db"
    reading, told = os.pipe()

    def once() -> None:
        with Transfers.from_env() as own:
            recipe.begin(file, own)
            own.check()
            _end_before_line(number, recipe, told)
            recipe.business(run, own)
            recipe.work(own)
            sys.settrace(None)

    def again() -> None:
        recipe.connect(file)
        with Transfers.from_env() as own:
            recipe.work(own)
            recipe.work(own)

    status = _forked(once)
    os.close(told)
    with os.fdopen(reading) as pipe:
        line = pipe.read()
    if status not in {0, _DIED}:
        raise SystemExit(f"run {number} broke")
    before = _new(transfers)
    left = {"rows": _rows(recipe, file), "transfers": before}
    if _forked(again) != 0:
        raise SystemExit(f"run {number}: what came after the crash broke")
    rows, new = _rows(recipe, file), _new(transfers)
    return {"line": line, "left": left, "rows": rows, "transfers": dict(Counter(before) + Counter(new))}


def _rows(recipe: Any, file: Path) -> dict[str, str]:
    connection = sqlite3.connect(file)
    try:
        return dict(connection.execute(recipe.rows).fetchall())
    finally:
        connection.close()


def _new(transfers: Transfers) -> dict[str, int]:
    """The references of the transfers that were made since it was asked last, each with how many were."""
    made: Counter[str] = Counter()
    for outcome in transfers.outcomes("killed-lines", consumer="one", idle=0):
        made[outcome.reference] += outcome.version == 1
        outcome.ack()
    return dict(+made)


def _errors(recipe: Any, folder: Path) -> dict[str, Any]:
    """Of an outbox' rows, with the sender at work: which are sent, which are left for later, which for a person."""
    file = folder / "errors.db"
    fake = FakeTransfers()
    recipe.begin(file, fake)
    fake.enqueue(saved("conflict", amount=1))
    for intent in (saved("good"), saved("conflict"), saved("unknown-terminal", terminal="nowhere"), saved("old-text")):
        recipe.put(intent)
    fake.pause_terminal("main", until=datetime.now(UTC) + timedelta(days=9))
    changed = "update payout_outbox set intent_json = replace(intent_json, ':1,', ':2,')"
    _change(file, f"{changed} where reference = 'old-text'")
    recipe.work(fake)
    query = "select reference, sent_at is not null, due_at is not null, problem from payout_outbox"
    first = _change(file, query)
    fake._scripts.stops.clear()
    _change(file, "update payout_outbox set due_at = '2020-01-01 00:00:00' where due_at is not null")
    recipe.work(fake)
    return {"first": first, "then": _change(file, query)}


def _outcome_first(recipe: Any, folder: Path) -> dict[str, Any]:
    """The listener has committed an outcome before the second commit of `enqueue`, and before the job looked."""
    file = folder / "outcome.db"
    fake = FakeTransfers()
    recipe.begin(file, fake)
    table = "payment" if recipe.rows.endswith(" payment") else "payments_payment"
    real, states = fake.enqueue, f"select reference, state from {table}"  # noqa: S608 - ours

    def enqueue(intent: TransferIntent) -> Any:
        receipt = real(intent)
        _change(file, f"update {table} set state = 'paid' where reference = '{intent.reference}'")  # noqa: S608 - ours
        return receipt

    fake.enqueue = enqueue  # type: ignore[method-assign]  # the moment between the two lines of the example
    recipe.business("outcome", fake)
    return _change(file, states)


def _change(file: Path, query: str) -> dict[str, Any]:
    connection = sqlite3.connect(file)
    try:
        found = {row[0]: row[1:] for row in connection.execute(query).fetchall()}
        connection.commit()
    finally:
        connection.close()
    return found


def main(name: str, folder: Path, *flags: str) -> None:
    recipe = RECIPES[name]()
    if "--errors" in flags:
        print(json.dumps(_errors(recipe, folder)))  # noqa: T201 - it prints
        return
    if "--outcome-first" in flags:
        print(json.dumps(_outcome_first(recipe, folder)))  # noqa: T201 - as above
        return
    with Transfers.from_env() as transfers:
        _new(transfers)
        for number in itertools.count(1):
            run = _run(recipe, number, folder, transfers)
            print(json.dumps(run))  # noqa: T201 - it prints
            if not run["line"]:
                return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
