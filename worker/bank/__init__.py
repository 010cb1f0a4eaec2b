"""The bank's room: the only one that knows HTTP and the bank's words. `Bank` asks, the values of `outcome` answer.

It knows nothing of a transfer's state, of Redis, or of when to try again.
"""

from epay_transfers.worker.bank.bank import Bank, BankConfig
from epay_transfers.worker.bank.codes import CATALOGUE, Entry, look_up
from epay_transfers.worker.bank.order import PRESETS, Addresses, Order, Terminal
from epay_transfers.worker.bank.outcome import (
    ChallengeRequired,
    CodeClass,
    ConfirmOutcome,
    Consequence,
    Declined,
    Evidence,
    NoResponse,
    NotSent,
    Paid,
    Response,
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
    "ChallengeRequired",
    "CodeClass",
    "ConfirmOutcome",
    "Consequence",
    "Declined",
    "Entry",
    "Evidence",
    "NoResponse",
    "NotSent",
    "Order",
    "Paid",
    "Response",
    "StatusReport",
    "StatusWord",
    "Terminal",
    "Token",
    "TokenRefused",
    "TransferOutcome",
    "Unclear",
    "look_up",
]
