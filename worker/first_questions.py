"""The questions for the bank of `docs/bank.md`, and what the answers of a first contact say to each.

A test holds the list against the document. What one call each can't answer stays open.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from epay_transfers.worker.bank import (
    Addresses,
    ChallengeRequired,
    ConfirmOutcome,
    Declined,
    Paid,
    StatusReport,
    StatusWord,
    TransferOutcome,
)

LATE = 'How late may a status be right? What does "not found" mean, and when?'
STATUS = "Does the status inquiry exist for P2P, and where?"
CONFIRM_ADDRESS = "The confirm's address in test"
CONFIRM_TOKEN = "Does the confirm take a token? Which one?"  # noqa: S105 - a question
FINAL = "Is `AUTH` final for P2P, or does `CHARGE` follow?"
TIYN = "How are tiyn written, in the token and in the transfer?"
LINKS = "What stands in the links of a payout without a client?"

#: All of the document, in its order.
OPEN = (
    "Is the last-six rule for a terminal, a merchant, or for all? For ever, or for a time?",
    "What does a second request with the same order number get?",
    LATE,
    "What form has the statement, and when is it complete?",
    STATUS,
    "How long does an MD live?",
    CONFIRM_ADDRESS,
    CONFIRM_TOKEN,
    FINAL,
    "Where does the id of a saved receiver go?",
    "May `cvc`, `expire` and `name` be left empty for a saved sender?",
    TIYN,
    LINKS,
    "What is in the notification's body, and is it signed?",
    "How many requests a second may a terminal make?",
    "May a CVC be kept, sealed and in memory, until the transfer is sent?",
    "What is the field of a transfer abroad's country: two letters, or three?",
)


@dataclass
class Observed:
    """What came of the calls."""

    transfers: list[tuple[str, int, TransferOutcome]] = field(default_factory=list)  #: masked card, tiyn, outcome
    statuses: list[tuple[TransferOutcome, StatusReport | None]] = field(default_factory=list)
    confirms: list[ConfirmOutcome] = field(default_factory=list)
    never_sent: StatusReport | None = None
    refused_tokens: int = 0


def answered(seen: Observed, at: Addresses) -> dict[str, str]:
    """Question → what was seen. It is what one answer said: a hint where it is no rule of the bank's."""
    return dict(_answers(seen, at))


def _answers(seen: Observed, at: Addresses) -> Iterator[tuple[str, str]]:
    reports = [report for _, report in seen.statuses if report is not None]
    spoken = [report for report in [*reports, seen.never_sent] if report and report.word is not StatusWord.UNANSWERED]
    if spoken and at.status_url:
        yield STATUS, f"it answers at {urlsplit(at.status_url).hostname}{urlsplit(at.status_url).path}"
    if told := [report for report in (*reports[:1], seen.never_sent) if report]:
        texts = [
            f"result {report.result_code or '-'}, {report.status_name or report.why or report.word}" for report in told
        ]
        yield LATE, "at once after the transfer: " + "; for an order that was never sent: ".join(texts)
    for outcome, report in seen.statuses:
        if isinstance(outcome, Paid) and report and report.status_name:
            yield FINAL, f"the transfer was paid, and its status at once afterwards is {report.status_name}"
    if any(isinstance(outcome, (Paid, Declined)) for outcome in seen.confirms) and at.confirm_url:
        yield CONFIRM_ADDRESS, f"it answers at {urlsplit(at.confirm_url).hostname}{urlsplit(at.confirm_url).path}"
        yield CONFIRM_TOKEN, "with what EPAY_CONFIRM_AUTH says here, it answered"
    for _, amount_minor, outcome in seen.transfers:
        if amount_minor % 100 and isinstance(outcome, (Paid, ChallengeRequired)):
            yield TIYN, 'a token for "100.50" and a transfer of 100.5 were taken'
    if any(isinstance(outcome, (Paid, ChallengeRequired)) for _, _, outcome in seen.transfers):
        yield LINKS, "empty strings were taken"
