"""`Terminal`, `Order` and `Addresses`: the values that a call to the bank is made of, without the cards.

No HTTP is here. The addresses of the two environments are the bank's own (contract sections 1 to 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from epay_transfers.ledger.order import DETAILS, OrderDetails
from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.ledger.secret import Secret


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal of the merchant at the bank, with its credentials. `name` is our own."""

    name: str
    terminal_id: str
    client_id: Secret | str
    client_secret: Secret
    next_secret: Secret | None = None  #: while the bank's secret is rotated: tried where the other is refused

    def with_secret(self, secret: Secret) -> "Terminal":
        """With this one as its only secret."""
        return replace(self, client_secret=secret, next_secret=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(OrderDetails):
    """What the bank is told of one transfer, from the ledger. The cards come from the vault."""

    invoice_id: str
    amount_minor: int
    currency: str

    @classmethod
    def with_details(cls, details: OrderDetails, *, invoice_id: str, amount_minor: int, currency: str) -> "Order":
        given = {name: getattr(details, name) for name in DETAILS}
        return cls(invoice_id=invoice_id, amount_minor=amount_minor, currency=currency, **given)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The bank's four addresses. `status_url` holds `{invoice_id}`; without it no inquiry is possible."""

    token_url: str
    transfer_url: str
    confirm_url: str | None
    status_url: str | None

    @property
    def hosts(self) -> frozenset[str]:
        """Host and port of each: the bank's pages may be there (contract section 4)."""
        urls = (self.token_url, self.transfer_url, self.confirm_url, self.status_url)
        return frozenset(host_and_port(url) for url in urls if url)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            url = getattr(self, name)
            if url is not None and not is_safe_url(url):
                raise ValueError(f"{name}: must be a whole https:// address (http:// only for loopback)")
        if self.status_url is not None and "{invoice_id}" not in self.status_url:
            raise ValueError("status_url: must hold {invoice_id}, where the order's number goes")


def host_and_port(url: str) -> str:
    """Of a safe address: `epay.homebank.kz:443`."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


#: Where the documented pages are to which a confirm leads (contract section 4).
CONFIRM_PAGES_HOST = host_and_port("https://epay.homebank.kz/payform/")

#: By environment; test has two (`EPAY_TEST_HOSTS`). The bank's page has no confirm address for test, so there a setting
#: must give it.
PRESETS: Mapping[str, Addresses] = MappingProxyType(
    {
        "test": Addresses(
            token_url="https://testoauth.homebank.kz/epay2/oauth2/token",  # noqa: S106 - an address, not a password
            transfer_url="https://testepay.homebank.kz/api/p2p/transfer",
            confirm_url=None,
            status_url="https://testepay.homebank.kz/api/check-status/p2p/transaction/{invoice_id}",
        ),
        "production": Addresses(
            token_url="https://epay-oauth.homebank.kz/oauth2/token",  # noqa: S106 - an address, not a password
            transfer_url="https://epay-api.homebank.kz/p2p/transfer",
            confirm_url="https://epay-api.homebank.kz/p2p/api/confirm",
            status_url="https://epay-api.homebank.kz/check-status/p2p/transaction/{invoice_id}",
        ),
        "test-newer": Addresses(
            token_url="https://test-epay-oauth.epayment.kz/oauth2/token",  # noqa: S106 - an address, not a password
            transfer_url="https://test-epay-api.epayment.kz/p2p/transfer",
            confirm_url=None,
            status_url="https://test-epay-api.epayment.kz/check-status/p2p/transaction/{invoice_id}",
        ),
    }
)
