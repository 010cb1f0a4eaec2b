"""`transfers sandbox`: runs the sandbox bank in the foreground, and prints the settings that lead to it."""

from typing import Annotated

import typer

from epay_transfers.extras import needed
from epay_transfers.ops import screen
from epay_transfers.ops.exit_status import Refusal

app = typer.Typer()

HOST, PORT = "127.0.0.1", 8801


@app.command()
def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = PORT,
) -> None:
    """Run a bank to work against: the whole contract, its 3-D Secure page, faults on demand, its own books."""
    with needed("demo", "`transfers sandbox`"):
        from epay_transfers.sandbox import serve  # noqa: PLC0415 - `init` needs the addresses below, and no server

    try:
        serve(host, port, on_ready=_say)
    except OSError as error:
        raise Refusal(f"can't listen on {host}:{port}: {error.strerror or error}; give another --port") from None


def environment(url: str) -> dict[str, str]:
    """The settings of a worker that is to work against the sandbox at this address."""
    with needed("demo", "The sandbox"):
        from epay_transfers.sandbox import addresses  # noqa: PLC0415 - see above

    at = addresses(url)
    return {
        "EPAY_TOKEN_URL": at.token,
        "EPAY_TRANSFER_URL": at.transfer,
        "EPAY_CONFIRM_URL": at.confirm,
        "EPAY_STATUS_URL": at.status,
    }


def _say(url: str) -> None:
    screen.say(f"The bank listens at {url}: its books are a page there, for people. Ctrl-C ends it.\n")
    for name, value in environment(url).items():
        screen.say(f"{name}={value}")
