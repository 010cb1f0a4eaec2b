"""asyncio, here with FastAPI: uvicorn asyncio_with_fastapi:app. It enqueues, and reads what became of the payouts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from epay_transfers.producers import AsyncTransfers, LedgerUnavailable, Outcome, ProducerSettings, TransferIntent
from epay_transfers.producers.web.fastapi import answer_rejections

transfers = AsyncTransfers.from_env(ProducerSettings.load(env_file=".env"))  # it connects to nothing yet


async def deal_with(outcome: Outcome) -> None:
    """Its return acknowledges the outcome, after your own commit; where it raises, the outcome comes again."""
    print(f"{outcome.reference} is {outcome.state}")


async def follow() -> None:
    """Under `--workers 3` three of these share the work. A process of its own is better: outcomes_with_asyncio.py."""
    while True:
        with suppress(LedgerUnavailable):  # it was away at the start; later it waits for it by itself
            await transfers.run_outcomes(deal_with, group="payouts-asyncio")
        await asyncio.sleep(1)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with transfers:
        reader = asyncio.create_task(follow())
        yield
        reader.cancel()
        with suppress(asyncio.CancelledError):
            await reader


app = FastAPI(lifespan=lifespan)
answer_rejections(app)


@app.post("/payouts")
async def pay(intent: TransferIntent) -> dict[str, str]:
    return {"key": (await transfers.enqueue(intent)).key}
