"""The part of a worker that reads the inboxes, by itself: for tests of the web tier and of operators."""

from collections.abc import Mapping

import redis

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.inboxes import Added, Inboxes, Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import Pauses
from epay_transfers.ledger.vault.sealing import Opener, generate
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import StatusReport, StatusWord
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.inbox import Inbox
from epay_transfers.worker.notifications import Notifications
from epay_transfers.worker.operator_limits import DEFAULT_LIMITS, OperatorLimits
from epay_transfers.worker.questions import Questions
from epay_transfers.worker.recorder import Recorder


def reader(
    ledger: Ledger, vault: Vault, wakeups: Wakeups, clock: Clock, limits: Mapping[str, int] = DEFAULT_LIMITS
) -> Inbox:
    """What a worker has of it, on these servers. It can prove no notification."""
    events, pauses = Events(ledger.client, ledger.test_clock), Pauses(ledger.client, ledger.test_clock)
    consequences = Consequences(pauses, events, clock, "worker")
    return Inbox(
        inboxes=Inboxes(ledger.client, ledger.test_clock),
        ledger=ledger,
        custody=CardCustody(vault=vault, ledger=ledger, clock=clock, park_s=900),
        events=events,
        pauses=pauses,
        mirror=PauseMirror(pauses, vault.client, "worker"),
        wakeups=wakeups,
        notifications=Notifications(
            ledger=ledger,
            consequences=consequences,
            wakeups=wakeups,
            opener=Opener([generate().private]),
            hash_key=None,
        ),
        operator_limits=OperatorLimits(ledger, limits),
        is_fit=lambda: True,
    )


def questions(ledger: Ledger, vault: Vault, clock: Clock) -> Questions:
    """The part of a worker that hears what the bank says to an operator's question."""
    events, pauses = Events(ledger.client, ledger.test_clock), Pauses(ledger.client, ledger.test_clock)
    consequences = Consequences(pauses, events, clock, "worker")
    recorder = Recorder(
        ledger=ledger,
        custody=CardCustody(vault=vault, ledger=ledger, clock=clock, park_s=900),
        consequences=consequences,
        retry=RetryRule(attempts=4),
        clock=clock,
        chance=lambda: 0.5,
        actor="worker",
        has_status=True,
        park_s=900,
    )
    return Questions(
        ledger=ledger, holds=lambda _record: True, recorder=recorder, consequences=consequences, clock=clock
    )


class ReadAtOnce(Inboxes):
    """A worker reads what is put in before `put` returns. `client`: the sender's, where it is not the worker's."""

    def __init__(
        self, ledger: Ledger, vault: Vault, wakeups: Wakeups, clock: Clock, client: redis.Redis | None = None
    ) -> None:
        super().__init__(client or ledger.client, ledger.test_clock)
        self._ledger = ledger
        self._reader = reader(ledger, vault, wakeups, clock)
        self._questions = questions(ledger, vault, clock)
        self.bank_says = StatusReport(StatusWord.UNANSWERED, why="timeout")

    def put_pause(self, sender: str, pause_id: str, pause: str, fields: Mapping[str, str], entry_id: str = "") -> Added:
        added = super().put_pause(sender, pause_id, pause, fields, entry_id)
        self.read()
        return added

    def put(self, sender: str, kind: Kind, fields: Mapping[str, str], entry_id: str = "") -> str:
        """And what an operator asks of the bank is answered: it says `bank_says` of every transfer."""
        entry_id = super().put(sender, kind, fields, entry_id)
        self.read()
        key = fields.get("key", "")
        record = self._ledger.get(key) if is_key(key) else None
        if record is not None and record.question_id:
            self._questions.answered(record, self.bank_says)
        return entry_id

    def read(self) -> None:
        """What was put in, and not by this `put`."""
        while self._reader.run_once():
            pass
