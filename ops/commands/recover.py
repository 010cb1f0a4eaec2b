"""`transfers recover`: after the ledger went back, finds in the bank's statement what this ledger does not know.

It ends with 0 if nothing is left to do, and with 20 if the bank executed what this ledger lacks or calls unsent.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.pauses import ALL, Lane, Pause
from epay_transfers.ops import descriptions, screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import AsJson, checked
from epay_transfers.ops.reconcile import reading, recovery, statement
from epay_transfers.ops.reconcile import recovery_page as page
from epay_transfers.ops.reconcile.asking import answers_to
from epay_transfers.ops.reconcile.mapping import Mapping
from epay_transfers.ops.reconcile.recovery import Executed, Recovery

app = typer.Typer()

_AT_A_TIME = 20
_ACT = 20


@app.command()
def recover(
    *,
    statement_file: Annotated[
        list[Path],
        typer.Option("--statement", metavar="FILE", help="The bank's, a CSV; several times for several days."),
    ],
    mapping: Annotated[Path, typer.Option(metavar="FILE", help="Which of its columns is what, as TOML.")],
    apply: Annotated[bool, typer.Option("--apply", help="Put in doubt what may be sent again.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with your name. Needed for --apply.")] = "",
    wait: Annotated[
        float, typer.Option(min=0, max=3600, metavar="SECONDS", help="Wait so long for each answer of a worker.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """After the ledger went back: what the bank executed, and this ledger lacks or calls unsent. It opens no pause."""
    if apply and not reason:
        raise typer.BadParameter("--apply needs --reason: say why")
    why = checked(reason, "reason") if apply else ""
    form = Mapping.read(mapping)
    rows = [row for path in statement_file for row in statement.read(path, form)]
    context = Context.connect()
    pauses = {lane: _paused(context, lane) for lane in (Lane.SEND, Lane.CONFIRM)}
    if apply and not all(pauses.values()):
        raise Refusal(page.not_paused(pauses))
    unreadable: list[RecordUnreadable] = []
    found = _look(context, rows, form.space, unreadable)
    became: dict[str, str] = {}
    if apply and found.unsent_here:
        became = _put_in_doubt(context, found.unsent_here, why=why, proof=_proof(statement_file), wait_s=wait)
        found = _look(context, rows, form.space, unreadable)
    held_by = {each.name: reading.holder_of(context.ledger, each.name) for each in found.absent if each.has_invoice_id}
    told = page.Told(found, pauses, held_by, became, unreadable, is_applied=apply)
    if as_json:
        screen.say_json(page.as_dict(told))
    else:
        for line in page.lines(told):
            screen.say_typed(typed.named(line))
    raise typer.Exit(0 if told.is_well else _ACT)


def _look(context: Context, rows: Sequence[statement.Row], space: str, unreadable: list[RecordUnreadable]) -> Recovery:
    named = reading.names(context.ledger, rows, space)
    unreadable.clear()
    records = reading.by_key(context.ledger, list(named.by_key), unreadable)
    for error in unreadable:
        named.by_key.pop(error.key, None)
    return recovery.sort(named.by_key, named.by_reference, records)


def _paused(context: Context, lane: Lane) -> list[Pause]:
    """For all terminals, and without an end of its own: a person ends it."""
    return [
        pause
        for pause in context.pauses.standing()
        if pause.is_for(lane, ALL) and not pause.until_ms and pause.tries is None
    ]


def _proof(paths: Sequence[Path]) -> str:
    digests = ", ".join(hashlib.sha256(path.read_bytes()).hexdigest()[:8] for path in paths[:10])
    return f"the bank's statement: files whose SHA-256 begin with {digests}"


def _put_in_doubt(
    context: Context, unsent: Sequence[Executed], *, why: str, proof: str, wait_s: float
) -> dict[str, str]:
    """Key → what became of it, as a sentence."""
    became: dict[str, str] = {}
    entries = [
        (executed.record, {"key": executed.name, "why": why, "proof": proof})
        for executed in unsent
        if executed.record is not None
    ]
    for start in range(0, len(entries), _AT_A_TIME):
        for record, event in answers_to(context, Kind.DOUBT, entries[start : start + _AT_A_TIME], wait_s=wait_s):
            became[record.key] = descriptions.happened(event) if event else "asked; no worker has done it yet"
    return became
