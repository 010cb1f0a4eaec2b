"""What became of the payouts: run as many of these as you like, they share the work."""

from epay_transfers.producers import LedgerUnavailable, Money, Outcome, Transfers

seen: dict[str, int] = {}  # yours is a column in your database, written in the transaction of the deed


def deal_with(outcome: Outcome) -> None:
    if outcome.version <= seen.get(outcome.key, 0):
        return  # it came before
    seen[outcome.key] = outcome.version
    if outcome.final and outcome.money is Money.NONE:
        print(f"{outcome.reference}: not paid ({outcome.code or outcome.reason}); it may be paid another way")
    elif outcome.final:
        print(f"{outcome.reference}: {outcome.state}")


def main(idle: float | None = None) -> None:
    with Transfers.from_env(env_file=".env") as transfers:
        for outcome in transfers.outcomes("payouts", idle=idle):
            deal_with(outcome)
            outcome.ack()  # after your own commit


if __name__ == "__main__":
    while True:
        try:
            main()
        except LedgerUnavailable:
            continue  # each call waits for the server by itself; nothing is lost meanwhile
