"""`transfers audit`: compares ledger, `due`, counters, queue and vault. Exit status 1 if they differ.

It reads everything, so it takes minutes with a million transfers, and says on standard error how far it is.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Annotated

import typer

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops import listing, screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson
from epay_transfers.runtime.audit import Audit, Discrepancy

app = typer.Typer()

#: So many transfers are named for each sentence.
_FEW = 3


@dataclass(slots=True)
class Group:
    """Discrepancies of one kind: their sentences differ in numbers alone."""

    where: str
    says: str  #: of the first of them
    keys: list[str] = field(default_factory=list)


@app.command()
def audit(
    *,
    every: Annotated[bool, typer.Option("--all", help="A line for each transfer, not one for each sentence.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare ledger, due, counters, queue and vault; print what differs. It reads every record and changes nothing."""
    context = Context.connect()
    vault = (
        connect(context.settings.vault_url.reveal(), context.settings.name_of("VAULT_URL"))
        if context.settings.vault_url
        else None
    )
    queue = connect(context.settings.queue_url, context.settings.queue_setting, text=False)
    found = Audit(context.ledger, queue, vault, _say_progress).run()
    if as_json:
        screen.say_json({
            "discrepancies": [asdict(oddity) for oddity in found],
            "groups": [
                {"where": group.where, "says": group.says, "count": len(group.keys), "keys": group.keys[:_FEW]}
                for group in grouped(found)
            ],
            "vault_compared": vault is not None,
        })  # fmt: skip
    elif found and every:
        screen.say(screen.table(("where", "transfer", "what"), [(odd.where, odd.key, odd.says) for odd in found]))
    elif found:
        _say_groups(grouped(found))
    if not as_json and vault is None:
        screen.say("VAULT_URL is not set: the vault was not compared.")
    if not (as_json or found):
        screen.say("No discrepancy.")
    raise typer.Exit(1 if found else 0)


def grouped(found: Iterable[Discrepancy]) -> list[Group]:
    """The most frequent first."""
    groups: dict[tuple[str, str], Group] = {}
    for odd in found:
        group = groups.setdefault((odd.where, _NUMBER.sub("#", odd.says)), Group(odd.where, odd.says))
        group.keys.append(odd.key)
    return sorted(groups.values(), key=lambda group: (-len(group.keys), group.where, group.says))


_NUMBER = re.compile(r"\d+(\.\d+)?")


def _say_groups(groups: list[Group]) -> None:
    rows = [(str(len(group.keys)), group.where, _few(group.keys), _says(group)) for group in groups]
    screen.say(screen.table(("count", "where", "transfers", "what"), rows))
    if any(len(group.keys) > _FEW for group in groups):
        screen.say(f"Not every transfer is named: `{typed.command()} audit --all` has a line for each.")


def _few(keys: list[str]) -> str:
    more = len(keys) - _FEW
    return ", ".join(islice(keys, _FEW)) + (f" and {listing.number(more)} more" if more > 0 else "")


def _says(group: Group) -> str:
    """Where there are several, the numbers of one of them are an example."""
    return f"{group.says}, for example" if len(group.keys) > 1 and _NUMBER.search(group.says) else group.says


def _say_progress(what: str, done: int, of: int) -> None:
    typer.echo(f"Reading everything: {listing.number(done)} {what} of {listing.number(max(done, of))}.", err=True)
