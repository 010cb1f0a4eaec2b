"""What the present code reads in a line of the corpus: a few values that no version may read otherwise."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.queue import message_guard
from epay_transfers.ledger.queue.broker import ACTORS
from epay_transfers.ledger.queue.wakeups import wakeup_of
from epay_transfers.ledger.record import Record, StoredChallenge
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store import inboxes
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.pauses import _read as read_pause
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ledger.vault.sealed_card import SealedCard
from epay_transfers.ledger.vault.sealing import Opener, Purpose
from epay_transfers.producers import TransferIntent
from epay_transfers.producers.outcomes import Outcome
from tests.corpus.sealing_key import keys

#: Of a transfer, what a payer is told. Times, and what a version may add, are left out.
_TOLD = (
    "key", "reference", "terminal", "state", "final", "money", "amount", "currency", "code", "reason", "bank_id",
    "bank_reference", "sender_card", "receiver_card", "sender_card_id", "receiver_card_id", "attempts", "version",
    "next_at", "expires_at", "metadata",
)  # fmt: skip


def of(kind: str, content: Any) -> dict[str, Any]:
    """Raises what the reader of this kind raises for what it can't read."""
    return _READERS[kind](content)


def of_record(content: Mapping[str, str]) -> dict[str, Any]:
    record = Record.from_ledger(content["key"], content)
    told = Transfer.of(record).to_json()
    wakeup = wakeup_of(record)
    return {name: told[name] for name in _TOLD} | {
        "space": record.space,
        "phase": record.phase.value,
        "epoch": record.epoch,
        "next_step": wakeup.queue if wakeup else "",
        "requested": record.requested_action,
        "decisions": len(json.loads(record.decisions)) if record.decisions else 0,
        "is_paid_by_notification": record.is_paid_by_notification,
    }


def _of_event(content: Mapping[str, str]) -> dict[str, Any]:
    """As an outcome, if it is one; of an alarm its verb, which is known, and whom it is about."""
    outcome = Outcome.of(Event("1795500000000-0", dict(content)), lambda: None)
    if outcome is None:
        return {"verb": next(each.value for each in Alarm if each == content["verb"]), "key": content.get("key", "")}
    return {
        "verb": next(each.value for each in Verb if each == content["verb"]),
        "key": outcome.key,
        "reference": outcome.reference,
        "state": outcome.state.value,
        "money": outcome.money.value,
        "code": outcome.code,
        "reason": outcome.reason,
        "version": outcome.version,
        "at_ms": int(outcome.at.timestamp() * 1000),
    }


def _of_message(content: Mapping[str, Any]) -> dict[str, Any]:
    wakeup = message_guard.checked(content, ACTORS)
    return {"key": wakeup.key, "actor": wakeup.actor, "queue": wakeup.queue}


def _of_entry(content: Mapping[str, Any]) -> dict[str, Any]:
    entry = inboxes._read(f"{content['sender']} {json.dumps(content['entry'])}", is_again=False)
    assert entry is not None, "a worker would remove it unread"
    return {"kind": entry.kind.value, "id": entry.id, "operator": entry.operator, "fields": dict(entry.fields)}


def _of_sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    opener = Opener([keys().private])
    purpose = Purpose(content["purpose"])
    cleartext = opener.open(content["sealed"], purpose, content["key"])
    if purpose is not Purpose.CARD:
        return {"length": len(cleartext)}
    card = SealedCard.from_bytes(cleartext)
    order, sender, receiver = card.order, card.cards.sender, card.cards.receiver
    return {
        "reference": order.reference,
        "amount": order.amount,
        "currency": order.currency,
        "terminal": order.terminal,
        "details": {name: value for name, value in order.details.by_name().items() if value},
        "sender": [sender.transfer_type, sender.cred.reveal()[-4:], bool(sender.cvc), sender.save],
        "receiver": [receiver.transfer_type, receiver.cred.reveal()[-4:], bool(receiver.country_code)],
    }


def _of_challenge(content: Mapping[str, str]) -> dict[str, Any]:
    challenge = StoredChallenge(**content)
    return {"pa_req": challenge.pa_req, "md": challenge.md, "action": challenge.action}


def _of_pause(content: Mapping[str, str]) -> dict[str, Any]:
    (pause,) = read_pause(content["id"], content["text"], is_written=content["written"] == "yes")
    return {
        "lane": pause.lane.value,
        "terminal": pause.terminal,
        "cause": pause.cause.value,
        "until_ms": pause.until_ms,
        "actor": pause.actor,
        "tries": pause.tries,
    }


def _of_intent(content: str) -> dict[str, Any]:
    intent = TransferIntent.from_json(content)
    return {
        "reference": intent.reference,
        "amount_minor": intent.amount_minor,
        "currency": intent.currency,
        "terminal": intent.terminal,
        "deadline": intent.deadline.isoformat() if intent.deadline else "",
    }


def _of_place(content: Mapping[str, Any]) -> dict[str, Any]:
    """The scripts of the vault alone read it: `test_replay` has them do so."""
    return dict(content)


_READERS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "record": of_record,
    "event": _of_event,
    "message": _of_message,
    "entry": _of_entry,
    "sealed": _of_sealed,
    "place": _of_place,
    "challenge": _of_challenge,
    "pause": _of_pause,
    "intent": _of_intent,
}
