"""`transfers audit`: compares ledger, `due`, counters, queue and vault. Exit status 1 if they differ."""

from dataclasses import asdict

import typer

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson
from epay_transfers.runtime.audit import Audit

app = typer.Typer()


@app.command()
def audit(*, as_json: AsJson = False) -> None:
    """Compare ledger, due, counters, queue and vault; print what differs. It reads every record and changes nothing."""
    context = Context.connect()
    vault = (
        connect(context.settings.vault_url.reveal(), context.settings.name_of("VAULT_URL"))
        if context.settings.vault_url
        else None
    )
    queue = connect(context.settings.queue_url, context.settings.queue_setting, text=False)
    found = Audit(context.ledger, queue, vault).run()
    if as_json:
        screen.say_json([asdict(oddity) for oddity in found])
    elif found:
        screen.say(screen.table(("where", "transfer", "what"), [(odd.where, odd.key, odd.says) for odd in found]))
    else:
        looked = "" if vault else " (VAULT_URL is not set: the vault was not compared)"
        screen.say(f"No discrepancy{looked}.")
    raise typer.Exit(1 if found else 0)
