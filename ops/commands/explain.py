"""`transfers explain`: why a transfer is where it is, what it waits for now, what comes next, what may be done.

`status` shows its record; this says what it means, with what is known of pauses, breakers, workers and its card.
"""

from dataclasses import asdict

import typer

from epay_transfers.ledger import metadata
from epay_transfers.ledger.record import Record
from epay_transfers.ops import screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson, Name
from epay_transfers.ops.overview.card_place import card_of
from epay_transfers.ops.overview.explaining import Explanation, explain
from epay_transfers.ops.overview.facts import Facts, gather

app = typer.Typer()


@app.command("explain")
def explain_(name: Name, *, as_json: AsJson = False) -> None:
    """One transfer: why it is there, each attempt, what it waits for now, what comes next, what may be done."""
    context = Context.connect()
    record = context.find(name)
    facts = gather(context)
    explanation = explain(record, context.events.of(record), card_of(context, record), facts)
    if as_json:
        about = {"key": record.key, "state": record.state, "money": record.state.money}
        screen.say_json(about | {"metadata": metadata.read(record.metadata)} | asdict(explanation))
        return
    for line in _page(record, explanation, facts):
        screen.say_typed(typed.named(line))


def _page(record: Record, told: Explanation, facts: Facts) -> list[str]:
    amount = screen.amount(record.amount, record.currency)
    since = screen.ago(record.state_since, facts.now_ms)
    lines = [
        f"{record.key} ({record.reference}), {amount}, terminal {record.terminal}",
        f"{'STATE':<10}{record.state}, since {since}; money: {screen.MONEY_WORDS[record.state.money]}",
        f"{'WHY':<10}{told.why}",
    ]
    for at, attempt in enumerate(told.attempts, 1):
        head = "ATTEMPTS" if at == 1 else ""
        lines.append(f"{head:<10}{at}. {screen.when(attempt.at_ms)}, {attempt.phase} by {attempt.actor}")
        lines.append(f"{'':<13}{attempt.became}; {attempt.evidence}")
    if not told.attempts:
        none = "not known here any more" if record.archived_at else "none: nothing was sent"
        lines.append(f"{'ATTEMPTS':<10}{none}")
    for at, wait in enumerate(told.waits_for or ["nothing"]):
        lines.append(f"{'' if at else 'WAITS FOR':<10}{wait}")
    when = f" ({screen.away(told.next_at_ms, facts.now_ms)})" if told.next_at_ms else ""
    lines.append(f"{'NEXT':<10}{told.comes_next}{when}")
    for at, option in enumerate(told.may):
        what = f"{option.what}: `{option.command}`" if option.command else option.what
        lines.append(f"{'' if at else 'YOU MAY':<10}{what}")
        lines.append(f"{'':<13}risk: {option.risk}")
    return lines
