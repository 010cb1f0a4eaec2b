"""What one operator alone may requeue and end on one day. Beyond it a second operator must ask for the same.

An operator's password in wrong hands can put in as many entries as its thief likes, one by one, so a worker counts, and
no command does. A requeue pays, so its money counts; whatever ends a transfer that was never sent (a discard, a cancel)
moves none, so it counts as one transfer alone. What two operators asked for counts for neither of them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from epay_transfers.ledger import decisions
from epay_transfers.ledger.limits import Day
from epay_transfers.ledger.money import EXPONENTS, to_minor
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.runtime.settings import shown

#: The name of the limit that is a number of transfers; the others are currencies.
TRANSFERS = "transfers"

#: In minor units, as `read_operator_limits` returns it.
DEFAULT_LIMITS: Mapping[str, int] = MappingProxyType({
    TRANSFERS: 100,
    "KZT": 10_000_000_00,
    "USD": 20_000_00,
    "EUR": 20_000_00,
    "RUB": 2_000_000_00,
})  # fmt: skip

_MOST_TRANSFERS = 1_000_000


def read_operator_limits(value: Any) -> dict[str, int]:
    """`{"transfers": 100, "KZT": "10000000"}`. Raises `ValueError` with a sentence that names the place."""
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - one error type
    return {_known(name): _limit(name, given) for name, given in value.items()}


class OperatorLimits:
    """Without any limit nothing is counted, and one operator is enough. Money of a currency without one needs two."""

    def __init__(self, ledger: Ledger, limits: Mapping[str, int]) -> None:
        self._ledger = ledger
        self._limits = limits

    def is_agreed(self, record: Record, what: str, operator: str) -> bool:
        """Did another operator ask for the same, of the transfer as it is now?"""
        now_ms = self._ledger.now_ms()
        standing = decisions.standing(record.decisions, record.state, record.state_since, {what})
        return any(each.by != operator and now_ms - each.at < decisions.LIMITED_STANDS_MS for each in standing)

    def may_alone(self, record: Record, what: str, operator: str) -> bool:
        """May this operator do it alone today? Then it is counted, whatever becomes of it."""
        if not self._limits:
            return True
        money = record.amount if what == RequestedAction.REQUEUE else 0
        return self._ledger.count_operator(
            record,
            operator,
            money=money,
            day=Day.of(self._ledger.now_ms()),
            most=self._limits.get(TRANSFERS),
            most_money=self._limits.get(record.currency, 0),
        )


def _known(name: str) -> str:
    if name != TRANSFERS and name not in EXPONENTS:
        raise ValueError(
            f"{shown(name)}: is neither transfers nor a currency that is known here: {', '.join(sorted(EXPONENTS))} are"
        )
    return name


def _limit(name: str, given: Any) -> int:
    if name == TRANSFERS:
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= _MOST_TRANSFERS:
            raise ValueError(f"transfers: must be a whole number from 0 to {_MOST_TRANSFERS}")
        return given
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise ValueError(f'{name}: must be a whole number, or a string like "500000.50"')  # noqa: TRY004 - one error type
    try:
        return 0 if given in {0, "0"} else to_minor(given, name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
