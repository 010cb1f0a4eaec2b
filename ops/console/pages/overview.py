"""The first page: what is wrong, the money by state, the last hours, the bank, workers, pauses and servers.

Its words are those of `transfers overview`: the rows of both come from `ops/overview`.
"""

from collections.abc import Sequence

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ops.behind import states_behind, terminal_of
from epay_transfers.ops.console import charts
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.bank_rows import bank_rows
from epay_transfers.ops.overview.history import History, histories, until_ms
from epay_transfers.ops.overview.money_rows import money_rows
from epay_transfers.ops.overview.pause_rows import pause_rows
from epay_transfers.ops.overview.server_rows import (
    archived_says,
    last_act_says,
    requests_says,
    server_rows,
    suffix_rows,
)
from epay_transfers.ops.overview.worker_rows import worker_rows, workers_line

#: So many are shown here; all of them are on the page of each.
_PAUSES = _WORKERS = 5


class _Charts:
    """As they were drawn last: they change once a minute, and a page is asked for every second."""

    def __init__(self) -> None:
        self._kept: tuple[object, Markup | None] = (self, None)

    def of(self, visit: Visit) -> Markup | None:
        """None: unknown. Empty: there is no sample yet."""
        facts = visit.look.facts
        made_of = (facts.samples, until_ms(facts))
        kept, drawn = self._kept
        if kept != made_of:
            told = histories(facts)
            drawn = None if told is None else self._drawn(visit, told)
            self._kept = (made_of, drawn)
        return drawn

    @staticmethod
    def _drawn(visit: Visit, told: Sequence[History]) -> Markup:
        drawings = [charts.drawing(each) for each in told]
        return visit.part("charts.html", drawings=drawings, width=charts.WIDTH, height=charts.HEIGHT)


_charts = _Charts()


def overview(visit: Visit) -> Response:
    facts = visit.look.facts
    odd = [row for row in worker_rows(facts) or () if row.what]
    pauses = pause_rows(facts)
    return visit.page(
        "overview.html", "Overview",
        money=money_rows(facts),
        charts=_charts.of(visit),
        bank=bank_rows(facts),
        workers=workers_line(facts),
        odd_workers=odd[:_WORKERS], more_workers=len(odd[_WORKERS:]),
        pauses=None if pauses is None else pauses[:_PAUSES], more_pauses=len((pauses or [])[_PAUSES:]),
        states_behind=states_behind, terminal_of=terminal_of,
        servers=server_rows(facts), suffixes=suffix_rows(facts), archived=archived_says(facts),
        requests=requests_says(facts), aside=facts.outcomes_aside, last_act=last_act_says(facts),
    )  # fmt: skip


ROUTES = [Route("/", page(overview))]
