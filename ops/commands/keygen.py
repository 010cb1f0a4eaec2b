"""`transfers keygen`: prints fresh keys and stores them nowhere."""

import typer

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.transfer import moment
from epay_transfers.ops import dotenv, screen
from epay_transfers.ops.options import AsJson

app = typer.Typer()


@app.command()
def keygen(*, as_json: AsJson = False) -> None:
    """Print fresh keys, as `NAME=value` lines. Producers get the first and the last, workers the second alone.

    Each key begins with what it is, and ends with the day on which it was made: `transfers keys` tells its age by it.
    """
    keys = dotenv.fresh_keys(moment(SystemClock().now_ms()).date()).as_dict()
    if as_json:
        screen.say_json(keys)
        return
    for name, value in keys.items():
        print(f"{name}={value}")
