"""The two calls of the bank with an asynchronous client that keeps its connections: not the body of the others."""

import aiohttp

from benchmarks.plain_payment import FORM, TOKEN_URL, TRANSFER_URL, order


async def pay(session: aiohttp.ClientSession, invoice: str, amount: int, card: str, cvc: str, receiver: str) -> None:
    form = aiohttp.MultipartWriter("form-data")
    for name, text in (FORM | {"invoiceID": invoice, "amount": str(amount)}).items():
        form.append(text).set_content_disposition("form-data", name=name)
    async with session.post(TOKEN_URL, data=form) as answer:
        token = (await answer.json())["access_token"]
    body, headers = order(invoice, amount, card, cvc, receiver), {"Authorization": f"Bearer {token}"}
    async with session.post(TRANSFER_URL, json=body, headers=headers) as answer:
        if (await answer.json())["code"] != 0:
            raise RuntimeError("the bank says no")
