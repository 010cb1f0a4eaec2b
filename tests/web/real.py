"""`RealTransfers`: the real `Transfers` on the real servers, played by the verbs of `FakeTransfers`."""

from datetime import datetime
from typing import Any, cast

import redis

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.archived import Archived
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ledger.vault.sealing import Sealer, generate
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import ProducerSettings, Transfers
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.runtime.settings import TerminalPlan
from tests.support.clocks import FakeClock
from tests.support.inbox import ReadAtOnce


class RealTransfers(FakeTransfers):
    """Nothing of the fake is left in it but the verbs: ledger, vault and feed are the servers'."""

    def __init__(self, ledger: Ledger, vault: Vault, queue: redis.Redis, clock: FakeClock, **bent: Any) -> None:
        pair = generate()
        self._books, self._time = ledger, clock  # type: ignore[assignment]  # what the verbs play with
        settings = ProducerSettings.model_construct(
            vault_public_key=pair.public,
            fingerprint_keys=[fingerprint_keys.generate()],
            epay_terminals={"kiosk": TerminalPlan(space="kiosk")},
            **bent,
        )
        wakeups = Wakeups(Broker(queue, [], {}))
        Transfers.__init__(
            self,
            ledger=ledger,
            inboxes=ReadAtOnce(ledger, vault, wakeups, clock),
            vault=vault,
            sealer=Sealer(pair.public),
            wakeups=wakeups,
            clock=clock,
            settings=settings,
            pause=clock.advance,
        )

    def advance(self, seconds: float) -> None:
        """No worker does anything meanwhile."""
        self._time.advance(seconds)

    def pause_terminal(self, terminal: str = "main", until: datetime | None = None) -> None:
        until_ms = int(until.timestamp() * 1000) if until else 0
        pauses = Pauses(self._books.client, self._time)
        pauses.pause(Lane.SEND, terminal, actor="test", reason="a test", until_ms=until_ms)

    def expire(self, name: str) -> Transfer:
        self._time.advance((self._named(name).deadline_at - self._time.now_ms()) / 1000)
        return super().expire(name)

    def archive(self, name: str) -> Transfer:
        key = self._named(name).key
        exported = cast("dict[str, str]", self._books.client.hgetall(redis_keys.record(key)))
        archived = Archived(self._books.client, self._time)
        left = archived.reduce(exported, before_ms=self._time.now_ms() + 1, file="transfers-1.jsonl", actor="a test")
        assert left is None
        return self.get(key)

    def milliseconds_left(self, handle: str) -> int:
        """Until the handle is forgotten."""
        return int(str(self._books.client.pttl(redis_keys.handle(handle))))
