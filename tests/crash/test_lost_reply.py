"""A vault gives a card out, and its answer is lost on the way: a real worker behind a proxy that loses it."""

import hashlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.scripts import text_of
from epay_transfers.worker.bank import Evidence
from tests.crash.conftest import SHORT
from tests.support.intents import payout
from tests.support.platform import Platform
from tests.support.waiting import until


@dataclass
class Loser:
    """The server behind it does what it is asked, and what it answers to this script does not arrive."""

    to: tuple[str, int]
    digest: bytes  #: as it stands in a call
    lost: int = 0
    url: str = field(default="", init=False)

    def serve(self, client: socket.socket) -> None:
        """One connection. It ends with the answer that is lost, as one that is cut."""
        with socket.create_connection(self.to) as server:
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()
            while asked := client.recv(65_536):
                if self.digest in asked and self._loses(asked):
                    break
                server.sendall(asked)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)

    def _loses(self, asked: bytes) -> bool:
        """Asked by a connection of its own: no other answer is lost. A script that is not loaded did nothing."""
        with socket.create_connection(self.to) as apart:
            apart.sendall(asked)
            is_done = not apart.recv(65_536).startswith(b"-")
        self.lost += is_done
        return is_done


def _copy(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):  # either of them has gone
        while answer := server.recv(65_536):
            client.sendall(answer)
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def losing(url: str, script: str) -> Iterator[Loser]:
    at = urlsplit(url)
    digest = hashlib.sha1(text_of(script).encode(), usedforsecurity=False).hexdigest()
    loser = Loser((at.hostname or "", at.port or 0), digest.encode())

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            loser.serve(self.request)

    class Proxy(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        loser.url = f"redis://127.0.0.1:{proxy.server_address[1]}/0"
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield loser
        proxy.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_card_whose_way_to_its_worker_was_cut_is_proved_unsent(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tombstone names the claim, and the claim's worker says that it sent nothing: so no money moved."""
    transfers = platform.transfers(monkeypatch)
    key = transfers.enqueue(payout("payout-1")).key

    with losing(platform.env["VAULT_URL"], "vault_take") as loser:
        platform.start_worker(**SHORT, VAULT_URL=loser.url)
        until(lambda: transfers.get(key).state in {State.DEAD, State.NEEDS_REVIEW, State.PAID})
        platform.stop()

    record = Ledger(platform.ledger_client, SystemClock()).get(key)
    assert record is not None
    assert (record.state, record.state.money, record.evidence) == (State.DEAD, Money.NONE, Evidence.NOT_SENT)
    assert record.reason == "card_lost"
    assert loser.lost == 1, "it was taken out, and once"
    assert platform.vault_client.exists(redis_keys.card(key)), "the tombstone"
    assert platform.books()["orders"] == {}
    transfers.close()
