"""Base64url without padding, one text for the same bytes: a key or a sealed text that was changed is not read."""

import base64


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises `ValueError` for what `encode` never gives: other letters, padding, or bits that no byte needs."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(raw) != text:
        raise ValueError("is not base64url")
    return raw
