"""What an operator wants, beside what is to be done: why, how long to wait for it, and the transfer as it was seen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """The transfer as a page showed it: nothing is done to one that has moved since."""

    state: str
    since: str  #: in ms since 1970, since when it was in that state
    version: str


@dataclass(frozen=True, slots=True)
class Wish:
    """`entry_id`: of the request, where the caller chose it, so that a form that is sent twice is one request.

    `seen`: None for a command, which looks at the transfer itself, just before it asks.
    """

    reason: str
    wait_s: float
    entry_id: str = ""
    seen: Seen | None = None
