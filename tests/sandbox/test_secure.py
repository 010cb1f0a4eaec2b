"""3-D Secure: the forms of a challenge, the bank's page, and PaRes (contract, sections 2 and 3)."""

import base64
import html
import re
from typing import Any

import pytest

TERM_URL = "https://shop.example/3ds/return?order=1&way=back"


def fields(page: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page)}


@pytest.mark.parametrize(
    ("words", "path", "extra"),
    [
        ("[3ds]", (), {}),
        ("[3ds-nested]", ("secure3D",), {"code": 0}),
        ("[3ds-status]", ("secure3D",), {"status": "3D"}),
    ],
)
def test_a_challenge_comes_in_each_of_its_forms(
    shop: Any, words: str, path: tuple[str, ...], extra: dict[str, Any]
) -> None:
    invoice, said = shop.challenged(words)
    inner = said["secure3D"] if path else said

    assert inner["action"] == f"{shop.bank.url}/acs"
    assert re.fullmatch(r"[0-9]{9}-[0-9A-F]{16}", inner["md"])
    assert base64.b64decode(inner["paReq"], validate=True)
    assert said["id"]
    assert extra.items() <= said.items()
    assert shop.word(invoice) == "3D"
    assert shop.book(invoice)["executions"] == 0


def test_a_challenge_without_an_id_can_be_had(shop: Any) -> None:
    assert set(shop.challenged("[3ds-no-id]")[1]) == {"paReq", "md", "action"}


def test_the_page_takes_the_client_to_the_merchant_with_a_pa_res(shop: Any) -> None:
    invoice, said = shop.challenged()
    page = shop.web.post(said["action"], data={"PaReq": said["paReq"], "MD": said["md"], "TermUrl": TERM_URL})
    assert page.status_code == 200
    assert "<b>secret</b>" in page.text
    assert "100 KZT" in page.text
    assert "4405639704015096" not in page.text

    form = fields(page.text) | {"password": "secret"}
    del form["cancel"]
    back = shop.web.post(f"{shop.bank.url}/acs/result", data=form)

    sent = fields(back.text)
    assert html.unescape(re.findall(r'action="([^"]*)"', back.text)[0]) == TERM_URL
    nonce = re.findall(r'<script nonce="([^"]*)"', back.text)[0]
    assert f"'nonce-{nonce}'" in back.headers["content-security-policy"]
    assert "<button>" in back.text
    document = {"ID": said["id"], "PaRes": sent["PaRes"], "MD": sent["MD"]}
    assert "success.html" in shop.confirm(document, shop.token(invoiceID=invoice)).headers["location"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"PaReq": "other"}, "PaReq"), ({"MD": "1-A"}, "MD"), ({"TermUrl": "javascript:alert(1)"}, "TermUrl")],
)
def test_the_page_wants_what_the_transfers_answer_carried(shop: Any, change: dict[str, str], field: str) -> None:
    _, said = shop.challenged()
    form = {"PaReq": said["paReq"], "MD": said["md"], "TermUrl": TERM_URL} | change

    page = shop.web.post(said["action"], data=form)

    assert (page.status_code, page.text.partition(":")[0]) == (400, field)


def test_a_pa_res_is_long_and_has_all_that_a_form_may_spoil(shop: Any) -> None:
    pa_res = shop.answer(shop.challenged()[1]["md"])

    assert len(pa_res) > 1500
    assert set("+/=") <= set(pa_res)
