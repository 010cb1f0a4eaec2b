"""A request in, a reply out: the two values that the core and the frameworks' adapters exchange. Nothing else is known.

A reply's headers are those of every page of ours: never stored, never framed, never telling where the client came from
(but for its origin, which the page tells that leads to the bank).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: No more than this is read of a request.
BODY_BYTES = 64 * 1024

_GUARDED = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Request:
    """What an adapter takes from its framework's request."""

    method: str  #: in capital letters
    content_type: str = ""  #: Content-Type
    languages: str = ""  #: Accept-Language
    body: bytes | None = field(default=b"", repr=False)  #: None: longer than `BODY_BYTES`, and not read further
    length: str = ""  #: Content-Length
    path: str = ""  #: in this application, from its own root on; empty where the adapter does not know it

    @property
    def is_body_gone(self) -> bool:
        """The application has read the body before us, and kept none of it."""
        return self.body == b"" and self.length.isdecimal() and int(self.length[:9]) > 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What an adapter makes its framework's response of."""

    status: int  #: HTTP
    headers: Mapping[str, str]  #: all of them, the Content-Type too
    body: bytes = field(default=b"", repr=False)  #: as it is sent

    @classmethod
    def page(cls, status: int, html: str, policy: str, more: Mapping[str, str] | None = None) -> "Reply":
        """A page for people, under a content security policy."""
        headers = _GUARDED | {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
        }
        return cls(status, headers | dict(more or {}), html.encode())

    @classmethod
    def to(cls, address: str) -> "Reply":
        """See other: a GET, whatever the method was."""
        return cls(303, _GUARDED | {"Location": address})

    @classmethod
    def text(cls, status: int, words: str, more: Mapping[str, str] | None = None) -> "Reply":
        """A line for programs."""
        headers = _GUARDED | {"Content-Type": "text/plain; charset=utf-8"}
        return cls(status, headers | dict(more or {}), words.encode())

    def without_body(self) -> "Reply":
        """The answer to HEAD."""
        return Reply(self.status, self.headers)
