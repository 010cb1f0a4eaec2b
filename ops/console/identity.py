"""What proves a person: a token that a proxy in front signed, or a client's certificate. No password is kept here.

What proves nothing is no person: the request is refused, and the sentence does not say more than what is missing.
"""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.requests import Request

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ops.console.settings import ConsoleSettings, Proof
from epay_transfers.ops.exit_status import Misconfigured

_LOG = logging.getLogger(__name__)

#: Signatures that one key makes and another checks. A shared secret, or none, is no proof of the proxy.
_ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")

_PUBLIC = (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey, rsa.RSAPublicKey)
_PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | rsa.RSAPublicKey

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


class _Keys:
    """The proxy's public keys, by their ids. A file that changes is read again: a proxy changes its keys by itself."""

    def __init__(self, path: Path) -> None:
        """Raises `Misconfigured`."""
        self._path, self._lock = path, threading.Lock()
        self._seen = self._look()
        self._keys = _read_keys(path)

    def by_id(self, key_id: str) -> _PublicKey:
        """Raises `jwt.InvalidKeyError`. One key alone needs no id."""
        keys = self._now()
        found = keys.get(key_id) or (next(iter(keys.values())) if len(keys) == 1 else None)
        if found is None:
            raise jwt.InvalidKeyError
        return found

    def _now(self) -> Mapping[str, _PublicKey]:
        """A file that can't be read now proves no person: a key that was taken out of it may be a thief's."""
        with self._lock:
            if (seen := self._look()) != self._seen:
                self._seen, self._keys = seen, {}
                try:
                    self._keys = _read_keys(self._path)
                except Misconfigured as error:
                    log_line(_LOG.error, "console.keys_unread", "No person is known now: %(why)s.", why=str(error))
            return self._keys

    def _look(self) -> tuple[int, int, int] | None:
        try:
            now = self._path.stat()
        except OSError:
            return None
        return now.st_ino, now.st_mtime_ns, now.st_size


class SignedHeader:
    """A JWT in a header, with an issuer, an audience, an end, and a signature of one of the proxy's keys."""

    def __init__(self, settings: ConsoleSettings) -> None:
        if settings.console_identity_keys is None:
            raise Misconfigured("CONSOLE_IDENTITY_KEYS: is not set")
        self._keys = _Keys(settings.console_identity_keys)
        self._header = settings.console_identity_header
        self._claim = settings.console_identity_claim
        self._issuer, self._audience = settings.console_identity_issuer, settings.console_identity_audience

    def name_of(self, request: Request) -> str:
        tokens = request.headers.getlist(self._header)
        if len(tokens) != 1 or len(tokens[0]) > _LONGEST_TOKEN:
            raise NotProved(f"the proxy in front sent no {self._header}: open the console through it")
        try:
            claims = self._claims(tokens[0].removeprefix("Bearer "))
        except jwt.ExpiredSignatureError:
            raise NotProved("your sign-in has ended: sign in at the proxy again") from None
        except (jwt.PyJWTError, TypeError, ValueError):  # the last two: a key of another kind than the algorithm's
            raise NotProved(f"{self._header}: its signature, issuer or audience is not the one that is set") from None
        name = claims.get(self._claim)
        if not isinstance(name, str) or not name:
            raise NotProved(f"{self._header}: the token has no {self._claim}")
        if self._claim == "email" and claims.get("email_verified") is False:
            raise NotProved(f"{self._header}: the sign-in has not verified your e-mail address")
        return name

    def _claims(self, token: str) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            self._keys.by_id(jwt.get_unverified_header(token).get("kid", "")),
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


def _read_keys(path: Path) -> dict[str, _PublicKey]:
    """Key id → public key. Raises `Misconfigured`: also for a private key, and for a secret that two share."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        raise Misconfigured(f"CONSOLE_IDENTITY_KEYS: {path} can't be read") from None
    found: dict[str, Any] = {}
    try:
        if text.lstrip().startswith("{"):
            for key in jwt.PyJWKSet.from_dict(json.loads(text)).keys:
                if (key.key_id or "") in found:
                    raise Misconfigured(f"CONSOLE_IDENTITY_KEYS: two keys of {path} have one id (kid)")
                found[key.key_id or ""] = key.key
        else:
            found[""] = load_pem_public_key(text.encode())
    except (AttributeError, TypeError, ValueError, jwt.PyJWTError):
        found.clear()
    if not found or not all(isinstance(key, _PUBLIC) for key in found.values()):
        raise Misconfigured(f"CONSOLE_IDENTITY_KEYS: {path} has no public key: give a JWK set, or one key as PEM")
    return found
