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
    passwords_of: Annotated[
        Path | None,
        typer.Option(help="A folder with the files in use: each user stays on or off, under its password's digest."),
    ] = None,
) -> None:
    """Write the ACL files of ledger and vault. Put a password's SHA-256 in place of each placeholder that is left."""
    check_operators(operator)
    texts = {server: _text(server, operator, previous, passwords_of) for server in server_users.SERVERS}
    lacking = {server: server_users.users_in(text) for server, text in texts.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for server, text in texts.items():
            (folder / f"users-{server}.acl").write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"can't write there: {error.strerror}") from None
    screen.say(f"Written: {', '.join(f'users-{server}.acl' for server in texts)}.")
    if passwords_of is not None:
        for server, names in lacking.items():
            told = f"these lack a password: {', '.join(names)}" if names else "every user has its password"
            screen.say(f"users-{server}.acl: {told}.")
    if any(lacking.values()):
        screen.say(
            "Next: put `printf %s PASSWORD | sha256sum` behind each #, instead of SHA256-OF-THE-PASSWORD-OF-...;"
        )
    screen.say("Then start each server with --aclfile, or as its admin: ACL LOAD.")


def check_operators(names: Sequence[str]) -> None:
    """Raises `Refusal` for a name that is no part of a server user's."""
    if not all(_NAME.fullmatch(name) for name in names):
        raise Refusal("--operator: a name is 1 to 32 letters, digits, dots or dashes")


def _text(server: str, operators: list[str], previous: Path | None, in_use: Path | None) -> str:
    text = server_users.file_text(server, operators, _read("--previous", previous, server))
    return server_users.as_in_use(text, _read("--passwords-of", in_use, server))


def _read(option: str, folder: Path | None, server: str) -> str:
    """Empty where the option is not given."""
    if folder is None:
        return ""
    try:
        return (folder / f"users-{server}.acl").read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Refusal(f"{option}: can't read users-{server}.acl there ({why})") from None
