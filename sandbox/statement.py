"""The sandbox bank's statement: its books as a CSV. The real bank's form is not known, and this is no guess at it.

It has what makes statements hard to read on purpose: semicolons, a decimal comma, thousands apart, days first, local
time. Each execution is a row of its own, and so is what was given back.
"""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from epay_transfers.sandbox.book import BookedOrder

COLUMNS = ("Order", "RRN", "Terminal", "Operation", "Amount", "Currency", "Time")

_ALMATY = timezone(timedelta(hours=5))
_GIVEN_BACK = frozenset({"REFUND", "CANCEL", "CANCEL_OLD"})


def write(orders: Iterable[BookedOrder], now: float, day: str = "") -> str:
    """Of a day in the bank's time, like `2026-11-28`; of all days where none is given."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    rows = [(at, order, word, amount) for order in orders for at, word, amount in _moves(order, now)]
    for at, order, word, amount in sorted(rows, key=lambda row: row[0]):
        moment = datetime.fromtimestamp(at, UTC).astimezone(_ALMATY)
        if day in {"", f"{moment:%Y-%m-%d}"}:
            written = f"{amount:,.2f}".replace(",", " ").replace(".", ",")
            reference, time = order.reference, f"{moment:%d.%m.%Y %H:%M:%S}"
            writer.writerow((order.invoice, reference, order.terminal, word, written, order.currency, time))
    return text.getvalue()


def _moves(order: BookedOrder, now: float) -> list[tuple[float, str, Decimal]]:
    moves = [(at, "TRANSFER", amount) for at, amount in order.executed]
    if moves and order.word(now) in _GIVEN_BACK:
        moves.append((moves[-1][0], "REFUND", order.moved))
    return moves
