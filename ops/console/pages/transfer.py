"""One transfer: what `transfers status` and `transfers explain` say of it, how it came there, and what may be done.

The forms are not replaced while the page is open, as its other parts are: they hold the transfer as it was seen.
"""

from collections.abc import Sequence

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from epay_transfers.ledger.decisions import Decision
from epay_transfers.ledger.reasons import sentence_of
from epay_transfers.ledger.record import Record
from epay_transfers.ops import decisions, record_lines, timeline
from epay_transfers.ops.acts import possible
from epay_transfers.ops.acts.possible import Act, Possible
from epay_transfers.ops.console import links, transfer_acts
from epay_transfers.ops.console.acts import new_request_id
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.overview.card_place import card_of
from epay_transfers.ops.overview.explaining import explain

#: What is said of how it ended, and the word of it that a form sends.
_HOW = {verb.value: how for words in (possible.SETTLES, possible.CORRECTS) for verb, how in words.items()}


def transfer(visit: Visit) -> Response:
    named = visit.request.path_params["key"]
    record = visit.context.find(named)
    if record.key != named:
        return RedirectResponse(links.transfer(record.key), 303)
    history = visit.context.events.of(record)
    standing = decisions.all_standing(record, visit.now_ms)
    return visit.page(
        "transfer.html",
        record.key,
        record=record,
        against=visit.context.ledger.contradiction(record.key),
        why=sentence_of(record.reason),
        lines=[(name, text) for name, text in record_lines.lines(record, visit.now_ms) if name not in _SHOWN_ABOVE],
        told=explain(record, history, card_of(visit.context, record), visit.look.facts),
        steps=timeline.folded(history.events),
        events=len(history.events),
        not_listed=record_lines.not_in_history(record, history),
        word=timeline.last_word(history.events),
        standing=standing,
        acts=_by_act(record),
        agree=_to_agree_with(visit, standing),
        how_of=_HOW,
        roles=transfer_acts.ROLES,
        Act=Act,
        new_request_id=new_request_id,
    )


#: Of the record's lines, those that the page's first part or its explanation shows.
_SHOWN_ABOVE = frozenset({"transfer", "state", "money", "amount", "decided", "next"})


def _by_act(record: Record) -> dict[Act, list[Possible]]:
    found: dict[Act, list[Possible]] = {}
    for each in possible.possible(record):
        found.setdefault(each.act, []).append(each)
    return found


def _to_agree_with(visit: Visit, standing: Sequence[Decision]) -> Decision | None:
    """Another's decision about how it ended: this person decides the same, or leaves it."""
    others = (each for each in standing if each.what in _HOW and each.by != visit.person.operator)
    return next(others, None)


ROUTES = [Route("/transfer/{key}", page(transfer))]
