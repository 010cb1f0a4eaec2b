"""What a record says, as lines for people: a name and a text each. `transfers status` and the console show these.

Pure. What it means, and what it waits for, is `overview.explaining`.
"""

from epay_transfers.ledger import decisions, metadata
from epay_transfers.ledger.reasons import sentence_of
from epay_transfers.ledger.record import PAID_CODE, Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.events import History
from epay_transfers.ops import descriptions, screen

STATE = "state"


def lines(record: Record, now_ms: int) -> list[tuple[str, str]]:
    """Those that say something, in the order of importance."""
    step, at = descriptions.next_step(record), descriptions.next_moment(record)
    said = descriptions.unbelieved(record)
    until = record.parked_until if record.state is State.PARKED else record.deadline_at
    all_ = [
        ("transfer", record.key),
        ("reference", record.reference),
        (STATE, f"{record.state} since {screen.ago(record.state_since, now_ms)}"),
        ("money", screen.MONEY_WORDS[record.state.money]),
        ("amount", screen.amount(record.amount, record.currency)),
        ("cards", _cards(record)),
        ("terminal", record.terminal),
        ("metadata", "\n".join(f"{name}: {text}" for name, text in metadata.read(record.metadata).items())),
        ("code", record.code),
        ("why", "; ".join(filter(None, (sentence_of(record.reason), sentence_of(record.message))))),
        ("evidence", record.evidence),
        ("said by the bank, not believed", f"{said} ({descriptions.ASK_WITH_THESE})" if said else ""),
        ("attempts", str(record.attempts) if record.attempts else ""),
        ("requested_action", record.requested_action),
        ("the bank said last", record.bank_said),
        ("the bank notified", notified(record)),
        ("3-D Secure 2", secure_2(record)),
        *(("decided", descriptions.decision(each)) for each in decisions.read(record.decisions)),
        ("asked again", screen.when(record.watch_at) if record.watch_at else ""),
        ("bank's id", record.bank_id),
        ("bank's reference", record.bank_reference),
        ("not before", screen.when(record.not_before_at) if record.not_before_at else ""),
        ("next", f"{step} ({screen.away(at, now_ms)})" if step and at else step),
        ("deadline", "" if record.state.final else f"{screen.when(until)}, {screen.away(until, now_ms)}"),
        ("accepted", screen.when(record.created_at)),
        ("archived", descriptions.archived(record)),
    ]
    return [(name, text) for name, text in all_ if text]


def notified(record: Record) -> str:
    """What the bank's proved notification says; empty where none stands in the record."""
    epoch, _, code = record.notification.partition(":")
    if not code:
        return ""
    word = "that it paid" if code == PAID_CODE else f"that it did not pay (code {code}): no proof"
    of_another = "" if epoch == str(record.epoch) else ", about a try before this one"
    return f"{word}{of_another}"


def secure_2(record: Record) -> str:
    """What its client brought in the place of a PaRes: names of fields, and their sizes."""
    if not record.three_ds2_fields:
        return ""
    return f"its client brought no PaRes, but {record.three_ds2_fields}: it may have answered at the bank"


def not_in_history(record: Record, history: History) -> list[str]:
    """What the events that are listed do not tell: a sentence each."""
    if record.archived_at:
        return [f"It was {descriptions.archived(record)}."]
    said = []
    if history.trimmed:
        said.append(f"The log has forgotten {history.trimmed} more of its events (EVENTS_KEEP).")
    if history.unlisted:
        said.append(f"{history.unlisted} more moves are not listed: all but the first and the newest.")
    return said


def _cards(record: Record) -> str:
    if record.archived_at:
        return ""
    return f"{record.sender_card or 'saved card'} → {record.receiver_card or 'saved card'}"
