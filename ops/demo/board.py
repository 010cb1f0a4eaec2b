"""The board: shows the demo while it runs. A live table on a terminal; elsewhere one line for each change.

Its sentences come from the ledger's events, a few from what the demo itself does.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Protocol

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.store.events import Event
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.demo.scenes import Scene

_REFUSED = "refused"

#: A terminal of this size has room for whole stories while the demo runs; at the end all terminals show them.
_WIDE, _HIGH = 110, 34


@dataclass(slots=True)
class BoardRow:
    scene: Scene
    invoice_id: str
    state: str = ""
    steps: list[str] = field(default_factory=list)

    @property
    def amount(self) -> str:
        return f"{Decimal(self.scene.amount):,.2f}".replace(",", " ")


class Face(Protocol):
    """A way to show the board."""

    def changed(self, row: BoardRow, sentence: str) -> None: ...


class Board:
    def __init__(self, clock: Clock) -> None:
        self.rows: dict[str, BoardRow] = {}
        self.face: Face = Silent()
        self._clock = clock
        self._began = clock.monotonic()

    def enter(self, scene: Scene, invoice_id: str) -> BoardRow:
        row = self.rows[invoice_id] = BoardRow(scene, invoice_id)
        return row

    def happened(self, event: Event) -> None:
        """A move of the ledger."""
        row = self.rows.get(event.fields.get("key", ""))
        if row is None:
            return
        row.state = event.fields["state"]
        row.steps.append(descriptions.step(event))
        self.face.changed(row, descriptions.happened(event))

    def note(self, row: BoardRow, step: str, sentence: str, *, refused: bool = False) -> None:
        """What the demo itself did."""
        if refused:
            row.state = _REFUSED
        row.steps.append(step)
        self.face.changed(row, sentence)

    def seconds(self) -> float:
        return self._clock.monotonic() - self._began

    def table(self, *, small: bool = False) -> Table:
        """Small: a line a row, with the newest step alone."""
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=small)
        made.add_column("what is shown", no_wrap=True)
        if not small:
            made.add_column("invoice", no_wrap=True)
        made.add_column("KZT", justify="right", no_wrap=True)
        made.add_column("state", no_wrap=True, min_width=10)
        made.add_column("what happened", no_wrap=small, overflow="ellipsis" if small else "fold", ratio=1)
        for row in self._in_order():
            invoice = [] if small else [row.invoice_id]
            story = _newest(row) if small else _story(row)
            made.add_row(row.scene.shows, *invoice, row.amount, _state(row.state), story)
        return made

    def stories(self) -> Table:
        """The whole stories, for a screen on which the table had no room for them."""
        made = Table.grid(padding=(0, 2))
        for row in self._in_order():
            made.add_row(row.scene.shows, _story(row))
        return made

    def _in_order(self) -> list[BoardRow]:
        return sorted(self.rows.values(), key=lambda row: row.scene.number)


def _state(state: str) -> Text:
    if state == _REFUSED:
        return Text(state, style="red")
    return screen.state_text(state) if state else Text("")


def _newest(row: BoardRow) -> Text:
    return Text(row.steps[-1] if row.steps else "")


def _story(row: BoardRow) -> Text:
    """The steps, the newest one bright; one that was taken several times in a row is said once."""
    steps = [step if (times := len(list(same))) == 1 else f"{step} x{times}" for step, same in groupby(row.steps)]
    *old, new = steps or [""]
    return Text.assemble((" → ".join([*old, ""]), "dim"), new)


class Silent:
    """Shows nothing."""

    def changed(self, row: BoardRow, sentence: str) -> None:
        """Show nothing."""


class Lines:
    """For a log or a pipe: a line a change, no control codes."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def changed(self, row: BoardRow, sentence: str) -> None:
        state = row.state or "-"
        print(f"{self._board.seconds():5.1f} s  {row.invoice_id:<15}  {state:<10}  {sentence}", flush=True)


class LiveTable:
    """For a person: a live table."""

    def __init__(self, board: Board, live: Live) -> None:
        self._board = board
        self._live = live

    def changed(self, row: BoardRow, sentence: str) -> None:  # noqa: ARG002 - the whole board is drawn
        size = self._live.console.size
        self._live.update(self._board.table(small=size.width < _WIDE or size.height < _HIGH), refresh=True)


@contextlib.contextmanager
def shown(board: Board, console: Console) -> Iterator[None]:
    """Inside, the board is on the screen; at the end it is told once more, with whole stories."""
    if not console.is_terminal:
        board.face = Lines(board)
        yield
        return
    with Live(board.table(), console=console, auto_refresh=False, transient=True) as live:
        board.face = LiveTable(board, live)
        yield
    board.face = Silent()
    small = console.width < _WIDE
    console.print(board.table(small=small))
    if small:
        console.print(board.stories())
