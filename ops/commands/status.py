"""`transfers status`: one transfer on a page. State, money, why, evidence, what comes next, and how it came there."""

from dataclasses import asdict
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from epay_transfers.ledger import decisions
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store.events import Event, History
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ops import descriptions, record_lines, screen
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
    for name, text in record_lines.lines(record, now_ms):
        lines.add_row(name, _state(record, now_ms) if name == record_lines.STATE else text)
    screen.say(lines)
    screen.say()
    screen.say(screen.table(("at", "what happened", "by"), [_row(event) for event in history.events]))
    for line in record_lines.not_in_history(record, history):
        screen.say(line)


def _state(record: Record, now_ms: int) -> Text:
    return Text.assemble(screen.state_text(record.state), f"  since {screen.ago(record.state_since, now_ms)}")


def _row(event: Event) -> tuple[str, str, str]:
    return screen.when(event.at_ms), descriptions.happened(event), event.fields.get("actor", "")
