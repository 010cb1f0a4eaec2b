"""The caps that both commands take: a filter that chose too much, or another plan than was meant, is refused."""

from typing import Annotated

import typer

from epay_transfers.ledger.money import to_minor

MaxCount = Annotated[int, typer.Option(min=1, max=100_000, help="Refuse a plan of more transfers.")]
MaxSum = Annotated[str, typer.Option(metavar="AMOUNT", help="Refuse a plan of more money, in any currency.")]


def amount_text(text: str) -> str:
    """Raises `BadParameter`."""
    try:
        to_minor(text, "KZT")
    except ValueError as error:
        raise typer.BadParameter(f"max-sum: {error}") from None
    return text
