"""The four questions of a bank, asked alike, so that one test can put each of them to a misbehaving server."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank import (
    Addresses,
    Bank,
    BankConfig,
    Evidence,
    NotSent,
    StatusReport,
    StatusWord,
    Token,
    TokenRefused,
    Unclear,
)
from tests.http.misbehaving import Manner, well
from tests.support.bank_examples import CARDS, ORDER, SUCCESS, TERMINAL, status_body

TOKEN = Token(Secret("DCEB8O_ZM5U7SO_T_U5EJQ"), 7200)
TOKEN_BODY = json.dumps({"access_token": "STATUS_TOKEN", "expires_in": 7200, "token_type": "Bearer"}).encode()

GOOD: Mapping[str, bytes] = {
    "/token": TOKEN_BODY,
    "/transfer": json.dumps(SUCCESS).encode(),
    "/confirm": json.dumps(SUCCESS).encode(),
    "/status": json.dumps(status_body()).encode(),
}

ASK: Mapping[str, Callable[[Bank], Any]] = {
    "/token": lambda bank: bank.token(TERMINAL, order=ORDER),
    "/transfer": lambda bank: bank.transfer(TERMINAL, TOKEN, order=ORDER, cards=CARDS, lease_ends_at=math.inf),
    "/confirm": lambda bank: bank.confirm(
        TOKEN, order=ORDER, bank_id="a9e1", pa_res=Secret("eJxV+"), md="270-9CA", lease_ends_at=math.inf
    ),
    "/status": lambda bank: bank.status(TERMINAL, order=ORDER),
}
QUESTIONS = tuple(ASK)


def manners(question: str, manner: Manner) -> dict[str, tuple[Manner, bytes]]:
    """The server misbehaves at this question, and at no other."""
    return {path: (manner if path == question else well, good) for path, good in GOOD.items()}


def bank_at(url: str, *, clock: Clock | None = None, ca_file: str | None = None, **changes: Any) -> Bank:
    addresses = Addresses(f"{url}/token", f"{url}/transfer", f"{url}/confirm", f"{url}/status/{{invoice_id}}")
    times = {"connect_timeout_s": 5.0, "read_timeout_s": 5.0, "deadline_s": 8.0}
    config = BankConfig(**({"addresses": addresses, "ca_file": ca_file} | times | changes))
    return Bank(config, clock or SystemClock())


def is_believed(outcome: object) -> bool:
    """Does the outcome say anything of the money, or give a token?"""
    if isinstance(outcome, StatusReport):
        return outcome.word is not StatusWord.UNANSWERED
    return not isinstance(outcome, Unclear | NotSent | TokenRefused)


def why(outcome: object) -> str:
    assert isinstance(outcome, StatusReport | Unclear | NotSent | TokenRefused)
    return outcome.why


def says_not_sent(outcome: object) -> bool:
    return isinstance(outcome, NotSent) or getattr(outcome, "evidence", None) is Evidence.NOT_SENT


class HandClock:
    """Time that goes only when a test says so."""

    def __init__(self) -> None:
        self.at_s = 1_000.0

    def monotonic(self) -> float:
        return self.at_s

    def now_ms(self) -> int:
        return 1_763_978_400_000
