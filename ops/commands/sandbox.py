"""`transfers sandbox`: runs the sandbox bank in the foreground, and prints the settings that lead to it."""

from enum import StrEnum
from typing import Annotated

import typer

from epay_transfers.extras import needed
from epay_transfers.ops import screen
from epay_transfers.ops.exit_status import Refusal

app = typer.Typer()

HOST, PORT = "127.0.0.1", 8801


class ConfirmAnswer(StrEnum):
    """How a confirm is answered: `docs/sandbox.md` says what each form is."""

    REDIRECT = "redirect"
    BODY = "body"
    URL = "url"
    STRING = "string"
    HTML = "html"
    CP1251 = "cp1251"
    BACK_LINK = "back-link"
    FOREIGN = "foreign"
    ALTERNATE = "alternate"


class ConfirmAuth(StrEnum):
    """Whether a confirm must carry a token."""

    BEARER = "bearer"
    NONE = "none"


@app.command()
def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = PORT,
    refuse_duplicates: Annotated[
        bool, typer.Option("--refuse-duplicates", help="Refuse an order that comes twice, instead of paying twice.")
    ] = False,
    notify: Annotated[bool, typer.Option("--notify", help="Post notifications, to this machine alone.")] = False,
    confirm_answer: Annotated[ConfirmAnswer, typer.Option(help="How a confirm is answered.")] = ConfirmAnswer.REDIRECT,
    confirm_auth: Annotated[ConfirmAuth, typer.Option(help="Must a confirm carry a token?")] = ConfirmAuth.BEARER,
    challenge_ttl: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long a 3-D Secure challenge can be answered.")
    ] = 900,
    lag: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long the status inquiry does not know a new order.")
    ] = 0,
) -> None:
    """Run a bank to work against: the whole contract, its 3-D Secure page, faults on demand, its own books."""
    with needed("demo", "`transfers sandbox`"):
        from epay_transfers.sandbox import Options, serve  # noqa: PLC0415 - `init` needs the addresses below alone

    options = Options(
        refuse_duplicates=refuse_duplicates,
        notify=notify,
        confirm_answer=confirm_answer.value,
        confirm_auth=confirm_auth.value,
        challenge_ttl_s=challenge_ttl,
        lag_s=lag,
    )
    try:
        serve(host, port, on_ready=_say, options=options)
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
