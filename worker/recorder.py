"""The recorder writes what became of a transfer into the ledger, and does not give up while the ledger is away.

What it holds is the truth, and nobody else has it. If the process dies meanwhile, the lease runs out into doubt, and an
inquiry finds the same truth again. Every move may be said twice: the second one is refused.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.errors import LedgerUnavailable, VaultUnavailable
from epay_transfers.ledger.record import NEWLY_DOUBTED, UNFINISHED_FIELDS, Challenge, Record
from epay_transfers.ledger.states import FINAL, State, Verb
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Foreign, Moved, Noted, Refused
from epay_transfers.worker import backoff, bank
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.consequences import Consequences

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a result is held while the ledger is away.
INSIST_S = 300.0

#: For a move after which nothing is to be done before tomorrow.
_TOMORROW: Mapping[str, Any] = {"due_in": backoff.TOMORROW_MS, "fields_in": {"next_attempt_at": backoff.TOMORROW_MS}}

#: Why a transfer is in doubt of which the bank named another transfer's id.
_FOREIGN_ID = "bank_id_of_another_transfer"

#: Why one is of which the bank has said both: that it paid, in a notification that was proved, and that it did not.
_NOTIFIED_OTHERWISE = "bank_notified_otherwise"

#: How a transfer of which the bank says what can't be so comes to where a person looks at it.
_UNSETTLED = {State.PARKED: Verb.FOUND_TAKEN_CONFIRM, State.DEAD: Verb.FOUND_TAKEN}

#: So often evidence is added again, where an inquiry moved the record meanwhile.
_EVIDENCE_TRIES = 3


class Recorder:
    def __init__(
        self,
        *,
        ledger: Ledger,
        custody: CardCustody,
        consequences: Consequences,
        clock: Clock,
        actor: str,
        has_status: bool,
        park_s: int,
    ) -> None:
        self._ledger = ledger
        self._custody = custody
        self._consequences = consequences
        self._clock = clock
        self._actor = actor
        self._has_status = has_status
        self._park_s = park_s
        self._ending = threading.Event()

    def doubt(
        self,
        record: Record,
        reason: str,
        *,
        evidence: bank.Evidence,
        verb: Verb = Verb.DOUBT,
        nonce: str = "",
        fields: dict[str, str | int] | None = None,
        after: int | None = None,
    ) -> bool:
        """False: the record says something else by now.

        `evidence`: how far this try got, or may have got. `nonce`: of the claim, where its own worker says so.
        `after`: a sweeper waits for the end of the claim's lease (ms), by the ledger's time.
        """
        first_ms = backoff.INQUIRY_LADDER_S[0] * 1000 if self._has_status else 0
        moved = self.move(
            record,
            verb,
            due_in=first_ms,
            after=after,
            fields={**NEWLY_DOUBTED, "reason": reason, "evidence": evidence, **(fields or {})},
            fields_in={"in_doubt_since": 0, "next_attempt_at": first_ms},
            claim=nonce if evidence is bank.Evidence.NOT_SENT else "",  # another claim's worker may be sending
        )
        if isinstance(moved, Refused) and nonce:
            self._add_evidence(record, evidence, nonce)
        return isinstance(moved, Moved)

    def remember(self, record: Record) -> None:
        """The ledger says that it was never sent, and the vault has its tombstone: it may have been."""
        self.doubt(record, "vault_remembers", verb=Verb.FOUND_TAKEN, evidence=bank.Evidence.MAYBE_SENT)

    def _add_evidence(self, record: Record, evidence: bank.Evidence, nonce: str) -> None:
        """A sweeper recorded the doubt first, without our evidence; add it.

        That nothing was sent is believed only of the claim that the record still names: another one may have sent.
        """
        for _ in range(_EVIDENCE_TRIES):
            there = self.insist(lambda: self._ledger.get(record.key))
            if there is None or there.epoch != record.epoch or there.state not in {State.IN_DOUBT, State.NEEDS_REVIEW}:
                return
            if there.evidence == evidence or (evidence is bank.Evidence.NOT_SENT and there.claim_nonce != nonce):
                return
            if self.move(there, Verb.ADD_EVIDENCE, due=there.next_attempt_at, fields={"evidence": evidence}):
                return

    def die(
        self,
        record: Record,
        reason: str,
        *,
        verb: Verb = Verb.FAIL_CLAIMED,
        nonce: str = "",
        as_seen: bool = False,
        fields: dict[str, str | int] | None = None,
        after: int | None = None,
    ) -> None:
        """`nonce`: of the claim whose worker has the proof; `as_seen`: the proof is of the record as it was read.

        `after`: as in `doubt`.
        """
        known: dict[str, str | int] = {"reason": reason, "evidence": bank.Evidence.NOT_SENT, "wakeups": 0}
        known |= fields or {}
        proof = {"claim": nonce, "as_seen": as_seen, "after": after}
        self.move(record, verb, fields=known, unset=("requested_action",), **proof, **_TOMORROW)

    def end(self, record: Record, verb: Verb, *, reason: str, fields: dict[str, str | int] | None = None) -> None:
        if self.move(record, verb, fields={"reason": reason} | (fields or {}), unset=UNFINISHED_FIELDS):
            with suppress(VaultUnavailable):  # what is left there times out
                self._custody.drop(record)

    def settle(self, record: Record, verb: Verb, fields: dict[str, str | int]) -> None:
        """The bank's own word, for good. It counts in every unfinished state, and must not be lost."""
        moved = self.move(record, verb, fields=fields, unset=UNFINISHED_FIELDS)
        code = {"code": fields.get("code", "")}
        if isinstance(moved, Noted):
            self.doubt(record, _NOTIFIED_OTHERWISE, evidence=bank.Evidence.ANSWERED, fields=code)
            self._consequences.contradiction(record, verb, Verb.NOTIFICATION_PAID)
        elif isinstance(moved, Foreign):
            self.doubt(record, _FOREIGN_ID, evidence=bank.Evidence.ANSWERED, fields=code)
            self._consequences.foreign_id(record, verb, moved.key)
        elif isinstance(moved, Refused):
            self._consequences.refused(record, verb, moved)

    def park(self, record: Record, challenge: bank.Challenge) -> None:
        park_ms = self._park_s * 1000
        moved = self.move(
            record,
            Verb.PARK,
            due_in=park_ms,
            fields={"bank_id": challenge.bank_id, "wakeups": 0, "reason": ""},
            fields_in={"parked_until": park_ms, "next_attempt_at": park_ms},
            challenge=Challenge(challenge.pa_req, challenge.md, challenge.action),
        )
        if isinstance(moved, Foreign):
            self.doubt(record, _FOREIGN_ID, evidence=bank.Evidence.ANSWERED)
            self._consequences.foreign_id(record, Verb.PARK, moved.key)

    def heed_notification(self, record: Record) -> None:
        """The bank's proved notification says that it paid what is about to be sent, or to end: so neither happens."""
        verb = {State.RESUMED: Verb.DOUBT, State.PARKED: Verb.FOUND_TAKEN_CONFIRM}.get(record.state, Verb.FOUND_TAKEN)
        self.doubt(record, "bank_notified_paid", verb=verb, evidence=bank.Evidence.ANSWERED)

    def learn(self, record: Record, verb: Verb, report: bank.StatusReport, *, after: int | None = None) -> None:
        """`after`: what rests on the horizon waits for it (ms), by the ledger's time."""
        said: dict[str, str | int] = {
            "reason": f"bank_status_{report.status_name or report.word}",
            "code": report.code,
            "evidence": bank.Evidence.ANSWERED,
        }
        found = {"bank_id": report.bank_id, "bank_reference": report.reference}
        self._settle_if_open(record, verb, said | {name: text for name, text in found.items() if text}, after)

    def noticed(self, record: Record, verb: Verb, code: str) -> None:
        """The bank's notification settles it, where nobody can be asked."""
        said: dict[str, str | int] = {"reason": "bank_notified", "code": code, "evidence": bank.Evidence.ANSWERED}
        self._settle_if_open(record, verb, said)

    def _settle_if_open(
        self, record: Record, verb: Verb, fields: dict[str, str | int], after: int | None = None
    ) -> None:
        """What the bank says when it is asked. Who has moved on meanwhile will be asked about again, or has ended."""
        moved = self.move(record, verb, fields=fields, unset=UNFINISHED_FIELDS, after=after)
        if isinstance(moved, Foreign):
            if self._leave_to_a_person(record, _FOREIGN_ID):
                self._consequences.foreign_id(record, verb, moved.key)
        elif isinstance(moved, Noted):
            if self._leave_to_a_person(record, _NOTIFIED_OTHERWISE):
                self._consequences.contradiction(record, verb, Verb.NOTIFICATION_PAID)
        elif isinstance(moved, Refused) and moved.state in FINAL:
            self._consequences.refused(record, verb, moved)

    def _leave_to_a_person(self, record: Record, reason: str) -> bool:
        """What the bank says can't be so. Is it to be told? Once, however often the bank repeats it."""
        is_told = record.reason == reason
        if record.state is State.NEEDS_REVIEW:
            fields: dict[str, str | int] = {"reason": reason, "wakeups": 0, "requested_action": ""}
            self.move(record, Verb.INQUIRY_INCONCLUSIVE, fields=fields, quiet=is_told, **_TOMORROW)
        elif record.state is State.IN_DOUBT:
            self.hold(record, reason)
        else:
            self.doubt(record, reason, verb=_UNSETTLED[record.state], evidence=bank.Evidence.ANSWERED)
        return not is_told

    def ask_again(self, record: Record, reads: int, report: bank.StatusReport | None, at_ms: int | None = None) -> None:
        """`at_ms`: when, by the ledger's time, if not as the ladder has it."""
        is_answered = report is None or report.word is not bank.StatusWord.UNANSWERED
        asks = record.inquiries + is_answered  # an outage of the bank does not climb the ladder
        in_ms = backoff.next_inquiry_ms(asks) if is_answered else backoff.after_silence_ms(asks)
        if record.state is State.NEEDS_REVIEW:
            in_ms, at_ms = backoff.TOMORROW_MS, None
        elif record.state is State.PARKED and self._clock.now_ms() < record.parked_until:
            at_ms = record.parked_until  # it was asked about before its time
        event = {"said": f"{report.word} {report.status_name} {report.why}".strip()} if report else {}
        fields: dict[str, str | int] = {"inquiries": asks, "agreeing_reads": reads, "wakeups": 0}
        if report and is_answered:
            fields["last_read"] = report.word if reads else ""
        if record.requested_action == "inquire":
            fields["requested_action"] = ""
        if at_ms is None:
            self.move(
                record,
                Verb.INQUIRY_INCONCLUSIVE,
                due_in=in_ms,
                fields=fields,
                fields_in={"next_attempt_at": in_ms},
                event=event,
            )
        else:
            self.move(
                record, Verb.INQUIRY_INCONCLUSIVE, due=at_ms, fields=fields | {"next_attempt_at": at_ms}, event=event
            )

    def hold(self, record: Record, reason: str) -> None:
        self.move(
            record,
            Verb.SEND_TO_REVIEW,
            fields={"reason": reason, "wakeups": 0},
            unset=("requested_action",),
            **_TOMORROW,
        )

    def tomorrow(self, record: Record) -> None:
        """Nothing to be learnt today."""
        self.move(record, Verb.SCHEDULE_WAKEUP, fields={"wakeups": 0, "requested_action": ""}, quiet=True, **_TOMORROW)

    def drop(self, record: Record, why: str) -> None:
        """What a person asked for can't be done; the reason stands in the event."""
        event = {"said": why, "refused": record.requested_action}
        self.move(
            record, Verb.REFUSE_REQUEST, fields={"wakeups": 0}, unset=("requested_action",), event=event, **_TOMORROW
        )

    def requeue_dead(self, record: Record) -> None:
        fields = {"attempts": 0, "wakeups": 0, "next_attempt_at": 0, "reason": "requeued", "message": ""}
        self.move(record, Verb.REQUEUE_DEAD, due_in=0, fields=fields, unset=("requested_action",))

    def stop_insisting(self) -> None:
        """The process is to end: what can't be recorded now is left to the lease."""
        self._ending.set()

    def move(self, record: Record, verb: Verb, **details: Any) -> Moved | Refused:
        try:
            vault = self._custody.vault.seen
            moved = self.insist(lambda: self._ledger.move(record, verb, actor=self._actor, vault=vault, **details))
        except LedgerUnavailable:
            _LOG.critical("transfer.unrecorded", extra={"key": record.key, "verb": verb})
            raise
        _LOG.info("transfer.%s", verb, extra={"key": record.key, "state": moved.state, "made": bool(moved)})
        return moved

    def insist(self, call: Callable[[], T]) -> T:
        """Say it again until it is heard: a move, or an put_back."""
        give_up_at = self._clock.monotonic() + INSIST_S
        wait_s = 0.05
        while True:
            try:
                return call()
            except (LedgerUnavailable, VaultUnavailable):
                if self._clock.monotonic() > give_up_at or self._ending.wait(wait_s):
                    raise
                wait_s = min(wait_s * 2, 1.0)
