"""A reconciliation for people and for machines: the gravest first, each with what it means and what to do next.

What a statement says is printed only as far as the ledger knows it, or with the middle of a long number as stars: a
column of card numbers may have been taken for another.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.ledger.errors import RecordUnreadable
from epay_transfers.ledger.money import to_decimal
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.reconcile.asking import Answer, Asked, Says
from epay_transfers.ops.reconcile.comparison import DIFFERS, GRAVE, Comparison, Finding, Kind
from epay_transfers.ops.reconcile.statement import Day

#: So many of each kind are listed for people; a machine is told all.
_LISTED = 50

WELL, ATTENTION, ACT = 0, 10, 20
_LEVELS = {WELL: "well", ATTENTION: "attention", ACT: "act"}

_HEADS: Mapping[Kind, str] = {
    Kind.EXECUTED_TWICE: "EXECUTED MORE THAN ONCE at the bank: money went out twice. Call the bank",
    Kind.BANK_ONLY: "EXECUTED AT THE BANK, NOTHING IN THE LEDGER: pause sending, and see the runbook, "
    "'The statement has what we have not'",
    Kind.NOT_PAID_HERE: "EXECUTED AT THE BANK, AND THE LEDGER SAYS THAT NO MONEY MOVED: do not pay it another way",
    Kind.AMOUNTS_DIFFER: "Amounts differ",
    Kind.STATES_DIFFER: "Ends differ: the bank gave money back, or not, and the ledger says otherwise",
    Kind.AMBIGUOUS: "The bank's reference leads to several transfers: look at each",
    Kind.LEDGER_ONLY: "Paid here, and not in the statement, though the day's borders do not explain it",
    Kind.SETTLES: "Unknown here, and the statement has it: `--plan FILE` writes them as a plan",
    Kind.OTHER_DAY: "Paid here near a border of the day, and not in this statement: look in that of the day before and "
    "after, and at `zone` in the mapping",
    Kind.UNKNOWN: "Unknown here, and not in the statement: they stay unknown, for this proves nothing",
}

_ASKED_HEADS: Mapping[Says, str] = {
    Says.MOVED_AT_BANK: "ASKED, THE BANK SAYS THAT MONEY MOVED, AND THE LEDGER THAT NONE DID",
    Says.DIFFERS: "Asked, the bank says otherwise",
    Says.SETTLED: "Settled by the bank's word just now",
    Says.UNKNOWN: "The bank has said nothing that ends them: unknown",
}


@dataclass(frozen=True, slots=True)
class Result:
    """Of one reconciliation. `comparison` is None where there is no statement, and `asked` where nothing was asked."""

    day: Day
    comparison: Comparison | None
    asked: Asked | None
    unreadable: Sequence[RecordUnreadable]

    @property
    def level(self) -> int:
        moved_at_bank = self.asked is not None and self.asked.that(Says.MOVED_AT_BANK)
        if moved_at_bank or (self.comparison is not None and self.comparison.is_grave):
            return ACT
        differs = self.comparison is not None and self.comparison.differs
        is_odd = self.asked is not None and self.asked.that(Says.DIFFERS, Says.UNKNOWN)
        return ATTENTION if differs or is_odd or self.unreadable else WELL


def lines(result: Result) -> Iterator[str]:
    """For people. Commands stand in it as `transfers ...`."""
    found = result.comparison
    yield f"{_LEVELS[result.level].upper()}: {_first(result)}"
    if found is not None:
        yield f"Matched: {_sums(found.matched, found.matched_sums)}, of {found.rows} rows of the statement."
        if found.matched_on_other_days:
            yield f"  {found.matched_on_other_days} of these ended here on another day, as the ledger counts it."
        if found.rows_of_other_days:
            yield (
                f"  {found.rows_of_other_days} rows are of another day than {result.day.date}: is `zone` in the "
                "mapping the statement's?"
            )
        for kind in Kind:
            yield from _of_kind(kind, found.of(kind))
    if result.asked is not None:
        yield f"Asked: {len(result.asked.answers)} of {result.asked.of}; {len(result.asked.that(Says.AGREES))} agree."
        for says, head in _ASKED_HEADS.items():
            yield from _of_answers(head, result.asked.that(says))
    for error in result.unreadable:
        yield f"Not compared: {error}."


def _first(result: Result) -> str:
    found, asked = result.comparison, result.asked
    if result.level == ACT and found is not None and found.is_grave:
        grave = found.of(*GRAVE)
        return f"{len(grave)} with {_money(grave)} moved at the bank, and the ledger does not know it"
    if result.level == ACT and asked is not None:
        return f"the bank moved money of {len(asked.that(Says.MOVED_AT_BANK))} that the ledger says did not move"
    if result.level == ATTENTION:
        return "the two differ, or something is unknown: see below"
    if found is not None:
        return f"all that the statement of {result.day.date} has, the ledger has too"
    return f"the bank says of each that was asked about what the ledger of {result.day.date} says"


def _of_kind(kind: Kind, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield ""
    yield f"{_HEADS[kind]}: {len(findings)} with {_money(findings)}"
    for finding in findings[:_LISTED]:
        yield f"  {_line(finding)}"
    yield from _more(len(findings))


def _of_answers(head: str, answers: Sequence[Answer]) -> Iterator[str]:
    if not answers:
        return
    yield ""
    yield f"{head}: {len(answers)}"
    for answer in answers[:_LISTED]:
        record = answer.record
        amount = screen.amount(record.amount, record.currency)
        yield f"  {record.key}, {amount}: {record.state} here; the bank: {answer.bank_said or 'nothing'}"
    yield from _more(len(answers))


def _more(count: int) -> Iterator[str]:
    if count > _LISTED:
        yield f"  and {count - _LISTED} more: --json has them all"


def _line(finding: Finding) -> str:
    parts = [f"{_name(finding)}, {screen.amount(finding.amount, finding.currency)}"]
    if finding.lines:
        rows = ", ".join(map(str, finding.lines[:10]))
        parts.append(f"{finding.bank}, row {rows}")
    if finding.record is not None:
        record = finding.record
        here = f"here {record.state} since {screen.when(record.state_since)}"
        if finding.kind is Kind.AMOUNTS_DIFFER:
            here += f", {screen.amount(record.amount, record.currency)}"
        parts.append("; ".join(filter(None, (here, descriptions.archived(record)))))
    if step := _next(finding):
        parts.append(step)
    return "; ".join(parts)


def _next(finding: Finding) -> str:
    """What an operator may do about it: the bank is asked each time."""
    record = finding.record
    if record is None or finding.kind not in DIFFERS:
        return ""
    if not record.state.final:
        return f"`transfers ask {record.key}`"
    if finding.kind is Kind.NOT_PAID_HERE:
        return f"`transfers ask {record.key}`, then two operators: `transfers correct {record.key} --paid`"
    return f"`transfers ask {record.key}`"


def _name(finding: Finding) -> str:
    """A key that the ledger has is ours; what it does not know is the statement's word."""
    if finding.record is not None:
        return f"{finding.key} ({finding.record.reference})"
    name = star_card_numbers(finding.key or finding.bank_reference)
    return name if finding.key else f"reference {name}"


def _money(findings: Sequence[Finding]) -> str:
    sums: Counter[str] = Counter()
    for finding in findings:
        sums[finding.currency] += finding.amount
    return " and ".join(screen.amount(minor, currency) for currency, minor in sorted(sums.items()))


def _sums(counts: Mapping[str, int], sums: Mapping[str, int]) -> str:
    each = [f"{count} with {screen.amount(sums[currency], currency)}" for currency, count in sorted(counts.items())]
    return " and ".join(each) or "none"


def as_dict(result: Result) -> dict[str, Any]:
    """For a machine."""
    found, asked = result.comparison, result.asked
    return {
        "level": _LEVELS[result.level],
        "day": str(result.day.date),
        "statement": None
        if found is None
        else {
            "rows": found.rows,
            "rows_of_other_days": found.rows_of_other_days,
            "matched": [
                {
                    "count": count,
                    "amount": str(to_decimal(found.matched_sums[currency], currency)),
                    "currency": currency,
                }
                for currency, count in sorted(found.matched.items())
            ],
            "matched_on_other_days": found.matched_on_other_days,
            "findings": [_finding_json(finding) for kind in Kind for finding in found.of(kind)],
        },
        "asked": None
        if asked is None
        else {
            "of": asked.of,
            "asked": len(asked.answers),
            "agree": len(asked.that(Says.AGREES)),
            "answers": [
                {
                    "key": answer.record.key,
                    "state": str(answer.record.state),
                    "says": str(answer.says),
                    "bank_said": answer.bank_said,
                }
                for answer in asked.answers
                if answer.says is not Says.AGREES
            ],
        },
        "unreadable": screen.unreadable_json(result.unreadable),
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    record = finding.record
    return {
        "kind": str(finding.kind),
        "key": star_card_numbers(finding.key) if record is None else finding.key,
        "bank_reference": star_card_numbers(finding.bank_reference),
        "reference": record.reference if record else None,
        "state": str(record.state) if record else None,
        "state_since": screen.iso(record.state_since) if record else None,
        "archived_at": screen.iso(record.archived_at) if record else None,
        "amount": str(to_decimal(finding.amount, finding.currency)),
        "currency": finding.currency,
        "ledger_amount": str(to_decimal(record.amount, record.currency)) if record else None,
        "bank": finding.bank or None,
        "rows": list(finding.lines),
    }
