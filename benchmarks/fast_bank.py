"""A bank that costs next to nothing: token, transfer, confirm; kept connections; a latency; TLS where it is told.

`python -m benchmarks.fast_bank [LATENCY_S] [TLS_FOLDER]` takes free ports and prints two: of the bank, and of its
counts. With a folder it speaks TLS, and its authority is `ca.pem` there. It checks nothing and remembers invoice ids,
so that a benchmark knows how many transfers were sent, and that none was sent twice.
"""

import asyncio
import itertools
import json
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

_TOKEN = b"".join(
    (
        b'{"access_token":"DCEB8O_ZM5U7SO_T_U5EJQ","expires_in":7200,"refresh_token":"",',
        b'"scope":"transfer","token_type":"Bearer"}',
    )
)
_INVOICE = re.compile(rb'name="invoiceID"\r\n(?:[^\r\n]+\r\n)*\r\n(\d+)')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

#: A transfer whose description begins so needs 3-D Secure.
ASKS_3DS = "3ds"

#: One whose description begins so gets an answer that says nothing of the money.
IN_DOUBT = "doubt"


@dataclass
class Counts:
    requests: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    sent: Counter[str] = field(default_factory=Counter)  #: by invoice id
    confirmed: int = 0
    moments: dict[str, dict[str, float]] = field(default_factory=dict)  #: of a parked one: when each call came

    def as_json(self) -> bytes:
        twice = sum(1 for times in self.sent.values() if times > 1)
        told = {"transfers": len(self.sent), "twice": twice, "connections": self.connections}
        return json.dumps(told | {"confirmed": self.confirmed} | dict(self.requests)).encode()


class Bank:
    def __init__(self, latency_s: float) -> None:
        self.counts = Counts()
        self.latency_s = latency_s
        self._parked: dict[str, dict[str, object]] = {}
        self._invoices: set[str] = set()  #: of those
        self._ids = itertools.count(1)

    def answer(self, path: str, body: bytes) -> tuple[bytes, bytes]:
        """Further header lines, and a body."""
        kind = path.partition("?")[0].rstrip("/").rpartition("/")[2]
        self.counts.requests[kind if kind in {"token", "transfer", "confirm"} else "status"] += 1
        match kind:
            case "token":
                self._note_token(body)
                return b"", _TOKEN
            case "transfer":
                return b"", self._transfer(json.loads(body)["order"])
            case "confirm":
                return self._confirm(json.loads(body)["ID"])
        return b"", b'{"result":{"code":"102","message":"NOT FOUND"}}'

    def _transfer(self, order: dict[str, object]) -> bytes:
        self.counts.sent[str(order["id"])] += 1
        bank_id = f"a9e1b986-be01-4763-9216-{next(self._ids):012d}"
        description = str(order["description"])
        if description.startswith(IN_DOUBT):
            return b"{}"
        if description.startswith(ASKS_3DS):
            self._parked[bank_id] = order
            self._invoices.add(str(order["id"]))
            challenge = {"paReq": "eJxVUt1u" * 60, "md": f"{bank_id[-9:]}-9CA5EC5779A3358E"}
            return json.dumps({"id": bank_id, "action": "https://acs.example/", **challenge}).encode()
        return json.dumps(
            {
                "id": bank_id,
                "amount": order["amount"],
                "currency": order["currency"],
                "email": order.get("senderEmail", ""),
                "description": description,
                "reference": f"2{bank_id[-11:]}",
                "orderID": order["id"],
                "senderCardID": "",
                "senderCardPAN": "4003********9821",
                "receiverCardID": "",
                "receiverCardPAN": "5578********0613",
                "intReference": "6BD1808D0FF129B0",
                "terminalID": "95555555",
                "code": 0,
                "status": "AUTH",
            }
        ).encode()

    def _confirm(self, bank_id: str) -> tuple[bytes, bytes]:
        self.counts.confirmed += 1
        order = self._parked[bank_id]
        self._note(str(order["id"]), "confirm")
        said = {name: str(order[name]) for name in ("amount", "currency", "description")}
        query = urlencode({**said, "invoiceID": str(order["id"]), "reference": f"2{bank_id[-11:]}", "language": "rus"})
        return f"Location: https://epay.homebank.kz/payform/success.html?{query}\r\n".encode(), b""

    def _note_token(self, body: bytes) -> None:
        found = _INVOICE.search(body)
        if found and (invoice := found[1].decode()) in self._invoices:
            self._note(invoice, "token")

    def _note(self, invoice: str, call: str) -> None:
        """By a clock that all processes of the machine share."""
        self.counts.moments.setdefault(invoice, {})[call] = time.monotonic()


class Talk(asyncio.Protocol):
    """One connection. Each whole request in what arrived is answered."""

    transport: asyncio.Transport

    def __init__(self, bank: Bank, *, counts: bool) -> None:
        self._bank = bank
        self._counts = counts
        self._arrived = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what `create_server` makes
        self.transport = transport
        self._bank.counts.connections += not self._counts

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        for path, body in self._requests():
            if self._counts:
                told = self._bank.counts
                self._say(b"200 OK", b"", json.dumps(told.moments).encode() if path == "/moments" else told.as_json())
                continue
            headers, text = self._bank.answer(path, body)
            status = b"302 Found" if headers else b"200 OK"
            if self._bank.latency_s:
                asyncio.get_running_loop().call_later(self._bank.latency_s, self._say, status, headers, text)
            else:
                self._say(status, headers, text)

    def _requests(self) -> Iterator[tuple[str, bytes]]:
        while (head := self._arrived.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._arrived, 0, head)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(self._arrived) < end:
                return
            path, body = self._arrived.split(b" ", 2)[1].decode(), self._arrived[head + 4 : end]
            self._arrived = self._arrived[end:]
            yield path, body

    def _say(self, status: bytes, headers: bytes, text: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s"
                % (status, headers, len(text), text)
            )


async def serve(latency_s: float, tls: ssl.SSLContext | None) -> None:
    bank = Bank(latency_s)
    loop = asyncio.get_running_loop()
    opened = await loop.create_server(
        lambda: Talk(bank, counts=False), "127.0.0.1", 0, backlog=4096, ssl=tls, reuse_address=True
    )
    counting = await loop.create_server(lambda: Talk(bank, counts=True), "127.0.0.1", 0)
    ports = [each.sockets[0].getsockname()[1] for each in (opened, counting)]
    print(*ports, flush=True)
    await opened.serve_forever()


def main() -> None:
    latency_s = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    tls = None
    if len(sys.argv) > 2:
        from tests.support.certificates import make_authority  # noqa: PLC0415 - the bank without TLS needs none

        tls = make_authority(Path(sys.argv[2])).server()
    asyncio.run(serve(latency_s, tls))


if __name__ == "__main__":
    main()
