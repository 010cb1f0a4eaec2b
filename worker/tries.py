"""The tries of a transfer of which nothing was sent: the next one has its time, or there is none.

`policy` decides; here the decision is written down. What is used up is dead where a transfer was never sent, and in
doubt where its confirm is owed: the bank still holds the challenge. What ends from the queue asks the vault first.
"""

from collections.abc import Callable

from ledger.clock import Clock
from ledger.record import Record
from ledger.sealing import Purpose
from ledger.states import Phase, Verb
from ledger.vault import There, Vault
from worker import policy
from worker.bank import Evidence
from worker.policy import RetryRule
from worker.scribe import Scribe


class Tries:
    def __init__(
        self, scribe: Scribe, vault: Vault, rule: RetryRule, clock: Clock, park_s: int, chance: Callable[[], float]
    ) -> None:
        self._scribe = scribe
        self._vault = vault
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
        after: int | None = None,
    ) -> None:
        """One more try is over without a byte sent. `verb` is how the transfer comes back to its queue.

        `after`: a sweeper waits for the end of the claim's lease (ms), by the ledger's time.
        """
        attempts = record.attempts + 1
        deadline_ms = record.expires if record.phase is Phase.SEND else record.parked_until + self._park_ms
        decision = policy.next_try(
            self._rule,
            attempts=attempts,
            retry_after_s=retry_after_s,
            chance=self._chance,
        )
        is_over = record.phase is Phase.CONFIRM and self._clock.now_ms() >= deadline_ms
        fields: dict[str, str | int] = {"attempts": attempts, "evidence": Evidence.NOT_SENT}
        if isinstance(decision, policy.Retry) and not is_over:
            self._scribe.move(
                record,
                verb,
                due_in=decision.in_ms,
                no_later=deadline_ms,
                after=after,
                fields=fields | {"rings": 0, "reason": reason},
                fields_in={"next": decision.in_ms},
                unset=("asks", "reads", "read"),
            )
        elif record.phase is Phase.CONFIRM:
            self._scribe.doubt(record, "confirm_attempts_used_up", fields={"attempts": attempts})
        elif verb is Verb.DEFER:
            self._give_up(record, fields | {"message": reason})
        else:
            self._scribe.die(record, "attempts_used_up", fields=fields | {"message": reason}, after=after)

    def _give_up(self, record: Record, fields: dict[str, str | int]) -> None:
        """Never sent, says the ledger. A card that is moved to the next epoch proves it; a requeue finds it there."""
        if self._vault.refence(Purpose.CARD, record.key, record.epoch):
            self._scribe.die(record, "attempts_used_up", verb=Verb.GIVE_UP, fields=fields)
        elif self._vault.look(Purpose.CARD, record.key) is There.TOMBSTONE:
            self._scribe.remember(record)
        # Else its card is missing: it may be brought again, until the deadline
