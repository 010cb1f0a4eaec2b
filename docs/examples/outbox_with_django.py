"""An outbox, with Django: `put` in your own transaction, `run` in a process of its own, or in many."""

import time
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from epay_transfers import producers
from epay_transfers.producers import TransferIntent, Transfers

#: Errors that waiting does not cure, for they are about this row; any other leaves the row for later.
FOR_A_PERSON = (producers.IntentRejected, producers.Conflict, producers.SuffixTaken, producers.ReferenceLost)
LATER = timedelta(seconds=30)


class PayoutOutbox(models.Model):
    reference = models.CharField(primary_key=True, max_length=64)  # a second row for one payout is refused here
    intent_json = models.TextField()
    due_at = models.DateTimeField(default=timezone.now, null=True, db_index=True)
    sent_at = models.DateTimeField(null=True)
    key = models.CharField(default="", max_length=64)  # of the receipt
    problem = models.TextField(default="")

    objects: Any = models.Manager()

    class Meta:
        app_label = "payouts"  # your app's
        db_table = "payout_outbox"


def put(intent: TransferIntent) -> None:
    """In the `atomic` block of your own rows: it is paid if they are committed, and only then."""
    PayoutOutbox.objects.create(reference=intent.reference, intent_json=intent.to_json())


def send_one(transfers: Transfers) -> bool:
    """Enqueue a row that is due, if there is one. One that was not marked comes again: it is the same transfer."""
    due = PayoutOutbox.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    with transaction.atomic():
        row = due.select_for_update(skip_locked=True).first()
        if row is None:
            return False
        try:
            row.key = transfers.enqueue_json(row.intent_json).key
            row.due_at, row.sent_at, row.problem = None, timezone.now(), ""
        except FOR_A_PERSON as error:
            row.due_at, row.problem = None, str(error)
        except (producers.TransfersError, producers.InternalError) as error:
            row.due_at, row.problem = timezone.now() + LATER, str(error)
        row.save()
    return True


def run(transfers: Transfers) -> None:
    while True:
        if not send_one(transfers):
            time.sleep(1)
