"""A long table, which is drawn by rows: it looks as the library's own drawing of it, and nothing in it is lost."""

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.long_table import LongTable, fitted

COLUMNS = ("at", "amount", "state", "what", "by")


def rows(count: int) -> list[list[str | Text]]:
    return [
        [
            f"row{at}",
            f"{at * 7}.00 KZT",
            screen.state_text(State.DEAD if at % 2 else State.PAID),
            "a sentence " * (at % 4) + "two\nlines" * (at == 7) + "tab\tbed" * (at == 8),
            "бухгалтер " * (at % 3) + "銀行" * (at % 2) + "\x07",
        ]
        for at in range(count)
    ]


def drawn(table: object, width: int, *, coloured: bool = False) -> list[str]:
    console = Console(width=width, file=StringIO(), highlight=False, force_terminal=coloured)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("title", ["", "Card numbers"])
def test_a_long_table_looks_as_a_short_one_does(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    """Wide characters, controls, tabs and several lines in a cell are drawn as the library draws them."""
    long = screen.table(COLUMNS, rows(150), title=title)
    monkeypatch.setattr(screen, "_LONG", 150)
    short = screen.table(COLUMNS, rows(150), title=title)

    assert isinstance(long, LongTable)
    assert not isinstance(short, LongTable)
    assert drawn(long, 200) == drawn(short, 200)


@pytest.mark.parametrize("width", [7, 12, 30])
def test_a_narrow_screen_shows_all_of_each_row(width: int) -> None:
    """No character is dropped, whatever the width, and no line is wider than the screen."""
    lines = drawn(screen.table(("at", "what"), [(f"row{at}", f"word{at:04d}") for at in range(150)]), width)

    assert max(map(len, lines)) <= width
    given = Counter("atwhat" + "".join(f"row{at}word{at:04d}" for at in range(150)))
    assert Counter("".join(lines)) - Counter(" " * 10**5 + "─" * width) == given


def test_a_state_is_coloured_in_a_long_table_too() -> None:
    """Red for what failed, green for money that moved."""
    lines = drawn(screen.table(COLUMNS, rows(150)), 200, coloured=True)

    assert any("\x1b[32mpaid" in line for line in lines)
    assert any("\x1b[1;31mdead" in line for line in lines)


@pytest.mark.parametrize(
    ("widths", "room", "narrowed"),
    [
        ([5, 6], 20, [5, 6]),
        ([10, 30], 30, [10, 20]),
        ([20, 30, 5], 40, [18, 17, 5]),
        ([3, 3, 3], 1, [1, 1, 1]),
    ],
)
def test_the_widest_columns_are_narrowed(widths: list[int], room: int, narrowed: list[int]) -> None:
    """The others keep their width, and no column becomes less than a character."""
    assert sorted(fitted(widths, room)) == sorted(narrowed)
    assert sum(fitted(widths, room)) <= max(room, len(widths))
