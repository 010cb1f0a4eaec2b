"""What became of the payouts, kept in a table: a row only goes forward. A process of its own."""

import signal
import threading
from functools import partial

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from epay_transfers.producers import Outcome, Transfers


class Base(DeclarativeBase):
    """Yours."""


class Payout(Base):
    __tablename__ = "payout"

    reference: Mapped[str] = mapped_column(primary_key=True)  # your backend makes the row, before it enqueues
    state: Mapped[str] = mapped_column(default="waiting")
    version: Mapped[int] = mapped_column(default=0)
    final: Mapped[bool] = mapped_column(default=False)
    money: Mapped[str] = mapped_column(default="none")  # final and none: it may be paid another way
    code: Mapped[str] = mapped_column(default="")


def take(engine: Engine, outcome: Outcome) -> None:
    """Its return acknowledges the outcome, after the commit; where it raises, the outcome comes again."""
    with Session(engine) as session, session.begin():
        row = session.get(Payout, outcome.reference, with_for_update=True)
        if row is None or outcome.version <= row.version:
            return  # another backend's, or it came before
        row.state, row.version, row.code = outcome.state, outcome.version, outcome.code or outcome.reason
        row.final, row.money = outcome.final, outcome.money


if __name__ == "__main__":
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine = create_engine("sqlite:///payouts.db")
    with Transfers.from_env(env_file=".env") as transfers:
        transfers.run_outcomes(partial(take, engine), group="payouts", stop=stop)
