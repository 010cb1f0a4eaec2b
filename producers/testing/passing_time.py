"""What time alone makes of a fake's transfers: what the sweeper and the inquiries of a real worker would do.

The bank says only what the test says. So it answers no question about a doubt; and of a challenge whose time is over it
says that it is open. The numbers are the worker's defaults; the tests hold this to a real worker on real servers.
"""

from collections.abc import Callable, Mapping

from epay_transfers.ledger.reasons import Reason
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ledger.withdraw import VaultPlace, withdraw

TOMORROW_MS = 86_400_000

#: `DOUBT_HORIZON`, and how long the bank is asked before a person must: two of them, and three reads an hour apart.
_HORIZON_MS = 86_400_000
_PATIENCE_MS = 2 * _HORIZON_MS + 3 * 3_600_000

#: When the bank is asked again, by how often it answered, or did not.
_ANSWERED_S = (5, 15, 60, 300, 900, 3600)
_UNANSWERED_S = (5, 15, 30, 60, 120, 300)

#: What the bank is asked about, or what is looked at again. All else waits for its worker, which is the test.
_LOOKED_AT = frozenset({State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW, State.DEAD})

#: The bank's proved notification says that it paid what is about to end.
_NOTIFIED = Change(
    look_again_in=_ANSWERED_S[0] * 1000, fields={"reason": Reason.BANK_NOTIFIED_PAID, "evidence": "answered"}
)

Move = Callable[[Record, Verb, Change], Moved | Refused]


def due_at(raw: Mapping[str, str], due: int | None) -> int | None:
    """When time does something to the transfer of this hash, in ms since 1970; None: never by itself.

    `due`: when the ledger has it looked at. It comes to that before its `next_attempt_at` where a worker was asked for.
    """
    if raw["state"] == State.QUEUED:
        return int(raw["deadline_at"])
    if raw["state"] not in _LOOKED_AT or due is None:
        return None
    return due if raw.get("requested_action") else max(due, int(raw.get("next_attempt_at", 0)))


def look(record: Record, now_ms: int, vault: Vault, move: Move) -> bool:
    """What a worker does with a transfer that is due; whether it did. Raises `VaultUnavailable`: then later."""
    match record.state:
        case State.QUEUED if not record.is_paid_by_notification:
            cards = VaultPlace(vault)
            withdrawn = withdraw(record, Verb.EXPIRE, reason=Reason.DEADLINE, cards=cards, move=move)
            return not isinstance(withdrawn, Refused)
        case State.PARKED:
            # A worker ends nothing before it has asked the vault whether the client's answer was taken out.
            vault.look(Purpose.PARES, record.key, record.epoch + 1)
            moved = move(record, *_of_parked(record, now_ms))
            if isinstance(moved, Moved) and moved.state.final:
                vault.drop(record.key)
            return isinstance(moved, Moved)
        case _:
            return isinstance(move(record, *_of_others(record, now_ms)), Moved)


def _of_parked(record: Record, now_ms: int) -> tuple[Verb, Change]:
    """Its time is over, or it is asked about before. A client that brought 3-D Secure 2 may have answered there."""
    is_cancel = record.requested_action == RequestedAction.CANCEL
    is_early = now_ms < record.parked_until
    may_be_answered = record.three_ds2_fields and now_ms < record.parked_until + _HORIZON_MS
    if may_be_answered or (is_early and not is_cancel):
        return _ask_again(record, "challenge_open", at_ms=record.parked_until if is_early else None)
    if record.is_paid_by_notification:
        return Verb.FOUND_TAKEN_CONFIRM, _NOTIFIED
    if is_cancel:
        return Verb.CANCEL, Change(fields={"reason": Reason.CANCELLED})
    return Verb.EXPIRE, Change(fields={"reason": Reason.CHALLENGE_UNANSWERED})


def _of_others(record: Record, now_ms: int) -> tuple[Verb, Change]:
    if record.state is State.QUEUED:
        return Verb.FOUND_TAKEN, _NOTIFIED
    if record.state is State.DEAD:
        return Verb.LOOK_LATER, Change(look_again_in=TOMORROW_MS, silent=True)
    if record.state is State.IN_DOUBT and now_ms >= record.in_doubt_since + _PATIENCE_MS:
        given_up: RecordFields = {"reason": "bank_says_unanswered"}
        change = Change(look_again_in=TOMORROW_MS, fields=given_up, event={"bank_said": "unanswered"})
        return Verb.SEND_TO_REVIEW, change
    return _ask_again(record, "unanswered")


def _ask_again(record: Record, said: str, at_ms: int | None = None) -> tuple[Verb, Change]:
    """The bank was asked, and nothing is settled. Where nothing new was learnt either, it is no event.

    `at_ms`: when it is asked next, if not as the ladder has it.
    """
    is_answered = said != "unanswered"
    inquiries, unanswered = record.inquiries + is_answered, 0 if is_answered else record.unanswered + 1
    ladder, step = (_ANSWERED_S, inquiries) if is_answered else (_UNANSWERED_S, unanswered - 1)
    in_ms = TOMORROW_MS if record.state is State.NEEDS_REVIEW else ladder[min(step, len(ladder) - 1)] * 1000
    is_requested = record.requested_action == RequestedAction.INQUIRE
    is_new = said != record.bank_said and (is_answered or not record.unanswered)
    fields: RecordFields = {"inquiries": inquiries, "unanswered": unanswered, "bank_said": said}
    if is_requested:
        fields["requested_action"] = ""
    change = Change(
        look_again_in=in_ms if at_ms is None else None,
        look_again_at=at_ms,
        fields=fields,
        event={"bank_said": said},
        silent=not (is_requested or is_new),
    )
    return Verb.INQUIRY_INCONCLUSIVE, change
