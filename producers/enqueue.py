"""Enqueue: validate → ledger.create (one script) → seal → vault.put → wake-up. For one intent, or for a batch of them.

What if we die here? Before `create` nothing exists. After it, the same reference again finds the record, takes a new
generation of the card in the ledger and puts under that: never under the old epoch, where a put of the dead caller may
still be on its way. After the put the sweeper sends a wake-up. A put whose reply was lost is not repeated.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from epay_transfers.ledger import metadata
from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import (
    LedgerBroken,
    LedgerUnavailable,
    LedgerWentBack,
    RecordUnreadable,
    ReferenceLost,
    ServerUnavailable,
    TransfersError,
    VaultUnavailable,
    VaultWentBack,
)
from epay_transfers.ledger.invoice import make_key
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.new_transfer import NewTransfer
from epay_transfers.ledger.store.replies import (
    Created,
    Creation,
    Exhausted,
    Full,
    Lost,
    Paused,
    ReferenceKnown,
    Refused,
    SuffixUsed,
)
from epay_transfers.ledger.transfer import moment
from epay_transfers.ledger.vault.sealed_card import PaymentOrder, SealedCard
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import FREE, Put
from epay_transfers.producers import fingerprints
from epay_transfers.producers.cards import PanCard
from epay_transfers.producers.context import BACKEND, Context
from epay_transfers.producers.deadline import lasts_ms
from epay_transfers.producers.errors import (
    Conflict,
    IntentRejected,
    InvoicesExhausted,
    QueueFull,
    SuffixTaken,
    TerminalPaused,
)
from epay_transfers.producers.intent import TransferIntent
from epay_transfers.producers.receipt import Receipt
from epay_transfers.producers.settings import ProducerSettings

_LOG = logging.getLogger(__name__)

#: Set once this process has said that a card's expiry is past: the bank's own test cards are, each time.
_EXPIRY_PAST_TOLD = threading.Event()

#: How many transfers are created in one round trip. They come in several scripts, between which others are served.
BATCH = 500

_RETRY_AFTER_S = 30

Answer = Receipt | TransfersError
_Pair = tuple[TransferIntent, Record]

#: How much later a kept deadline may be than what the intent gives now: the clocks of producer and ledger may differ.
_SKEW_MS = 5_000


def enqueue_all(context: Context, intents: Sequence[TransferIntent]) -> list[Answer]:
    """A receipt or an error for each intent, in order. It raises none of them, but `SettingsWrong`.

    That is in a web tier, and where the ledger does not know this process's fingerprint keys: before anything is done.
    """
    answers: list[Answer] = []
    try:
        if intents:
            context.check_fingerprint_keys()
    except LedgerUnavailable as error:
        return [_may_be_stored(error) for _ in intents]
    for start in range(0, len(intents), BATCH):
        answers += _enqueue_batch(context, intents[start : start + BATCH])
    return answers


def _enqueue_batch(context: Context, intents: Sequence[TransferIntent]) -> list[Answer]:
    if context.ledger.went_back():
        return [_went_back(context)] * len(intents)
    answers: dict[int, Answer] = {}
    new_transfers: dict[int, NewTransfer] = {}
    for at, intent in enumerate(intents):
        new_transfer = _draft(context, intent)
        if isinstance(new_transfer, IntentRejected):
            answers[at] = _rejected(context, intent, new_transfer)
        else:
            new_transfers[at] = new_transfer
    try:
        limit = context.producer.queue_limit or 0
        created = (
            context.ledger.create(list(new_transfers.values()), actor=BACKEND, limit=limit) if new_transfers else []
        )
    except LedgerUnavailable as error:
        return [answers.get(at, _may_be_stored(error)) for at in range(len(intents))]
    if context.ledger.went_back():  # what was made just now gets no card: one of its name may have been sent
        return [_went_back(context)] * len(intents)
    creations = dict(zip(new_transfers, created, strict=True))
    fresh = {at: (intents[at], made.record) for at, made in creations.items() if isinstance(made, Created)}
    answers |= _put_cards(context, fresh)
    for at, creation in creations.items():  # after the puts: a reference may stand twice in one batch
        if at not in fresh:
            answers[at] = _not_created(context, intents[at], new_transfers[at], creation)
    return [answers[at] for at in range(len(intents))]


def _may_be_stored(error: TransfersError) -> TransfersError:
    """Where a read is not answered, what the call is about may be stored all the same: its error has to say so."""
    if isinstance(error, LedgerUnavailable) and not isinstance(error, LedgerBroken):
        return LedgerUnavailable(error.problem)
    return error


def not_begun(error: ServerUnavailable) -> ServerUnavailable:
    """Where the first look failed: this call stored nothing, but it may be the retry of one that did."""
    if not isinstance(error, VaultWentBack):
        after = (
            "nothing was stored by this call, but a call before it, under the same reference, may have stored the "
            "transfer: call again with the same reference"
        )
        error.args = (f"{error.why}; {after}",)
    return error


def _went_back(context: Context) -> LedgerWentBack:
    log_line(
        _LOG.critical,
        "ledger.went_back",
        "The ledger went back: it is behind the sequence %(sequence)s, which it had told; nothing is enqueued",
        sequence=context.ledger.behind,
    )
    with suppress(LedgerUnavailable):
        events = Events(context.ledger.client, context.ledger.test_clock)
        events.alarm(Alarm.LEDGER_WENT_BACK, actor=BACKEND, sequence=str(context.ledger.behind))
    return LedgerWentBack()


def space_for(settings: ProducerSettings, terminal: str) -> str:
    """The space of this terminal. Raises `IntentRejected` for one that the settings do not name."""
    space = settings.space_of(terminal)
    if space is None:
        raise IntentRejected("terminal", "is not known here; it is `main` or a name in EPAY_TERMINALS")
    return space


def _draft(context: Context, intent: TransferIntent) -> NewTransfer | IntentRejected:
    """What the ledger is to keep of the intent; or what is wrong with it here and now."""
    settings, now_ms = context.producer, context.clock.now_ms()
    try:
        space = space_for(settings, intent.terminal)
        lasts = lasts_ms(intent, now_ms, settings.card_ttl)
    except IntentRejected as rejected:
        return rejected
    _warn_of_past_expiry(intent, now_ms)
    prints = fingerprints.compute(intent, settings.print_keys)
    return NewTransfer(
        reference=intent.reference,
        space=space,
        terminal=intent.terminal,
        amount=intent.amount_minor,
        currency=intent.currency,
        urgency=intent.urgency,
        order_details=intent.order_details().to_json(),
        fingerprints=prints.others,
        card_prints=prints.cards,
        lasts_ms=lasts,
        day_ms=now_ms,
        sender_card=intent.sender.mask,
        receiver_card=intent.receiver.mask,
        related=intent.related_to or "",
        metadata=metadata.write(intent.metadata),
        invoice_id=intent.invoice_id,
    )


def _rejected(context: Context, intent: TransferIntent, rejected: IntentRejected) -> Answer:
    """Rejected here and now; but a replay all the same, if its reference is known.

    It may come again after its deadline, and have been paid in time: "rejected" would tell the producer to pay it
    another way.
    """
    try:
        record = context.ledger.by_reference(intent.reference)
    except (LedgerUnavailable, RecordUnreadable) as unanswered:
        return _may_be_stored(unanswered)
    return rejected if record is None else _replay(context, intent, record)


def _put_cards(context: Context, fresh: Mapping[int, _Pair]) -> dict[int, Answer]:
    """The cards of transfers that were created just now, in one round trip; then the wake-ups."""
    receipts: dict[int, Answer] = {at: Receipt.of(record, replayed=False) for at, (_, record) in fresh.items()}
    if not fresh:
        return receipts
    try:
        puts = context.vault.put_cards(
            [_blob(context, intent, record, record.created_at, record.deadline_at) for intent, record in fresh.values()]
        )
    except VaultUnavailable as error:
        return {at: VaultUnavailable(receipt, problem=error.problem) for at, receipt in receipts.items()}
    records = [record for _, record in fresh.values()]
    for record, put in zip(records, puts, strict=True):
        log_line(
            _LOG.info,
            "enqueue.accepted",
            "The transfer %(key)s is queued, for the reference %(reference)s",
            key=record.key,
            reference=record.reference,
        )
        if put is not Put.STORED:  # it was brought again meanwhile, cancelled, or the vault knows more than the ledger
            log_line(
                _LOG.warning,
                "enqueue.place_taken",
                "The vault did not store the card of %(key)s: it has a card or a tombstone for it already",
                key=record.key,
            )
    context.wakeups.send_all(records)
    return receipts


def _not_created(context: Context, intent: TransferIntent, new_transfer: NewTransfer, creation: Creation) -> Answer:
    match creation:
        case ReferenceKnown(key):
            return _known(context, intent, key)
        case SuffixUsed(key):
            same = new_transfer.invoice_id is not None and key == make_key(new_transfer.invoice_id, new_transfer.space)
            return Conflict(("reference",)) if same else SuffixTaken()
        case Lost(invoice_id):
            return ReferenceLost(invoice_id)
        case Paused(until_ms):
            return TerminalPaused(moment(until_ms) if until_ms else None)
        case Full():
            return QueueFull(_RETRY_AFTER_S)
        case Exhausted():
            return InvoicesExhausted()
        case Created():
            raise AssertionError("what was created is answered elsewhere")


def _known(context: Context, intent: TransferIntent, key: str) -> Answer:
    try:
        record = context.ledger.get(key)
    except (LedgerUnavailable, RecordUnreadable) as unanswered:
        return _may_be_stored(unanswered)
    if record is None:  # one script wrote reference and record: so the ledger went back just now, and is asked again
        log_line(
            _LOG.error,
            "enqueue.record_gone",
            "The ledger knew the reference of %(key)s a moment ago, and has no such transfer now",
            key=key,
        )
        return LedgerUnavailable()
    return _replay(context, intent, record)


def _replay(context: Context, intent: TransferIntent, record: Record) -> Answer:
    """The reference is known. The same intent gets the same receipt, and a queued transfer its card, if it lacks it."""
    try:
        cards = context.ledger.card_prints(record.key)
    except LedgerUnavailable as unanswered:
        return _may_be_stored(unanswered)
    fields = fingerprints.differing(record, cards, intent, context.producer.print_keys)
    receipt = Receipt.of(record, replayed=True)
    if intent.invoice_id is not None and intent.invoice_id != receipt.invoice_id:
        fields = (*fields, "invoice_id")
    if fields:
        return Conflict(fields, all_differ=fingerprints.all_differ(fields, cards, intent))
    if record.state is not State.QUEUED:
        return receipt
    try:
        return replace(receipt, state=_call_again(context, intent, record))
    except VaultUnavailable as error:
        return VaultUnavailable(receipt, problem=error.problem)
    except (LedgerUnavailable, LedgerWentBack) as error:
        return _may_be_stored(error)


def _call_again(context: Context, intent: TransferIntent, record: Record) -> State:
    """Send a wake-up for a queued transfer; where the vault has nothing, under a new generation of its card."""
    there = context.vault.look(Purpose.CARD, record.key, record.epoch)
    if there in FREE and (now_ms := context.ledger.now_ms()) < record.deadline_at:
        change = Change(due_at=context.after_wakeup_ms(record, now_ms), fields={"wakeups": 0})
        moved = context.ledger.move(record, Verb.REPLACE_CARD, change, actor=BACKEND)
        if isinstance(moved, Refused):  # a worker has it, or another caller was faster
            return moved.state or record.state
        if context.ledger.went_back():
            raise _went_back(context)
        record = replace(record, epoch=moved.epoch)
        log_line(
            _LOG.info,
            "enqueue.card_again",
            "The vault had no card for %(key)s: a replay of its intent brings it again",
            key=record.key,
        )
        deadline_at = min(record.deadline_at, _latest_deadline_ms(context, intent, moved.at_ms))
        context.vault.put_cards([_blob(context, intent, record, moved.at_ms, deadline_at)])
    context.wakeups.send(record)
    return record.state


def _latest_deadline_ms(context: Context, intent: TransferIntent, now_ms: int) -> int:
    """The latest deadline that the ledger can have given this intent. A later one was written by another hand.

    A card is not kept for longer than that, whatever the record says, and the worker finds the difference.
    """
    try:
        return now_ms + lasts_ms(intent, context.clock.now_ms(), context.settings.card_ttl) + _SKEW_MS
    except IntentRejected:  # its own deadline has passed, by this clock
        return now_ms + _SKEW_MS


def _blob(
    context: Context, intent: TransferIntent, record: Record, now_ms: int, deadline_at: int
) -> tuple[str, int, str, int]:
    """The cards with their order, which the intent says; it lives until the deadline. `now_ms`: by the ledger."""
    order = PaymentOrder(
        reference=intent.reference,
        handle=record.handle,
        terminal=intent.terminal,
        amount=intent.amount_minor,
        currency=intent.currency,
        deadline_at=deadline_at,
        details=intent.order_details(),
    )
    cleartext = SealedCard(order, intent.card_data()).to_bytes()
    return (
        record.key,
        record.epoch,
        context.sealer.seal(cleartext, Purpose.CARD, record.key),
        max(1, deadline_at - now_ms),
    )


def _warn_of_past_expiry(intent: TransferIntent, now_ms: int) -> None:
    """It is the bank's to refuse, and its own test cards are past: so one line a process, without the date."""
    if _EXPIRY_PAST_TOLD.is_set():
        return
    if isinstance(intent.sender, PanCard):
        month, _, year = intent.sender.expiry.reveal().partition("/")
        today = moment(now_ms)
        if (2000 + int(year), int(month)) < (today.year, today.month):
            _EXPIRY_PAST_TOLD.set()
            log_line(
                _LOG.warning,
                "intent.expiry_past",
                "The expiry of the sender's card is past, for the reference %(reference)s: the bank may decline it. "
                "This process says so once",
                reference=intent.reference,
            )
