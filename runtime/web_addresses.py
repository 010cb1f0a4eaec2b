"""The web tier's addresses, and its settings. A worker gives the addresses to the bank; the web tier answers there.

They are built from `WEB_BASE_URL` alone, never from a request's Host header or from the ledger.
"""

import hmac
import re
from dataclasses import dataclass, replace

from pydantic import Field, field_validator

from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.ledger.secret import Secret
from epay_transfers.runtime.settings import ServerSettings, of_chance

_NOTIFY_SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}")
_LONGEST = 256

IS_BASE = "is not a plain https:// address (http:// only for loopback)"


class WebTierSettings(ServerSettings):
    """Settings of the web tier. Without `WEB_BASE_URL` there is none, and the bank gets only the intent's own links."""

    web_base_url: str = Field(
        default="", description="give the https:// address that the web tier's routes are mounted at"
    )
    notify_secret: Secret | None = Field(
        default=None, description="give 16 to 128 random letters, digits, dashes or underscores"
    )

    @field_validator("web_base_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not is_base(value):
            raise ValueError(IS_BASE)
        return value.rstrip("/")

    @field_validator("notify_secret")
    @classmethod
    def _unguessable(cls, value: Secret | None) -> Secret | None:
        if value is not None and not _NOTIFY_SECRET.fullmatch(value.reveal()):
            raise ValueError("is too short, or has a sign that an address can't hold")
        return of_chance(value)

    @property
    def places(self) -> "Places | None":
        """The addresses of the web tier's routes; None where the base address is not set."""
        return Places(self.web_base_url, self.notify_secret) if self.web_base_url else None


@dataclass(frozen=True, slots=True)
class Places:
    """The web tier's four addresses. `handle` is a transfer's unguessable public name."""

    base_url: str  #: where the routes are mounted, for the world
    notify_secret: Secret | None = None  #: the end of the notification's address; without it none is taken

    def pay(self, handle: str) -> str:
        """Where a client is sent to pay."""
        return f"{self.base_url}/pay/{handle}"

    def term_url(self, handle: str) -> str:
        """Where the bank's 3-D Secure page sends the client back to."""
        return f"{self.base_url}/3ds/{handle}"

    def result(self, handle: str) -> str:
        """Where a client sees what became of it."""
        return f"{self.base_url}/result/{handle}"

    def notify(self) -> str:
        """Where the bank sends its notification; empty without a secret."""
        return f"{self.base_url}/notify/{self.notify_secret.reveal()}" if self.notify_secret else ""

    def fill(self, order: OrderDetails, handle: str) -> OrderDetails:
        """The order with its empty links leading here. A failure's notification goes to `post_link` by default."""
        return replace(
            order,
            back_link=order.back_link or self.result(handle),
            failure_back_link=order.failure_back_link or self.result(handle),
            post_link=order.post_link or self.notify(),
        )


def secret_hash(key: Secret, transfer: str) -> str:
    """A secret for each transfer that only the bank is told, and repeats in its notification, which proves it.

    `transfer` is the transfer's key: two spaces may have the same invoice id.
    """
    return hmac.digest(key.reveal().encode(), transfer.encode(), "sha256").hex()


def is_base(url: str) -> bool:
    """A safe address that something can be added to: without a query, and without signs that end it in HTML."""
    return is_safe_url(url) and len(url) <= _LONGEST and not re.search(r"[\"'<>\\{}|^`;,?#]", url)
