"""Checks a whole batch before anything of it is sent: every row is an intent, and no reference comes twice.

A deadline that is past is no error here: a batch that is given again may have been sent in time. It is counted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from epay_transfers.ledger.card_numbers import holds_card_number
from epay_transfers.ops.batches.reading import COLUMNS, Batch, Row, Wrong, refusal_of, rows
from epay_transfers.producers import PanCard, ProducerSettings, TransferIntent
from epay_transfers.producers.deadline import lasts_ms
from epay_transfers.producers.enqueue import space_for
from epay_transfers.producers.errors import IntentRejected

#: So many errors are kept to be shown; the others are counted.
MOST_SHOWN = 100

NOT_IN_FILE = (
    "is or holds a card number, and none may wait in a file: give the id of a saved card, or pipe the batch into "
    "standard input (`-`) from the program that has the number"
)

_TELL_EACH = 1000

#: What a row is mended with, to see what else is wrong with it.
_SOUND: dict[str, Any] = {
    "reference": "x",
    "amount": "1",
    "description": "x",
    "sender": {"card_id": "x"},
    "receiver": {"card_id": "x"},
}


@dataclass(slots=True)
class Total:
    """How many transfers, and how much money in minor units, of a terminal in a currency."""

    count: int = 0
    amount: int = 0


@dataclass(slots=True)
class Checked:
    """`rows`: how many could be read. `lines`: each reference → its line."""

    rows: int = 0
    lines: dict[str, int] = field(default_factory=dict, repr=False)
    totals: dict[tuple[str, str], Total] = field(default_factory=dict)
    past_deadline: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    more_wrong: int = 0  #: beside those in `wrong`

    @property
    def errors(self) -> int:
        return len(self.wrong) + self.more_wrong

    def add_wrong(self, wrong: Wrong) -> None:
        if len(self.wrong) < MOST_SHOWN:
            self.wrong.append(wrong)
        else:
            self.more_wrong += 1


def check(batch: Batch, settings: ProducerSettings, now_ms: int, tell_line: Callable[[int], None]) -> Checked:
    """Nothing is asked of a server. `tell_line` is told how far it is."""
    checked = Checked()
    for row in rows(batch):
        if not checked.rows % _TELL_EACH:
            tell_line(row.line)
        if isinstance(row, Wrong):
            checked.add_wrong(row)
        else:
            _check_row(row, batch, settings, now_ms, checked)
    return checked


def intent_of(row: Row) -> TransferIntent:
    """Raises `IntentRejected`, but not for a row that was checked."""
    return TransferIntent.model_validate(dict(row.data))


def _check_row(row: Row, batch: Batch, settings: ProducerSettings, now_ms: int, checked: Checked) -> None:
    checked.rows += 1
    found, intent = _look(row, batch, settings, now_ms)
    for wrong in found:
        checked.add_wrong(wrong)
    reference = row.data.get("reference")
    if isinstance(reference, str) and "reference" not in {wrong.column for wrong in found}:
        first = checked.lines.setdefault(reference, row.line)
        if first != row.line:
            checked.add_wrong(
                Wrong(row.line, "reference", f"stands in line {first} already: give each transfer its own")
            )
            return
    if intent is not None:
        total = checked.totals.setdefault((intent.terminal, intent.currency), Total())
        total.count += 1
        total.amount += intent.amount_minor
        checked.past_deadline += _is_past(intent, now_ms)


def _look(row: Row, batch: Batch, settings: ProducerSettings, now_ms: int) -> tuple[list[Wrong], TransferIntent | None]:
    """Everything that is wrong with it, as far as one field does not hide another; or its intent."""
    data = dict(row.data)
    mended: set[str] = set()
    found: list[Wrong] = []
    for column, why in chain(_of_sender(data), _of_file(data) if batch.is_in_file else ()):
        found.append(Wrong(row.line, column, why))
        mended.add(column.partition(".")[0])
    _mend(data, mended)
    while True:
        try:
            intent = TransferIntent.model_validate(data)
            space_for(settings, intent.terminal)
            if not _is_past(intent, now_ms):
                lasts_ms(intent, now_ms, settings.card_ttl)
        except IntentRejected as rejected:
            room = rejected.field.partition(".")[0]
            if room in mended:
                return found, None
            found.append(Wrong(row.line, rejected.field, rejected.why))
            mended.add(room)
            _mend(data, {room})
        else:
            return found, None if found else intent


def _mend(data: dict[str, Any], names: set[str]) -> None:
    for name in names:
        data.pop(name, None)
        if name in _SOUND:
            data[name] = _SOUND[name]


def _of_sender(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The card that pays is a saved one, without a CVC."""
    sender = data.get("sender")
    if not isinstance(sender, Mapping):
        return  # the intent's own check says what is wrong
    others = sorted(set(sender) - {"card_id"})
    for name in others:
        if name in PanCard.model_fields:
            yield f"sender.{name}", refusal_of(f"sender.{name}")
    if set(others) - set(PanCard.model_fields):  # what stands in the name's place may be anything, a card too
        yield "sender", "has a field that is not known here: give card_id alone"
    if not others and "card_id" not in sender:
        yield "sender.card_id", "is missing"


def _of_file(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    receiver = data.get("receiver")
    if isinstance(receiver, Mapping) and receiver.get("number") is not None:
        yield "receiver.number", NOT_IN_FILE
    for name, value in data.items():
        if name not in TransferIntent.model_fields or name in {"invoice_id", "metadata"}:
            continue  # the intent's own check refuses it; and an invoice id is digits, and nothing else
        for leaf, each in value.items() if isinstance(value, Mapping) else (("", value),):
            column = f"{name}.{leaf}"
            if column != "receiver.number" and (_holds_card(leaf) or _holds_card(each)):
                yield column if column in COLUMNS else name, NOT_IN_FILE


def _holds_card(value: Any) -> bool:
    """Of a value of JSON: does any text or number in it look like a card number?"""
    if isinstance(value, Mapping):
        return any(_holds_card(name) or _holds_card(each) for name, each in value.items())
    if isinstance(value, list):
        return any(map(_holds_card, value))
    return holds_card_number(str(value)) if isinstance(value, (str, int)) else False


def _is_past(intent: TransferIntent, now_ms: int) -> bool:
    return intent.deadline is not None and intent.deadline.timestamp() * 1000 <= now_ms
