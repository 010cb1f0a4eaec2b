"""A plan file: what is to be done with which transfers, as they were when the plan was made. Pure.

`transfers plan` writes it, people read it, `transfers apply` does it. The digest is over everything else in the file,
so a plan that was edited by hand is refused. No card data is in a plan: a transfer is named by its key.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, TextIO

from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.money import EXPONENTS, to_decimal, to_minor
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ops import screen
from epay_transfers.ops.exit_status import Refusal

SCHEMA = 1

#: The bank was not asked, or did not answer in time.
UNKNOWN = "?"

#: A plan of more transfers than this is made in parts.
MOST_ITEMS = 100_000


class What(StrEnum):
    """What is to be done with each transfer."""

    REQUEUE = "requeue"
    DISCARD = "discard"
    CANCEL = "cancel"
    SETTLE = "settle"


class How(StrEnum):
    """How the transfers of a plan to settle have ended, as its operator says."""

    PAID = "paid"
    NOT_PAID = "not_paid"
    REVERSED = "reversed"

    @property
    def verb(self) -> Verb:
        return {
            How.PAID: Verb.OPERATOR_PAID,
            How.NOT_PAID: Verb.OPERATOR_NOT_PAID,
            How.REVERSED: Verb.OPERATOR_REVERSED,
        }[self]


#: The states in which a transfer can be in a plan. In doubt, the bank's own word alone settles.
STATES: Mapping[What, tuple[State, ...]] = {
    What.REQUEUE: (State.DEAD,),
    What.DISCARD: (State.DEAD,),
    What.CANCEL: (State.QUEUED, State.PARKED, State.DEAD),
    What.SETTLE: (State.NEEDS_REVIEW, State.IN_DOUBT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One transfer as it was. It has moved where its state, or the time since when it is in it, is another."""

    key: str
    reference: str
    state: State
    state_since: int  #: ms since 1970
    version: int
    amount: int  #: minor units
    currency: str
    verdict: str = UNKNOWN  #: the bank's word, when the plan was made

    @classmethod
    def of(cls, record: Record, verdict: str = UNKNOWN) -> Self:
        return cls(
            key=record.key,
            reference=record.reference,
            state=record.state,
            state_since=record.state_since,
            version=record.version,
            amount=record.amount,
            currency=record.currency,
            verdict=verdict,
        )

    def has_moved(self, record: Record) -> bool:
        """Inquiries and decisions raise the version, and move nothing."""
        return (record.state, record.state_since) != (self.state, self.state_since)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "reference": self.reference,
            "state": str(self.state),
            "state_since": self.state_since,
            "version": self.version,
            "amount": str(to_decimal(self.amount, self.currency)),
            "currency": self.currency,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`how` and `evidence` are those of a plan to settle, for all of its transfers."""

    what: What
    items: Sequence[Item]
    made_at: int  #: ms since 1970
    made_by: str
    chosen_by: str = ""  #: the filter or the statement that chose them, for people
    how: How | None = None
    evidence: str = ""

    @property
    def count(self) -> int:
        return len(self.items)

    @property
    def sums(self) -> dict[str, int]:
        """Currency → minor units."""
        sums: Counter[str] = Counter()
        for item in self.items:
            sums[item.currency] += item.amount
        return dict(sorted(sums.items()))

    @property
    def digest(self) -> str:
        return _digest(self._body())

    def to_json(self) -> dict[str, Any]:
        body = self._body()
        items = body.pop("items")
        return {**body, "digest": _digest(self._body()), "items": items}

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "what": str(self.what),
            "chosen_by": self.chosen_by,
            "made_at": datetime.fromtimestamp(self.made_at / 1000, UTC).isoformat(timespec="milliseconds"),
            "made_by": self.made_by,
        }
        if self.how is not None:
            body |= {"how": str(self.how), "evidence": self.evidence}
        return body | {
            "count": self.count,
            "sums": {currency: str(to_decimal(minor, currency)) for currency, minor in self.sums.items()},
            "items": [item.to_json() for item in self.items],
        }


def money_text(plan: Plan) -> str:
    """Its sums for people."""
    return ", ".join(screen.amount(minor, currency) for currency, minor in plan.sums.items()) or "no money"


def write(plan: Plan, file: TextIO) -> None:
    """One item a line, so that two plans can be compared."""
    document = plan.to_json()
    items = document.pop("items")
    head = json.dumps(document, ensure_ascii=True, indent=1).removesuffix("\n}")
    lines = ",\n".join(json.dumps(item, ensure_ascii=True) for item in items)
    file.write(f'{head},\n "items": [\n{lines}\n]}}\n')


def read(text: str) -> Plan:
    """Raises `Refusal` for what is no plan, or is not as it was written."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal("the plan is no JSON: give the file that `transfers plan` wrote") from None
    if not isinstance(document, dict) or "digest" not in document:
        raise Refusal("the file is no plan: give the one that `transfers plan` wrote")
    if document.get("schema") != SCHEMA:
        raise Refusal(f"the plan is of another version of this program: it reads schema {SCHEMA}. Make the plan anew")
    digest = document.pop("digest")
    if digest != _digest(document):
        raise Refusal(
            "the plan is not as it was written: its digest is another. Nothing was done; make it anew with a narrower "
            "filter, and do not edit it"
        )
    try:
        return _plan(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refusal("the plan has a field that is missing, or that this version can't read. Make it anew") from None


def _plan(document: Mapping[str, Any]) -> Plan:
    """Its digest is right; all the same each field is checked, since anyone can compute a digest."""
    how = How(document["how"]) if "how" in document else None
    plan = Plan(
        what=What(document["what"]),
        items=tuple(_item(each) for each in document["items"]),
        made_at=round(datetime.fromisoformat(document["made_at"]).timestamp() * 1000),
        made_by=_text(document["made_by"]),
        chosen_by=_text(document["chosen_by"]),
        how=how,
        evidence=_text(document.get("evidence", "")),
    )
    if (plan.what is What.SETTLE) != (how is not None and bool(plan.evidence)):
        raise ValueError("how")
    if len({item.key for item in plan.items}) != plan.count or plan.count > MOST_ITEMS:
        raise ValueError("items")
    if any(item.state not in STATES[plan.what] for item in plan.items):
        raise ValueError("state")
    return plan


def _item(raw: Mapping[str, Any]) -> Item:
    currency = raw["currency"]
    if not is_key(raw["key"]) or currency not in EXPONENTS:
        raise ValueError("key")
    return Item(
        key=raw["key"],
        reference=_text(raw["reference"]),
        state=State(raw["state"]),
        state_since=_number(raw["state_since"]),
        version=_number(raw["version"]),
        amount=to_minor(_text(raw["amount"]), currency),
        currency=currency,
        verdict=_text(raw["verdict"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("number")
    return value


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


#: An entry's id has so many hex digits.
_ID_LENGTH = 24


def request_id(plan: Plan, key: str, operator: str) -> str:
    """The id of the entry for one transfer: the same at each repeat, so that a worker does it once."""
    if not re.fullmatch(r"\S+", key):
        raise ValueError(key)
    return hashlib.sha256(f"{plan.digest} {key} {operator}".encode()).hexdigest()[:_ID_LENGTH]
