"""`transfers queues`: counts what waits in each queue, for how long, and Dramatiq's own dead letters."""

from dataclasses import asdict

import typer

from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson

app = typer.Typer()


@app.command()
def queues(*, as_json: AsJson = False) -> None:
    """Count what waits in each queue. No transfer depends on it: the sweeper sends lost messages again."""
    found = Context.connect().queues.read()
    if as_json:
        screen.say_json([asdict(queue) for queue in found])
        return
    rows = [
        (
            queue.name,
            queue.waiting,
            queue.at_work,
            screen.span(queue.oldest_ms) if queue.waiting else "-",
            queue.dead_letters,
        )
        for queue in found
    ]
    screen.say(screen.table(("queue", "waiting", "at work", "oldest", "dead letters"), rows))
    if any(queue.dead_letters for queue in found):
        screen.say("Dead letters are messages that were no transfer's key, or met a bug: no transfer is lost by them.")
