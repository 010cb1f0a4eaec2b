"""The canaries: values that may be nowhere, in every dress that they could lie in, and the search for them."""

import re
from collections.abc import Iterable

PAN = "377514500004820"  # the bank's public test card with a CVC of four digits
CVC = "4169"
RECEIVER_PAN = "5522042705066736"
HOLDER = "Qanarius Holderov"
FIRST_NAME, LAST_NAME = "Qanaria", "Recepturova"
ADDRESS = "Qanary street 7"
EMAIL = "qanary@epay.kz"
IP = "203.0.113.77"
USER = "qanary-user-1001"
CARD_ID = "86496cb0-bb5d-4791-bb49-cc27a0f660ce"

#: What a client's browser brings, the secret of an address and of a server: for tests that need no bank.
PA_RES = "cWFuYXJ5IG9mIGEgUGFSZXM" * 20 + "cWFuYXJ5"
NOTIFY_SECRET = "qanary-secret-of-the-notification"
HASH = "qanary0hash" * 4
PASSWORD = "Qanary5Passw0rd"

PERSONAL = {
    "holder": HOLDER,
    "first name": FIRST_NAME,
    "last name": LAST_NAME,
    "address": ADDRESS,
    "e-mail": EMAIL,
    "address on the net": IP,
    "card id": CARD_ID,
    "metadata": USER,
}


def dresses(pan: str) -> list[str]:
    """Plain, and broken up as on a card."""
    groups = [pan[:4], pan[4:10], pan[10:]] if len(pan) == 15 else [pan[at : at + 4] for at in range(0, len(pan), 4)]
    return [pan, " ".join(groups), "-".join(groups)]


class Search:
    """What is looked for. `more`: values that only a run knows, such as a bank's token."""

    def __init__(self, more: dict[str, str] | None = None) -> None:
        self._patterns: dict[str, re.Pattern[bytes]] = {
            "sender's PAN": _any(dresses(PAN)),
            "receiver's PAN": _any(dresses(RECEIVER_PAN)),
            "CVC": re.compile(rb"(?<![0-9A-Za-z_.+:/=-])" + CVC.encode() + rb"(?![0-9A-Za-z_.+:/=-])"),
        }
        for name, text in (PERSONAL | (more or {})).items():
            self._patterns[name] = _any([text])

    def hits(self, sink: bytes | str) -> dict[str, int]:
        """How often each canary stands there; only those that do."""
        data = sink if isinstance(sink, bytes) else sink.encode(errors="replace")
        found = {name: len(pattern.findall(data)) for name, pattern in self._patterns.items()}
        return {name: count for name, count in found.items() if count}

    @property
    def names(self) -> list[str]:
        return list(self._patterns)


def _any(texts: Iterable[str]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(re.escape(text.encode()) for text in texts))
