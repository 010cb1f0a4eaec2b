"""Output of the commands: tables, money, times, states and sums, the same everywhere; JSON for a machine.

Colour says where the money is: green for moved, yellow for unknown, none for none. No card data comes here.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops import answers
from epay_transfers.ops.long_table import LongTable

#: The width on a pipe: a table that a program reads is not folded.
_PIPE_WIDTH = 200

#: A table of more rows is drawn at a tenth of the cost.
_LONG = 100

_TO_THE_RIGHT = frozenset({"amount", "age", "waiting", "used", "limit", "dead letters", "count", "oldest"})

_STYLES = {Money.MOVED: "green", Money.UNKNOWN: "bold yellow", Money.NONE: ""}
_STATE_STYLES = {State.DECLINED: "red", State.DEAD: "bold red", State.EXPIRED: "dim", State.CANCELLED: "dim"}

MONEY_WORDS = {
    Money.NONE: "none moved: once final, it may be paid another way",
    Money.MOVED: "moved",
    Money.UNKNOWN: "unknown: it may not be paid another way",
}


def console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def say(text: RenderableType = "") -> None:
    if _is_collected(text):
        return
    console().print(text, markup=False) if isinstance(text, str) else console().print(text)


def say_typed(text: str) -> None:
    """What is to be typed, which no line break may come into, however narrow the screen is."""
    if _is_collected(text):
        return
    console().print(text, markup=False, soft_wrap=True)


def _is_collected(text: RenderableType) -> bool:
    """With `--json`, what a command without data of its own says is an answer's."""
    answer = answers.current()
    if answer is None:
        return False
    if not isinstance(text, str):
        with (drawn := console()).capture() as shown:
            drawn.print(text)
        text = shown.get()
    answer.says += [text.rstrip()] if text.strip() else []
    return True


def say_json(data: object) -> None:
    print(as_json(data))


def as_json(data: object) -> str:
    """On one line. Where the output can't show every character, it is escaped as JSON does it."""
    is_utf_8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(data, ensure_ascii=not is_utf_8)


def say_unreadable(unreadable: Sequence[RecordUnreadable]) -> None:
    """Name the unreadable records below a list."""
    for error in unreadable:
        say(f"Not shown: {error}.")


def unreadable_json(unreadable: Sequence[RecordUnreadable]) -> list[dict[str, str]]:
    return [{"key": error.key, "unreadable": error.why} for error in unreadable]


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> Table | LongTable:
    """A plain table. Numbers (`amount`, `age`) are aligned to the right."""
    cells = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    to_the_right = [column in _TO_THE_RIGHT for column in columns]
    if len(cells) > _LONG:
        return LongTable(columns, cells, title=title, to_the_right=to_the_right)
    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for column, is_number in zip(columns, to_the_right, strict=True):
        made.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        made.add_row(*row)
    return made


def state_text(state: State | str) -> Text:
    known = State(state)
    return Text(known, style=_STATE_STYLES.get(known) or _STYLES[known.money])


def amount(minor: int, currency: str) -> str:
    """`15 000.50 KZT`."""
    return f"{to_decimal(minor, currency):,.2f} {currency}".replace(",", " ")


def when(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if ms else "-"


def iso(ms: int) -> str | None:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds") if ms else None


def span(ms: int) -> str:
    """`45 s`, `12 min`, `3 h`, `5 d`."""
    seconds = abs(ms) // 1000
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def away(ms: int, now_ms: int) -> str:
    """A time relative to now: `in 5 min`, `12 s ago`."""
    if not ms:
        return "-"
    return f"in {span(ms - now_ms)}" if ms > now_ms else f"{span(now_ms - ms)} ago"


def ago(ms: int, now_ms: int) -> str:
    """As `away`, of what has been: read after the look that took `now_ms`, it was just now, and not "in 0 s"."""
    return away(min(ms, now_ms), now_ms)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many transfers, and how much money, in one currency."""

    count: int
    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.count} with {amount(self.amount_minor, self.currency)}"

    def to_json(self) -> dict[str, Any]:
        decimal = to_decimal(self.amount_minor, self.currency)
        return {"count": self.count, "amount": str(decimal), "currency": self.currency}


def sums(totals: Totals, *states: State) -> list[Sum]:
    """The sums of these states together, one for each currency with transfers."""
    found = totals.of(*states)
    apart = ((currency, [each for each in found.each if each.currency == currency]) for currency in found.amounts)
    return [
        Sum(sum(each.count for each in those), sum(each.amount for each in those), currency)
        for currency, those in apart
    ]
