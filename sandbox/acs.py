"""3-D Secure at the sandbox bank: unanswered challenges, what a PaReq contains, and what a PaRes proves.

A PaRes is signed by the bank and bound to its MD, so only the bank's own page can make one.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from epay_transfers.sandbox.amounts import plain
from epay_transfers.sandbox.book import BookedOrder

#: The client's password. The page shows it: this is a sandbox.
PASSWORD = "secret"  # noqa: S105 - the page shows it

WRONG_ANSWER = 468
CANCELLED = 473

_PA_RES_BYTES = 1201  # base64 of it is 1604 characters long and ends in "=="
_MAC_BYTES = 32

ClientAnswer = Literal["yes", "no", "cancel"]


@dataclass(slots=True)
class AskedChallenge:
    """A 3-D Secure challenge of one transfer call."""

    md: str
    order: BookedOrder
    bank_id: str
    amount: Decimal
    pa_req: str = field(repr=False)
    expires_at: float
    state: Literal["waiting", "executed", "declined"] = "waiting"
    code: int = 0


class Challenges:
    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._by_md: dict[str, AskedChallenge] = {}

    def ask(self, order: BookedOrder, bank_id: str, amount: Decimal, expires_at: float) -> AskedChallenge:
        md = f"{secrets.randbelow(9 * 10**8) + 10**8}-{secrets.token_hex(8).upper()}"
        question = {"md": md, "amount": plain(amount), "currency": order.currency, "filler": secrets.token_hex(150)}
        pa_req = base64.b64encode(json.dumps(question).encode()).decode()
        challenge = self._by_md[md] = AskedChallenge(md, order, bank_id, amount, pa_req, expires_at)
        order.await_answer(expires_at)
        return challenge

    def get(self, md: str) -> AskedChallenge | None:
        return self._by_md.get(md)

    def answer(self, md: str, answer: ClientAnswer) -> str:
        """A PaRes: long base64 that contains plus, slash and equals, which a careless form would spoil."""
        payload = json.dumps({"md": md, "answer": answer}).encode().ljust(128)
        while True:
            signed = payload + secrets.token_bytes(_PA_RES_BYTES - _MAC_BYTES - len(payload))
            pa_res = base64.b64encode(self._mac(signed) + signed).decode()
            if "+" in pa_res and "/" in pa_res:
                return pa_res

    def read(self, pa_res: str, md: str) -> ClientAnswer | None:
        """The client's answer; None for a PaRes that the bank did not make, or made for another MD."""
        raw = base64.b64decode(pa_res)
        mac, signed = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(signed)):
            return None
        payload = json.loads(signed[:128])
        answer: ClientAnswer = payload["answer"]
        return answer if payload["md"] == md else None

    def kept(self) -> tuple[bytes, list[AskedChallenge]]:
        """The key of the answers, and every challenge."""
        return self._key, list(self._by_md.values())

    def restore(self, challenges: Iterable[AskedChallenge], key: bytes) -> None:
        """Go on with the challenges of a bank before this one."""
        self._key = key
        self._by_md = {challenge.md: challenge for challenge in challenges}

    def clear(self) -> None:
        self._by_md.clear()

    def _mac(self, signed: bytes) -> bytes:
        return hmac.new(self._key, signed, hashlib.sha256).digest()
