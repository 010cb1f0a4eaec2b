"""Reasons: why a record is as it is, in our own words. One entry says all of one.

The code decides by some of them, so none is spelled as a string elsewhere. What the bank's client says of one exchange
(`timeout`, `http_500`) and what is made from the bank's own words (`bank_says_...`, `declined_...`) is not here: no
code decides by those. Nor by `token_...`, whose sentences are here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from epay_transfers.ledger.sentences import WordWithSentence


class Reason(WordWithSentence):
    """The word is the record's `reason`."""

    # Doubt.
    LEASE_OVER = "lease_over", "its worker said nothing before its lease ended"
    WORKER_ERROR = "worker_error", "its worker broke between the card and the record"
    VAULT_TOMBSTONE = "vault_tombstone", "its card had been taken out already, by a claim that the ledger does not know"
    VAULT_NOTHING = "vault_nothing", "its card was not in the vault when it was claimed"
    VAULT_STALE = "vault_stale", "the vault came up from an older copy of itself, so its card there counts for nothing"
    VAULT_CLOSED = "vault_closed", "its place in the vault was closed when it was claimed"
    VAULT_UNANSWERED = "vault_unanswered", "the vault did not answer when its card was taken out"
    VAULT_LATER = "vault_later", "its card was kept for a newer claim"
    VAULT_REMEMBERS = "vault_remembers", "the vault remembers that its card, or its client's answer, was taken out"
    PARES_LOST = "pares_lost", "the client's answer is gone from the vault"
    PARES_UNREADABLE = "pares_unreadable", "the client's answer can't be opened"
    CONFIRM_ATTEMPTS_USED_UP = "confirm_attempts_used_up", "the confirm was tried as often as it may be"
    TERMINAL_UNKNOWN = "terminal_unknown", "no worker has the credentials of its terminal"
    ANSWERED_BY_SECURE_2 = "answered_by_secure_2", "its client may have answered at the bank, by 3-D Secure 2"
    BANK_HAS_IT = "bank_has_it", "the bank, asked, says that it paid it, and the ledger does not know that it was sent"
    STATEMENT_HAS_IT = (
        "statement_has_it",
        "an operator found it in the bank's statement, and here it was unsent",
    )
    BANK_NOTIFIED_PAID = "bank_notified_paid", "the bank's proved notification says that it paid"
    BANK_NOTIFIED_OTHERWISE = "bank_notified_otherwise", "the bank said both: a notification that it paid, and that not"
    FOREIGN_BANK_ID = "bank_id_of_another_transfer", "the bank answered with the id of another transfer"

    # Review.
    BANK_SAYS_NOT_FOUND = "bank_says_not_found", "the bank has no such order, and it may have been sent"
    BANK_NOTIFIED_DECLINE = "bank_notified_decline", "a notification says that the bank declined it: no proof"
    NO_STATUS_ADDRESS = "no_status_address", "the bank can't be asked: no status address is set"

    # Nothing was sent.
    WORKER_LOST = "worker_lost", "its worker was lost before it took the card out"
    LEDGER_UNANSWERED = "ledger_unanswered", "the ledger did not answer before it was sent"
    TOO_FEW_REPLICAS = (
        "too_few_replicas",
        "too few replicas of the ledger had its claim in time (LEDGER_REPLICAS), so nothing was sent",
    )
    LEDGER_WENT_BACK = "ledger_went_back", "the ledger has forgotten what it confirmed, so nothing is sent"
    ATTEMPTS_USED_UP = "attempts_used_up", "it was tried as often as it may be"
    CARD_LOST = "card_lost", "its card is gone"
    CARD_UNREADABLE = "card_unreadable", "its card can't be opened with the keys of the worker that took it"
    ORDER_CHANGED = "order_changed", "its record is not what its producer ordered, so nothing was sent"
    LIMIT_REACHED = "limit_reached", "a limit for its receiver's card and the day is reached, so it was not sent"
    REQUEUED = "requeued", "an operator queued it again"

    # The end.
    BANK_NOTIFIED = "bank_notified", "the bank's notification says that it paid"
    NOT_FOUND_IS_FINAL = "not_found_is_final", "the bank has no such order, and its letter says that this is final"
    SETTLED_BY_OPERATOR = "settled_by_operator", "two operators settled it, with evidence"
    CORRECTED_BY_OPERATORS = "corrected_by_operators", "two operators corrected how it ended, with evidence"
    DEADLINE = "deadline", "its deadline passed"
    CHALLENGE_UNANSWERED = "challenge_unanswered", "the client did not answer 3-D Secure in time"
    CANCELLED = "cancelled", "its producer or an operator cancelled it"
    DISCARDED = "discarded", "an operator discarded it"


#: Of a dead transfer whose card its own worker took out, and did not send: the tombstone is that worker's.
TAKEN_UNSENT = frozenset({Reason.CARD_UNREADABLE, Reason.ORDER_CHANGED})


#: Of a try that asked for a token and got none, so that nothing was sent: what follows `token_`.
TOKENS: Mapping[str, str] = MappingProxyType({
    "refused": "nothing listens at the bank's token address: is the bank, or the sandbox, running?",
    "dns": "the host of the bank's token address has no address: see EPAY_TOKEN_URL, or the DNS",
    "unreachable": "no connection leads to the bank's token address: see the network, or EPAY_TOKEN_URL",
    "connect_timeout": "the bank's token address took no connection in time: see the network, or a firewall",
    "timeout": "the bank's token address did not answer in time",
    "deadline": "the bank's token address did not answer in time",
    "tls": "no TLS came about with the bank's token address: see BANK_CA_FILE, or EPAY_TOKEN_URL",
    "dropped": "the bank's token address ended the connection before it answered",
    "cut": "the bank's token address ended the connection before it answered",
    "unsendable": "no request can be built for the bank's token address: see EPAY_TOKEN_URL",
    "not_json": "what the bank's token address answered is no token: see EPAY_TOKEN_URL",
    "invalid_client": "the bank does not know the terminal's client id, or its secret",
    "unauthorized_client": "the bank gives this client no such token",
    "access_denied": "the bank gives this client no such token",
    "invalid_grant": "the bank does not take what the token was asked with",
    "invalid_request": "the bank does not take the form in which the token was asked for",
    "invalid_scope": "the bank gives this client no token of the scope that was asked for",
    "unsupported_grant_type": "the bank does not take the form in which the token was asked for",
    "server_error": "the bank's token address has trouble of its own",
    "temporarily_unavailable": "the bank's token address has trouble of its own",
})  # fmt: skip


def sentence_of(word: str) -> str:
    """For people: the sentence and the word; the word alone where it is not ours."""
    reason = next((reason for reason in Reason if reason == word), None)
    prefix, _, kind = word.partition("token_")
    sentence = reason.sentence if reason else "" if prefix else TOKENS.get(kind, "")
    return f"{sentence} ({word})" if sentence else word
