"""`transfers keygen`: fresh keys, on the screen and nowhere else."""

import typer

from ops import dotenv, screen
from ops.options import AsJson

app = typer.Typer()


@app.command()
def keygen(*, as_json: AsJson = False) -> None:
    """Print fresh keys, as `NAME=value` lines. Producers get the first and the last, workers the second alone."""
    keys = dotenv.fresh_keys().as_dict()
    if as_json:
        screen.say_json(keys)
        return
    for name, value in keys.items():
        print(f"{name}={value}")
