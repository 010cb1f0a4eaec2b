"""For FastAPI: `answer_rejections(app)`, where a route takes a `TransferIntent` as its body.

The routes of the web tier are those of `producers.web.starlette`.
"""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from epay_transfers.producers.errors import IntentRejected
from epay_transfers.producers.web.rejections import rejection


def answer_rejections(app: FastAPI) -> None:
    """Let the app answer a rejected intent with 422, its field and the reason. The values of the intent stay out.

    So is every request that FastAPI itself refuses: its own answer repeats the whole body, with the card in it, where a
    field beside the intent is missing.
    """

    @app.exception_handler(IntentRejected)
    async def of_intent(_request: Request, error: IntentRejected) -> JSONResponse:
        status, body = rejection(error)
        return JSONResponse(body, status)

    @app.exception_handler(RequestValidationError)
    async def of_request(_request: Request, error: RequestValidationError) -> JSONResponse:
        status, body = rejection(error)
        return JSONResponse(body, status)
