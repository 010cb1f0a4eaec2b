"""Why an outcome was set aside, in words: what `transfers outcomes list` shows, and the console."""

from epay_transfers.ledger.store.outcomes_aside import AsideOutcome


def why_aside(aside: AsideOutcome) -> str:
    if aside.is_behind:
        return "an earlier outcome of the transfer is set aside"
    return aside.error or "its consumer ended while it was at it"
