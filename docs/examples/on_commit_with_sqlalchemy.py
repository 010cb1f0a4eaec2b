"""A payment from a card by its number, with SQLAlchemy: enqueued after your own commit, and what a crash leaves."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import DateTime, Engine, Numeric, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from epay_transfers.producers import NotFound, PanCard, Receiver, TransferIntent, Transfers, TransfersError


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Yours."""


class Payment(Base):
    __tablename__ = "payment"

    reference: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    state: Mapped[str] = mapped_column(default="waiting")  # then enqueued, or card_needed
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


def intent_of(reference: str, amount: Decimal, card: PanCard) -> TransferIntent:
    """From the row and the card alone, so that it is the same intent again."""
    receiver = Receiver(number="5522042705066736")
    return TransferIntent(reference=reference, amount=amount, description="Rent", sender=card, receiver=receiver)


def pay(engine: Engine, transfers: Transfers, reference: str, amount: Decimal, card: PanCard) -> None:
    with Session(engine) as session, session.begin():
        session.add(Payment(reference=reference, amount=amount))
        intent = intent_of(reference, amount, card)  # what is wrong with it rolls the row back
    enqueue(engine, transfers, intent)  # after the block, so after the commit


def enqueue(engine: Engine, transfers: Transfers, intent: TransferIntent) -> None:
    transfers.enqueue(intent)
    move(engine, intent.reference, "enqueued", "waiting", "card_needed")


def move(engine: Engine, reference: str, state: str, *before: str) -> None:
    """Only a row that is in one of these states: an outcome may have come by now, and its state stays."""
    here = (Payment.reference == reference, Payment.state.in_(before))
    with Session(engine) as session, session.begin():
        session.execute(update(Payment).where(*here).values(state=state))


def look_after(engine: Engine, transfers: Transfers, older_than: timedelta = timedelta(minutes=2)) -> None:
    """A job for every minute: of the rows that a crash or an error left, which are not enqueued?"""
    left = select(Payment.reference).where(Payment.state == "waiting", Payment.made_at <= now() - older_than)
    with Session(engine) as session:
        references = session.scalars(left).all()
    for reference in references:
        try:
            transfers.get(reference=reference)
            found = "enqueued"
        except NotFound:
            found = "card_needed"  # nothing is paid: ask the client for the card again
        except TransfersError:
            continue  # not known: it is asked again, and this row holds up no other
        move(engine, reference, found, "waiting")


def card_again(engine: Engine, transfers: Transfers, reference: str, card: PanCard) -> None:
    """Under the same reference: if the first call reached the ledger, this is its replay, and no second payment."""
    with Session(engine) as session:
        amount = session.get_one(Payment, reference).amount
    enqueue(engine, transfers, intent_of(reference, amount, card))
