"""Says to an open page that something has changed. The page fetches itself then: there is one way to make it."""

import asyncio
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from epay_transfers.ops.console.visit import Visit

#: Between two looks; and, where nothing moved, between two pages: ages and clocks are shown.
_EACH_S = 2.0
_AT_LEAST_EACH = 5

#: A page that is open for so long connects anew.
_LONGEST = 900


def live(request: Request) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_looks(request), media_type="text/event-stream", headers=headers)


async def _looks(request: Request) -> AsyncIterator[str]:
    visit, seen = Visit(request), ""
    yield "retry: 3000\n\n"
    for turn in range(_LONGEST):
        look = await run_in_threadpool(visit.console.looks.newest)
        facts = look.facts
        newest = facts.events[-1].id if facts.events else ""
        now = f"{newest} {facts.sequence} {[judgement.says for judgement in look.judgements]}"
        if now != seen or not turn % _AT_LEAST_EACH:
            yield "event: changed\ndata:\n\n"
        seen = now
        if await request.is_disconnected():
            return
        await asyncio.sleep(_EACH_S)


ROUTES = [Route("/changes", live)]
