"""A server that is off by one on a kept connection: from its second request on, it gives the answer to another one."""

import json
import math
import ssl
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank import Paid, StatusWord, Token
from tests.http.asking import ASK, GOOD, QUESTIONS, TOKEN, bank_at
from tests.http.misbehaving import Manner, Server, Talk, well, with_length
from tests.support.bank_examples import CARDS, CHALLENGE, ORDER, TERMINAL, without
from tests.support.certificates import Authority

#: None of them says whose answer it is.
NAMELESS: dict[str, Any] = {
    "token": {"access_token": "of_another_transfer", "expires_in": 7200, "token_type": "Bearer"},
    "challenge": without(CHALLENGE, "orderID"),
    "not found": {"result": {"code": "102", "message": "not found"}},
    "not yet": {"result": {"code": "107", "message": "in progress"}},
}


def off_by_one(leftover: str) -> Manner:
    def answer(talk: Talk) -> None:
        body = talk.good if talk.number == 1 else json.dumps(NAMELESS[leftover]).encode()
        talk.say(with_length(body))

    return answer


def server_with(leftover: str, tls: ssl.SSLContext | None = None) -> Server:
    manner = off_by_one(leftover)
    return Server({path: (manner, good) for path, good in GOOD.items()}, tls=tls)


@pytest.mark.parametrize("wire", ["plain", "tls"])
def test_a_leftover_challenge_is_not_the_next_transfer_s(authority: Authority, wire: str) -> None:
    """It names no invoice, so nothing in it says that another transfer's payer is to answer it."""
    with server_with("challenge", authority.server() if wire == "tls" else None) as server:
        bank = bank_at(server.url, ca_file=authority.ca_file)
        token = bank.token(TERMINAL, order=ORDER)
        assert isinstance(token, Token)

        outcome = bank.transfer(TERMINAL, token, order=ORDER, cards=CARDS, lease_ends_at=math.inf)

    assert isinstance(outcome, Paid), "the bank executed, and said so"


def test_a_leftover_token_is_not_the_next_transfer_s() -> None:
    with server_with("token") as server:
        bank = bank_at(server.url)
        tokens = [bank.token(TERMINAL, order=replace(ORDER, invoice_id=f"25112400000{n}")) for n in (1, 2)]

    assert [isinstance(token, Token) and token.access_token.reveal() for token in tokens] == ["STATUS_TOKEN"] * 2


@pytest.mark.parametrize("leftover", ["not found", "not yet", "token"])
def test_a_leftover_status_is_not_the_next_inquiry_s(leftover: str) -> None:
    """`not found`, said of another order, would let ours be called lost though the bank executed it."""
    with server_with(leftover) as server:
        bank = bank_at(server.url)
        words = [bank.status(TERMINAL, order=ORDER).word for _ in range(3)]

    assert words == [StatusWord.PAID] * 3


def test_a_leftover_of_anything_is_not_a_confirm_s_answer() -> None:
    with server_with("token") as server:
        bank = bank_at(server.url)
        bank.token(TERMINAL, order=ORDER)
        outcome = bank.confirm(
            TOKEN, order=ORDER, bank_id="a9e1", pa_res=Secret("eJxV"), md="1", lease_ends_at=math.inf
        )

    assert isinstance(outcome, Paid)


def test_every_exchange_has_a_connection_of_its_own() -> None:
    """Token, transfer, confirm, status with its token, and the harmless questions; the kept token needs none."""
    with Server({path: (well, good) for path, good in GOOD.items()}) as server:
        bank = bank_at(server.url)
        for question in QUESTIONS * 2:
            ASK[question](bank)
        bank.ask_harmless(urlsplit(server.url).netloc, TERMINAL)

        assert server.connections == len(server.executed) == 2 * len(QUESTIONS) + 1 + 1
