"""Strange requests: whatever comes, the bank answers, and has no bug of its own (`running` raises if it had one)."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

POSTS = [
    "/epay2/oauth2/token",
    "/p2p/transfer",
    "/p2p/api/confirm",
    "/faults",
    "/acs",
    "/acs/result",
    "/acs/answer",
]
FORM = "multipart/form-data; boundary=x"
STRANGE: list[tuple[str, bytes]] = [
    ("multipart/form-data", b"abc"),
    (FORM, b"abc"),
    (FORM, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
    (FORM, b'--x\r\nContent-Disposition: form-data; name="scope"; filename="f"\r\n\r\na\r\n--x--\r\n'),
    (FORM, b'--x\r\nContent-Disposition: form-data; name="MD"\r\n\r\n\xff\r\n--x--\r\n'),
    ("application/x-www-form-urlencoded", b"scope=%ff&scope&=&&;"),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(1100))),
    ("application/json", b"\x00"),
    ("application/json", b"[" * 50_000),
    ("application/json", b'{"order":{"id":{}},"MD":[],"md":[],"PaRes":1e999999999999999999999}'),
    ("application/json", b"1" * 5000),
    ("application/json", b'{"call":[],"kind":{}}'),
    ("", b""),
]


@pytest.mark.parametrize("path", POSTS)
def test_no_body_is_too_strange(shop: Any, path: str) -> None:
    for kind, body in STRANGE:
        answer = shop.web.post(shop.bank.url + path, data=body, headers={"Content-Type": kind})

        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("field", ["description", "merchantIdForSavingCards"])
def test_half_a_letter_is_no_text(shop: Any, field: str) -> None:
    body = shop.body()
    body["order"][field] = "\ud83d"

    assert shop.send(body, shop.token()).json()["message"].startswith(f"order.{field}: ")


def test_a_client_that_leaves_in_the_middle_is_no_bug(open_shop: Callable[..., Any]) -> None:
    shop = open_shop()
    host, port = shop.bank.url.removeprefix("http://").split(":")
    for sent in (
        b"",
        b"POST /p2p",
        b"POST /p2p/transfer HTTP/1.1\r\nHost: bank\r\nContent-Length: 10\r\n\r\n{",
        b"\x16\x03\x01",
    ):
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(sent)

    assert shop.pay().json()["code"] == 0
