"""A payment from a card by its number, with Django: enqueued after your own commit, and what a crash leaves."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from epay_transfers.producers import NotFound, PanCard, Receiver, TransferIntent, Transfers, TransfersError


class Payment(models.Model):
    reference = models.CharField(primary_key=True, max_length=64)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    state = models.CharField(default="waiting", max_length=16)  # then enqueued, or card_needed
    made_at = models.DateTimeField(default=timezone.now)

    objects: Any = models.Manager()

    class Meta:
        app_label = "payments"  # your app's


def intent_of(reference: str, amount: Decimal, card: PanCard) -> TransferIntent:
    """From the row and the card alone, so that it is the same intent again."""
    receiver = Receiver(number="5522042705066736")
    return TransferIntent(reference=reference, amount=amount, description="Rent", sender=card, receiver=receiver)


def pay(transfers: Transfers, reference: str, amount: Decimal, card: PanCard) -> None:
    with transaction.atomic():
        Payment.objects.create(reference=reference, amount=amount)
        intent = intent_of(reference, amount, card)  # what is wrong with it rolls the row back
        transaction.on_commit(partial(enqueue, transfers, intent))


def enqueue(transfers: Transfers, intent: TransferIntent) -> None:
    transfers.enqueue(intent)
    before = Payment.objects.filter(pk=intent.reference, state__in=("waiting", "card_needed"))
    before.update(state="enqueued")  # an outcome may have come by now: its state stays


def look_after(transfers: Transfers, older_than: timedelta = timedelta(minutes=2)) -> None:
    """A job for every minute: of the rows that a crash or an error left, which are not enqueued?"""
    for row in Payment.objects.filter(state="waiting", made_at__lte=timezone.now() - older_than):
        try:
            transfers.get(reference=row.reference)
            found = "enqueued"
        except NotFound:
            found = "card_needed"  # nothing is paid: ask the client for the card again
        except TransfersError:
            continue  # not known: it is asked again, and this row holds up no other
        Payment.objects.filter(pk=row.pk, state="waiting").update(state=found)


def card_again(transfers: Transfers, reference: str, card: PanCard) -> None:
    """Under the same reference: if the first call reached the ledger, this is its replay, and no second payment."""
    enqueue(transfers, intent_of(reference, Payment.objects.get(pk=reference).amount, card))
