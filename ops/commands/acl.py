"""`transfers acl`: write the servers' ACL files, from what the code of this version needs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from epay_transfers.ops import screen, server_users
from epay_transfers.ops.exit_status import Refusal

app = typer.Typer()

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")


@app.command()
def acl(
    folder: Annotated[Path, typer.Argument(help="Where users-ledger.acl and users-vault.acl are written.")],
    *,
    operator: Annotated[list[str], typer.Option(help="An operator's name: each has a server user of their own.")],
    previous: Annotated[
        Path | None,
        typer.Option(help="A folder with the files of the release before, whose scripts go on during an upgrade."),
    ] = None,
) -> None:
    """Write the ACL files of ledger and vault. Put a password's SHA-256 in place of each placeholder."""
    check_operators(operator)
    texts = {server: _text(server, operator, previous) for server in server_users.SERVERS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for server, text in texts.items():
            (folder / f"users-{server}.acl").write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"can't write there: {error.strerror}") from None
    screen.say(f"Written: {', '.join(f'users-{server}.acl' for server in texts)}.")
    screen.say("Next: put `printf %s PASSWORD | sha256sum` behind each #, instead of SHA256-OF-THE-PASSWORD-OF-...;")
    screen.say("then start each server with --aclfile, or as its admin: ACL LOAD.")


def check_operators(names: Sequence[str]) -> None:
    """Raises `Refusal` for a name that is no part of a server user's."""
    if not all(_NAME.fullmatch(name) for name in names):
        raise Refusal("--operator: a name is 1 to 32 letters, digits, dots or dashes")


def _text(server: str, operators: list[str], previous: Path | None) -> str:
    if previous is None:
        return server_users.file_text(server, operators)
    try:
        text = (previous / f"users-{server}.acl").read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Refusal(f"--previous: can't read users-{server}.acl there ({why})") from None
    return server_users.file_text(server, operators, text)
