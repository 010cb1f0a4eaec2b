"""FastAPI (Starlette is mounted alike): uvicorn with_fastapi:app, with WEB_BASE_URL=https://shop.example/transfers"""

import secrets
from typing import Annotated

from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse

from epay_transfers.producers import PanCard, ProducerAndWebSettings, Receiver, TransferIntent
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.starlette import router

web = Web.from_env(ProducerAndWebSettings.load(env_file=".env"), home="/")
app = FastAPI()
app.mount("/transfers", router(web))  # the one line


@app.post("/buy")
def buy(
    number: Annotated[str, Form()], expiry: Annotated[str, Form()], cvc: Annotated[str, Form()]
) -> RedirectResponse:
    """A plain function: FastAPI runs it in its thread pool, where the servers may be waited for."""
    intent = TransferIntent(
        reference=f"order-{secrets.token_hex(8)}",
        amount="12000",
        description="A concert ticket",
        sender=PanCard(number=number, expiry=expiry, cvc=cvc, name="CARD HOLDER"),
        receiver=Receiver(number="5522042705066736"),
    )
    return RedirectResponse(f"/transfers/pay/{web.transfers.enqueue(intent).handle}", 303)
