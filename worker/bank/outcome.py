"""What came of a request to the bank: values, never exceptions.

The question that each one answers is "may money have moved?". There are three answers, never two.
"""

from dataclasses import dataclass
from enum import StrEnum

from epay_transfers.ledger.secret import Secret


class Evidence(StrEnum):
    """How far a request got. It comes from our own hook on the connection, never from an exception's class."""

    NOT_SENT = "not_sent"  #: no byte of the request was handed to a socket: the bank can't have acted
    MAYBE_SENT = "maybe_sent"  #: at least one byte was, and no whole answer came back
    ANSWERED = "answered"  #: a whole HTTP answer was read, whatever it said


@dataclass(frozen=True, slots=True)
class Response:
    """A whole HTTP answer. `location` is empty unless there was exactly one.

    `framed` says that the body's end was proved by the protocol (one length, or chunks). Where it was not, a cut body
    looks like a whole one, so only what proves its own end (JSON) may be believed: a JSON object that was cut, or has
    something after it, does not parse.
    """

    status: int
    location: str = ""
    body: bytes = b""
    retry_after_s: float | None = None
    framed: bool = True


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No whole answer came. `why` is a word of ours, for people; only `evidence` decides anything."""

    evidence: Evidence
    why: str


class CodeClass(StrEnum):
    """Contract section 7: what a code of the bank means for a transfer."""

    PAID = "paid"
    DECLINED = "D"  #: declined, final
    DECLINED_CONSEQUENCE = "D+"  #: declined, final, with a consequence for the card or the terminal
    SETUP = "C"  #: declined, and the merchant's set-up is at fault: three in a row stop the terminal
    QUESTION = "Q"  #: not final: ask for the status


class Consequence(StrEnum):
    """What a `D+` code asks for besides the decline (contract section 7)."""

    WAIT_30_MIN = "wait_30_min"  #: 476: tell the producer `not_before`
    RECEIVER_LIMIT = "receiver_limit"  #: 528: the receiver's daily limit
    STOP_TERMINAL = "pause_terminal"  #: 529, 2678: stop that terminal until the next day (Asia/Almaty)
    LEAVE_CARD = "leave_card"  #: 2740, 2872: this card is to be left alone


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proved: no byte of the request left. `why` is a word of ours (`refused`, `dns`, `tls`, `connect_timeout`)."""

    why: str
    evidence: Evidence = Evidence.NOT_SENT


@dataclass(frozen=True, slots=True)
class Unclear:
    """In doubt: the request may have reached the bank, and there is no answer that can be believed.

    `why` is one of our own words (`dropped`, `timeout`, `http_502`, `html`, `not_json`, `foreign_invoice`, ...);
    `code` is the bank's, where a body had one.
    """

    why: str
    evidence: Evidence
    code: str = ""
    http_status: int = 0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """The bank said yes, for our invoice, our amount and our currency (contract sections 2 and 4)."""

    bank_id: str = ""
    reference: str = ""
    int_reference: str = ""
    sender_card: str = ""  #: masked by us: first six + last four
    receiver_card: str = ""
    sender_card_id: str = ""
    receiver_card_id: str = ""
    code: str = "0"
    evidence: Evidence = Evidence.ANSWERED


@dataclass(frozen=True, slots=True)
class Declined:
    """The bank said no, with a code that the catalogue calls final."""

    code: str
    message: str
    code_class: CodeClass
    consequence: Consequence | None = None
    bank_id: str = ""
    reference: str = ""
    evidence: Evidence = Evidence.ANSWERED


@dataclass(frozen=True, slots=True)
class ChallengeRequired:
    """The bank wants 3-D Secure (contract sections 2 and 3). `bank_id` is what the confirm calls `ID`."""

    pa_req: str
    md: str
    action: str
    bank_id: str
    evidence: Evidence = Evidence.ANSWERED


TransferOutcome = Paid | Declined | ChallengeRequired | Unclear | NotSent
ConfirmOutcome = Paid | Declined | Unclear | NotSent


@dataclass(frozen=True, slots=True)
class Token:
    """Contract section 1. `expires_in_s` is the bank's word, as a number."""

    access_token: Secret
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """No token. Nothing was at stake, whatever happened: `why` and `http_status` are for people."""

    why: str
    evidence: Evidence
    http_status: int = 0
    retry_after_s: float | None = None


class StatusWord(StrEnum):
    """How a status of the bank reads (contract section 5)."""

    PAID = "paid"
    NOT_PAID = "not_paid"
    GIVEN_BACK = "given_back"
    CHALLENGE_OPEN = "challenge_open"
    NOT_YET = "not_yet"
    NOT_FOUND = "not_found"
    UNANSWERED = "unanswered"  #: the question was not answered: no word about the transfer at all


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The bank's word on one invoice. A paid word for another amount or currency is `NOT_YET`, loudly."""

    word: StatusWord
    status_name: str = ""
    result_code: str = ""
    bank_id: str = ""
    reference: str = ""
    code: str = ""  #: `reasonCode`
    why: str = ""  #: our own word for what is odd, or went wrong
    retry_after_s: float | None = None
