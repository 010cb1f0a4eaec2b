"""`transfers init`: writes a first `.env` that only its owner can read."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.transfer import moment
from epay_transfers.ops import dotenv, screen, typed
from epay_transfers.ops.commands.sandbox import HOST, PORT, environment
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.server_addresses import complaint_of

app = typer.Typer()

_FILE = Path(".env")

#: Where a web tier on this machine is mounted, in the documents' examples: the sandbox's page is plain http as well.
_WEB_BASE_URL = "http://127.0.0.1:8000/transfers"


@app.command()
def init(
    *,
    redis_url: Annotated[str, typer.Option(help="The ledger's server.")] = dotenv.SERVERS["REDIS_URL"],
    vault_url: Annotated[str, typer.Option(help="The vault's server.")] = dotenv.SERVERS["VAULT_URL"],
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Point at `transfers sandbox` instead of the bank.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the .env that is there, keys and all.")] = False,
) -> None:
    """Write a .env with fresh keys and the bank's public test values."""
    for option, url in (("--redis-url", redis_url), ("--vault-url", vault_url)):
        complaint = "has a line break" if len(url.splitlines()) != 1 else complaint_of(Secret(url))
        if complaint:
            raise Refusal(f"{option}: {complaint}; give it like {dotenv.SERVERS['REDIS_URL']}. Nothing was written")
    values = {"REDIS_URL": redis_url, "VAULT_URL": vault_url} | dotenv.PUBLIC_TEST_VALUES
    values |= dotenv.fresh_keys(moment(SystemClock().now_ms()).date()).as_dict()
    if sandbox:
        values |= environment(f"http://{HOST}:{PORT}")
        values |= {"WEB_BASE_URL": _WEB_BASE_URL, "NOTIFY_SECRET": secrets.token_urlsafe(24)}
    _write(dotenv.text_of(values), force=force)
    transfers = typed.command()
    screen.say("Wrote .env (mode 0600), with fresh keys and the bank's public test values.")
    if not sandbox:
        screen.say(
            "Still to be set, or no worker starts: EPAY_CONFIRM_URL. The bank documents it for production only: ask"
        )
        screen.say_typed(f"the bank. To begin without the bank: {transfers} init --force --sandbox")
        screen.say("Test hosts: the documented ones. EPAY_TEST_HOSTS=newer for those of the bank's newer pages.")
    else:
        screen.say_typed(f"The bank is the sandbox, which has to run: {transfers} sandbox")
    screen.say_typed(f"Next: {transfers} doctor says what is still missing, and what to do.")


def _write(text: str, *, force: bool) -> None:
    if _FILE.exists() and not force:
        raise Refusal(".env exists already; --force overwrites it: what its keys have sealed can't be opened then")
    try:
        dotenv.write(_FILE, text)
    except OSError as error:
        raise Refusal(f".env can't be written here: {error.strerror}") from None
