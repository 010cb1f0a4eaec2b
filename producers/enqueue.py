"""Enqueue: validate → ledger.create (one script) → seal → vault.put → ring. For one intent, or for a batch of them.

What if we die here? Before `create` nothing exists. After it, the same reference again finds the record, takes a new
generation of the card in the ledger and puts under that: never under the old epoch, where a put of the dead caller may
still be on its way. After the put the sweeper rings. A put whose reply was lost is not repeated.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ledger.draft import Draft
from ledger.errors import LedgerUnavailable, LedgerWentBack, RecordUnreadable, TransfersError, VaultUnavailable
from ledger.events import Events
from ledger.invoice import make_key
from ledger.record import Record
from ledger.replies import Created, Creation, Exhausted, Full, Known, Stopped, Taken
from ledger.sealing import Purpose
from ledger.states import State, Verb
from ledger.transfer import moment
from ledger.vault import FREE, Put
from producers import prints
from producers.cards import PanCard
from producers.deadline import lasts_ms
from producers.errors import (
    Conflict,
    IntentRejected,
    InvoicesExhausted,
    QueueFull,
    SuffixTaken,
    TerminalStopped,
)
from producers.intent import TransferIntent
from producers.parts import BACKEND, Parts
from producers.receipt import Receipt

_LOG = logging.getLogger(__name__)

#: How many transfers are created in one round trip: the server serves nobody else meanwhile (some ten milliseconds).
BATCH = 500

_RETRY_AFTER_S = 30

Answer = Receipt | TransfersError
_Pair = tuple[TransferIntent, Record]


def enqueue_all(parts: Parts, intents: Sequence[TransferIntent]) -> list[Answer]:
    """A receipt or an error for each intent, in order. It raises none of them."""
    answers: list[Answer] = []
    for start in range(0, len(intents), BATCH):
        answers += _enqueue_batch(parts, intents[start : start + BATCH])
    return answers


def _enqueue_batch(parts: Parts, intents: Sequence[TransferIntent]) -> list[Answer]:
    if parts.ledger.went_back():
        return [_went_back(parts)] * len(intents)
    answers: dict[int, Answer] = {}
    drafts: dict[int, Draft] = {}
    for at, intent in enumerate(intents):
        draft = _draft(parts, intent)
        if isinstance(draft, IntentRejected):
            answers[at] = _rejected(parts, intent, draft)
        else:
            drafts[at] = draft
    try:
        limit = parts.settings.queue_limit or 0
        created = parts.ledger.create(list(drafts.values()), actor=BACKEND, limit=limit) if drafts else []
    except LedgerUnavailable:
        return [answers.get(at, LedgerUnavailable()) for at in range(len(intents))]
    if parts.ledger.went_back():  # what was made just now gets no card: one of its name may have been sent
        return [_went_back(parts)] * len(intents)
    creations = dict(zip(drafts, created, strict=True))
    fresh = {at: (intents[at], made.record) for at, made in creations.items() if isinstance(made, Created)}
    answers |= _put_cards(parts, fresh)
    for at, creation in creations.items():  # after the puts: a reference may stand twice in one batch
        if at not in fresh:
            answers[at] = _not_created(parts, intents[at], drafts[at], creation)
    return [answers[at] for at in range(len(intents))]


def _went_back(parts: Parts) -> LedgerWentBack:
    _LOG.critical("ledger.went_back", extra={"sequence": parts.ledger.behind})
    with suppress(LedgerUnavailable):
        events = Events(parts.ledger.client, parts.ledger.test_clock)
        events.alarm("ledger_went_back", actor=BACKEND, sequence=str(parts.ledger.behind))
    return LedgerWentBack()


def _draft(parts: Parts, intent: TransferIntent) -> Draft | IntentRejected:
    """What the ledger is to keep of the intent; or what is wrong with it here and now."""
    settings, now_ms = parts.settings, parts.clock.now_ms()
    space = settings.space_of(intent.terminal)
    if space is None:
        return IntentRejected("terminal", "is not known here; it is `main` or a name in EPAY_TERMINALS")
    try:
        lasts = lasts_ms(intent, now_ms, settings.card_ttl)
    except IntentRejected as rejected:
        return rejected
    _warn_of_past_expiry(intent, now_ms)
    return Draft(
        reference=intent.reference,
        space=space,
        terminal=intent.terminal,
        amount=intent.amount_minor,
        currency=intent.currency,
        urgency=intent.urgency,
        order=intent.order(),
        prints=prints.compute(intent, settings.print_key),
        lasts_ms=lasts,
        day_ms=now_ms,
        sender_card=intent.sender.mask,
        receiver_card=intent.receiver.mask,
        related=intent.related_to or "",
        invoice_id=intent.invoice_id,
    )


def _rejected(parts: Parts, intent: TransferIntent, rejected: IntentRejected) -> Answer:
    """Rejected here and now; but a replay all the same, if its reference is known.

    It may come again after its deadline, and have been paid in time: "rejected" would tell the producer to pay it
    another way.
    """
    try:
        record = parts.ledger.by_reference(intent.reference)
    except (LedgerUnavailable, RecordUnreadable) as unanswered:
        return unanswered
    return rejected if record is None else _replay(parts, intent, record)


def _put_cards(parts: Parts, fresh: Mapping[int, _Pair]) -> dict[int, Answer]:
    """The cards of transfers that were created just now, in one round trip; then the rings."""
    receipts: dict[int, Answer] = {at: Receipt.of(record, replayed=False) for at, (_, record) in fresh.items()}
    if not fresh:
        return receipts
    try:
        puts = parts.vault.put_cards([_blob(parts, *pair, pair[1].created) for pair in fresh.values()])
    except VaultUnavailable:
        return {at: VaultUnavailable(receipt) for at, receipt in receipts.items()}
    records = [record for _, record in fresh.values()]
    for record, put in zip(records, puts, strict=True):
        _LOG.info("enqueue.accepted", extra={"key": record.key, "reference": record.reference})
        if put is not Put.STORED:  # it was brought again meanwhile, cancelled, or the vault knows more than the ledger
            _LOG.warning("enqueue.place_taken", extra={"key": record.key})
    parts.doorbell.ring_all(records)
    return receipts


def _not_created(parts: Parts, intent: TransferIntent, draft: Draft, creation: Creation) -> Answer:
    match creation:
        case Known(key):
            return _known(parts, intent, key)
        case Taken(key):
            same = draft.invoice_id is not None and key == make_key(draft.invoice_id, draft.space)
            return Conflict(("reference",)) if same else SuffixTaken()
        case Stopped(until_ms):
            return TerminalStopped(moment(until_ms) if until_ms else None)
        case Full():
            return QueueFull(_RETRY_AFTER_S)
        case Exhausted():
            return InvoicesExhausted()
        case Created():
            raise AssertionError("what was created is answered elsewhere")


def _known(parts: Parts, intent: TransferIntent, key: str) -> Answer:
    try:
        record = parts.ledger.get(key)
    except (LedgerUnavailable, RecordUnreadable) as unanswered:
        return unanswered
    if record is None:  # one script wrote reference and record: so the ledger went back just now, and is asked again
        _LOG.error("enqueue.record_gone", extra={"key": key})
        return LedgerUnavailable()
    return _replay(parts, intent, record)


def _replay(parts: Parts, intent: TransferIntent, record: Record) -> Answer:
    """The reference is known. The same intent gets the same receipt, and a queued transfer its card, if it lacks it."""
    fields = prints.differing(record.prints, prints.compute(intent, parts.settings.print_key))
    receipt = Receipt.of(record, replayed=True)
    if intent.invoice_id is not None and intent.invoice_id != receipt.invoice_id:
        fields = (*fields, "invoice_id")
    if fields:
        return Conflict(fields)
    if record.state is not State.QUEUED:
        return receipt
    try:
        return replace(receipt, state=_call_again(parts, intent, record))
    except VaultUnavailable:
        return VaultUnavailable(receipt)
    except (LedgerUnavailable, LedgerWentBack) as error:
        return error


def _call_again(parts: Parts, intent: TransferIntent, record: Record) -> State:
    """Ring for a queued transfer; where the vault has nothing, under a new generation of its card."""
    there = parts.vault.look(Purpose.CARD, record.key, record.epoch)
    if there in FREE and (now_ms := parts.ledger.now_ms()) < record.expires:
        due = parts.after_ring_ms(record, now_ms)
        moved = parts.ledger.move(record, Verb.RECARD, actor=BACKEND, due=due, fields={"rings": 0})
        if not moved:  # a worker has it, or another caller was faster
            return moved.state or record.state
        if parts.ledger.went_back():
            raise _went_back(parts)
        record = replace(record, epoch=moved.epoch)
        _LOG.info("enqueue.card_again", extra={"key": record.key})
        parts.vault.put_cards([_blob(parts, intent, record, moved.at_ms)])
    parts.doorbell.ring(record)
    return record.state


def _blob(parts: Parts, intent: TransferIntent, record: Record, now_ms: int) -> tuple[str, int, str, int]:
    """It lives until the deadline. `now_ms`: what time it was by the ledger, a moment ago."""
    sealed = parts.sealer.seal(intent.card_data().to_bytes(), Purpose.CARD, record.key)
    return record.key, record.epoch, sealed, max(1, record.expires - now_ms)


def _warn_of_past_expiry(intent: TransferIntent, now_ms: int) -> None:
    """It is the bank's to refuse, and its own test cards are past: so a word in the log, without the date."""
    if isinstance(intent.sender, PanCard):
        month, _, year = intent.sender.expiry.reveal().partition("/")
        today = moment(now_ms)
        if (2000 + int(year), int(month)) < (today.year, today.month):
            _LOG.warning("intent.expiry_past", extra={"reference": intent.reference})
