"""Queues and workers: what waits in each queue, what each worker last said of itself, what is late, the inboxes.

A silent worker is shown as silent: what it said before is no more known to be so.
"""

from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.errors import QueueUnavailable
from epay_transfers.ledger.queue.stats import Queue
from epay_transfers.ledger.record import Record
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.facts import LOOKED_AT, overdue_leases
from epay_transfers.ops.overview.worker_rows import worker_rows, workers_line
from epay_transfers.ops.queue_rows import AT_WORK, COLUMNS, DEAD_LETTERS, WAKE_UPS, queue_rows

_ROWS = 50


def workers(visit: Visit) -> Response:
    facts = visit.look.facts
    queues, overdue = _queues(visit), _overdue(visit)
    return visit.page(
        "workers.html", "Queues and workers",
        columns=COLUMNS, queues=None if queues is None else queue_rows(queues),
        wake_ups=WAKE_UPS, at_work=AT_WORK,
        dead_letters=DEAD_LETTERS if any(queue.dead_letters for queue in queues or ()) else "",
        line=workers_line(facts), workers=worker_rows(facts),
        overdue=overdue, overdue_more=max(0, (facts.overdue_leases or 0) - _ROWS), looked_at=LOOKED_AT,
        requests=facts.requests, aside=facts.outcomes_aside,
    )  # fmt: skip


def _queues(visit: Visit) -> Sequence[Queue] | None:
    """None: the queue's server can't be asked. The workers are shown all the same."""
    if visit.look.facts.queue.is_away:
        return None
    try:
        return visit.context.queues.read()
    except QueueUnavailable:
        return None


def _overdue(visit: Visit) -> Sequence[Record] | None:
    """Those that are held too long, as many as are shown. None: unknown."""
    if visit.look.facts.overdue_leases is None:
        return None
    keys = overdue_leases(visit.context.ledger, visit.now_ms) if visit.look.facts.overdue_leases else []
    return visit.context.ledger.get_many(keys[:_ROWS])


ROUTES = [Route("/workers", page(workers))]
