"""`transfers worker`: replaces this process by the worker's.

`ops` never imports the worker: a command line with the bank's secrets would be a second way to the bank. So the process
executes another one, without the working directory on its path.
"""

import os
import sys
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def worker(
    *, check: Annotated[bool, typer.Option("--check", help="Only check what keeps it from running.")] = False
) -> None:
    """Run the worker until it is told to stop. Ends with 78 for wrong settings, 75 for a server that is away."""
    arguments = ["--check"] if check else []
    os.execv(sys.executable, [sys.executable, "-P", "-m", "epay_transfers.worker", *arguments])  # noqa: S606 - our own
