"""`Transfers`: what a backend and a web tier hold. Each verb has its own module; here is their common surface.

It may be shared by threads. Nothing connects before the first call, but for `from_env`, which looks at the servers.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError, VaultUnavailable
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers.cancel import Cancel, cancel
from epay_transfers.producers.challenge import Challenge, PaymentPage, challenge, visit
from epay_transfers.producers.confirm import Verdict, confirm
from epay_transfers.producers.context import Context
from epay_transfers.producers.enqueue import enqueue_all
from epay_transfers.producers.errors import Ambiguous, NotFound
from epay_transfers.producers.intent import TransferIntent
from epay_transfers.producers.notify import Notified, notify, three_ds2_returned
from epay_transfers.producers.outcomes import Feed, Outcome, outcomes
from epay_transfers.producers.receipt import Receipt
from epay_transfers.producers.settings import ProducerSettings, WebSettings
from epay_transfers.producers.validators import is_reference
from epay_transfers.runtime.health import examine
from epay_transfers.runtime.settings import SettingsWrong

#: States in which `wait` has nothing more to wait for: final ones, and those that wait for a person.
_FOR_A_PERSON = frozenset({State.PARKED, State.DEAD, State.NEEDS_REVIEW})

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class _Closable(Protocol):
    def close(self) -> None: ...


class Transfers:
    def __init__(
        self,
        *,
        ledger: Ledger,
        vault: Vault,
        sealer: Sealer,
        wakeups: Wakeups,
        clock: Clock,
        settings: ProducerSettings,
        hash_key: Secret | None = None,
        feed: Feed | None = None,
        pause: Callable[[float], None] = time.sleep,
        owned: Sequence[_Closable] = (),
    ) -> None:
        """`hash_key` proves notifications. `owned` is what `close` closes."""
        self._context = Context(
            ledger=ledger, vault=vault, sealer=sealer, wakeups=wakeups, clock=clock, settings=settings
        )
        self._hash_key = hash_key
        self._feed = feed or Events(ledger.client, ledger.test_clock)
        self._pause = pause
        self._owned = tuple(owned)

    @classmethod
    def from_env(cls, settings: ProducerSettings | None = None) -> Self:
        """From the environment, `.env` or a secrets directory; or from settings that were read there.

        Raises `SettingsWrong`, for unfit servers too; `LedgerUnavailable` or `VaultUnavailable` for one that is away.
        """
        settings, clock = settings or ProducerSettings.load(), SystemClock()
        findings = examine(settings, clock)
        if not all(finding.passing for finding in findings):
            raise SettingsWrong([str(finding) for finding in findings])
        if findings:
            raise VaultUnavailable if findings[0].name == "VAULT_URL" else LedgerUnavailable
        ledger, vault, queue = (
            connect(url) for url in (settings.redis_url.reveal(), settings.vault_url.reveal(), settings.queue_url)
        )
        return cls(
            ledger=Ledger(ledger),
            vault=Vault(vault),
            sealer=Sealer(settings.vault_public_key),
            wakeups=Wakeups(Broker(queue, [], {})),
            clock=clock,
            settings=settings,
            hash_key=settings.epay_secret_hash_key if isinstance(settings, WebSettings) else None,
            owned=(ledger, vault, queue),
        )

    # A backend.

    def enqueue(self, intent: TransferIntent) -> Receipt:
        """The same reference and the same intent again: the same receipt, `replayed`, and nothing is sent twice."""
        answer = enqueue_all(self._context, [intent])[0]
        if isinstance(answer, TransfersError):
            raise answer
        return answer

    def enqueue_many(self, intents: Sequence[TransferIntent]) -> list[Receipt | TransfersError]:
        """A receipt or an error for each, in order."""
        return enqueue_all(self._context, intents)

    def get(self, key: str | None = None, *, reference: str | None = None) -> Transfer:
        """By key or by reference. Raises `NotFound`."""
        if (key is None) == (reference is None):
            raise TypeError("give either a key or a reference")
        return Transfer.of(self._record(key) if key is not None else self._referred(str(reference)))

    def outcomes(
        self, group: str, *, consumer: str | None = None, idle: float | None = None, claim_after: float = 60.0
    ) -> Iterator[Outcome]:
        """What becomes of transfers, for one group of readers: every move, at least once, until each is acknowledged.

        Consumers of a group share the work. One with a name of its own goes on after a restart with what it had not
        acknowledged; what a dead one left is given to another after `claim_after` seconds, and so is what takes longer
        than that to deal with. It ends after `idle` seconds without anything new, or never. Raises `LedgerUnavailable`:
        then call it again.
        """
        clock = self._context.clock
        return outcomes(self._feed, clock, group=group, consumer=consumer, idle=idle, claim_after=claim_after)

    def find(self, text: str) -> Transfer:
        """By key or by reference, whichever the text is. Raises `NotFound`, or `Ambiguous` if it is both."""
        by_key = self._context.ledger.get(text) if is_key(text) else None
        by_reference = self._context.ledger.by_reference(text) if is_reference(text) else None
        if by_key and by_reference and by_key.key != by_reference.key:
            raise Ambiguous
        record = by_key or by_reference
        if record is None:
            raise NotFound("key or reference")
        return Transfer.of(record)

    def wait(self, key: str, timeout: float = 30.0) -> Transfer:
        """The transfer once it is final, or waits for a person (parked, dead, held), or the seconds are over."""
        clock = self._context.clock
        end = clock.monotonic() + timeout
        pause_s = _FIRST_PAUSE_S
        while True:
            transfer = self.get(key)
            left_s = end - clock.monotonic()
            if transfer.final or transfer.state in _FOR_A_PERSON or left_s <= 0:
                return transfer
            self._pause(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    def cancel(self, key: str, *, reason: str) -> Cancel:
        """Take it back, if no money can have moved. `reason` is for the record: no card data."""
        return cancel(self._context, self._record(key), reason)

    # A web tier.

    def challenge(self, handle: str) -> Challenge | None:
        """What the client's browser takes to the bank; none while a worker is at it."""
        return challenge(self._context, handle)

    def confirm(self, *, md: str, pa_res: str, handle: str | None = None) -> Verdict:
        """What the client's browser brought back. With a handle, only for that transfer."""
        return confirm(self._context, md, pa_res, handle)

    def visit(self, handle: str) -> PaymentPage:
        """The transfer of a handle, and what its client is to be shown. Raises `NotFound`."""
        return visit(self._context, handle)

    def notify(self, payload: Mapping[str, Any]) -> Notified:
        """The bank's notification, parsed: a hint to ask the bank at once. It may come as often as it likes."""
        return notify(self._context, payload, self._hash_key)

    def three_ds2_returned(self, handle: str, sizes: Mapping[str, int]) -> Notified:
        """The client brought no PaRes but fields of 3-D Secure 2, of these sizes: the bank is asked at once."""
        return three_ds2_returned(self._context, handle, sizes)

    # The rest.

    def close(self) -> None:
        for owned in self._owned:
            owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self, key: str) -> Record:
        record = self._context.ledger.get(key) if is_key(key) else None
        if record is None:
            raise NotFound("key")
        return record

    def _referred(self, reference: str) -> Record:
        record = self._context.ledger.by_reference(reference) if is_reference(reference) else None
        if record is None:
            raise NotFound("reference")
        return record
