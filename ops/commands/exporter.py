"""`transfers exporter`: serves the facts of `transfers overview` to Prometheus, until a signal."""

import signal
import threading

import typer

from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.exporter.exporter import Exporter
from epay_transfers.runtime import logs
from epay_transfers.runtime.endpoint import Endpoint, NotListening

app = typer.Typer()


@app.command()
def exporter() -> None:
    """Serve /metrics, /live and /ready at EXPORTER_ADDRESS until a signal. It changes nothing."""
    context = Context.connect()
    logs.set_up(context.settings.log_level)
    own = Exporter(context)
    address = context.settings.exporter_address
    try:
        endpoint = Endpoint(address, metrics=own.metrics, live=own.live, ready=own.ready)
    except NotListening as error:
        raise Refusal(f"EXPORTER_ADDRESS: {error}; give another HOST:PORT") from None
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    endpoint.start()
    screen.say(f"Serving http://{endpoint.address}/metrics, /live and /ready. Ctrl-C ends it.")
    while not stopping.wait(1.0):  # a signal is seen at once: the wait is interrupted by it
        pass
    endpoint.stop()
