"""The dead transfers, by root cause: how many, how much money, and whether they may be queued again.

The queues' own dead letters, which are messages, are counted beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.errors import ServerUnavailable
from epay_transfers.ledger.queue.stats import Queue
from epay_transfers.ledger.reasons import sentence_of
from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.acts.possible import NOT_REQUEUEABLE
from epay_transfers.ops.console import links
from epay_transfers.ops.console.pages.transfers import UNCOUNTED
from epay_transfers.ops.console.visit import Visit, page


@dataclass(frozen=True, slots=True)
class Cause:
    """`link` leads to exactly these."""

    word: str
    sentence: str
    count: int
    sums: Sequence[screen.Sum]
    is_requeueable: bool
    link: str
    counted: str  #: as the filters of a list and of a plan take the word


def dead(visit: Visit) -> Response:
    totals = visit.context.ledger.totals().of(State.DEAD)
    causes = [
        Cause(
            word,
            sentence_of(word) or "no reason is recorded",
            those.count,
            screen.sums(those),
            word not in NOT_REQUEUEABLE,
            links.transfers([State.DEAD], counted=word or UNCOUNTED),
            word or UNCOUNTED,
        )
        for word, those in totals.by_reason()
    ]
    queues, why = _queues(visit)
    return visit.page(
        "dead.html",
        "Dead transfers",
        causes=causes,
        count=totals.count,
        total=screen.sums(totals),
        queues=queues,
        why=why,
    )


def _queues(visit: Visit) -> tuple[list[Queue] | None, str]:
    """None where the queue's server can't be asked, and why."""
    try:
        return visit.context.queues.read(), ""
    except ServerUnavailable as error:
        return None, error.why


ROUTES = [Route("/dead", page(dead))]
