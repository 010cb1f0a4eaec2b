"""Our words for what went wrong on the wire, and the forgetting of the exception that told us.

A word is for people and for graphs. No decision about money hangs on it.
"""

import http.client
import ssl
from collections.abc import Iterator

import requests.exceptions
import urllib3.exceptions

from epay_transfers.worker.bank.attempt import TooLateError, UsedConnectionError


class AnswerTooLargeError(Exception):
    """The answer's body is over the limit."""


#: The first row that fits any exception of the chain.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (TooLateError, "deadline"),
    (UsedConnectionError, "used_connection"),
    (AnswerTooLargeError, "too_large"),
    (urllib3.exceptions.NameResolutionError, "dns"),
    (ConnectionRefusedError, "refused"),
    (urllib3.exceptions.NewConnectionError, "unreachable"),
    (urllib3.exceptions.ConnectTimeoutError, "connect_timeout"),
    (ssl.SSLError, "tls"),
    (urllib3.exceptions.SSLError, "tls"),
    (urllib3.exceptions.ReadTimeoutError, "timeout"),
    (urllib3.exceptions.DecodeError, "undecodable"),
    (urllib3.exceptions.IncompleteRead, "cut"),
    (urllib3.exceptions.InvalidChunkLength, "cut"),
    (http.client.IncompleteRead, "cut"),
    (ConnectionError, "dropped"),
    (http.client.HTTPException, "garbled"),
    (urllib3.exceptions.ProtocolError, "dropped"),
    (urllib3.exceptions.InvalidHeader, "garbled"),  # two lengths that differ, in the answer
    (requests.exceptions.InvalidHeader, "unsendable"),
)


def word_for(error: BaseException) -> str:
    chain = list(_chain(error))
    return next((word for kind, word in _WORDS if any(isinstance(link, kind) for link in chain)), "unexpected")


def forget(error: BaseException) -> None:
    """Frees the frames of the libraries, where the request is: some hold their own exception, a cycle, card and all."""
    for link in list(_chain(error)):
        link.__traceback__ = None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all that it was made from: causes, contexts, arguments, reasons."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        link = waiting.pop()
        if any(link is other for other in seen):
            continue
        seen.append(link)
        yield link
        around = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting.extend(other for other in around if isinstance(other, BaseException))
