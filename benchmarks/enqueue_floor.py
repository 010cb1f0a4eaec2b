"""What of an enqueue can't be left out, each part by itself: `python -m benchmarks.enqueue_floor [ROUNDS]`.

Microseconds of the producer's CPU for one transfer, each part as cheaply as its library does it, and without any code
of this project. No enqueue that does the same costs less than their sum. Beside them stands what a bare message costs.

- **trips**: the bytes of the record, the sealed cards and the wake-up, each written to a socket at a durable server's
  (the vault's: one that keeps nothing), and its answer read. In a batch they are one five-hundredth each.
- **models**: two cards and an intent with as many fields as ours, as pydantic makes them without any check.
- **seal**: one HPKE encryption (X25519) of as many bytes.
- **digests**: one HMAC for each field that was given.
- **texts**: the record, the cards and the wake-up as JSON.
- **search**: whether a text for the ledger holds a card number: one look of a pattern at each of them.
"""

import hmac
import json
import re
import socket
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from pydantic import BaseModel

from benchmarks import figures, processes
from benchmarks.enqueue import TRANSFERS, bare
from benchmarks.figures import Figure

#: Bytes: of what an enqueue writes to each server, and of the cards' cleartext.
RECORD_BYTES, CARDS_BYTES, WAKEUP_BYTES = 1_300, 1_150, 420
CLEARTEXT_BYTES = 640
DIGESTS = 16
TEXTS = ("payout-1", "Payout", *(f"https://shop.example.kz/{word}" for word in ("ok", "no", "n", "f")))
"""What an intent says in the clear."""

_ROW = re.compile(r"[0-9](?:[\W_]{0,4}+[0-9]){12,}+")


class Card(BaseModel):
    number: str
    expiry: str = ""
    cvc: str = ""
    name: str = ""
    address: str = ""
    save: bool = False


class Intent(BaseModel):
    reference: str
    currency: str
    amount: int
    description: str
    sender: Card
    receiver: Card
    terminal: str
    urgency: str
    sender_email: str
    back_link: str
    failure_back_link: str
    post_link: str
    failure_post_link: str


def models() -> None:
    for _ in range(TRANSFERS):
        sender = Card(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov")
        Intent(
            reference=TEXTS[0], currency="KZT", amount=10_000, description=TEXTS[1], sender=sender,
            receiver=Card(number="5522042705066736"), terminal="main", urgency="now", sender_email="a@example.kz",
            back_link=TEXTS[2], failure_back_link=TEXTS[3], post_link=TEXTS[4], failure_post_link=TEXTS[5],
        )  # fmt: skip


def seal() -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    key, cleartext = X25519PrivateKey.generate().public_key(), b"x" * CLEARTEXT_BYTES
    for _ in range(TRANSFERS):
        suite.encrypt(cleartext, key, b"info")


def digests() -> None:
    for _ in range(TRANSFERS * DIGESTS):
        hmac.digest(b"k" * 32, b"1\0payout-1\0description\0Payout", "sha256")


def texts() -> None:
    record = {f"name_{number}": "a text of it" for number in range(16)}
    cards = {f"name_{number}": "a text of it" for number in range(28)}
    for number in range(TRANSFERS):
        json.dumps(record)
        json.dumps(cards)
        json.dumps(
            {"queue_name": "transfers.now", "args": [number], "message_id": str(uuid.uuid4()), "id": str(uuid.uuid4())}
        )


def search() -> None:
    for _ in range(TRANSFERS):
        for text in TEXTS:
            _ROW.search(text)


def trips(batch: int) -> float:
    """Seconds of CPU. `batch`: so many transfers go together."""
    with processes.ledger_server() as durable, processes.vault_server() as memory:
        ledger, vault = _connected(durable.url), _connected(memory.url)
        steps = ((ledger, RECORD_BYTES), (vault, CARDS_BYTES), (ledger, WAKEUP_BYTES))
        commands = [(link, _set(size) * batch, len(b"+OK\r\n") * batch) for link, size in steps]
        began = time.process_time()
        for _ in range(TRANSFERS // batch):
            for link, command, answer in commands:
                link.sendall(command)
                left = answer
                while left > 0:
                    left -= len(link.recv(65536))
        return time.process_time() - began


def _connected(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port))


def _set(size: int) -> bytes:
    return b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (size, b"v" * size)


def _cpu_s(part: Callable[[], None]) -> float:
    began = time.process_time()
    part()
    return time.process_time() - began


def measure(rounds: int = figures.ROUNDS) -> list[Figure]:
    parts: dict[str, Callable[[], None]] = {
        "models": models, "seal": seal, "digests": digests, "texts": texts, "search": search,
    }  # fmt: skip
    sides: dict[str, Callable[[], float]] = {
        **{name: lambda part=part: _cpu_s(part) for name, part in parts.items()},  # type: ignore[misc]  # a default binds it
        "trips": lambda: trips(1),
        "trips of a batch": lambda: trips(500),
        ".send()": lambda: bare().cpu * TRANSFERS / 1e6,
    }
    spent = {name: figures.median(its) / TRANSFERS * 1e6 for name, its in figures.in_turn(sides, rounds).items()}
    found = [
        Figure(5, f"floor of an enqueue, {name}", spent[name], "µs") for name in (*parts, "trips", "trips of a batch")
    ]
    own = sum(spent[name] for name in parts)
    one, batch = own + spent["trips"], own + spent["trips of a batch"]
    return [
        *found,
        Figure(5, "enqueue ÷ .send(), CPU, at the floor", spent[".send()"] / one, note=f"{one:.0f} µs"),
        Figure(5, "enqueue_many ÷ .send(), CPU, at the floor", spent[".send()"] / batch, note=f"{batch:.0f} µs"),
    ]


if __name__ == "__main__":
    figures.show(measure)
