"""A table of many rows: it looks as the library draws it, and costs a tenth of that.

The library measures, pads, folds and styles each cell by itself: ten thousand rows take seconds. Here what fits its
column is written as it stands, and only a cell that does not fit is folded, by the library.
"""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

#: Between two columns; what stands before the first and behind the last.
_GAP, _EDGE = "   ", " "


class LongTable:
    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[Text]], *, title: str, to_the_right: Sequence[bool]
    ) -> None:
        self._columns = [Text(column, style="table.header") for column in columns]
        self._rows = rows
        self._title = title
        self._to_the_right = to_the_right

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - len(_GAP) * (len(self._columns) - 1) - 2 * len(_EDGE)
        widths = fitted([max(map(_width, cells)) for cells in zip(self._columns, *self._rows, strict=True)], room)
        inner = sum(widths) + len(_GAP) * (len(widths) - 1)
        nothing = f"{_EDGE}{' ' * inner}{_EDGE}\n"
        if self._title:
            yield from (Segment(self._title.ljust(len(nothing) - 1), console.get_style("bold")), Segment.line())
        yield Segment(nothing)
        yield from self._row(console, self._columns, widths)
        yield Segment(f"{_EDGE}{'─' * inner}{_EDGE}\n")
        for row in self._rows:
            yield from self._row(console, row, widths)
        yield Segment(nothing)

    def _row(self, console: Console, cells: Sequence[Text], widths: Sequence[int]) -> Iterator[Segment]:
        """Its lines: more than one where a cell is folded."""
        if all(_is_one_line(cell, width) for cell, width in zip(cells, widths, strict=True)):
            yield from self._line(console, cells, widths)
            return
        folded = [cell.wrap(console, width, overflow="fold") for cell, width in zip(cells, widths, strict=True)]
        for at in range(max(map(len, folded))):
            line = [lines[at] if at < len(lines) else Text() for lines in folded]
            yield from self._line(console, line, widths)

    def _line(self, console: Console, cells: Sequence[Text], widths: Sequence[int]) -> Iterator[Segment]:
        plain = _EDGE
        for at, (cell, width, to_the_right) in enumerate(zip(cells, widths, self._to_the_right, strict=True)):
            left = " " * (width - cell.cell_len)
            plain += (_GAP if at else "") + (left if to_the_right else "")
            if cell.style:
                yield from (Segment(plain), Segment(cell.plain, console.get_style(cell.style)))
                plain = ""
            else:
                plain += cell.plain
            plain += "" if to_the_right else left
        yield Segment(f"{plain}{_EDGE}\n")


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """The widest are narrowed, as far as it must be; none to less than one character."""
    narrow = list(widths)
    while (over := sum(narrow) - room) > 0 and max(narrow) > 1:
        widest = max(narrow)
        those = [at for at, width in enumerate(narrow) if width == widest]
        next_widest = max((width for width in narrow if width < widest), default=1)
        share, rest = divmod(over, len(those))
        for number, at in enumerate(those):
            narrow[at] = max(next_widest, widest - share - (number < rest))
    return narrow


def _width(cell: Text) -> int:
    return cell.cell_len if "\n" not in cell.plain else max(line.cell_len for line in cell.split())


def _is_one_line(cell: Text, width: int) -> bool:
    return cell.cell_len <= width and "\n" not in cell.plain and "\t" not in cell.plain
