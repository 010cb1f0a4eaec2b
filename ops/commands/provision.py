"""`transfers provision`: writes the users, passwords and keys of a new installation, a folder for each process."""

from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit

import typer

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.transfer import moment
from epay_transfers.ops import dotenv, provisioning, screen
from epay_transfers.ops.commands.acl import check_operators
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.server_addresses import complaint_of

app = typer.Typer()

#: Options of an address that name files of the process's own machine or container, which may not be this one.
_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


@app.command()
def provision(
    folder: Annotated[Path, typer.Argument(help="Where a folder for each process is written.")],
    *,
    operator: Annotated[list[str], typer.Option(help="An operator's name: each has a server user of their own.")],
    redis_url: Annotated[str, typer.Option(help="The ledger's server, without a user.")] = dotenv.SERVERS["REDIS_URL"],
    vault_url: Annotated[str, typer.Option(help="The vault's server, without a user.")] = dotenv.SERVERS["VAULT_URL"],
) -> None:
    """Write fresh passwords and keys, as files that only their owner reads. It overwrites nothing.

    `ledger` and `vault` get the servers' ACL files; each other folder is one process's, and a file there is a setting.
    """
    check_operators(operator)
    for option, url in (("--redis-url", redis_url), ("--vault-url", vault_url)):
        complaint = complaint_of(Secret(_without_files(url))) if len(url.splitlines()) == 1 else "has a line break"
        if not complaint and ("@" in url or not url.startswith(("redis://", "rediss://"))):
            complaint = "has a user, or is not redis:// or rediss://"
        if complaint:
            raise Refusal(f"{option}: {complaint}; give it like {dotenv.SERVERS['REDIS_URL']}. Nothing was written")
    keys = dotenv.fresh_keys(moment(SystemClock().now_ms()).date())
    files = provisioning.files_of({"ledger": redis_url, "vault": vault_url}, operator, keys)
    try:
        provisioning.write(folder, files)
    except FileExistsError as error:
        raise Refusal(
            f"{error} is there already: its keys may have sealed cards. Nothing was written; name another folder"
        ) from None
    except OSError as error:
        raise Refusal(f"can't write there: {error.strerror}") from None
    screen.say(f"Written, for their owner alone: {', '.join(sorted(files))}.")
    screen.say("Next: what the bank gave you, as files worker/EPAY_TERMINAL_ID, EPAY_CLIENT_ID, EPAY_CLIENT_SECRET;")
    screen.say("then give each folder to its own process: the runbook, 'Start under systemd', 'Start in containers'.")


def _without_files(url: str) -> str:
    """What is left of it is checked here; one that can't be read stays as it is."""
    try:
        parts = urlsplit(url)
        others = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in _FILES]
    except ValueError:
        return url
    return parts._replace(query=urlencode(others)).geturl()
