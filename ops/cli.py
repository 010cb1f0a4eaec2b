"""`transfers`: the operators' command line. It lists the commands; each has a module in `ops.commands`.

A command's module is imported only when the command runs, so that `transfers --help` loads no other library.
"""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

from epay_transfers.extras import needed
from epay_transfers.runtime import garbage, hardening, output

with needed("cli", "The command `transfers`"):
    import rich  # noqa: F401 - the help and the tables
    import typer
    from typer.core import TyperCommand, TyperGroup

#: What is raised where the command line is wrong: typer's own, or, in its older versions, click's.
_WRONG_USAGE: Any = typer.BadParameter.__base__


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command: its module, the heading under which help lists it, its description and an example of its arguments."""

    module: str
    panel: str
    says: str
    example: str = ""
    changes: bool = False  #: transfers, lanes or the queue: an operator is asked for a reason
    connects: bool = True  #: it needs the servers from its start
    extra: str = "cli"  #: what the command's own libraries come with


_BEGIN, _LOOK, _ACT = "Begin", "Look", "Act"

#: By what is typed. A command of a group has an entry of its own, under both words.
COMMANDS = {
    "demo": CommandEntry(
        "demo",
        _BEGIN,
        "See every way that a transfer can go, with real processes, in a minute.",
        connects=False,
        extra="demo",
    ),
    "dev": CommandEntry(
        "dev",
        _BEGIN,
        "Run servers, a bank, a worker and a shop on fixed ports, for your own code to work against.",
        connects=False,
        extra="demo",
    ),
    "init": CommandEntry(
        "init", _BEGIN, "Write a .env with fresh keys and the bank's public test values.", connects=False
    ),
    "keygen": CommandEntry(
        "keygen", _BEGIN, "Print fresh keys for the vault and for comparing intents.", connects=False
    ),
    "acl": CommandEntry(
        "acl",
        _BEGIN,
        "Write the servers' ACL files: a user for each process and each operator.",
        example="deploy --operator aigul --operator bolat",
        connects=False,
    ),
    "provision": CommandEntry(
        "provision",
        _BEGIN,
        "Write users, passwords and keys of a new installation: a folder of files for each process.",
        example="secrets --operator aigul --operator bolat",
        connects=False,
    ),
    "keys": CommandEntry("keys", _BEGIN, "List the keys of this environment: ids, ages, what each may do."),
    "keys rotate": CommandEntry(
        "keys",
        _BEGIN,
        "Write a new key in front of the others, into their file.",
        example="--ring vault",
        connects=False,
    ),
    "doctor": CommandEntry(
        "doctor", _BEGIN, "Check servers, settings, invoice ids and lanes; say what to do about each finding."
    ),
    "worker": CommandEntry(
        "worker", _BEGIN, "Run the worker: the one process that does the whole job.", connects=False
    ),
    "first-contact": CommandEntry(
        "first_contact",
        _BEGIN,
        "Call the bank's test environment once with its public test cards, and compare its answers.",
        connects=False,
    ),
    "sandbox": CommandEntry("sandbox", _BEGIN, "Run a sandbox bank to work against.", connects=False, extra="demo"),
    "overview": CommandEntry(
        "overview", _LOOK, "Show on one screen what is wrong, what money it concerns, what is safe, what to do."
    ),
    "console": CommandEntry(
        "console",
        _LOOK,
        "Serve the operators' pages for browsers at CONSOLE_ADDRESS, until a signal.",
        connects=False,
        extra="console",
    ),
    "exporter": CommandEntry(
        "exporter", _LOOK, "Serve what `overview` knows to Prometheus, until a signal.", connects=False
    ),
    "probe": CommandEntry(
        "probe", _LOOK, "Ask a process of this machine whether it lives, or is ready.", connects=False
    ),
    "status": CommandEntry(
        "status", _LOOK, "Show one transfer: state, money, why, evidence, what comes next.", example="payout-42"
    ),
    "explain": CommandEntry(
        "explain",
        _LOOK,
        "Explain one transfer: each attempt, what it waits for now, what comes next, what you may do.",
        example="payout-42",
    ),
    "list": CommandEntry(
        "list", _LOOK, "List the transfers of a state, oldest first; or the newest of all.", example="queued"
    ),
    "events": CommandEntry("events", _LOOK, "List every move, with its actor and reason; --follow waits for more."),
    "queues": CommandEntry("queues", _LOOK, "Count the waiting messages and the dead letters of each queue."),
    "parked": CommandEntry("parked", _LOOK, "List transfers that wait for a client's 3-D Secure answer."),
    "doubt": CommandEntry("doubt", _LOOK, "List money in doubt: it may have moved or not."),
    "pauses": CommandEntry("pauses", _LOOK, "List the pauses of lanes: cause, age, and the money behind each."),
    "terminals": CommandEntry("terminals", _LOOK, "List terminals, their used invoice ids and their paused lanes."),
    "outcomes": CommandEntry(
        "outcomes", _ACT, "Outcomes that a backend's handler failed at, and groups: list, replay, groups, forget."
    ),
    "outcomes list": CommandEntry(
        "outcomes", _LOOK, "List the outcomes that were set aside, by group.", example="--group payouts"
    ),
    "outcomes replay": CommandEntry(
        "outcomes",
        _ACT,
        "Hand what was set aside to the group's consumers again.",
        example="--group payouts --reference payout-42",
    ),
    "outcomes groups": CommandEntry("outcomes", _LOOK, "List the groups that read outcomes, and how far each is."),
    "outcomes forget": CommandEntry(
        "outcomes",
        _ACT,
        "Forget a group that comes no more; without --apply, show what would go.",
        example='payouts --apply --reason "the old backend is gone"',
        changes=True,
    ),
    "audit": CommandEntry("audit", _LOOK, "Compare ledger, due, counters, queue and vault."),
    "reconcile": CommandEntry(
        "reconcile",
        _LOOK,
        "Compare a day with the bank's statement, or with what the bank says of each transfer.",
        example="--day 2026-11-28 --statement statement.csv --mapping statement.toml",
        connects=False,
    ),
    "scan": CommandEntry(
        "scan", _LOOK, "Search the ledger's server, its queue, files and folders for card numbers: none may be there."
    ),
    "verify-backup": CommandEntry(
        "verify_backup",
        _LOOK,
        "Say what a backup of the ledger is good for, on a server of its own.",
        example="/var/backups/transfers-ledger",
        connects=False,
        extra="demo",
    ),
    "enqueue": CommandEntry(
        "enqueue",
        _ACT,
        "Take an intent from standard input, or many: CSV, JSON lines.",
        example="--csv payouts.csv --dry-run",
        changes=True,
        connects=False,
    ),
    "dead": CommandEntry("dead", _ACT, "Dead transfers: list, show, requeue, discard."),
    "dead list": CommandEntry("dead", _LOOK, "List the dead, longest dead first.", example="--limit 10"),
    "dead show": CommandEntry("dead", _LOOK, "Show one of them.", example="payout-42"),
    "dead requeue": CommandEntry(
        "dead",
        _ACT,
        "Queue it again, after the bank was asked.",
        example='payout-42 --reason "the terminal works again"',
        changes=True,
    ),
    "dead discard": CommandEntry(
        "dead",
        _ACT,
        "End it as cancelled: no money moved, and none will.",
        example='payout-42 --reason "paid in cash"',
        changes=True,
    ),
    "settle": CommandEntry(
        "settle",
        _ACT,
        "Say how a transfer in review ended, with evidence.",
        example='payout-42 --paid --evidence "a letter of the bank" --reason "the bank says so"',
        changes=True,
    ),
    "correct": CommandEntry(
        "correct",
        _ACT,
        "Correct how a transfer ended: always two operators.",
        example='payout-42 --paid --evidence "a letter of the bank" --reason "it was executed after all"',
        changes=True,
    ),
    "ask": CommandEntry("ask", _ACT, "Ask the bank about one transfer now.", example="payout-42"),
    "plan": CommandEntry("plan", _ACT, "Write a plan for many transfers: requeue, discard, cancel, settle."),
    "plan requeue": CommandEntry(
        "plan", _LOOK, "Write which dead transfers are to be queued again.", example="--why token_401 --older 10min"
    ),
    "plan discard": CommandEntry(
        "plan", _LOOK, "Write which dead transfers are to be ended.", example="--why card_lost --no-ask"
    ),
    "plan cancel": CommandEntry(
        "plan", _LOOK, "Write which waiting transfers are to be taken back.", example="queued --terminal main --no-ask"
    ),
    "plan settle": CommandEntry(
        "plan",
        _LOOK,
        "Write which transfers in review ended so, with evidence.",
        example='needs_review --not-paid --evidence "statement of 28 November, page 4"',
    ),
    "apply": CommandEntry(
        "apply",
        _ACT,
        "Do what a plan says, with exactly its transfers.",
        example='plan.json --reason "the token service is back"',
        changes=True,
        connects=False,
    ),
    "cancel": CommandEntry(
        "cancel",
        _ACT,
        "Cancel a transfer before any money can move.",
        example='payout-42 --reason "the client left"',
        changes=True,
    ),
    "recover": CommandEntry(
        "recover",
        _ACT,
        "After the ledger went back: find in the bank's statement what it forgot, and keep that from being sent.",
        example='--statement statement.csv --mapping statement.toml --apply --reason "the ledger went back"',
        changes=True,
        connects=False,
    ),
    "queue": CommandEntry("queue", _ACT, "The queue of wake-ups: rebuild."),
    "queue rebuild": CommandEntry(
        "queue",
        _ACT,
        "Send the wake-ups that are missing, for transfers that wait for a worker.",
        example='--apply --reason "the queue was lost"',
        changes=True,
    ),
    "archive": CommandEntry(
        "archive",
        _ACT,
        "Export transfers that ended long ago, verify the files, and keep of each its end alone.",
        example='--before 2025-01-01 --to archive --apply --reason "kept for a year"',
        changes=True,
    ),
    "upgrade": CommandEntry("upgrade", _ACT, "Carry a ledger of the older format over to this version."),
    "pause": CommandEntry(
        "pauses",
        _ACT,
        "Pause a lane, for one terminal or for all.",
        example='send --cause fraud --reason "the fraud team asked"',
        changes=True,
    ),
    "unpause": CommandEntry(
        "pauses", _ACT, "End one pause, by its id.", example='k7f3 --reason "the bank is back"', changes=True
    ),
}


#: 128 and SIGINT.
_INTERRUPTED = 130

#: A file's name may be any bytes.
_TAKES_ANY_NAME = frozenset({"scan"})


#: They run until a signal, are for a person at a screen, or print a plan, which is JSON itself: they take no `--json`.
WITHOUT_JSON = frozenset(
    {"demo", "dev", "worker", "first-contact", "sandbox", "exporter", "console"}
    | {name for name in COMMANDS if name.split()[0] == "plan"}
)


class CommandGroup(TyperGroup):
    """The group of all commands: it lists them without loading them, and reports each error as a sentence.

    With `--json` each error is an object on standard error, a wrong usage as well.
    """

    is_for_machine = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, entry in COMMANDS.items():
            if " " not in name:
                self.commands[name] = TyperCommand(name, help=entry.says, rich_help_panel=entry.panel)

    def get_params(self, ctx: Any) -> Any:
        return _shown_as_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        self.is_for_machine = is_for_machine(given)
        if not self.is_for_machine:
            return super().main(given, *others, **options)
        try:
            status = super().main(given, *others, **options | {"standalone_mode": False})
        except _WRONG_USAGE as error:
            next_step = " ".join(filter(None, ("transfers", _words(given), "--help")))
            say_error("UsageError", error.format_message(), error.exit_code, next_step)
            status = error.exit_code
        except typer.Abort:
            say_error("Interrupted", "Interrupted.", _INTERRUPTED)
            status = _INTERRUPTED
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        from epay_transfers.ledger.errors import TransfersError  # noqa: PLC0415 - see the module's docstring

        try:
            return super().invoke(ctx)
        except TransfersError as error:
            from epay_transfers.ops import exit_status  # noqa: PLC0415 - see the module's docstring

            sentence, status = exit_status.sentence_of(error), exit_status.status_of(error)
            if self.is_for_machine:
                say_error(type(error).__name__, sentence, status)
            else:
                typer.echo(sentence, err=True)
        raise typer.Exit(status)


def is_for_machine(arguments: Sequence[str]) -> bool:
    return "--json" in list(arguments)[: list(arguments).index("--")] if "--" in arguments else "--json" in arguments


def say_error(kind: str, sentence: str, status: int, next_step: str = "") -> None:
    """As an object, on standard error."""
    from epay_transfers.ops import exit_status, screen  # noqa: PLC0415 - see the module's docstring

    typer.echo(screen.as_json(exit_status.as_dict(kind, sentence, status, next_step)), err=True)


def _words(arguments: Sequence[str]) -> str:
    """The command that was meant, without what was typed behind it."""
    two = " ".join(arguments[:2])
    return two if two in COMMANDS else next((word for word in arguments[:1] if word in COMMANDS), "")


def _answering(command: TyperCommand) -> None:
    """Give a command without data of its own `--json`: what it says is collected, and printed as an answer."""
    if any("--json" in parameter.opts for parameter in command.params):
        return
    run = command.callback

    def collecting(*args: Any, **options: Any) -> Any:
        from epay_transfers.ops import answers, screen  # noqa: PLC0415 - see the module's docstring

        is_asked = options.pop("as_json", False)
        if run is None or not is_asked:
            return run and run(*args, **options)
        with answers.collected() as answer:
            returned = run(*args, **options)
        screen.say_json(answer.as_dict())
        return returned

    command.callback = collecting
    command.params.append(_json_option())


def _json_option() -> Any:
    """As the commands that read have it: taken from a command that has no other."""
    from epay_transfers.ops.options import AsJson  # noqa: PLC0415 - see the module's docstring

    lone = typer.Typer(add_completion=False)

    @lone.command()
    def _none(*, as_json: AsJson = False) -> None:
        """Nothing runs it."""

    return next(option for option in typer.main.get_command(lone).params if "--json" in option.opts)


def load(name: str) -> TyperCommand | TyperGroup:
    """The command of this name, of one word or two, or the group of commands if its module is a group."""
    with needed(COMMANDS[name].extra, f"`transfers {name}`"):
        module = importlib.import_module(f"epay_transfers.ops.commands.{COMMANDS[name].module}")
    garbage.search()
    group = typer.main.get_group(module.app)
    for own_command in group.commands.values():
        if isinstance(own_command, TyperCommand) and name not in WITHOUT_JSON:
            _answering(own_command)
    for made in (group, *group.commands.values()):
        _shown_as_flags(made.get_params(made.context_class(made)))
    for each, entry in COMMANDS.items():
        if entry.module == COMMANDS[name].module and (own := group.commands.get(each.rpartition(" ")[2])):
            own.epilog = f"Example: transfers {each} {entry.example}" if entry.example else None
    command = group.commands.get(name.rpartition(" ")[2], group)
    if not isinstance(command, (TyperCommand, TyperGroup)):
        raise TypeError(f"epay_transfers.ops.commands.{COMMANDS[name].module} mounts something that is no command")
    return command


def _shown_as_flags(parameters: Iterable[Any]) -> list[Any]:
    """Flags without a type in the help: the library shows `--json <bool>`, and takes no value there."""
    shown = list(parameters)
    for parameter in shown:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return shown


#: README, documents, runbook and the servers' files of this very version: the wheel brings them.
_DOCUMENTS = Path(__file__).parents[1] / "documents"

app = typer.Typer(
    cls=CommandGroup,
    name="transfers",
    help="Moves money from card to card through the bank's ePay P2P API, and never moves it twice.",
    epilog=f"README, documents and the runbook: {_DOCUMENTS}",
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
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options before a command."""


def main() -> None:
    hardening.harden()
    sys.excepthook = _last_words
    with output.guarded():
        sys.argv[1:] = _in_utf_8(sys.argv[1:])
        if refused := _refusal_of(sys.argv[1:]):
            if is_for_machine(sys.argv[1:]):
                say_error("UsageError", refused, 2)
            else:
                typer.echo(refused, err=True)
            sys.exit(2)
        sys.exit(typer.main.get_command(app)(prog_name="transfers"))


def _refusal_of(arguments: Sequence[str]) -> str:
    """Why nothing is done with these arguments, without a word of them; empty if nothing is wrong."""
    if hardening.cards_in(arguments, {}):
        return (
            "An argument looks like a card number, and every process of this machine can read it. Nothing was done; "
            "give cards only on standard input."
        )
    odd = [str(at) for at, text in enumerate(arguments, 1) if not _is_text(text)]
    if odd and arguments[0] not in _TAKES_ANY_NAME:
        return f"Not UTF-8, so no text: argument {', '.join(odd)}. Nothing was done; give it in UTF-8."
    return ""


def _in_utf_8(arguments: Sequence[str]) -> list[str]:
    """Bytes that Python could not read in the C locale are UTF-8 all the same, if they are."""
    read = list(arguments)
    if read and read[0] not in _TAKES_ANY_NAME:
        for at, text in enumerate(read):
            with suppress(UnicodeError):
                read[at] = text if _is_text(text) else os.fsencode(text).decode("utf-8")
    return read


def _is_text(text: str) -> bool:
    """Python keeps a byte that is not UTF-8 as half of a character, which nothing can store or send."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _last_words(_kind: type[BaseException], error: BaseException, _at: TracebackType | None) -> None:
    """Report an unexpected exception by types and places. Its text may hold the card that it failed on."""
    from epay_transfers.runtime.logs import trace  # noqa: PLC0415 - see the module's docstring

    told = "\n".join(trace(error))
    if is_for_machine(sys.argv[1:]):
        say_error(type(error).__name__, told, 1, "report this; what was asked may or may not be done")
    else:
        typer.echo(told, err=True)
