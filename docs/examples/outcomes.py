"""What became of the payouts: run as many of these as you like, they share the work."""

import signal
import threading

from epay_transfers.producers import Money, Outcome, Transfers

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
    with Transfers.from_env(env_file=".env") as transfers:
        transfers.run_outcomes(deal_with, group="payouts", stop=stop, idle=idle)


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())  # the call that runs is finished, and nothing more is taken
    main(stop)
