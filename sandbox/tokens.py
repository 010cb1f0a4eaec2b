"""Tokens of the sandbox bank. A transfer's token is for that transfer's invoice, amount, currency and terminal.

It is valid for one operation: a transfer, or a confirm. A careless bank accepts it again for the same transfer; the
books then show the result.
"""

import hmac
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from epay_transfers.sandbox import amounts
from epay_transfers.sandbox.contract import INVOICE, INVOICE_RULE
from epay_transfers.sandbox.options import Merchant

TRANSFER_SCOPE = "transfer"
STATUS_SCOPE = frozenset(
    {"webapi", "usermanagement", "email_send", "verification", "statement", "statistics", "payment"}
)

_FIELDS = frozenset(
    {"grant_type", "scope", "invoiceID", "amount", "currency", "client_id", "client_secret", "terminal", "secret_hash"}
)


class TokenError(ValueError):
    """A refused call for a token, in OAuth's words, with the field at fault."""

    def __init__(self, field_name: str, why: str, *, error: str = "invalid_request", status: int = 400) -> None:
        super().__init__(f"{field_name}: {why}")
        self.error = error
        self.status = status


@dataclass(slots=True)
class Grant:
    """What a token allows."""

    scope: Literal["transfer", "status"]
    merchant: Merchant = field(repr=False)
    terminal: str
    expires_at: float
    invoice: str = ""
    amount: Decimal = Decimal(0)
    currency: str = ""
    secret_hash: str = field(default="", repr=False)
    used_for: str = ""


class Tokens:
    """The tokens that the bank has issued."""

    def __init__(self, merchants: tuple[Merchant, ...], currencies: tuple[str, ...], ttl_s: int) -> None:
        self._merchants = merchants
        self._currencies = currencies
        self._ttl_s = ttl_s
        self._grants: dict[str, Grant] = {}
        self._secrets: dict[str, tuple[str, ...]] = {each.client_id: (each.client_secret,) for each in merchants}

    def change_secrets(self, client_id: str, *valid: str) -> None:
        """From now on these are the client's secrets. Tokens that it has stay good until they expire."""
        self._secrets[client_id] = valid

    def issue(self, form: Mapping[str, str], now: float) -> str:
        """Contract, section 1 (and 5, for the status scope). Raises `TokenError`."""
        if unknown := set(form) - _FIELDS:
            raise TokenError(min(unknown), "no such field")
        if _field(form, "grant_type") != "client_credentials":
            raise TokenError("grant_type", "must be client_credentials", error="unsupported_grant_type")
        scope = _field(form, "scope")
        merchant, terminal = self._client(form)
        grant = Grant("status", merchant, terminal, now + self._ttl_s)
        if scope == TRANSFER_SCOPE:
            _read_operation(grant, form, self._currencies)
        elif set(scope.split()) == STATUS_SCOPE:
            for name in ("invoiceID", "amount"):
                if name in form:
                    raise TokenError(name, "must not be given with this scope")
        else:
            raise TokenError("scope", "must be transfer, or all words of the status scope", error="invalid_scope")
        token = secrets.token_urlsafe(16)
        self._grants[token] = grant
        return token

    def find(self, authorization: str, scope: str, now: float) -> Grant | str:
        """The grant behind an Authorization header, or why there is none."""
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            return "must be Bearer and a token"
        grant = self._grants.get(token)
        if grant is None:
            return "this token is unknown"
        if now >= grant.expires_at:
            return "this token has expired"
        if grant.scope != scope:
            return f"this token has another scope than this call needs: {scope}"
        return grant

    def _client(self, form: Mapping[str, str]) -> tuple[Merchant, str]:
        client_id, secret = _field(form, "client_id"), _field(form, "client_secret")
        merchant = next((merchant for merchant in self._merchants if merchant.client_id == client_id), None)
        if merchant is None:
            raise TokenError("client_id", "is not known", error="invalid_client", status=401)
        valid = [hmac.compare_digest(each.encode(), secret.encode()) for each in self._secrets[client_id]]
        if not any(valid):
            raise TokenError("client_secret", "is wrong", error="invalid_client", status=401)
        terminal = _field(form, "terminal")
        if terminal not in merchant.terminals:
            raise TokenError("terminal", "is not a terminal of this client", error="invalid_client", status=401)
        return merchant, terminal


def _read_operation(grant: Grant, form: Mapping[str, str], currencies: Collection[str]) -> None:
    grant.scope = "transfer"
    grant.invoice = _field(form, "invoiceID")
    if not INVOICE.fullmatch(grant.invoice):
        raise TokenError("invoiceID", INVOICE_RULE)
    amount = amounts.from_text(_field(form, "amount"))
    if amount is None:
        raise TokenError("amount", "must be a number like 100 or 100.50")
    if why := amounts.problem(amount):
        raise TokenError("amount", why)
    grant.amount = amount
    grant.currency = _field(form, "currency")
    if grant.currency not in currencies:
        raise TokenError("currency", f"must be one of {', '.join(currencies)}")
    grant.secret_hash = form.get("secret_hash", "")


def _field(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise TokenError(name, "is missing")
    return form[name]
