"""The console's settings: where it listens, how a person is proved, and the file that names people."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from epay_transfers.ledger.safe_urls import LOOPBACK, is_safe_url
from epay_transfers.ops.settings import OpsSettings
from epay_transfers.runtime.listen_address import ADVICE, read_address


class Proof(StrEnum):
    """By what the console knows a person."""

    NONE = "none"  #: no person is known: read-only, on loopback alone
    HEADER = "header"  #: a token in a header, signed by a proxy in front
    CERTIFICATE = "certificate"  #: a client's certificate (mutual TLS)


_NEEDED = {
    Proof.NONE: frozenset[str](),
    Proof.HEADER: frozenset({
        "console_origin",
        "console_people",
        "console_identity_header",
        "console_identity_keys",
        "console_identity_issuer",
        "console_identity_audience",
    }),
    Proof.CERTIFICATE: frozenset({
        "console_origin",
        "console_people",
        "console_certificate",
        "console_key",
        "console_client_ca",
    }),
}  # fmt: skip


_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

#: What a browser leaves out of an address.
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def _text(description: str) -> Any:
    return Field(default="", description=description, validate_default=True)


def _path(description: str) -> Any:
    return Field(default=None, description=description, validate_default=True)


class ConsoleSettings(OpsSettings):
    console_address: str = Field(default="", description=ADVICE)
    console_identity: Proof = Field(
        default=Proof.NONE, description="give none, header or certificate", validate_default=True
    )
    #: What people type into the browser. Other sites' forms, and other names for this address, are refused by it.
    console_origin: str = _text("give what people open, like https://console.example.kz")
    console_people: Path | None = _path(
        "give a TOML file: each person's role, and the address of their own server user"
    )

    console_identity_header: str = _text("give the header in which the proxy sends its signed token (JWT)")
    console_identity_keys: Path | None = _path("give a file with the proxy's public keys: a JWK set, or a key as PEM")
    console_identity_issuer: str = _text("give the token's issuer (iss)")
    console_identity_audience: str = _text("give the token's audience (aud), which is this console")
    console_identity_claim: str = Field(
        default="email", min_length=1, description="give the claim of the token that names the person"
    )

    console_certificate: Path | None = _path("give the server's certificate, as PEM")
    console_key: Path | None = _path("give the certificate's private key, as PEM")
    console_client_ca: Path | None = _path("give the authority of the people's certificates, as PEM")

    console_plans: Path | None = Field(
        default=None, description="give a folder for plans; without one, none is made and none is shown"
    )

    @field_validator("console_address")
    @classmethod
    def _console_listens(cls, value: str) -> str:
        if value:
            read_address(value)
        return value

    @field_validator("console_identity")
    @classmethod
    def _is_closed(cls, value: Proof, info: ValidationInfo) -> Proof:
        """A console that proves no person is for this machine alone."""
        address = info.data.get("console_address")
        if address and value is Proof.NONE and read_address(address)[0] not in LOOPBACK:
            raise ValueError("is none, and CONSOLE_ADDRESS is no loopback address")
        return value

    @field_validator("console_origin")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        """As a browser says it: in small letters, without the usual port."""
        if not value:
            return value
        origin = value.lower().removesuffix("/")
        if not is_safe_url(origin) or urlsplit(origin)._replace(scheme="", netloc="").geturl():
            raise ValueError("is no origin of https (http is for this machine alone)")
        return origin.removesuffix(_USUAL_PORTS[urlsplit(origin).scheme])

    @field_validator("console_identity_header")
    @classmethod
    def _is_header(cls, value: str) -> str:
        if value and not _HEADER_NAME.fullmatch(value):
            raise ValueError("is no header's name")
        return value

    @property
    def is_on_loopback(self) -> bool:
        return read_address(self.console_address)[0] in LOOPBACK

    @field_validator(*sorted(_NEEDED[Proof.HEADER] | _NEEDED[Proof.CERTIFICATE]))
    @classmethod
    def _is_there(cls, value: Any, info: ValidationInfo) -> Any:
        proof = info.data.get("console_identity", Proof.NONE)
        if not value and info.data.get("console_address") and info.field_name in _NEEDED[proof]:
            raise ValueError(f"is not set, and CONSOLE_IDENTITY={proof} needs it")
        return value
