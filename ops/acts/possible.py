"""Which acts a transfer's state allows, and what may go wrong by each: what `explain` lists, and the console offers.

Pure. A worker looks again before it does any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from epay_transfers.ledger.reasons import TAKEN_UNSENT, Reason
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb

#: Of these dead the card is gone, or is not what was ordered: a worker refuses to send them again.
NOT_REQUEUEABLE = frozenset({Reason.CARD_LOST}) | TAKEN_UNSENT

#: How a transfer ended, as an operator says it.
SETTLES: Mapping[Verb, str] = {
    Verb.OPERATOR_PAID: "paid",
    Verb.OPERATOR_NOT_PAID: "not-paid",
    Verb.OPERATOR_REVERSED: "reversed",
}
CORRECTS: Mapping[Verb, str] = {
    Verb.CORRECT_PAID: "paid",
    Verb.CORRECT_NOT_PAID: "not-paid",
    Verb.CORRECT_REVERSED: "reversed",
}


class Act(StrEnum):
    """What is asked of a worker. The word is the name of the console's form."""

    ASK = "ask"
    CANCEL = "cancel"
    REQUEUE = "requeue"
    DISCARD = "discard"
    SETTLE = "settle"
    CORRECT = "correct"
    TAKE_BACK = "take-back"


@dataclass(frozen=True, slots=True)
class Possible:
    """`what` and `risk` are for people; `how`: of a settlement and a correction, how the transfer ended."""

    act: Act
    what: str
    risk: str
    command: str
    how: str = ""


def possible(record: Record) -> Sequence[Possible]:
    """In the order in which they are to be thought of; asking the bank, which is possible in every state, is first."""
    found = [_ask(record)]
    match record.state:
        case State.QUEUED | State.PARKED:
            found.append(_cancel(record))
        case State.DEAD:
            found += _dead(record)
    for act, words, risks in ((Act.SETTLE, SETTLES, _SETTLE_RISKS), (Act.CORRECT, CORRECTS, _CORRECT_RISKS)):
        for verb, how in words.items():
            if record.state in verb.row.moves:
                command = f"transfers {act} {record.key} --{how} --evidence TEXT --reason TEXT"
                found.append(Possible(act, *risks[verb], command, how))
    return found


def _ask(record: Record) -> Possible:
    risk = "none: it changes nothing but what the bank's own word may change"
    return Possible(Act.ASK, "ask the bank about it now", risk, f"transfers ask {record.key}")


def _cancel(record: Record) -> Possible:
    refused = "where the card was taken out" if record.state is State.QUEUED else "where the client has answered"
    command = f"transfers cancel {record.key} --reason TEXT"
    return Possible(Act.CANCEL, "take it back", f"none: it is refused {refused}", command)


def _dead(record: Record) -> list[Possible]:
    command = f"transfers dead {{}} {record.key} --reason TEXT"
    discard = Possible(Act.DISCARD, "end it", "none: no money moved, and none will", command.format("discard"))
    if record.reason in NOT_REQUEUEABLE:
        return [discard]
    risk = "small: the bank is asked first"
    return [Possible(Act.REQUEUE, "queue it again", risk, command.format("requeue")), discard]


_SECOND_PAYMENT = "a SECOND PAYMENT, if it did: its producer pays it again"

#: What an operator says by it, and the risk.
_SETTLE_RISKS: Mapping[Verb, tuple[str, str]] = {
    Verb.OPERATOR_PAID: ("the bank told you that it moved the money", "it is never paid, if not"),
    Verb.OPERATOR_NOT_PAID: ("the bank told you that it moved none, and will not", _SECOND_PAYMENT),
    Verb.OPERATOR_REVERSED: ("the bank told you that it gave the money back", "a SECOND PAYMENT, if it did not"),
}
_CORRECT_RISKS: Mapping[Verb, tuple[str, str]] = {
    Verb.CORRECT_PAID: ("the bank moved the money after all", "it is never paid, if not"),
    Verb.CORRECT_NOT_PAID: ("the bank moved none after all, and will not", _SECOND_PAYMENT),
    Verb.CORRECT_REVERSED: ("the bank moved it and gave it back", "a SECOND PAYMENT, if it did not"),
}
