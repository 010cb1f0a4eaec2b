"""The client's 3-D Secure answer, as a producer is given it: for our own route and for `Transfers.confirm`."""

from epay_transfers.ledger import pa_res
from epay_transfers.producers.errors import IntentRejected


def read_pa_res(text: str) -> str:
    """As the bank made it: without line breaks and blanks, and with every plus. Raises `IntentRejected`."""
    try:
        return pa_res.read_pa_res(text)
    except ValueError as error:
        raise IntentRejected("pa_res", str(error)) from None
