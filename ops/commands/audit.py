"""`transfers audit`: do ledger, `due`, counters, queue and vault say the same? Exit status 1 where they do not."""

from dataclasses import asdict

import typer

from ledger.audit import Audit
from ledger.servers import connect
from ops import screen
from ops.desk import Desk
from ops.options import AsJson

app = typer.Typer()


@app.command()
def audit(*, as_json: AsJson = False) -> None:
    """Compare them both ways and print what is off. It reads every record; it changes nothing."""
    desk = Desk.open()
    vault = connect(desk.settings.vault_url.reveal()) if desk.settings.vault_url else None
    found = Audit(desk.ledger, connect(desk.settings.queue_url, text=False), vault).run()
    if as_json:
        screen.say_json([asdict(oddity) for oddity in found])
    elif found:
        screen.say(screen.table(("where", "transfer", "what"), [(odd.where, odd.key, odd.says) for odd in found]))
    else:
        looked = "" if vault else " (VAULT_URL is not set: the vault was not looked at)"
        screen.say(f"Nothing is off{looked}.")
    raise typer.Exit(1 if found else 0)
