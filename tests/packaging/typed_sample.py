"""What a backend and a web tier may write, for type checkers: `test_types.py` checks it, and nothing runs it.

Every field of the constructors stands here once, in each form that its documentation names.
"""

import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from epay_transfers.producers import (
    AnyOutcome,
    AsyncOutcome,
    AsyncTransfers,
    Cancel,
    Challenge,
    Conflict,
    IntentRejected,
    Money,
    Notified,
    Outcome,
    Page,
    PanCard,
    PaymentPage,
    ProducerAndWebSettings,
    ProducerSettings,
    QueueFull,
    Receipt,
    Receiver,
    SavedCard,
    State,
    TerminalPaused,
    Transfer,
    TransferIntent,
    Transfers,
    TransfersError,
    VaultUnavailable,
    Verdict,
)
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.testing.web import fake_web, on_fake
from epay_transfers.producers.web import Reply, Request, Web

NUMBER = "5522042705066736"


def by_number(number: str, cvc: str) -> TransferIntent:
    return TransferIntent(
        reference="order-1",
        amount=Decimal("100.50"),
        description="An order",
        sender=PanCard(number=number, expiry="01/27", cvc=cvc, name="CARD HOLDER", address="Almaty", save=True),
        receiver=Receiver(number=NUMBER, first_name="A", last_name="B", country_code="KG", save=False),
        currency="KZT",
        terminal="kiosk",
        invoice_id="251124000001",
        deadline=datetime(2027, 1, 1, tzinfo=UTC),
        urgency="now",
        related_to="order-0",
        metadata={"user": "1001"},
        sender_email="a@example.kz",
        sender_ip="192.0.2.1",
        merchant_id_for_saving_cards="1",
        foreign=True,
        back_link="https://shop.example/ok",
        failure_back_link="https://shop.example/failed",
        post_link="https://shop.example/ok",
        failure_post_link="https://shop.example/failed",
    )


def by_saved_card(amount: int) -> TransferIntent:
    return TransferIntent(
        reference="payout-1",
        amount=amount,
        description="A payout",
        sender=SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e", cvc="815"),
        receiver=Receiver(card_id="86496cb0-bb5d-4791-bb49-cc27a0f660ce"),
        deadline="2027-01-01T12:00:00+05:00",
        urgency="batch",
    )


def from_elsewhere(text: str, data: dict[str, object]) -> list[TransferIntent]:
    return [TransferIntent.model_validate_json(text), TransferIntent.model_validate(data)]


def enqueue(transfers: Transfers, intent: TransferIntent) -> str:
    try:
        receipt: Receipt = transfers.enqueue(intent)
    except IntentRejected as rejected:
        return rejected.field.upper() + rejected.why.upper()
    except Conflict as conflict:
        return ", ".join(conflict.fields)
    except TerminalPaused as paused:
        return paused.until.isoformat() if paused.until else ""
    except QueueFull as full:
        return f"{full.retry_after_s + 1}"
    except (VaultUnavailable, TransfersError):
        return ""
    return receipt.key if receipt.replayed else receipt.invoice_id


def out_of_a_database(transfers: Transfers, amount: int) -> Receipt:
    text: str = by_saved_card(amount).to_json()
    again: TransferIntent = TransferIntent.from_json(text)
    return transfers.enqueue_json(again.to_json())


def enqueue_all(transfers: Transfers, intents: list[TransferIntent]) -> list[str]:
    return [answer.key for answer in transfers.enqueue_many(intents) if isinstance(answer, Receipt)]


def follow(transfers: Transfers, receipt: Receipt) -> bool:
    transfer: Transfer = transfers.wait(receipt.key, timeout=5)
    same = transfers.get(reference=transfer.reference).version + transfers.find(receipt.key).version
    cancelled: Cancel = transfers.cancel(receipt.key, reason="not wanted")
    return transfer.final and transfer.money is Money.NONE and same > 0 and cancelled is Cancel.CANCELLED


def look(transfers: Transfers) -> str | None:
    page: Page = transfers.list(State.PARKED, State.DEAD, terminal="main", newest=True, limit=10, cursor=None)
    first: Transfer = page.items[0]
    return page.cursor if first.final or page.unreadable else None


def outcomes(transfers: Transfers) -> Iterator[tuple[State, datetime]]:
    outcome: Outcome
    for outcome in transfers.outcomes("payouts", consumer="one", idle=1.5, claim_after=60):
        yield end_of(outcome), outcome.at
        outcome.ack()


async def in_a_loop(transfers: AsyncTransfers, intents: list[TransferIntent], form: dict[str, str]) -> str:
    await transfers.check()
    receipt: Receipt = await transfers.enqueue(intents[0])
    answers: list[Receipt | TransfersError] = await transfers.enqueue_many(intents)
    transfer: Transfer = await transfers.wait(receipt.key, timeout=5)
    same = [await transfers.get(reference=transfer.reference), await transfers.find(receipt.key)]
    cancelled: Cancel = await transfers.cancel(receipt.key, reason="not wanted")
    challenge: Challenge | None = await transfers.challenge(receipt.handle)
    page: PaymentPage = await transfers.visit(receipt.handle)
    verdict: Verdict = await transfers.confirm(md=form["MD"], pa_res=form["PaRes"], handle=receipt.handle)
    notified: Notified = await transfers.notify({"invoiceId": receipt.invoice_id})
    asked: Notified = await transfers.three_ds2_returned(receipt.handle, {"cres": 1})
    told = (challenge.action if challenge else page.back_link) + verdict + notified + asked + cancelled
    return told if await transfers.is_guessing() else f"{len(answers)}{same[0].key}"


async def outcomes_in_a_loop(transfers: AsyncTransfers) -> AsyncIterator[tuple[State, datetime]]:
    outcome: AsyncOutcome
    async for outcome in transfers.outcomes("payouts", consumer="one", idle=1.5, claim_after=60):
        yield end_of(outcome), outcome.at
        await outcome.ack()


def end_of(outcome: AnyOutcome) -> State:
    return outcome.state if outcome.metadata.get("user", "") else State.QUEUED


def user_of(transfer: Transfer) -> str:
    return transfer.metadata["user"]


async def main_in_a_loop() -> None:
    async with AsyncTransfers.from_env(ProducerSettings.load, threads=8) as transfers:
        await in_a_loop(transfers, [by_saved_card(1)], {})
    await AsyncTransfers(FakeTransfers()).close()


def consume(transfers: Transfers, stop: threading.Event) -> list[int]:
    counts: list[int] = []
    transfers.run_outcomes(lambda outcome: counts.append(outcome.deliveries), group="payouts", stop=stop)
    return counts


def client(transfers: Transfers, receipt: Receipt, form: dict[str, str]) -> str:
    challenge: Challenge | None = transfers.challenge(receipt.handle)
    page: PaymentPage = transfers.visit(receipt.handle)
    verdict: Verdict = transfers.confirm(md=form["MD"], pa_res=form["PaRes"], handle=receipt.handle)
    notified: Notified = transfers.notify({"invoiceId": receipt.invoice_id})
    return (challenge.action if challenge else page.back_link) + verdict + notified


def web(home: str) -> Reply:
    return Web.from_env(acs_hosts=["acs.example"], home=home).answer("pay", "handle", Request("GET"))


def built_without_settings() -> Web:
    web = Web.from_env(ProducerAndWebSettings.load)
    web.check()
    Transfers.from_env(ProducerSettings.load).check()
    with on_fake(fake_web(FakeTransfers())) as fake:
        fake.park("order-1")
    return web


def main() -> None:
    settings: ProducerSettings = ProducerSettings.load()
    with Transfers.from_env(settings) as transfers:
        enqueue(transfers, by_number(NUMBER, "815"))
    fake: Transfers = FakeTransfers()
    fake.close()
