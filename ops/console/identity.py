"""Who is there: by a token that a proxy in front signed, or by a client's certificate. No password is kept here.

What proves nothing is no person: the request is refused, and the sentence does not say more than what is missing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import jwt
from starlette.requests import Request

from epay_transfers.ops.console.settings import ConsoleSettings, Proof
from epay_transfers.ops.exit_status import Misconfigured

#: Signatures that one key makes and another checks. A shared secret, or none, is no proof of the proxy.
_ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")

_LONGEST_TOKEN = 8192

#: Of the proxy's clock and ours.
_LEEWAY_S = 10


class NotProved(Exception):
    """The message is for the person in front of the browser."""


class Identity(Protocol):
    def name_of(self, request: Request) -> str:
        """The name of a proved person. Raises `NotProved`."""


def identity_of(settings: ConsoleSettings) -> Identity | None:
    """None where nothing is to prove. Raises `Misconfigured`."""
    match settings.console_identity:
        case Proof.HEADER:
            return SignedHeader(settings)
        case Proof.CERTIFICATE:
            return ClientCertificate()
        case Proof.NONE:
            return None


class SignedHeader:
    """A JWT in a header, with an issuer, an audience, an end, and a signature of one of the proxy's keys."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._keys = _read_keys(settings.console_identity_keys)
        self._header = settings.console_identity_header
        self._claim = settings.console_identity_claim
        self._issuer, self._audience = settings.console_identity_issuer, settings.console_identity_audience

    def name_of(self, request: Request) -> str:
        tokens = request.headers.getlist(self._header)
        if len(tokens) != 1 or len(tokens[0]) > _LONGEST_TOKEN:
            raise NotProved(f"the proxy in front sent no {self._header}: open the console through it")
        try:
            claims = self._claims(tokens[0])
        except jwt.ExpiredSignatureError:
            raise NotProved("your sign-in has ended: sign in at the proxy again") from None
        except jwt.PyJWTError:
            raise NotProved(f"{self._header}: its signature, issuer or audience is not the one that is set") from None
        name = claims.get(self._claim)
        if not isinstance(name, str) or not name:
            raise NotProved(f"{self._header}: the token has no {self._claim}")
        return name

    def _claims(self, token: str) -> Mapping[str, Any]:
        key_id = jwt.get_unverified_header(token).get("kid", "")
        key = self._keys.get(key_id) or (next(iter(self._keys.values())) if len(self._keys) == 1 else None)
        if key is None:
            raise jwt.InvalidKeyError
        return jwt.decode(
            token,
            key,
            algorithms=list(_ALGORITHMS),
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )


class ClientCertificate:
    """The common name of a certificate that the TLS handshake has checked against CONSOLE_CLIENT_CA."""

    def name_of(self, request: Request) -> str:
        certificate = request.scope.get("client_certificate") or {}
        names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
        if len(names) != 1:
            raise NotProved("your certificate names no one person (CN)")
        return str(names[0])


def _read_keys(path: Path | None) -> dict[str, Any]:
    """Key id → public key. Raises `Misconfigured`."""
    if path is None:
        raise Misconfigured("CONSOLE_IDENTITY_KEYS: is not set")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        raise Misconfigured(f"CONSOLE_IDENTITY_KEYS: {path} can't be read") from None
    try:
        if text.lstrip().startswith("{"):
            return {key.key_id or "": key.key for key in jwt.PyJWKSet.from_dict(json.loads(text)).keys}
        return {"": text} if "PUBLIC KEY" in text and "PRIVATE" not in text else _none(path)
    except (ValueError, jwt.PyJWTError):
        return _none(path)


def _none(path: Path) -> dict[str, Any]:
    raise Misconfigured(f"CONSOLE_IDENTITY_KEYS: {path} has no public key: give a JWK set, or one key as PEM")
