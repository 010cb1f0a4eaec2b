"""`Bank`: the four calls of the bank's API. Each is made once and returns a value.

No retry, no state of a transfer and no decision is here. Only the tokens of inquiries are kept between calls.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import CardData
from epay_transfers.worker.bank.calls import CallKind, CallLog
from epay_transfers.worker.bank.codes import PAID_WORDS
from epay_transfers.worker.bank.order import Addresses, Order, Terminal
from epay_transfers.worker.bank.outcome import (
    ConfirmOutcome,
    Evidence,
    NoResponse,
    NotSent,
    Response,
    StatusReport,
    StatusWord,
    Token,
    TokenRefused,
    TransferOutcome,
    Unclear,
)
from epay_transfers.worker.bank.parse_confirm import read_confirm
from epay_transfers.worker.bank.parse_response import read_token, read_transfer
from epay_transfers.worker.bank.parse_status import WRONG_TERMINAL, read_status
from epay_transfers.worker.bank.payloads import (
    ReceiverIdField,
    SavedSenderFields,
    confirm_json,
    status_token_fields,
    token_fields,
    transfer_json,
)
from epay_transfers.worker.bank.transport import Transport

_LOG = logging.getLogger(__name__)

#: The client gets a new token of inquiries this long before the old one expires.
TOKEN_MARGIN_S = 60.0

#: A circuit breaker asks for the status of this invoice id: the ledger never makes one of this form.
_UNUSED_INVOICE_ID = "000000"


@dataclass(frozen=True, slots=True)
class BankConfig:
    addresses: Addresses
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    deadline_s: float = 45.0
    ca_file: str | None = None
    confirm_auth: Literal["bearer", "none"] = "bearer"
    receiver_id_field: ReceiverIdField = "cardCred"
    saved_sender_fields: SavedSenderFields = "all"
    paid_words: tuple[str, ...] = PAID_WORDS

    def __post_init__(self) -> None:
        if self.addresses.confirm_url is None:
            raise ValueError("confirm_url: the bank's page gives none for this environment, so it must be set")
        if not self.paid_words or not set(self.paid_words) <= set(PAID_WORDS):
            raise ValueError(f"paid_words: give one or more of {', '.join(PAID_WORDS)}")


class Bank:
    """The bank's API, for any number of threads."""

    def __init__(self, config: BankConfig, clock: Clock, make_transport: Callable[..., Transport] = Transport) -> None:
        """`make_transport`: another one for a first contact with the bank, which keeps what was read."""
        self._config = config
        self._clock = clock
        self.calls = CallLog(clock)
        self._transport = make_transport(
            clock,
            connect_timeout_s=config.connect_timeout_s,
            read_timeout_s=config.read_timeout_s,
            deadline_s=config.deadline_s,
            ca_file=config.ca_file,
        )
        self._status_tokens: dict[str, tuple[Token, float]] = {}
        self._is_next_first: dict[str, bool] = {}  #: by terminal: which of two secrets the bank took last
        self._lock = threading.Lock()

    def transfer(
        self, terminal: Terminal, token: Token, *, order: Order, cards: CardData, lease_ends_at: float
    ) -> TransferOutcome:
        """The transfer call, which moves money (contract section 2). Sent once, and never after the lease."""
        with self.calls.call(CallKind.TRANSFER) as call:
            outcome = self._transfer(terminal, token, order, cards, lease_ends_at)
            call.outcome = outcome
        return outcome

    def _transfer(
        self, terminal: Terminal, token: Token, order: Order, cards: CardData, lease_ends_at: float
    ) -> TransferOutcome:
        response = self._transport.exchange(
            "POST",
            self._config.addresses.transfer_url,
            headers=_bearer(token),
            body=transfer_json(
                terminal,
                order,
                cards,
                receiver_id_field=self._config.receiver_id_field,
                saved_sender_fields=self._config.saved_sender_fields,
            ),
            not_after=lease_ends_at,
        )
        if isinstance(response, NoResponse):
            return _without_response(response)
        return read_transfer(order, response, paid_words=self._config.paid_words)

    def confirm(
        self, token: Token | None, *, order: Order, bank_id: str, pa_res: Secret, md: str, lease_ends_at: float
    ) -> ConfirmOutcome:
        """The confirm call with the client's 3-D Secure answer (contract section 4). Sent once, and never late."""
        if self._config.confirm_auth == "bearer" and token is None:
            raise ValueError("token: needed, since confirm_auth is `bearer`")
        with self.calls.call(CallKind.CONFIRM) as call:
            outcome = self._confirm(token, order, confirm_json(bank_id, pa_res, md), lease_ends_at)
            call.outcome = outcome
        return outcome

    def _confirm(self, token: Token | None, order: Order, body: bytes, lease_ends_at: float) -> ConfirmOutcome:
        response = self._transport.exchange(
            "POST",
            self._config.addresses.confirm_url or "",
            headers=_bearer(token) if self._config.confirm_auth == "bearer" and token else {},
            body=body,
            not_after=lease_ends_at,
        )
        if isinstance(response, NoResponse):
            return _without_response(response)
        config = self._config
        return read_confirm(order, response, paid_words=config.paid_words, hosts=config.addresses.hosts)

    def token(self, terminal: Terminal, *, order: Order, secret_hash: str | None = None) -> Token | TokenRefused:
        """The token of one transfer (contract section 1). The call moves no money."""
        return self._token(terminal, lambda its: token_fields(its, order, secret_hash=secret_hash))

    def status(self, terminal: Terminal, *, order: Order) -> StatusReport:
        """The inquiry: the bank's status of our order (contract section 5). Only if `has_status` is true."""
        report, ask_again = self._ask_status(terminal, order)
        if ask_again:  # the bank no longer takes the kept token: ask once more, with a new one
            report, _ = self._ask_status(terminal, order)
        return report

    @property
    def has_status(self) -> bool:
        return self._config.addresses.status_url is not None

    def ask_harmless(self, host: str, terminal: Terminal) -> bool:
        """Is this host of the bank up? Yes, if it answers with anything but a server error, or else if it connects."""
        at = self._config.addresses
        if at.status_url and urlsplit(at.status_url).netloc == host:
            response = self._transport.exchange("GET", at.status_url.replace("{invoice_id}", _UNUSED_INVOICE_ID))
            return isinstance(response, Response) and response.status < 500
        if urlsplit(at.token_url).netloc == host:
            (_, its), *_ = self._secrets(terminal)
            response = self._transport.exchange("POST", at.token_url, form=status_token_fields(its))
            return isinstance(response, Response) and response.status < 500
        addresses = (url for url in (at.transfer_url, at.confirm_url) if url)
        return any(self._transport.reachable(url) for url in addresses if urlsplit(url).netloc == host)

    def _ask_status(self, terminal: Terminal, order: Order) -> tuple[StatusReport, bool]:
        """The report, and whether another token may bring a better one."""
        if self._config.addresses.status_url is None:
            raise RuntimeError("no status address is set: look at `has_status` first")
        token, is_kept = self._status_token(terminal)
        if isinstance(token, TokenRefused):
            why = f"token_{token.why}"
            return StatusReport(StatusWord.UNANSWERED, why=why, retry_after_s=token.retry_after_s), False
        url = self._config.addresses.status_url.replace("{invoice_id}", quote(order.invoice_id, safe=""))
        with self.calls.call(CallKind.STATUS) as call:
            response = self._transport.exchange("GET", url, headers=_bearer(token))
            if isinstance(response, NoResponse):
                call.evidence = response.evidence
                call.outcome = report = StatusReport(StatusWord.UNANSWERED, why=response.why)
                return report, False
            call.outcome = report = read_status(order, response, paid_words=self._config.paid_words)
        is_refused, is_of_another = response.status == 401, report.result_code in WRONG_TERMINAL
        if is_refused or is_of_another:
            self._drop_status_token(terminal, token)
        return report, is_refused or (is_of_another and is_kept)

    def _status_token(self, terminal: Terminal) -> tuple[Token | TokenRefused, bool]:
        """The kept token, or a new one; and which of them. Two threads may both get a new one, which does no harm."""
        with self._lock:
            kept = self._status_tokens.get(terminal.name)
        now = self._clock.monotonic()
        if kept is not None and now < kept[1]:
            return kept[0], True
        token = self._token(terminal, status_token_fields)
        if isinstance(token, Token):
            with self._lock:
                self._status_tokens[terminal.name] = (token, now + token.expires_in_s - TOKEN_MARGIN_S)
        return token, False

    def _drop_status_token(self, terminal: Terminal, token: Token) -> None:
        """Unless another thread has got a new one meanwhile."""
        with self._lock:
            if self._status_tokens.get(terminal.name, (None, 0.0))[0] is token:
                del self._status_tokens[terminal.name]

    def _token(self, terminal: Terminal, form_of: Callable[[Terminal], dict[str, str]]) -> Token | TokenRefused:
        """With the secret that the bank took last; where it refuses that one, with the other. It moves no money."""
        with self.calls.call(CallKind.TOKEN) as call:
            token: Token | TokenRefused | None = None
            for is_next, its in self._secrets(terminal):
                answer = self._ask_token(form_of(its))
                if isinstance(answer, Token) and token is not None:
                    self._take_first(terminal, is_next=is_next)
                token = answer
                if not (isinstance(token, TokenRefused) and token.is_of_credentials):
                    break
            if token is None:
                raise AssertionError("a terminal has a secret")
            call.outcome = token
        return token

    def _ask_token(self, form: dict[str, str]) -> Token | TokenRefused:
        response = self._transport.exchange("POST", self._config.addresses.token_url, form=form)
        if isinstance(response, Response):
            return read_token(response)
        return TokenRefused(response.why, response.evidence)

    def _secrets(self, terminal: Terminal) -> list[tuple[bool, Terminal]]:
        """The terminal with each of its secrets, the one that the bank took last first; and whether it is the next."""
        if terminal.next_secret is None:
            return [(False, terminal)]
        both = enumerate((terminal.client_secret, terminal.next_secret))
        found = [(bool(is_next), terminal.with_secret(secret)) for is_next, secret in both]
        with self._lock:
            return found[::-1] if self._is_next_first.get(terminal.name) else found

    def _take_first(self, terminal: Terminal, *, is_next: bool) -> None:
        with self._lock:
            self._is_next_first[terminal.name] = is_next
        _LOG.warning("credentials.other_secret_taken", extra={"terminal": terminal.name, "is_next": is_next})


def _bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.access_token.reveal()}"}


def _without_response(no_response: NoResponse) -> Unclear | NotSent:
    """Without a response, only the attempt's own record proves that nothing was sent; all else is in doubt."""
    if no_response.evidence is Evidence.NOT_SENT:
        return NotSent(no_response.why)
    return Unclear(no_response.why, no_response.evidence)
