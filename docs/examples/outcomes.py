"""What became of the payouts: run as many of these as you like, they share the work.

The ledger may be away, at the start, too: it waits for it. SIGTERM and Ctrl-C let the call that runs finish.
"""

import signal
import threading

from epay_transfers.producers import LedgerUnavailable, Money, Outcome, Transfers

seen: dict[str, int] = {}  # yours is a column in your database, written in the transaction of the deed


def deal_with(outcome: Outcome) -> None:
    """Its return acknowledges the outcome, after your own commit; where it raises, the outcome comes again."""
    if outcome.version <= seen.get(outcome.key, 0):
        return  # it came before
    seen[outcome.key] = outcome.version
    if outcome.final and outcome.money is Money.NONE:
        print(f"{outcome.reference}: not paid ({outcome.code or outcome.reason}); it may be paid another way")
    elif outcome.final:
        print(f"{outcome.reference}: {outcome.state}")


def main(stop: threading.Event, idle: float | None = None) -> None:
    """`idle`: end after so many seconds without anything new; without it, only once `stop` is set."""
    with Transfers.from_env(env_file=".env") as transfers:
        while not stop.is_set():
            try:
                transfers.run_outcomes(deal_with, group="payouts", stop=stop, idle=idle)
                break
            except LedgerUnavailable as error:  # at the start; later it waits by itself, and nothing is lost
                print(error)
                stop.wait(1)


if __name__ == "__main__":
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    main(stop)
