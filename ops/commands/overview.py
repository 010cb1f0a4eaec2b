"""`transfers overview`: one screen that says what is wrong, how much money it concerns, what is safe, and what to do.

It ends with 0 if all is well, with 10 if something wants attention, and with 20 if an operator has to act now.
"""

import threading
from typing import Annotated

import typer

from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.options import AsJson
from epay_transfers.ops.overview.as_json import as_dict
from epay_transfers.ops.overview.facts import gather
from epay_transfers.ops.overview.judge import judge, level_of
from epay_transfers.ops.overview.page import page

app = typer.Typer()

#: Between two looks.
_REST_S = 2.0


@app.command()
def overview(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is wrong, what it concerns, what is safe, what to do. Ends with 0 (well), 10 (attention) or 20 (act)."""
    context = Context.connect()
    while True:
        facts = gather(context)
        judgements = judge(facts)
        if as_json:
            screen.say_json(as_dict(facts, judgements))
        else:
            if watch:
                screen.console().clear()
            for line in page(facts, judgements):
                screen.say_typed(line)
        if not watch:
            raise typer.Exit(level_of(judgements))
        threading.Event().wait(_REST_S)
