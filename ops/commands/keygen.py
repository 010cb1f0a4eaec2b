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

    Each vault key ends with the day on which it was made, from which `transfers keys` tells its age.
    """
    keys = dotenv.fresh_keys(moment(SystemClock().now_ms()).date()).as_dict()
    if as_json:
        screen.say_json(keys)
        return
    for name, value in keys.items():
        print(f"{name}={value}")
