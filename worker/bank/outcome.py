"""The outcomes of a call to the bank: values, never exceptions.

Each answers the question "may money have moved?": yes, no, or unknown.
"""

from dataclasses import dataclass
from enum import StrEnum

from epay_transfers.ledger.secret import Secret


class Evidence(StrEnum):
    """How far a request got. It comes from `Attempt`, never from the class of an exception."""

    NOT_SENT = "not_sent"  #: no byte of the request reached a socket: the bank can't have acted
    MAYBE_SENT = "maybe_sent"  #: at least one byte did, and no whole response came back
    ANSWERED = "answered"  #: a whole HTTP response was read, whatever it said


@dataclass(frozen=True, slots=True)
class Response:
    """A whole HTTP response. `location` is empty unless there was exactly one; `has_more_locations`: there were
    several, or a `Refresh` beside it.

    `framed`: the protocol proves the body's end (one length, or chunks). Without that proof a cut body looks like a
    whole one, so only JSON may be believed: an object that was cut, or has something after it, does not parse.
    """

    status: int
    location: str = ""
    body: bytes = b""
    retry_after_s: float | None = None
    framed: bool = True
    has_more_locations: bool = False


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No whole response came. `why` is a word of ours, for people; decisions use only `evidence`."""

    evidence: Evidence
    why: str


class CodeClass(StrEnum):
    """What a code of the bank means for a transfer (contract section 7)."""

    PAID = "paid"
    DECLINED = "D"  #: declined, final
    DECLINED_CONSEQUENCE = "D+"  #: declined, final, with a consequence for the card or the terminal
    SETUP = "C"  #: declined because of the merchant's set-up: three in a row pause the terminal
    QUESTION = "Q"  #: not final: an inquiry must find out


class Consequence(StrEnum):
    """What a `D+` code means beyond the decline (contract section 7)."""

    WAIT_30_MIN = "wait_30_min"  #: 476: tell the producer `not_before`
    RECEIVER_LIMIT = "receiver_limit"  #: 528: the receiver's daily limit
    PAUSE_TERMINAL = "pause_terminal"  #: 529, 2678: pause that terminal until the next day (Asia/Almaty)
    LEAVE_CARD = "leave_card"  #: 2740, 2872: this card must not be used again


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proved: nothing of the request was sent. `why` is our word (`refused`, `dns`, `tls`, `connect_timeout`)."""

    why: str
    evidence: Evidence = Evidence.NOT_SENT


@dataclass(frozen=True, slots=True)
class Unclear:
    """In doubt: the request may have reached the bank, and there is no response that can be believed.

    `why` is one of our own words (`dropped`, `timeout`, `http_502`, `html`, `not_json`, `foreign_invoice`, ...);
    `code` is the bank's, where a body had one. Its id, its reference and its message are said by the bank and not
    believed: they are for an operator's question to the bank, and no decision rests on them.
    """

    why: str
    evidence: Evidence
    code: str = ""
    http_status: int = 0
    retry_after_s: float | None = None
    bank_id: str = ""
    reference: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Paid:
    """The bank paid, and names our invoice, amount and currency (contract sections 2 and 4)."""

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
    """The bank declined, with a code that the table of codes calls final."""

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
    """A token of the bank (contract section 1). `expires_in_s` is the bank's value, as a number."""

    access_token: Secret
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The bank gave no token. No money can have moved; `why` and `http_status` are for people."""

    why: str
    evidence: Evidence
    http_status: int = 0
    retry_after_s: float | None = None

    @property
    def is_of_credentials(self) -> bool:
        """Does the bank refuse this client, secret or terminal? Then each further try is refused as well."""
        return self.evidence is Evidence.ANSWERED and (
            self.http_status in {401, 403} or self.why in {"invalid_client", "unauthorized_client", "access_denied"}
        )


class StatusWord(StrEnum):
    """What a status of the bank means (contract section 5)."""

    PAID = "paid"
    NOT_PAID = "not_paid"
    GIVEN_BACK = "given_back"
    CHALLENGE_OPEN = "challenge_open"
    NOT_YET = "not_yet"
    NOT_FOUND = "not_found"
    UNANSWERED = "unanswered"  #: the inquiry got no usable response: nothing is said about the transfer


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The result of an inquiry. A paid status with another amount or currency becomes `NOT_YET`, and `why` says so."""

    word: StatusWord
    status_name: str = ""
    said: str = ""  #: the status as the bank wrote it, for people, where it is no plain word
    result_code: str = ""
    bank_id: str = ""
    reference: str = ""
    code: str = ""  #: `reasonCode`
    why: str = ""  #: our own word for what is odd, or went wrong
    retry_after_s: float | None = None
