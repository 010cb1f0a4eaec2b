"""The bank's room: the only one that knows HTTP and the bank's words. `Bank` asks, the values of `outcome` answer.

It knows nothing of a transfer's state, of Redis, or of when to try again.
"""

from epay_transfers.worker.bank.bank import Bank, BankConfig
from epay_transfers.worker.bank.codes import CATALOGUE, Entry, look_up
from epay_transfers.worker.bank.order import PRESETS, Addresses, Order, Terminal
from epay_transfers.worker.bank.outcome import (
    Challenge,
    CodeClass,
    ConfirmOutcome,
    Consequence,
    Declined,
    Evidence,
    NotSent,
    Paid,
    StatusReport,
    StatusWord,
    Token,
    TokenRefused,
    TransferOutcome,
    Unclear,
)

__all__ = [
    "CATALOGUE",
    "PRESETS",
    "Addresses",
    "Bank",
    "BankConfig",
    "Challenge",
    "CodeClass",
    "ConfirmOutcome",
    "Consequence",
    "Declined",
    "Entry",
    "Evidence",
    "NotSent",
    "Order",
    "Paid",
    "StatusReport",
    "StatusWord",
    "Terminal",
    "Token",
    "TokenRefused",
    "TransferOutcome",
    "Unclear",
    "look_up",
]
