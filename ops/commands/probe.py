"""`transfers probe`: asks a process of this machine whether it lives, or is ready; for a container's health check."""

import http.client
from typing import Annotated

import typer

from epay_transfers.ops import screen
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.listen_address import read_address

app = typer.Typer()

#: The answer needs no server, and comes at once where nothing hangs.
_WAIT_S = 5.0


@app.command()
def probe(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="The process's METRICS_ADDRESS, or the like.")],
    *,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it is ready, and not whether it lives.")] = False,
) -> None:
    """End with 0 for yes, and with 1 and the reasons for no. Only one that does not live is to be started anew."""
    try:
        host, port = read_address(address)
    except ValueError as error:
        raise Refusal(f"the address {error}; give it like 127.0.0.1:9108") from None
    path = "/ready" if ready else "/live"
    connection = http.client.HTTPConnection(host, port, timeout=_WAIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Refusal(f"{address}{path} does not answer: {why}") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Refusal(text or f"{address}{path} answers {answer.status}")
    screen.say(text)
