"""`Transport`: sends one request to the bank, and returns a `Response` or a `NoResponse`. It never sends twice.

Each request has its own connection, so that bytes left from another exchange are never read as its response. This
module does not know what a response means. It catches all exceptions, since those of the libraries hold the request's
body; what is proved comes from `Attempt`, never from the class of an exception.
"""

import http.client
import importlib.metadata
import math
import re
import secrets
import ssl
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import requests
import requests.exceptions
import requests.utils
import urllib3
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from epay_transfers.ledger.clock import Clock
from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.worker.bank.attempt import (
    POOLS,
    Attempt,
    TooLateError,
    UnsendableError,
    UnwatchedError,
    UsedConnectionError,
)
from epay_transfers.worker.bank.head import StrictAnswer
from epay_transfers.worker.bank.lookup import connected
from epay_transfers.worker.bank.outcome import NoResponse, Response

#: No HEAD: a bank answers it with a length and without a body, which would read as an answer that was cut.
Method = Literal["GET", "POST"]

BODY_LIMIT = 64 * 1024
RETRY_AFTER_LIMIT_S = 86_400.0

_HEADERS = {
    "User-Agent": f"transfers/{importlib.metadata.version('epay-transfers')}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


_PORTS = {"http": 80, "https": 443}


class UnsafeAddressError(Exception):
    """The address may not be called."""


class AnswerTooLargeError(Exception):
    """The response's body is over the limit."""


#: Our word for an error: that of the first row that fits any exception of the chain. No decision depends on it.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (TooLateError, "deadline"),
    (UnsafeAddressError, "unsafe_address"),
    (UsedConnectionError, "used_connection"),
    (UnwatchedError, "unwatched"),
    (AnswerTooLargeError, "too_large"),
    (urllib3.exceptions.NameResolutionError, "dns"),
    (ConnectionRefusedError, "refused"),
    (urllib3.exceptions.NewConnectionError, "unreachable"),
    (urllib3.exceptions.ConnectTimeoutError, "connect_timeout"),
    (ssl.SSLError, "tls"),
    (urllib3.exceptions.DecodeError, "undecodable"),
    (http.client.IncompleteRead, "cut"),
    (ConnectionError, "dropped"),
    (http.client.HTTPException, "garbled"),
    (UnicodeError, "unsendable"),  # a host that is no name
    (urllib3.exceptions.LocationValueError, "unsendable"),
    (requests.exceptions.InvalidURL, "unsendable"),
    (requests.exceptions.InvalidHeader, "unsendable"),
    (UnsendableError, "unsendable"),
    (TimeoutError, "timeout"),
    (OSError, "dropped"),
)


class Transport:
    """HTTP to the bank for any number of threads: one TLS context, one adapter, and a connection for each request.

    There is no session, which would read a proxy and a password from the environment, and keep cookies.
    """

    def __init__(
        self, clock: Clock, *, connect_timeout_s: float, read_timeout_s: float, deadline_s: float, ca_file: str | None
    ) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._connect_s = min(connect_timeout_s, deadline_s)
        self._timeouts = urllib3.Timeout(connect=self._connect_s, read=min(read_timeout_s, deadline_s))
        self._tls = tls_context(ca_file or requests.utils.DEFAULT_CA_BUNDLE_PATH)
        self._adapter = _Adapter(self._tls)
        assert_no_hidden_retry(self._adapter)

    def exchange(
        self,
        method: Method,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        form: Mapping[str, str] | None = None,
        not_after: float = math.inf,
    ) -> Response | NoResponse:
        """One request, once. A `body` is JSON; a `form` goes as multipart/form-data.

        `not_after` is a time of the clock's `monotonic`: from then on nothing is sent, though the deadline is not over.
        """
        attempt = Attempt(self._clock, self._deadline_s, not_after=not_after)
        answer, why = None, ""
        try:
            request = prepared(method, url, headers or {}, body=body, form=form)
            with attempt, self._adapter.unread(request, self._timeouts) as unread:
                answer = self._read_response(unread)
        except Exception as error:  # noqa: BLE001 - any exception of the libraries holds the request's body
            why = word_for(error)
            clear_tracebacks(error)
        if attempt.was_cut:
            return NoResponse(attempt.evidence, "deadline")
        return answer or NoResponse(attempt.evidence, why)

    def reachable(self, url: str) -> bool:
        """Can a TCP and TLS connection to the address's host be made? No request is sent."""
        parts = urlsplit(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        try:
            with connected(host, port, within_s=self._connect_s) as tcp:
                if is_tls:
                    self._tls.wrap_socket(tcp, server_hostname=host).close()
        except (OSError, UnicodeError):
            return False
        return True

    def _read_response(self, answer: StrictAnswer) -> Response:
        locations, refreshes, waits = (answer.all(name) for name in ("location", "refresh", "retry-after"))
        return Response(
            status=answer.status,
            location=locations[0] if len(locations) == 1 else "",
            has_more_locations=len(locations) + len(refreshes) > 1,
            body=_read(answer),
            retry_after_s=self._retry_after_s(", ".join(waits)),
            framed=answer.is_framed and not answer.all("content-encoding"),
        )

    def _retry_after_s(self, value: str) -> float | None:
        """Seconds, or a date."""
        if not value:
            return None
        if re.fullmatch("[0-9]{1,9}", value):
            return min(float(value), RETRY_AFTER_LIMIT_S)
        try:
            at = parsedate_to_datetime(value)
            at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return min(max(at_s - self._clock.now_ms() / 1000, 0.0), RETRY_AFTER_LIMIT_S)


def prepared(
    method: Method, url: str, headers: Mapping[str, str], *, body: bytes | None, form: Mapping[str, str] | None
) -> requests.PreparedRequest:
    """The request with our own headers and these, and nothing of the environment's.

    Raises `InvalidHeader` for a header that can't be sent, `UnsafeAddressError` or the library's errors for an address.
    """
    request = requests.PreparedRequest()
    request.method, request.body = method, body
    request.url, host = _callable_url(url)
    for header in headers.items():
        requests.utils.check_header_validity(header)
    request.headers = {"Host": host, **_HEADERS, **headers}  # type: ignore[assignment]  # each name is written in one way only
    if form is not None:
        request.body, request.headers["Content-Type"] = multipart(form, secrets.token_hex(16))
    elif body is not None:
        request.headers["Content-Type"] = "application/json"
    if request.body is not None or method != "GET":  # a server may wait for a body where nothing says that none comes
        request.headers["Content-Length"] = str(len(request.body or b""))
    return request


def multipart(form: Mapping[str, str], boundary: str) -> tuple[bytes, str]:
    """The form as the library writes it, and its content type; the library's own way takes longer than the sending.

    The names are ours, and have no quotes or ends of lines in them. No value holds the boundary, which is of chance.
    """
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.items()
    )
    return f"{''.join(parts)}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@lru_cache(maxsize=16)
def _callable_url(url: str) -> tuple[str, str]:
    """As the library writes it, and the host as a request names it."""
    if not is_safe_url(url):
        raise UnsafeAddressError
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    parts = urlsplit(request.url or "")
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        host = f"[{host.partition('%')[0]}]"  # without a zone, which is of this machine alone
    has_port = parts.port not in {None, _PORTS[parts.scheme]}
    return request.url or "", f"{host}:{parts.port}" if has_port else host


@lru_cache(maxsize=16)
def _place(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port, parts.scheme


class _Adapter(HTTPAdapter):
    """Connections that belong to an `Attempt`, one TLS context, no retry."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._pools: dict[tuple[str | None, int | None, str], Any] = {}  #: of the settings' few addresses
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002 - the library's signature
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any) -> Any:
        """The pool for the address, and never a proxy's. It keeps no connection."""
        place = _place(request.url or "")
        if place not in self._pools:
            self._pools[place] = self.poolmanager.connection_from_host(*place)
        return self._pools[place]

    def request_url(self, request: requests.PreparedRequest, _proxies: Any) -> str:
        """As it is written to the bank, and never to a proxy."""
        return request.path_url

    def unread(self, request: requests.PreparedRequest, timeouts: urllib3.Timeout) -> StrictAnswer:
        """Send it, and give what comes, unread."""
        return cast("StrictAnswer", self.send(request, timeout=timeouts))  # type: ignore[arg-type]  # its types leave out that it takes these

    def build_response(self, _request: requests.PreparedRequest, raw: Any) -> Any:
        """The library's own response would read cookies out of it, and an encoding, and keep the request beside."""
        return raw

    def cert_verify(self, conn: Any, *_args: Any) -> None:
        """Do not load the authorities again: the context has them, and the library would load them for each request."""
        conn.cert_reqs = "CERT_REQUIRED"


def tls_context(ca_file: str) -> ssl.SSLContext:
    """As `ssl.create_default_context` makes one, but that it writes no secrets into the file named in SSLKEYLOGFILE:
    with them, a recording of the connection shows the card and the bank's password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if sys.version_info >= (3, 13):  # from there on, the library's own default
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cafile=ca_file)
    return context


def check_callable(url: str) -> None:
    """Raises `ValueError`, without the address, for one from which no request can be built, or another than it says."""
    parts = urlsplit(url)
    try:
        requests.Request("POST", url).prepare()
        urllib3.util.parse_url(url)
        (parts.hostname or "").encode("idna")
    except (ValueError, requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
        raise ValueError("is an address that can't be called") from None
    if parts.fragment or "{" in parts.netloc:
        raise ValueError("has a # in it, or a name to fill in where the host is")


def assert_no_hidden_retry(adapter: HTTPAdapter) -> None:
    """Refuse an adapter with retries: it would repeat a POST after an error that came when the bank had executed."""
    retry = adapter.max_retries
    if retry.total != 0 or retry.read is not False or retry.status_forcelist:
        raise RuntimeError("the bank's adapter would repeat a request: its retries must be Retry(0, read=False)")


def _read(answer: StrictAnswer) -> bytes:
    """The decoded body, up to the limit; bytes beyond it are not even decompressed. Of one with no length all counts
    that comes before the end.
    """
    codings = answer.all("content-encoding")
    coded = {"Content-Encoding": ", ".join(codings)}
    body = (urllib3.HTTPResponse(answer, coded, preload_content=False) if codings else answer).read(BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise AnswerTooLargeError
    if not answer.is_whole:
        raise http.client.IncompleteRead(b"")
    return body


def word_for(error: BaseException) -> str:
    chain = list(_chain(error))
    return next((word for kind, word in _WORDS if any(isinstance(link, kind) for link in chain)), "unexpected")


def clear_tracebacks(error: BaseException) -> None:
    """Free the libraries' frames, which hold the request with the card; some would live on in a reference cycle."""
    for link in list(_chain(error)):
        link.__traceback__ = None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and all exceptions that it refers to: causes, contexts, arguments, reasons."""
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
