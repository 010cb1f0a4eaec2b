"""The client of the bank's API: the only package that speaks HTTP to the bank and knows its words.

`Bank` makes the calls and returns values of `outcome`. Nothing here knows a transfer's state, Redis, or when to retry.
"""

from epay_transfers.worker.bank.bank import Bank, BankConfig
from epay_transfers.worker.bank.codes import CATALOGUE, PAID_WORDS, Entry, look_up
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
    "PAID_WORDS",
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
