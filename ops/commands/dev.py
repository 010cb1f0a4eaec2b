"""`transfers dev`: everything that an integration needs, in one terminal, with data that is kept between runs."""

import contextlib
import json
import logging
import os
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.transfer import moment
from epay_transfers.ops import screen, typed
from epay_transfers.ops.demo import shop
from epay_transfers.ops.demo.interruption import noted
from epay_transfers.ops.demo.stage import Ended, Stage
from epay_transfers.ops.demo.users import PRODUCER
from epay_transfers.ops.dev import folder, settings
from epay_transfers.ops.dev.settings import Places
from epay_transfers.ops.dev.stream import Stream
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.embedded_servers import NotStarted
from epay_transfers.runtime.setting_sources import in_environment
from epay_transfers.runtime.web_addresses import IS_BASE, is_base

app = typer.Typer()

FOLDER, PORT_BASE = ".transfers-dev", 8800

_PORT_BASE = typer.Option(
    min=1024, max=65_532, help="The shop's port; the bank, the ledger and the vault have the next three."
)


@app.command()
def dev(
    *,
    at: Annotated[Path, typer.Option("--folder", help="Where the data, the keys and the .env are.")] = Path(FOLDER),
    port_base: Annotated[int, _PORT_BASE] = PORT_BASE,
    web_base_url: Annotated[
        str,
        typer.Option(
            help="Where your web tier's routes are mounted: the .env names it, and notifications come there. Give it "
            "at each start. The shop keeps its own.",
            show_default=f"{settings.WEB_BASE_URL} in the .env; notifications come to the shop",
        ),
    ] = "",
    reset: Annotated[bool, typer.Option("--reset", help="Delete the folder's data and keys first.")] = False,
) -> None:
    """Run all that an integration needs until Ctrl-C: a ledger, a vault, a bank, a worker, a shop.

    At port 8800 is the shop, at 8801 the bank, at 8802 the ledger, at 8803
    the vault, on this machine alone. A backend reads .transfers-dev/.env.

    The ledger, the keys and the bank's books are kept for the next run. The
    vault keeps nothing, as in production. If a process ends, all end.
    """
    if web_base_url and not is_base(web_base_url):
        raise typer.BadParameter(f"web-base-url: {IS_BASE}")
    logging.getLogger().addHandler(logging.NullHandler())  # what the processes log is shown
    try:
        with noted() as interruption, folder.opened(at, reset=reset) as home:
            places = Places(port_base)
            listener = _ports_of(places)
            keys = settings.kept_keys(home, moment(SystemClock().now_ms()).date())
            stream = Stream(screen.console(), SystemClock())
            with listener, _shown(stream):
                web = shop.web_settings(places.shop_url, keys["NOTIFY_SECRET"])
                options = ("--print-calls", "--books", str(home / folder.BOOKS))
                yours = {"WEB_BASE_URL": web_base_url} if web_base_url else {}
                with Stage(
                    home, web, own=keys, ports=places.ports, log=stream.pipe, bank_options=options, for_worker=yours
                ) as stage:
                    told = stage.environment(PRODUCER) | {"WEB_BASE_URL": settings.WEB_BASE_URL} | yours
                    settings.write_env(home, told)
                    stage.start_shop(listener)
                    _say_where(places, stage.bank_url, at / settings.ENV_FILE, told["WEB_BASE_URL"])
                    ended = stage.until_one_ends(interruption)
    except KeyboardInterrupt:
        screen.say("Stopped. Nothing is left running; the data is kept.")
        return
    except NotStarted as error:
        raise Refusal(f"{error}: its lines above say why; all the others were ended") from None
    raise Refusal(_sentence(ended))


def _ports_of(places: Places) -> socket.socket:
    """The shop's socket, once all four ports are free."""
    for name, port in (("bank", places.ports.bank), ("ledger", places.ports.ledger), ("vault", places.ports.vault)):
        _listen(name, port).close()
    return _listen("shop", places.base)


def _listen(name: str, port: int) -> socket.socket:
    try:
        return socket.create_server((shop.HOST, port))
    except OSError as error:
        raise Refusal(
            f"can't listen on {shop.HOST}:{port}, the {name}'s port: {os.strerror(error.errno or 0)}; end what listens "
            "there, or give another --port-base, the first of four ports"
        ) from None


@contextlib.contextmanager
def _shown(stream: Stream) -> Iterator[None]:
    try:
        yield
    finally:
        stream.end()


def _sentence(ended: Ended) -> str:
    how = f"signal {-ended.status} ended it" if ended.status < 0 else f"with status {ended.status}"
    return f"the {ended.name} ended by itself ({how}), so all the others were ended: its lines above say why"


def _say_where(places: Places, bank_url: str, env_file: Path, web_base_url: str) -> None:
    rows = (
        ("the shop", places.shop_url, "open this page: buy something, and see how each transfer goes"),
        ("the bank", bank_url, "its books, for a browser"),
        ("the ledger", places.servers["REDIS_URL"], "kept between runs"),
        ("the vault", places.servers["VAULT_URL"], "in memory alone"),
        ("settings", str(env_file), f"for your backend, and for your web tier at {web_base_url}"),
    )
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    screen.say()
    screen.say(table)
    screen.say("\nEnqueue a transfer, in Python:\n")
    for line in example(str(env_file)):
        screen.say_typed(f"    {line}")
    watch = f"cd {shlex.quote(str(env_file.absolute().parent))} && {typed.command_anywhere()} overview --watch"
    screen.say_typed(f"\nWatch, in another terminal:\n\n    {watch}\n")
    yours = [name for name in settings.FOR_A_BACKEND if in_environment(name)]
    if "WEB_BASE_URL" in yours:
        yours.remove("WEB_BASE_URL")
        screen.say("Your environment sets WEB_BASE_URL: right for a web tier of your own; the shop keeps its own.\n")
    if yours:
        screen.say(
            f"Your environment sets {', '.join(yours)}, which goes before that .env: unset it for your backend.\n"
        )
    screen.say("Ctrl-C ends all. What they log:\n")


def example(env_file: str) -> tuple[str, ...]:
    """Python that enqueues a transfer from a saved card of the sandbox to another one: two statements."""
    return (
        "from epay_transfers.producers import Receiver, SavedCard, TransferIntent, Transfers",
        f"Transfers.from_env(env_file={json.dumps(env_file)}).enqueue(TransferIntent(",
        '    reference="payout-1", amount="15000", description="Payout 1",',
        '    sender=SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),',
        '    receiver=Receiver(card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce")))',
    )
