"""The tries of a transfer of which nothing was sent: the next one has its time, or there is none.

`policy` decides; here the decision is written down. What is used up is dead where a transfer was never sent, and in
doubt where its confirm is owed: the bank still holds the challenge. What ends from the queue asks the vault first.
"""

from collections.abc import Callable

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.worker import backoff
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import Evidence
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.recorder import Recorder


class Tries:
    def __init__(
        self,
        *,
        recorder: Recorder,
        custody: CardCustody,
        rule: RetryRule,
        clock: Clock,
        park_s: int,
        chance: Callable[[], float],
    ) -> None:
        self._recorder = recorder
        self._custody = custody
        self._rule = rule
        self._clock = clock
        self._park_ms = park_s * 1000
        self._chance = chance

    def again(
        self,
        record: Record,
        verb: Verb,
        reason: str,
        retry_after_s: float | None = None,
        *,
        nonce: str = "",
        after: int | None = None,
    ) -> None:
        """One more try is over without a byte sent. `verb` is how the transfer comes back to its queue.

        `nonce`: of the claim, where its own worker says so. A sweeper says so of the record as it has read it, and
        `after`: it waits for the end of the claim's lease (ms), by the ledger's time.
        """
        attempts = record.attempts + 1
        deadline_ms = record.deadline_at if record.phase is Phase.SEND else record.parked_until + self._park_ms
        decision = backoff.next_try(
            self._rule,
            attempts=attempts,
            retry_after_s=retry_after_s,
            chance=self._chance,
        )
        is_proof_of_sweeper = not nonce and verb is not Verb.DEFER
        is_over = record.phase is Phase.CONFIRM and self._clock.now_ms() >= deadline_ms
        fields: dict[str, str | int] = {"attempts": attempts, "evidence": Evidence.NOT_SENT}
        if isinstance(decision, backoff.Retry) and not is_over:
            self._recorder.move(
                record,
                verb,
                due_in=decision.in_ms,
                no_later=deadline_ms,
                after=after,
                fields=fields | {"wakeups": 0, "reason": reason},
                fields_in={"next_attempt_at": decision.in_ms},
                unset=("inquiries", "agreeing_reads", "last_read"),
                claim=nonce,
                as_seen=is_proof_of_sweeper,
            )
        elif record.phase is Phase.CONFIRM:
            fields = {"attempts": attempts}
            why = "confirm_attempts_used_up"
            self._recorder.doubt(record, why, evidence=Evidence.NOT_SENT, nonce=nonce, fields=fields)
        elif verb is Verb.DEFER:
            self._give_up(record, fields | {"message": reason})
        else:
            fields |= {"message": reason}
            self._recorder.die(
                record, "attempts_used_up", fields=fields, nonce=nonce, as_seen=is_proof_of_sweeper, after=after
            )

    def hand_on(self, record: Record) -> bool:
        """Leave it to another worker, which may hold what this one lacks. No try is over by it, so it takes none.

        An inquiry is left to others for some time only: after that it is one that the bank did not answer.
        """
        no_later = record.deadline_at if record.state is State.QUEUED else None
        if record.state is State.RESUMED and self._clock.now_ms() >= record.parked_until + self._park_ms:
            self._recorder.doubt(record, "terminal_unknown", evidence=Evidence.NOT_SENT)
            return True
        if record.state not in {State.QUEUED, State.RESUMED} and record.wakeups >= backoff.HAND_ON_RINGS:
            return False
        in_ms = backoff.hand_on_ms(record.wakeups)
        self._recorder.move(record, Verb.SCHEDULE_WAKEUP, due_in=in_ms, no_later=no_later, add=("wakeups",), quiet=True)
        return True

    def _give_up(self, record: Record, fields: dict[str, str | int]) -> None:
        """Never sent, says the ledger. A card that is moved to the next epoch proves it; a requeue finds it there."""
        if self._custody.is_untouched(record):
            self._recorder.die(record, "attempts_used_up", verb=Verb.FAIL_QUEUED, fields=fields)
        elif self._custody.was_taken(Purpose.CARD, record):
            self._recorder.remember(record)
        # Else its card is missing: it may be brought again, until the deadline
