"""The first page: what is wrong, the money by state, the last hours, the bank, workers, pauses and servers.

Its words are those of `transfers overview`: the rows of both come from `ops/overview`.
"""

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ops.behind import states_behind, terminal_of
from epay_transfers.ops.console import charts
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.bank_rows import bank_rows
from epay_transfers.ops.overview.history import histories
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


def overview(visit: Visit) -> Response:
    facts = visit.look.facts
    told = histories(facts)
    odd = [row for row in worker_rows(facts) or () if row.what]
    pauses = pause_rows(facts)
    return visit.page(
        "overview.html", "Overview",
        money=money_rows(facts),
        charts=None if told is None else [charts.drawing(each) for each in told],
        chart_size=(charts.WIDTH, charts.HEIGHT),
        bank=bank_rows(facts),
        workers=workers_line(facts),
        odd_workers=odd[:_WORKERS], more_workers=len(odd[_WORKERS:]),
        pauses=None if pauses is None else pauses[:_PAUSES], more_pauses=len((pauses or [])[_PAUSES:]),
        states_behind=states_behind, terminal_of=terminal_of,
        servers=server_rows(facts), suffixes=suffix_rows(facts), archived=archived_says(facts),
        requests=requests_says(facts), aside=facts.outcomes_aside, last_act=last_act_says(facts),
    )  # fmt: skip


ROUTES = [Route("/", page(overview))]
