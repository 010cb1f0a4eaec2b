"""What `transfers recover` found, for people and for machines: what to do about each, in the order in which it is safe.

Of what the ledger does not know, a long number of the statement shows with stars: it may be a card's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.invoice import split_key, suffix_of
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.pauses import Lane, Pause
from epay_transfers.ops import screen
from epay_transfers.ops.reconcile.recovery import Executed, Recovery

#: The rows of a statement that are named for one transfer.
_ROWS = 10


@dataclass(frozen=True, slots=True)
class Told:
    """`pauses`: of all terminals, by lane. `held_by`: absent → the transfer that has its last six digits here, or "".
    `became`: of what was put in doubt, by key.
    """

    found: Recovery
    pauses: Mapping[Lane, Sequence[Pause]]
    held_by: Mapping[str, str]
    became: Mapping[str, str]
    unreadable: Sequence[RecordUnreadable]
    is_applied: bool

    @property
    def is_well(self) -> bool:
        return self.found.is_done and not self.unreadable


def not_paused(pauses: Mapping[Lane, Sequence[Pause]]) -> str:
    lanes = [lane for lane, standing in pauses.items() if not standing]
    commands = ", ".join(f"`transfers pause {lane} --cause other --reason ...`" for lane in lanes)
    return (
        f"{' and '.join(lanes)}: not paused for all terminals until a person ends it, so a transfer may be sent again "
        f"this moment. Pause first: {commands}"
    )


def lines(told: Told) -> Iterator[str]:
    """For people. Commands stand in it as `transfers ...`."""
    found = told.found
    if told.is_well:
        yield "WELL: this ledger knows all that the statement has."
    else:
        count = len(found.absent) + len(found.unsent_here) + len(found.ended_here)
        yield f"ACT: the bank executed {count} that this ledger lacks, or of which it says that no money moved."
    yield from _paused(told.pauses)
    yield from _absent(told)
    yield from _unsent(told)
    if found.ended_here:
        yield ""
        yield f"Ended here without money: {len(found.ended_here)}. Tell their producers; two operators correct each:"
        for each in found.ended_here:
            key = each.name
            yield f"  {_one(each)}: `transfers correct {key} --paid --evidence ... --reason ...`"
    yield ""
    yield f"Known here, too: {found.known}. In doubt or in review, so that the bank is asked: {found.unknown}."
    for error in told.unreadable:
        yield f"Not compared: {error}."


def _paused(pauses: Mapping[Lane, Sequence[Pause]]) -> Iterator[str]:
    for lane, standing in pauses.items():
        names = ", ".join(f"{pause.id} ({pause.cause})" for pause in standing)
        yield f"{lane}: paused by {names}; leave it so until all is done" if standing else f"{lane}: NOT PAUSED"
    if not all(pauses.values()):
        yield not_paused(pauses)


def _absent(told: Told) -> Iterator[str]:
    if not told.found.absent:
        return
    yield ""
    yield f"Absent here: {len(told.found.absent)}. Their records are lost, and no command brings them back."
    yield "Tell the producers first, by these invoice ids: none may be enqueued again, under whatever reference."
    for each in told.found.absent:
        yield f"  {_one(each)}; {_suffix(each, told.held_by)}"
    closing = [line for each in told.found.absent for line in _closing(each, told.held_by)]
    if closing:
        yield "Then close their suffixes, under the user repair: a producer that repeats one gets `ReferenceLost`."
        yield from closing


def _suffix(absent: Executed, held_by: Mapping[str, str]) -> str:
    """Its last six digits are used at the bank. Another transfer may have them here by now."""
    if not absent.has_invoice_id:
        return "no invoice id in the statement: ask the bank for it"
    suffix, other = split_key(absent.name)[1][-6:], held_by.get(absent.name)
    return f"suffix {suffix}, which {other} has here by now: stop that one" if other else f"suffix {suffix}"


def _closing(absent: Executed, held_by: Mapping[str, str]) -> list[str]:
    """What is typed for it. Where another transfer has the suffix, it is closed already."""
    if not absent.has_invoice_id or held_by.get(absent.name):
        return []
    space, invoice_id = split_key(absent.name)
    suffix, value = suffix_of(invoice_id), star_card_numbers(invoice_id)
    return [
        f"  redis-cli -u \"$REDIS_URL\" SETBIT '{redis_keys.suffixes(space)}' {suffix} 1",
        f"  redis-cli -u \"$REDIS_URL\" HSET '{redis_keys.LOST}' {space}:{suffix} '{value}'",
    ]


def _unsent(told: Told) -> Iterator[str]:
    unsent = told.found.unsent_here
    if unsent:
        done = "they were not put in doubt" if told.is_applied else "--apply --reason ... puts them in doubt"
        yield ""
        yield f"Unsent here: {len(unsent)}; {done}. Nothing is sent by that, and the bank is asked."
        for each in unsent:
            yield f"  {_one(each)}"
    for key, sentence in told.became.items():
        yield f"  {key}: {sentence}"


def _one(executed: Executed) -> str:
    amount = screen.amount(executed.amount, executed.currency)
    rows = ", ".join(str(row.line) for row in executed.rows[:_ROWS])
    if executed.record is None:
        return f"{star_card_numbers(executed.name)}, {amount}, row {rows}"
    return f"{executed.name} ({executed.record.reference}), {amount}, row {rows}; here {executed.record.state}"


def as_dict(told: Told) -> dict[str, Any]:
    """For a machine."""
    found = told.found
    return {
        "level": "well" if told.is_well else "act",
        "paused": {str(lane): [pause.id for pause in standing] for lane, standing in told.pauses.items()},
        "absent": [_as_dict(each) | {"suffix_held_by": told.held_by.get(each.name) or None} for each in found.absent],
        "unsent_here": [_as_dict(each) for each in found.unsent_here],
        "ended_here": [_as_dict(each) for each in found.ended_here],
        "known": found.known,
        "unknown": found.unknown,
        "put_in_doubt": dict(told.became),
        "unreadable": screen.unreadable_json(told.unreadable),
    }


def _as_dict(executed: Executed) -> dict[str, Any]:
    record = executed.record
    return {
        "name": star_card_numbers(executed.name) if record is None else executed.name,
        "state": str(record.state) if record else None,
        "amount": str(to_decimal(executed.amount, executed.currency)),
        "currency": executed.currency,
        "rows": [row.line for row in executed.rows],
    }
