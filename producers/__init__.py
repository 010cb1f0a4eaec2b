"""What a backend and a web tier import: intents in; receipts, challenges and outcomes out.

Imports `ledger` alone. It never imports `worker`, and never speaks HTTP to the bank.
"""

from ledger.settings import SettingsWrong
from ledger.states import Money, State
from ledger.transfer import Transfer
from producers.cancel import Cancel
from producers.cards import PanCard, Receiver, SavedCard
from producers.challenge import Challenge, Visit
from producers.confirm import Verdict
from producers.errors import (
    Ambiguous,
    Conflict,
    IntentRejected,
    InvoicesExhausted,
    LedgerUnavailable,
    NotFound,
    QueueFull,
    SuffixTaken,
    TerminalStopped,
    TransfersError,
    VaultUnavailable,
)
from producers.intent import TransferIntent
from producers.notify import Notified
from producers.outcomes import Outcome
from producers.receipt import Receipt
from producers.settings import ProducerSettings, WebSettings
from producers.transfers import Transfers

__all__ = [
    "Ambiguous",
    "Cancel",
    "Challenge",
    "Conflict",
    "IntentRejected",
    "InvoicesExhausted",
    "LedgerUnavailable",
    "Money",
    "NotFound",
    "Notified",
    "Outcome",
    "PanCard",
    "ProducerSettings",
    "QueueFull",
    "Receipt",
    "Receiver",
    "SavedCard",
    "SettingsWrong",
    "State",
    "SuffixTaken",
    "TerminalStopped",
    "Transfer",
    "TransferIntent",
    "Transfers",
    "TransfersError",
    "VaultUnavailable",
    "Verdict",
    "Visit",
    "WebSettings",
]
