"""The settings of a backend and a web tier. No private key of the vault and no secret of the bank is here."""

from pydantic import Field, field_validator

from epay_transfers.ledger import base64url
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.runtime.settings import ServerSettings
from epay_transfers.runtime.web_addresses import Places, WebTierSettings

_FINGERPRINT_BYTES = 32


class ProducerSettings(ServerSettings):
    """A backend's settings, from the environment: `ProducerSettings.load()`, which raises `SettingsWrong`."""

    vault_url: Secret = Field(description="give a second server without persistence, like redis://127.0.0.1:6380/0")
    vault_public_key: str = Field(description="give the public key that `transfers keygen` prints")
    fingerprint_key: Secret = Field(description="give the key that `transfers keygen` prints")
    card_ttl: int = Field(default=900, gt=0, le=86_400, description="give seconds, 900 for 15 minutes")
    queue_limit: int | None = Field(default=None, gt=0, description="give a number of transfers, or leave it out")

    @field_validator("vault_public_key")
    @classmethod
    def _public_key(cls, value: str) -> str:
        Sealer(value)
        return value

    @field_validator("fingerprint_key")
    @classmethod
    def _fingerprint_key(cls, value: Secret) -> Secret:
        try:
            long_enough = len(_bytes(value)) >= _FINGERPRINT_BYTES
        except ValueError:
            long_enough = False
        if not long_enough:
            raise ValueError(f"is not {_FINGERPRINT_BYTES} bytes of base64url")
        return value

    @property
    def print_key(self) -> bytes:
        """The key of the fingerprints of intents."""
        return _bytes(self.fingerprint_key)


class WebSettings(ProducerSettings, WebTierSettings):
    """A web tier's settings: a backend's, and its own address. `WebSettings.load()` raises `SettingsWrong`."""

    web_base_url: str = Field(
        description="give the https:// address that the web tier's routes are mounted at (http:// only for loopback)"
    )

    @property
    def places(self) -> Places:
        """The addresses of the web tier's routes."""
        return Places(self.web_base_url, self.notify_secret)


def _bytes(secret: Secret) -> bytes:
    return base64url.decode(secret.reveal().removesuffix("="))
