"""`transfers queues`: counts what waits in each queue, for how long, and Dramatiq's own dead letters."""

from dataclasses import asdict

import typer

from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.queue_rows import COLUMNS, DEAD_LETTERS, queue_rows

app = typer.Typer()


@app.command()
def queues(*, as_json: AsJson = False) -> None:
    """Count what waits in each queue. No transfer depends on it: the sweeper sends lost messages again."""
    found = Context.connect().queues.read()
    if as_json:
        screen.say_json([asdict(queue) for queue in found])
        return
    screen.say(screen.table(COLUMNS, queue_rows(found)))
    if any(queue.dead_letters for queue in found):
        screen.say(DEAD_LETTERS)
