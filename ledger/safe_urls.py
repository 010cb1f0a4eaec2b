"""Which web addresses may be called, or opened in a client's browser: one rule for producers, workers and the web tier.

Pure. A caller may want less (no query, certain hosts, no plain http); no caller may take more.
"""

from urllib.parse import urlsplit

#: This very machine: the only hosts that may be spoken to in plain http.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

#: No host's name has these; in HTML or in a policy of a page they would end the address and begin something else.
_NOT_IN_A_HOST = frozenset("\"'<>\\;,*")


def is_safe_url(url: str, *, plain_on_loopback: bool = True) -> bool:
    """A whole address in ASCII: https with a host and no user in it; plain http only to this very machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or "@" in parts.netloc or _NOT_IN_A_HOST & set(parts.netloc):
        return False
    if not (url.isascii() and url.isprintable()) or " " in url:
        return False
    return parts.scheme == "https" or (plain_on_loopback and parts.scheme == "http" and host in LOOPBACK)
