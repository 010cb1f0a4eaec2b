"""Charts: a line is not drawn over a gap, the axis begins at 0, names do not overlap, and all of it is told."""

import re
from itertools import pairwise

from epay_transfers.ledger.store.samples import KEPT
from epay_transfers.ops.console.charts import HEIGHT, WIDTH, Drawing, drawing, short
from epay_transfers.ops.console.visit import Visit
from epay_transfers.ops.overview.history import History, Line, Point

NOW = 1_795_500_000_000
FROM = NOW - KEPT * 60_000


def chart(*lines: Line, gaps: tuple[tuple[int, int], ...] = ()) -> Drawing:
    return drawing(History("counts", "What waits", "transfers", lines, FROM, NOW, gaps))


def line(name: str, *figures: float | None) -> Line:
    """A figure a minute, the last one now."""
    return Line(name, [Point(NOW - (len(figures) - 1 - at) * 60_000, each) for at, each in enumerate(figures)])


def test_a_gap_breaks_the_line_and_one_point_alone_is_a_dot() -> None:
    (drawn,) = chart(line("dead", 1, 2, None, 3)).lines

    assert drawn.path.count("M") == 2
    assert drawn.path.count("L") == 1
    assert drawn.path.endswith("h0")


def test_the_axis_begins_at_zero_and_ends_at_a_round_figure() -> None:
    for figure, words in ((75, ["0", "40", "80"]), (0.03, ["0", "0.02", "0.04"]), (0, ["0", "1"]), (1, ["0", "1"])):
        assert [level.words for level in chart(line("dead", 0, figure)).levels] == words


def test_names_at_the_ends_of_lines_do_not_overlap() -> None:
    """Also where all lines end at 0, or at the top."""
    for ends in ((0, 0, 0, 0), (9, 9, 9, 9), (0, 0.1, 9, 9)):
        heights = sorted(
            each.label_y for each in chart(*(line(f"line {at}", end) for at, end in enumerate(ends))).lines
        )
        assert all(lower - upper >= 13.9 for upper, lower in pairwise(heights))
        assert heights[0] > 0
        assert heights[-1] < HEIGHT - 20


def test_it_says_what_it_shows() -> None:
    """For those who do not see it: the last and the highest figures, and when nothing was known."""
    says = chart(line("in doubt", 3, 48, None), gaps=((FROM, NOW - 3 * 60_000),)).says

    assert "in doubt: ? by the last sample, at most 48 at " in says
    assert "No sample from " in says


def test_the_figures_are_a_table_with_the_highest_of_each_ten_minutes() -> None:
    rows = chart(line("dead", 1, 7, 2)).rows

    assert len(rows) <= 25
    assert "7" in {figures[0] for _, figures in rows[:2]}
    assert {figures[0] for _, figures in rows[2:]} == {"?"}


def test_it_is_svg_with_a_title_and_no_foreign_name_becomes_markup() -> None:
    """A worker's heartbeat names the kinds of calls; at most 240 points a line, and no style of its own."""
    drawn = chart(line("<script>", *range(KEPT)))

    html = Visit.part("charts.html", drawings=[drawn], width=WIDTH, height=HEIGHT)

    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert 'role="img" aria-labelledby="title-counts says-counts"' in html
    assert '<title id="title-counts">What waits, transfers</title>' in html
    assert "style=" not in html
    assert len(re.findall(r"[ML]", drawn.lines[0].path)) <= KEPT


def test_short_figures() -> None:
    figures = (0, 0.25, 1, 7.5, 120, 9_999, 12_500, 435_000, 1_250_000, 2_000_000_000, None)

    assert [short(figure) for figure in figures] == [
        "0", "0.25", "1", "7.5", "120", "9999", "12.5 k", "435 k", "1.2 M", "2 bn", "?",
    ]  # fmt: skip
