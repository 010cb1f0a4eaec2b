"""FastAPI (Starlette is mounted alike): uvicorn with_fastapi:app, with WEB_BASE_URL=https://shop.example/transfers

Against the sandbox: `transfers dev`, whose .env is .transfers-dev/.env; with [3ds] in the description it asks for 3-D
Secure.
"""

from typing import Annotated

from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse

from epay_transfers.producers import PanCard, ProducerAndWebSettings, Receiver, TransferIntent
from epay_transfers.producers.web import Web
from epay_transfers.producers.web.fastapi import answer_rejections
from epay_transfers.producers.web.starlette import router

web = Web.from_env(ProducerAndWebSettings.load(env_file=".env"), home="/")
app = FastAPI()
app.mount("/transfers", router(web))  # the one line
answer_rejections(app)  # a wrong card is 422, and no answer repeats what was sent


@app.post("/buy/{order_id}")
def buy(
    order_id: int, number: Annotated[str, Form()], expiry: Annotated[str, Form()], cvc: Annotated[str, Form()]
) -> RedirectResponse:
    """The reference is made before the first click. Yours is your order's own, from your database.

    So a click after any error is the same payment. A plain function: FastAPI runs it in its thread pool.
    """
    intent = TransferIntent(
        reference=f"order-{order_id}",
        amount="12000",
        description="A concert ticket",
        sender=PanCard(number=number, expiry=expiry, cvc=cvc, name="CARD HOLDER"),
        receiver=Receiver(number="5522042705066736"),
    )
    return RedirectResponse(f"/transfers/pay/{web.transfers.enqueue(intent).handle}", 303)
