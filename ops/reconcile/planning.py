"""Plans of a reconciliation: what is held or in doubt, and a statement says how it ended.

A statement is evidence and no command. Nothing is settled here: where a plan is applied the bank is asked about each,
and where it does not agree, two operators are needed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.plan import UNKNOWN, How, Item, Plan, What
from epay_transfers.ops.reconcile.comparison import Comparison, Kind
from epay_transfers.ops.reconcile.statement import Day

#: By what the statement says of the money.
_HOW = {"executed": How.PAID, "refunded": How.REVERSED}


def make(
    context: Context, found: Comparison, day: Day, *, statement: Path, verdicts: Mapping[str, str]
) -> Iterator[Plan]:
    """One for each end. What has moved since it was read is left out; so is what a worker is sending now."""
    wanted = {finding.key: finding for finding in found.of(Kind.SETTLES)}
    fresh = context.ledger.get_many(list(wanted))
    digest = hashlib.sha256(statement.read_bytes()).hexdigest()
    for word, how in _HOW.items():
        items = [
            Item.of(record, verdicts.get(record.key, UNKNOWN))
            for record in fresh
            if wanted[record.key].bank == word and record.state in plans.STATES[What.SETTLE]
        ]
        if items:
            yield Plan(
                what=What.SETTLE,
                items=items,
                made_at=context.ledger.now_ms(),
                made_by=context.operator,
                chosen_by=f"the bank's statement of {day.date}",
                how=how,
                evidence=f"the bank's statement of {day.date}, a file whose SHA-256 begins with {digest[:8]}",
            )


def path_of(path: Path, how: How) -> Path:
    """What was given back is in a plan of its own, beside that of what was paid."""
    return path if how is How.PAID else path.with_name(f"{path.stem}-{how}{path.suffix}")


def save(made: Plan, path: Path) -> None:
    """Raises `Refusal`; a file that is there is not overwritten."""
    try:
        with path.open("x", encoding="utf-8") as file:
            plans.write(made, file)
    except FileExistsError:
        raise Refusal(f"plan: {path} is there already: give another name") from None
    except OSError as error:
        raise Refusal(f"plan: {path} can't be written: {error.strerror}") from None
