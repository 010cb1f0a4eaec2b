"""What became of the payouts, in asyncio: a process of its own. SIGTERM and Ctrl-C let the call that runs finish."""

import asyncio
import signal

from epay_transfers.producers import AsyncTransfers, LedgerUnavailable, Money, Outcome


async def deal_with(outcome: Outcome) -> None:
    """Yours: in one transaction, keep the outcome's version with the payout, and ignore one that is not higher.

    Its return acknowledges the outcome, after your commit; where it raises, the outcome comes again.
    """
    if outcome.final and outcome.money is Money.NONE:
        print(f"{outcome.reference}: not paid ({outcome.code or outcome.reason}); it may be paid another way")
    elif outcome.final:
        print(f"{outcome.reference}: {outcome.state}")


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncTransfers.from_env(env_file=".env") as transfers:
        while not stop.is_set():
            try:
                await transfers.run_outcomes(deal_with, group="payouts", stop=stop)
            except LedgerUnavailable as error:  # at the start; later it waits by itself, and nothing is lost
                print(error)
                await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
