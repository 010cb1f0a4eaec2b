"""The settings of a backend and a web tier. No private key of the vault and no secret of the bank is here.

A web tier enqueues nothing, so it has no fingerprint key: with one, and the first six and last four in the records, it
would find every card number.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from epay_transfers.ledger.fingerprint_keys import FingerprintKeys
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.runtime.key_source import FingerprintKeySource
from epay_transfers.runtime.settings import ServerSettings
from epay_transfers.runtime.web_addresses import Places, WebTierSettings


class SealingSettings(ServerSettings):
    """What a backend and a web tier share: the vault, and the key to seal for it."""

    vault_url: Secret = Field(description="give a second server without persistence, like redis://127.0.0.1:6380/0")
    vault_public_key: str = Field(description="give the public key that `transfers keygen` prints")
    card_ttl: int = Field(default=900, gt=0, le=86_400, description="give seconds, 900 for 15 minutes")

    @field_validator("vault_public_key")
    @classmethod
    def _public_key(cls, value: str) -> str:
        Sealer(value)
        return value


class ProducerSettings(SealingSettings, FingerprintKeySource):
    """A backend's settings. `ProducerSettings.load()` reads them from the environment, and takes arguments before it;
    `ProducerSettings(redis_url=..., ...)` takes arguments alone. Both raise `SettingsWrong`.
    """

    if TYPE_CHECKING:  # what a caller may give is any setting, as a text or as what it becomes

        def __init__(self, **given: Any) -> None: ...

    queue_limit: int | None = Field(
        default=None, gt=0, le=1_000_000_000, description="give a number of transfers, or leave it out"
    )

    @cached_property
    def print_keys(self) -> FingerprintKeys:
        """The keys of the fingerprints of intents."""
        return FingerprintKeys(self.fingerprint_keys)


class WebSettings(SealingSettings, WebTierSettings):
    """A web tier's settings: `WebSettings.load()`, or `WebSettings(...)`, as with `ProducerSettings`."""

    if TYPE_CHECKING:  # as above

        def __init__(self, **given: Any) -> None: ...

    web_base_url: str = Field(
        description="give the https:// address that the web tier's routes are mounted at (http:// only for loopback)"
    )

    @property
    def places(self) -> Places:
        """The addresses of the web tier's routes."""
        return Places(self.web_base_url, self.notify_secret)


class ProducerAndWebSettings(ProducerSettings, WebSettings):
    """The settings of one process that is backend and web tier."""

    if TYPE_CHECKING:  # as above

        def __init__(self, **given: Any) -> None: ...
