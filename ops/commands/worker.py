"""`transfers worker`: the worker's process, in place of this one.

This room never imports the worker's: a command line that holds the bank's secrets would be a second way to the bank. So
the process becomes another one, without the working directory on its path.
"""

import os
import sys
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def worker(
    *, check: Annotated[bool, typer.Option("--check", help="Only say what keeps it from running.")] = False
) -> None:
    """Run the worker until it is told to stop. Ends with 78 for wrong settings, 75 for a server that is away."""
    arguments = ["--check"] if check else []
    os.execv(sys.executable, [sys.executable, "-P", "-m", "epay_transfers.worker", *arguments])  # noqa: S606 - our own
