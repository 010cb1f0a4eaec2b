"""`transfers first-contact`: replaces this process by the one that calls the bank's test environment.

As `transfers worker`, and for its reason: `ops` never imports the worker.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("first-contact")
def first_contact(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Send it, without a question.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Where the bank wants 3-D Secure: go on, with you at a browser.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the answers are kept; it must not be there yet.")] = Path(
        "first-contact"
    ),
    cards: Annotated[int, typer.Option(min=1, max=5, help="How many of the five test cards.")] = 5,
    description: Annotated[str, typer.Option(help="The orders' description, as the bank sees it.")] = "First contact",
) -> None:
    """Call the bank's test environment once with its public test cards, and compare its answers with docs/bank.md.

    It says what it will send, and asks. It ends with 0, or with 1 where an answer differs from the document.
    """
    arguments = ["--folder", str(folder), "--cards", str(cards), "--description", description]
    arguments += ["--yes"] * yes + ["--confirm"] * confirm
    module = "epay_transfers.worker.first_contact"
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606 - our own
