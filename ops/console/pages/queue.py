"""The messages of a queue: those that wait, those that workers fetched, dead letters; each with its transfer."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.queue import messages
from epay_transfers.ledger.queue.broker import QUEUES
from epay_transfers.ledger.queue.messages import Message, Where
from epay_transfers.ledger.record import Record
from epay_transfers.ops.console import links
from epay_transfers.ops.console.typed_values import page_of
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.queue_rows import AT_WORK, DEAD_LETTERS, WAKE_UPS

_ROWS = 50

_TITLES = {
    Where.WAITING: "Messages that wait",
    Where.AT_WORK: "Messages at work",
    Where.DEAD_LETTERS: "Dead letters of the queue",
}

_WHAT_THEY_ARE = {
    Where.WAITING: WAKE_UPS,
    Where.AT_WORK: f"{WAKE_UPS} {AT_WORK}",
    Where.DEAD_LETTERS: DEAD_LETTERS,
}


@dataclass(frozen=True, slots=True)
class Row:
    message: Message
    record: Record | None  #: None: it names no transfer that is known


def queue(visit: Visit) -> Response:
    asked, number = visit.request.path_params, page_of(visit.request.query_params)
    name, where = asked["name"], next((each for each in Where if each == asked["where"]), None)
    if name not in QUEUES or where is None:
        raise HTTPException(404)
    start = (number - 1) * _ROWS
    found = messages.read(visit.context.queue_client, name, where, start=start, limit=_ROWS)
    keys = list(dict.fromkeys(message.key for message in found.page if message.key))
    records = {record.key: record for record in visit.context.ledger.get_many(keys)}
    return visit.page(
        "queue.html", f"{_TITLES[where]}: {name}",
        rows=[Row(message, records.get(message.key)) for message in found.page], of=found.of, first=start + 1,
        what_they_are=_WHAT_THEY_ARE[where], is_ordered=where is not Where.AT_WORK,
        earlier=links.queue(name, where, page=number - 1) if number > 1 else "",
        later=links.queue(name, where, page=number + 1) if number * _ROWS < found.of else "",
    )  # fmt: skip


ROUTES = [Route("/queues/{name}/{where}", page(queue))]
