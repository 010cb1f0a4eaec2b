"""`transfers demo`: shows every way that a transfer can go. It ends with 0 only if bank and ledger agree."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ops import screen, typed
from epay_transfers.ops.context import Context
from epay_transfers.ops.demo import ending, shop
from epay_transfers.ops.demo.board import Board, shown
from epay_transfers.ops.demo.interruption import Interruption, noted
from epay_transfers.ops.demo.play import Play
from epay_transfers.ops.demo.sandbox_client import SandboxClient
from epay_transfers.ops.demo.stage import SHORTENED, Stage
from epay_transfers.ops.demo.users import OPS, PRODUCER, WEB, Users
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.producers import Transfers

app = typer.Typer()

#: The exit status that shells use for a command that Ctrl-C ended.
_INTERRUPTED = 130


@app.command()
def demo(
    *,
    web: Annotated[
        bool, typer.Option("--web", help="Instead of the play, a shop to pay in, with your browser.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The shop's; 0 takes a free one.")] = 0,
    users: Annotated[
        Path | None,
        typer.Option(help="A folder with the servers' users (deploy): each process is one, and none is refused."),
    ] = None,
) -> None:
    """See every way that a transfer can go: two servers, a bank and a worker, all real, all on this machine alone."""
    if web and users:
        raise Refusal("--web has no --users: its shop is backend and web tier at once, which are two of them")
    logging.getLogger().addHandler(logging.NullHandler())  # the board shows what happens; no log is needed
    try:
        with noted() as interruption, TemporaryDirectory(prefix="transfers-demo-") as name:
            folder = Path(name)
            if web:
                shop.open_shop(folder, port, interruption)
            _say_first()
            with Stage(folder, users=Users(users) if users else None) as stage, _refused(stage, users) as refused:
                agreed = _play(stage, interruption)
    except KeyboardInterrupt:
        screen.say("\nStopped. Nothing is left running.")
        raise typer.Exit(_INTERRUPTED) from None
    raise typer.Exit(0 if agreed and not refused else 1)


def _play(stage: Stage, interruption: Interruption) -> bool:
    """Play all stories. True if all went as planned and the books agree."""
    board, bank = Board(SystemClock()), SandboxClient(stage.bank_url)
    with contextlib.ExitStack() as ends:
        ends.enter_context(contextlib.closing(bank))
        with stage.entered(PRODUCER):
            backend = ends.enter_context(Transfers.from_env())
        with stage.entered(WEB):
            web = ends.enter_context(Transfers.from_env())
        with stage.entered(OPS):
            context = Context.connect()
        play = Play(
            stage=stage,
            bank=bank,
            board=board,
            backend=backend,
            web=web,
            context=context,
            clock=SystemClock(),
            interruption=interruption,
        )
        with shown(board, screen.console()):
            wrong = play.run()
        lines = ending.compare(bank.books(), context.ledger.totals())
        took_s = board.seconds()
    for sentence in wrong:
        screen.say(sentence)
    screen.say(ending.table(lines))
    agreed = not wrong and all(line.agrees for line in lines)
    _say_last(agreed=agreed, took_s=took_s, last_words="" if agreed else stage.last_words())
    return agreed


@contextlib.contextmanager
def _refused(stage: Stage, users: Path | None) -> Iterator[list[str]]:
    """At the end, even after an error: report what the servers have refused to their users."""
    refused: list[str] = []
    try:
        yield refused
    finally:
        if users:
            stage.end_worker()
            refused += stage.refusals()
            screen.say("\n".join(refused) or "Under the servers' users, and none of them was refused anything.")


def _say_first() -> None:
    settings = " ".join(f"{name}={value}" for name, value in SHORTENED.items())
    screen.say("Starting two servers, a bank and a worker, on this machine alone. Ctrl-C ends all of them.")
    screen.say(f"Shortened, so that you need not wait: {settings}\n")


def _say_last(*, agreed: bool, took_s: float, last_words: str) -> None:
    if not agreed:
        screen.say(f"They do not agree, which is a bug: please report it. The end of the worker's log:\n{last_words}")
        return
    screen.say(f"They agree, after {took_s:.0f} s: whatever was killed, refused or repeated, nothing was paid twice.\n")
    transfers = typed.command()
    screen.say_typed(f"Next:  {transfers} dev      servers, bank, worker and a shop that go on running, for your code")
    screen.say_typed(f"       {transfers} --help   everything else\n")
