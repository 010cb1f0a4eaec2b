"""FastAPI, an intent as a JSON body: uvicorn json_with_fastapi:app. A refused one is 422 without a value of it."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from epay_transfers.producers import TransferIntent, Transfers
from epay_transfers.producers.web.fastapi import answer_rejections

transfers = Transfers.from_env(env_file=".env")
app = FastAPI()
answer_rejections(app)  # the one line


async def read_intent(request: Request) -> TransferIntent:
    """From the text: FastAPI's own parser takes the last of two fields with one name, and says nothing."""
    return TransferIntent.model_validate_json(await request.body())


@app.post("/payouts")
def pay_out(intent: Annotated[TransferIntent, Depends(read_intent)]) -> dict[str, str]:
    """A plain function: FastAPI runs it in its thread pool, where the servers may be waited for."""
    receipt = transfers.enqueue(intent)
    return {"key": receipt.key, "state": receipt.state}
