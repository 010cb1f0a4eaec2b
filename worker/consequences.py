"""What an outcome means beyond its own transfer: a terminal that must stop, a card to be left alone, a contradiction.

It never decides about the transfer itself; it writes lanes, strikes and alarms into the ledger, and says so in the log.
"""

import logging
from collections.abc import Collection, Mapping

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.limits import Day, Limit
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import FINAL, NOT_MOVED, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import RecordFields
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pauses
from epay_transfers.ledger.store.replies import Refused
from epay_transfers.ledger.store.tell import HashChange
from epay_transfers.ledger.transfer import moment
from epay_transfers.worker.bank import ChallengeRequired, CodeClass, Consequence, Declined, Paid, TransferOutcome

_LOG = logging.getLogger(__name__)

#: Codes that blame the merchant's set-up, in a row, before the terminal's send lane is stopped (contract section 7).
STRIKES = 3

#: In which ends the ledger says the same as a verb that it refuses.
_AGREED: Mapping[Verb, Collection[State]] = {
    Verb.PAY: (State.PAID, State.REVERSED),
    Verb.DECLINE: (State.DECLINED,),
    Verb.INQUIRY_PAID: (State.PAID, State.REVERSED),
    Verb.INQUIRY_DECLINED: NOT_MOVED,
    Verb.INQUIRY_REVERSED: (State.REVERSED,),
    Verb.CHALLENGE_EXPIRED: NOT_MOVED,
    Verb.NOTIFICATION_PAID: (State.PAID, State.REVERSED),
}


class Consequences:
    def __init__(self, pauses: Pauses, events: Events, clock: Clock, actor: str) -> None:
        self._pauses = pauses
        self._events = events
        self._clock = clock
        self._actor = actor
        self._strikes: dict[str, int] = {}
        self._refused: dict[str, int] = {}

    def heard(self, record: Record, outcome: TransferOutcome) -> None:
        """After the transfer's own record. Each process counts answers in a row for itself, which costs nothing."""
        if isinstance(outcome, Declined) and outcome.code_class is CodeClass.SETUP:
            self._strike(record.terminal, outcome.code)
        elif isinstance(outcome, Paid | Declined | ChallengeRequired):
            self._strikes.pop(record.terminal, None)
        if not isinstance(outcome, Declined):
            return
        if outcome.consequence is Consequence.PAUSE_TERMINAL:
            reason = f"code {outcome.code}: the terminal's limit"
            self._pause(record.terminal, Cause.TERMINAL_LIMIT, reason, until_ms=Day.of(self._clock.now_ms()).ends_ms)

    def credentials_refused(self, record: Record, why: str, http_status: int) -> None:
        """The bank gives the terminal no token, several times in a row: no transfer of it can go."""
        strikes = self._refused[record.terminal] = self._refused.get(record.terminal, 0) + 1
        if strikes == STRIKES:
            self._refused[record.terminal] = 0
            reason = f"the bank refuses its token ({why}, HTTP {http_status}), {strikes} times in a row"
            self._pause(record.terminal, Cause.CREDENTIALS, reason)

    def credentials_taken(self, terminal: str) -> None:
        """The bank gave it a token."""
        self._refused.pop(terminal, None)

    def not_before(self, outcome: Declined) -> RecordFields:
        """When the producer may try again under a new reference, where the code says so."""
        if outcome.consequence is Consequence.WAIT_30_MIN:
            return {"not_before_at": self._clock.now_ms() + 30 * 60_000}
        if outcome.consequence in {Consequence.RECEIVER_LIMIT, Consequence.PAUSE_TERMINAL}:
            return {"not_before_at": Day.of(self._clock.now_ms()).ends_ms}
        return {}

    def refused(self, record: Record, verb: Verb, refused: Refused) -> None:
        """The ledger would not take the bank's own word. If it ended otherwise, an operator must know at once."""
        if refused.state in _AGREED.get(verb, ()):
            return  # said before, and the reply was lost; or another worker has heard the same
        if refused.state in FINAL:
            self.end_contradicted(record, str(verb), str(refused.state))
        else:
            self.contradiction(record, verb, str(refused.state or "unknown"))

    def end_contradicted(self, record: Record, bank_said: str, ledger: str = "") -> None:
        """The bank says the opposite of how it ended: it stands as a contradiction, and the alarm is raised once.

        Only while it has ended so: it may have been corrected since the bank was asked.
        """
        ledger = ledger or str(record.state)
        change = HashChange(redis_keys.CONTRADICTED, set={record.key: bank_said}, once=True, while_state=ledger)
        told = {"key": record.key, "bank_said": bank_said, "ledger": ledger, "actor": self._actor}
        if self._events.tell(Alarm.CONTRADICTION, told, change):
            _LOG.critical("transfer.contradiction", extra={"key": record.key, "bank": bank_said, "ledger": ledger})

    def contradiction(self, record: Record, said: str, ledger: str) -> None:
        """The bank says this, and the ledger says the opposite: by its state, or by a notification that it keeps."""
        _LOG.critical("transfer.contradiction", extra={"key": record.key, "bank": said, "ledger": ledger})
        self._events.alarm(Alarm.CONTRADICTION, actor=self._actor, key=record.key, bank_said=said, ledger=ledger)

    def foreign_id(self, record: Record, verb: Verb, other: str) -> None:
        """The bank's answer names the id of another transfer: one of the two is not what the ledger says."""
        _LOG.critical("transfer.foreign_bank_id", extra={"key": record.key, "bank": verb, "other": other})
        self._events.alarm(Alarm.FOREIGN_BANK_ID, actor=self._actor, key=record.key, bank_said=verb, other=other)

    def order_changed(self, record: Record, fields: Collection[str]) -> None:
        """A user of the ledger's server, or a bug, has written into a record. The names of the fields, and no value."""
        named = ", ".join(fields)
        _LOG.critical("transfer.order_changed", extra={"key": record.key, "fields": named, "security": True})
        self._events.alarm(Alarm.ORDER_CHANGED, actor=self._actor, key=record.key, fields=named)

    def limit_reached(self, record: Record, limit: Limit) -> None:
        """The terminal sends nothing more until an operator has looked. Nothing of this transfer was sent.

        The alarm comes first: if this process ends before the pause, the next claim is refused just so.
        """
        told = {"terminal": record.terminal, "limit": str(limit), "currency": record.currency}
        _LOG.critical("terminal.limit_reached", extra=told | {"key": record.key, "security": True})
        self._events.alarm(Alarm.LIMIT_REACHED, actor=self._actor, key=record.key, **told)
        self._pause(
            record.terminal,
            Cause.MONEY_LIMIT,
            f"limit {limit} in {record.currency}: see the runbook, 'A limit is reached'",
        )

    def ledger_went_back(self, sequence: int) -> None:
        """The tripwire: the ledger has forgotten moves, so nothing is sent until a person has looked."""
        _LOG.critical("ledger.went_back", extra={"sequence": sequence})
        reason = "the ledger went back: see the runbook, 'The ledger went back'"
        for lane in (Lane.SEND, Lane.CONFIRM):
            self._pauses.pause(lane, ALL, actor=self._actor, reason=reason, cause=Cause.LEDGER_BACK)

    def clock(self, own_ms: int, ledger_ms: int, *, agrees: bool) -> None:
        """Where the two disagree, one of them is wrong, and a person must see which. Raises `LedgerUnavailable`."""
        reason = f"this machine says {moment(own_ms):%F %T}, the ledger {moment(ledger_ms):%F %T} (UTC)"
        self._events.alarm(Alarm.CLOCK_RIGHT if agrees else Alarm.CLOCK_WRONG, actor=self._actor, reason=reason)

    def _strike(self, terminal: str, code: str) -> None:
        strikes = self._strikes[terminal] = self._strikes.get(terminal, 0) + 1
        if strikes == STRIKES:
            self._strikes[terminal] = 0
            self._pause(terminal, Cause.SETUP_CODE, f"code {code}: the merchant's set-up, {strikes} times in a row")

    def _pause(self, terminal: str, cause: Cause, reason: str, until_ms: int = 0) -> None:
        _LOG.error("terminal.stopped", extra={"terminal": terminal, "reason": reason})
        self._pauses.pause(Lane.SEND, terminal, actor=self._actor, reason=reason, cause=cause, until_ms=until_ms)
