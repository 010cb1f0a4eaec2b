"""The bank's codes as a table (contract section 7): what each means for a transfer.

Pure. A code is a string here. An unknown code leads to an inquiry; no code ever leads to sending again.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from epay_transfers.worker.bank.outcome import CodeClass, Consequence


@dataclass(frozen=True, slots=True)
class Entry:
    code_class: CodeClass
    meaning: str
    consequence: Consequence | None = None

    @property
    def is_decline(self) -> bool:
        """Final, and no money moved."""
        return self.code_class in {CodeClass.DECLINED, CodeClass.DECLINED_CONSEQUENCE, CodeClass.SETUP}


_D, _PLUS, _C, _Q = CodeClass.DECLINED, CodeClass.DECLINED_CONSEQUENCE, CodeClass.SETUP, CodeClass.QUESTION

#: The bank's words for a status in which it has moved the money (contract sections 2 and 5).
PAID_WORDS = ("AUTH", "CHARGE")

UNKNOWN = Entry(_Q, "a code that the catalogue does not know")

#: Codes, and spans of codes, as the contract lists them.
_ROWS: tuple[tuple[str, Entry], ...] = (
    ("0", Entry(CodeClass.PAID, "success")),
    ("100 293 -31 690 1266-1269 1563-1565 1568-1570 2032 2249 2326 2358 2656 2660", Entry(_Q, "technical error")),
    ("3013 3014 3225 3240 703 1612 1636 1654 1759 2092 2357 3141", Entry(_Q, "technical error")),
    ("454", Entry(_Q, "failed, check that the amount is not blocked")),
    ("456 458-461 496 497 500-502 504 526", Entry(_Q, "server does not answer, system error, or timeout")),
    ("455", Entry(_D, "3-D Secure unavailable, or wrong card number")),
    ("457 478 485", Entry(_D, "expiry wrong, or card expired")),
    ("462 463 480", Entry(_D, "declined, call your bank")),
    ("464", Entry(_C, "invalid merchant")),
    ("487", Entry(_C, "not permitted to merchant")),
    (
        "465-467 479 488-492 495 498 521 523-525 527",
        Entry(_D, "declined: card restricted, a limit, or too many PIN tries"),
    ),
    ("468 473 499 877", Entry(_D, "3-D Secure or identification failed")),
    ("469 470 477 3298", Entry(_D, "invalid transaction, amount or format, or description too long")),
    ("471 472 481-483 522", Entry(_D, "no such card or issuer, or a stolen card")),
    ("475", Entry(_D, "transaction not successful")),
    ("476", Entry(_PLUS, "no action taken, not again within 30 minutes", Consequence.WAIT_30_MIN)),
    ("484", Entry(_D, "insufficient funds")),
    ("486", Entry(_D, "internet payments are off, or wrong card data")),
    ("493 494", Entry(_D, "issuer unavailable")),
    ("503", Entry(_D, "3-D Secure password required, without a challenge")),
    ("505", Entry(_D, "too many transactions")),
    ("528", Entry(_PLUS, "the receiver's daily limit", Consequence.RECEIVER_LIMIT)),
    ("529 2678", Entry(_PLUS, "the terminal's limit", Consequence.PAUSE_TERMINAL)),
    ("2740", Entry(_PLUS, "more than 15 failures in 30 days on this card", Consequence.LEAVE_CARD)),
    ("2872", Entry(_PLUS, "never try this card again", Consequence.LEAVE_CARD)),
)


def _codes(spans: str) -> Iterator[str]:
    for first, last in re.findall(r"(-?\d+)(?:-(\d+))?", spans):
        yield from (str(code) for code in range(int(first), int(last or first) + 1))


CATALOGUE: Mapping[str, Entry] = MappingProxyType({code: entry for spans, entry in _ROWS for code in _codes(spans)})


def look_up(code: str) -> Entry:
    """`"487"` → its entry; `UNKNOWN` for a code that is not in the table."""
    return CATALOGUE.get(code, UNKNOWN)
