"""`transfers status`: one transfer on a page. State, money, why, evidence, what comes next, and how it came there."""

from dataclasses import asdict
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from epay_transfers.ledger import decisions, metadata
from epay_transfers.ledger.reasons import sentence_of
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.events import Event, History
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, Name

app = typer.Typer()


@app.command()
def status(name: Name, *, as_json: AsJson = False) -> None:
    """One transfer: state, money, why, evidence, what comes next, and how it came there."""
    context = Context.connect()
    record = context.find(name)
    history = context.events.of(record)
    if as_json:
        against = context.ledger.contradictions().get(record.key, "")
        screen.say_json(as_dict(record) | {"contradicted_by_bank": against} | history_json(history))
        return
    page(record, history, context.ledger.now_ms(), context.ledger.contradictions().get(record.key, ""))


def as_dict(record: Record) -> dict[str, Any]:
    return Transfer.of(record).to_json() | {
        "evidence": record.evidence,
        "said_by_bank_not_believed": {
            "id": record.unbelieved_bank_id,
            "reference": record.unbelieved_reference,
            "message": record.unbelieved_message,
        },
        "requested_action": record.requested_action,
        "decisions": [asdict(each) for each in decisions.read(record.decisions)],
        "bank_said_last": record.bank_said,
        "asked_again_at": screen.iso(record.watch_at),
        "state_since": screen.iso(record.state_since),
        "archive": record.archive,
        "next_step": descriptions.next_step(record),
        "next_step_at": screen.iso(descriptions.next_moment(record)),
    }


def history_json(history: History) -> dict[str, Any]:
    return {
        "events": [{"id": event.id} | event.fields for event in history.events],
        "events_trimmed": history.trimmed,
        "events_not_listed": history.unlisted,
    }


def page(record: Record, history: History, now_ms: int, against: str = "") -> None:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim")
    lines.add_column(overflow="fold")
    if against:
        lines.add_row("contradiction", f"the bank says {against}: the runbook's chapter on a contradiction")
    for name, text in _lines(record, now_ms):
        if text:
            lines.add_row(name, text)
    screen.say(lines)
    screen.say()
    screen.say(screen.table(("at", "what happened", "by"), [_row(event) for event in history.events]))
    if record.archived_at:
        screen.say(f"It was {descriptions.archived(record)}.")
        return
    if history.trimmed:
        screen.say(f"The log has forgotten {history.trimmed} more of its events (EVENTS_KEEP).")
    if history.unlisted:
        screen.say(f"{history.unlisted} more moves are not listed: all but the first and the newest.")


def _lines(record: Record, now_ms: int) -> list[tuple[str, str | Text]]:
    state = Text.assemble(screen.state_text(record.state), f"  since {screen.away(record.state_since, now_ms)}")
    step, at = descriptions.next_step(record), descriptions.next_moment(record)
    said = descriptions.unbelieved(record)
    cards = (
        "" if record.archived_at else f"{record.sender_card or 'saved card'} → {record.receiver_card or 'saved card'}"
    )
    until = record.parked_until if record.state is State.PARKED else record.deadline_at
    return [
        ("transfer", record.key),
        ("reference", record.reference),
        ("state", state),
        ("money", screen.MONEY_WORDS[record.state.money]),
        ("amount", screen.amount(record.amount, record.currency)),
        ("cards", cards),
        ("terminal", record.terminal),
        ("metadata", "\n".join(f"{name}: {text}" for name, text in metadata.read(record.metadata).items())),
        ("code", record.code),
        ("why", "; ".join(filter(None, (sentence_of(record.reason), sentence_of(record.message))))),
        ("evidence", record.evidence),
        ("said by the bank, not believed", f"{said} ({descriptions.ASK_WITH_THESE})" if said else ""),
        ("attempts", str(record.attempts) if record.attempts else ""),
        ("requested_action", record.requested_action),
        ("the bank said last", record.bank_said),
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


def _row(event: Event) -> tuple[str, str, str]:
    return screen.when(event.at_ms), descriptions.happened(event), event.fields.get("actor", "")
