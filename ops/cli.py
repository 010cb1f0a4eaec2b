"""`transfers`: the one command that operators hold. Here commands are only mounted; each lives in `ops.commands`.

A command's module is imported when the command is run: `transfers --help` answers before a library is loaded.
"""

import importlib
import importlib.metadata
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from epay_transfers.runtime import hardening


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """Where a command lives, under which heading it is listed, and its one sentence."""

    module: str
    panel: str
    says: str


_BEGIN, _LOOK, _ACT = "Begin", "Look", "Act"

COMMANDS = {
    "demo": CommandEntry("demo", _BEGIN, "See every way that a transfer can go, with real processes, in a minute."),
    "init": CommandEntry("init", _BEGIN, "Write a .env with fresh keys and the bank's public test values."),
    "keygen": CommandEntry("keygen", _BEGIN, "Print fresh keys for the vault and for comparing intents."),
    "keys": CommandEntry("keys", _BEGIN, "The vault's keys that this environment holds: ids, ages, what each may do."),
    "doctor": CommandEntry(
        "doctor", _BEGIN, "Examine servers, settings, invoice ids and lanes; say what mends each finding."
    ),
    "worker": CommandEntry("worker", _BEGIN, "Run the worker: the one process that does the whole job."),
    "sandbox": CommandEntry("sandbox", _BEGIN, "Run a bank to work against."),
    "status": CommandEntry("status", _LOOK, "One transfer: state, money, why, evidence, what comes next."),
    "list": CommandEntry("list", _LOOK, "CommandGroup of a state, oldest first; or the newest of all."),
    "events": CommandEntry("events", _LOOK, "Every move, with who and why; --follow waits for more."),
    "queues": CommandEntry("queues", _LOOK, "What waits in each queue, and the queue's own dead letters."),
    "parked": CommandEntry("parked", _LOOK, "Who waits for a client's 3-D Secure answer."),
    "doubt": CommandEntry("doubt", _LOOK, "Money of which nobody knows yet whether it moved."),
    "terminals": CommandEntry("terminals", _LOOK, "Terminals, their invoice ids and their stops."),
    "audit": CommandEntry("audit", _LOOK, "Do ledger, due, counters, queue and vault say the same?"),
    "enqueue": CommandEntry("enqueue", _ACT, "Take an intent, or a list of them, from standard input."),
    "dead": CommandEntry("dead", _ACT, "The dead: list, show, requeue, discard."),
    "settle": CommandEntry("settle", _ACT, "End a held transfer by hand, with evidence."),
    "cancel": CommandEntry("cancel", _ACT, "Take a transfer back before any money can move."),
    "queue": CommandEntry("queue", _ACT, "rebuild: ring again for every unfinished transfer."),
    "pause": CommandEntry("lanes", _ACT, "Pause a lane, for one terminal or for all."),
    "unpause": CommandEntry("lanes", _ACT, "Open a lane again."),
}


class CommandGroup(TyperGroup):
    """The group: it lists commands without loading them, and ends every error as a sentence."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.says, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        from epay_transfers.ledger.errors import TransfersError  # noqa: PLC0415 - see the module's law

        try:
            return super().invoke(ctx)
        except TransfersError as error:
            from epay_transfers.ops import exit_status  # noqa: PLC0415 - see the module's law

            typer.echo(exit_status.sentence_of(error), err=True)
            status = exit_status.status_of(error)
        raise typer.Exit(status)


def load(name: str) -> TyperCommand | TyperGroup:
    """The command itself; or the group of commands that its module is."""
    module = importlib.import_module(f"epay_transfers.ops.commands.{COMMANDS[name].module}")
    group = typer.main.get_group(module.app)
    command = group.commands.get(name, group)
    if not isinstance(command, (TyperCommand, TyperGroup)):
        raise TypeError(f"epay_transfers.ops.commands.{COMMANDS[name].module} mounts something that is no command")
    return command


app = typer.Typer(
    cls=CommandGroup,
    name="transfers",
    help="Moves money from card to card through the bank's ePay P2P API, and never moves it twice.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # theirs can show local variables
)


def _say_version(asked: bool) -> None:  # noqa: FBT001 - the option's value
    if asked:
        typer.echo(importlib.metadata.version("epay-transfers"))
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version, and end.")
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    hardening.harden()
    sys.excepthook = _last_words
    if hardening.cards_in(sys.argv[1:], {}):
        typer.echo(
            "An argument looks like a card number, and whoever is on this machine can read it. Nothing was done; "
            "cards go in on standard input alone.",
            err=True,
        )
        sys.exit(2)
    sys.exit(typer.main.get_command(app)(prog_name="transfers"))


def _last_words(_kind: type[BaseException], error: BaseException, _at: TracebackType | None) -> None:
    """Of what nobody expected: types and places. Its own words may be the card that it stumbled over."""
    from epay_transfers.runtime.logs import trace  # noqa: PLC0415 - see the module's law

    typer.echo("\n".join(trace(error)), err=True)
