"""What a backend and a web tier import: intents in; receipts, challenges and outcomes out.

Imports `ledger` and `runtime` alone. It never imports `worker`, and never speaks HTTP to the bank.
"""

from epay_transfers.ledger.errors import InternalError, LedgerWentBack, ReferenceLost, WrongCall
from epay_transfers.ledger.states import Money, State
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.producers.asynchronous import AsyncOutcome, AsyncTransfers
from epay_transfers.producers.cancel import Cancel
from epay_transfers.producers.cards import PanCard, Receiver, SavedCard
from epay_transfers.producers.challenge import Challenge, PaymentPage
from epay_transfers.producers.confirm import Verdict
from epay_transfers.producers.errors import (
    Ambiguous,
    Conflict,
    IntentRejected,
    InvoicesExhausted,
    LedgerUnavailable,
    NotFound,
    QueueFull,
    SuffixTaken,
    TerminalPaused,
    TransfersError,
    VaultUnavailable,
)
from epay_transfers.producers.intent import TransferIntent
from epay_transfers.producers.listing import Page
from epay_transfers.producers.notify import Notified
from epay_transfers.producers.outcomes import AnyOutcome, Outcome
from epay_transfers.producers.receipt import Receipt
from epay_transfers.producers.settings import ProducerAndWebSettings, ProducerSettings, WebSettings
from epay_transfers.producers.transfers import Transfers
from epay_transfers.runtime.settings import SettingsWrong

__all__ = [
    "Ambiguous",
    "AnyOutcome",
    "AsyncOutcome",
    "AsyncTransfers",
    "Cancel",
    "Challenge",
    "Conflict",
    "IntentRejected",
    "InternalError",
    "InvoicesExhausted",
    "LedgerUnavailable",
    "LedgerWentBack",
    "Money",
    "NotFound",
    "Notified",
    "Outcome",
    "Page",
    "PanCard",
    "PaymentPage",
    "ProducerAndWebSettings",
    "ProducerSettings",
    "QueueFull",
    "Receipt",
    "Receiver",
    "ReferenceLost",
    "SavedCard",
    "SettingsWrong",
    "State",
    "SuffixTaken",
    "TerminalPaused",
    "Transfer",
    "TransferIntent",
    "Transfers",
    "TransfersError",
    "VaultUnavailable",
    "Verdict",
    "WebSettings",
    "WrongCall",
]
