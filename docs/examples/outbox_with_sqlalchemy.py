"""An outbox, with SQLAlchemy: `put` in your own transaction, `run` in a process of its own, or in many."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, Engine, Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from epay_transfers import producers
from epay_transfers.producers import TransferIntent, Transfers

#: Errors that waiting does not cure, for they are about this row; any other leaves the row for later.
FOR_A_PERSON = (producers.IntentRejected, producers.Conflict, producers.SuffixTaken, producers.ReferenceLost)
LATER = timedelta(seconds=30)


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Yours."""


class PayoutOutbox(Base):
    __tablename__ = "payout_outbox"

    reference: Mapped[str] = mapped_column(primary_key=True)  # a second row for one payout is refused here
    intent_json: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), default=now, index=True)
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    key: Mapped[str] = mapped_column(default="")  # of the receipt
    problem: Mapped[str] = mapped_column(Text, default="")


def put(session: Session, intent: TransferIntent) -> None:
    """In the transaction of your own rows: it is paid if they are committed, and only then."""
    session.add(PayoutOutbox(reference=intent.reference, intent_json=intent.to_json()))


def send_one(engine: Engine, transfers: Transfers) -> bool:
    """Enqueue a row that is due, if there is one. One that was not marked comes again: it is the same transfer."""
    due = select(PayoutOutbox).where(PayoutOutbox.due_at <= now()).order_by(PayoutOutbox.due_at).limit(1)
    with Session(engine) as session, session.begin():
        row = session.scalar(due.with_for_update(skip_locked=True))
        if row is None:
            return False
        try:
            row.key = transfers.enqueue_json(row.intent_json).key
            row.due_at, row.sent_at, row.problem = None, now(), ""
        except FOR_A_PERSON as error:
            row.due_at, row.problem = None, str(error)
        except (producers.TransfersError, producers.InternalError) as error:
            row.due_at, row.problem = now() + LATER, str(error)
    return True


def run(engine: Engine, transfers: Transfers) -> None:
    while True:
        if not send_one(engine, transfers):
            time.sleep(1)
