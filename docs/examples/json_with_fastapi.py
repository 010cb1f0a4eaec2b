"""FastAPI, an intent as a JSON body: uvicorn json_with_fastapi:app. A refused one is 422 without a value of it."""

from fastapi import FastAPI

from epay_transfers.producers import TransferIntent, Transfers
from epay_transfers.producers.web.fastapi import answer_rejections

transfers = Transfers.from_env(env_file=".env")
app = FastAPI()
answer_rejections(app)  # the one line


@app.post("/payouts")
def pay_out(intent: TransferIntent) -> dict[str, str]:
    """A plain function: FastAPI runs it in its thread pool, where the servers may be waited for."""
    receipt = transfers.enqueue(intent)
    return {"key": receipt.key, "state": receipt.state}
