"""Error reports (Sentry): each event is rebuilt from a list of allowed fields, and nothing else is sent.

A list of forbidden fields would be incomplete after the next release of a library. So a report has type, place, code
and key; no message, no local variable, no body, no breadcrumb, no command line. If rebuilding fails, nothing is sent,
and the failure is counted. Transactions, logs, metrics and attachments are never sent.

The library is loaded where reports are set up, and else not at all: that takes as long as a tenth of a process's start.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.ledger.secret import Secret

if TYPE_CHECKING:
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

_LOG = logging.getLogger(__name__)

#: Only its loggers name the event of a sentence in an extra; a library's extras are unknown.
_OURS = "epay_transfers."

_TOP = ("event_id", "timestamp", "level", "platform", "release", "environment", "logger")
_FRAME = ("filename", "function", "lineno", "module", "in_app")
_EXTRA = ("key", "state", "actor", "queue", "terminal", "why")


def set_up(dsn: Secret | None, release: str, environment: str, transport: "type[Transport] | None" = None) -> None:
    """Call it after the log is set up and before the broker is built. Without a DSN nothing is reported."""
    if not dsn:
        return
    import sentry_sdk  # noqa: PLC0415 - see above
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415 - as above
    from sentry_sdk.integrations.dedupe import DedupeIntegration  # noqa: PLC0415 - as above
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415 - as above

    sentry_sdk.init(
        dsn=dsn.reveal(),
        release=release,
        environment=environment,
        transport=transport,
        default_integrations=False,  # the defaults add argv, modules and local variables
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
            AtexitIntegration(callback=lambda _waiting, _timeout_s: None),
            DedupeIntegration(),
        ],
        before_send=rebuild,
        before_send_transaction=lambda _event, _hint: None,
        before_send_log=lambda _log, _hint: None,
        before_send_metric=lambda _metric, _hint: None,
        traces_sample_rate=0,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_default_pii=False,
        send_client_reports=False,
        auto_session_tracking=False,
        server_name="",
        trace_propagation_targets=[],
    )


def check_dsn(dsn: Secret) -> None:
    """Raises `ValueError`, without the library's words, for what `set_up` would break on: they repeat parts of it."""
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415 - as above

    try:
        read = Dsn(dsn.reveal())
        read.host.encode("idna")
    except (BadDsn, ValueError):
        raise ValueError("is no DSN") from None
    if not is_safe_url(f"https://{read.netloc}{read.path}"):  # it may be http: no card is in a report
        raise ValueError("is no DSN")


@contextmanager
def without_request() -> Iterator[None]:
    """In the block a backend's own error reports know nothing of the web request that is being answered.

    The library adds its address, its headers and its body to whatever is logged as an error meanwhile: the PaRes, the
    transfer's handle, the notification's secret.
    """
    if "sentry_sdk" not in sys.modules:  # this process makes no reports
        yield
        return
    from sentry_sdk.scope import Scope, ScopeType, use_isolation_scope, use_scope  # noqa: PLC0415 - as above

    with use_isolation_scope(Scope(ScopeType.ISOLATION)), use_scope(Scope(ScopeType.CURRENT)):
        yield


class Rebuild:
    """Rebuilds an event before it is sent. `dropped` counts those that could not be rebuilt."""

    def __init__(self) -> None:
        self.dropped = 0

    def __call__(self, event: "Event", hint: "Hint") -> "Event | None":
        try:
            hint.pop("attachments", None)
            return cast("Event", _starred(_built(cast("dict[str, Any]", event))))
        except Exception:  # noqa: BLE001 - whatever went wrong, an event that was not rebuilt does not leave
            self.dropped += 1
            log_line(
                _LOG.warning,
                "report.dropped",
                "An error report could not be rebuilt, so it was not sent; %(dropped)s so far",
                dropped=self.dropped,
            )
            return None


rebuild = Rebuild()


def _built(raw: dict[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {name: raw[name] for name in _TOP if name in raw}
    extra = raw.get("extra") or {}
    is_ours = str(raw.get("logger") or "").startswith(_OURS)
    message = (is_ours and extra.get("event")) or (raw.get("logentry") or {}).get("message", "")
    if _is_event(message):
        built["logentry"] = {"message": message}  # one of our dotted event names, not a sentence of a library
    exceptions = (raw.get("exception") or {}).get("values") or []
    if exceptions:
        built["exception"] = {"values": [_exception(value) for value in exceptions]}
    built["extra"] = {name: str(value) for name, value in extra.items() if name in _EXTRA}
    return built


def _is_event(text: object) -> bool:
    return isinstance(text, str) and "." in text and " " not in text and "%" not in text


def _is_ours(name: str, item: Any) -> bool:
    return name == "event_id" or (name == "key" and isinstance(item, str) and is_key(item))


def _exception(value: dict[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "stacktrace": {"frames": [{name: frame.get(name) for name in _FRAME} for frame in frames]},
    }


def _starred(value: Any) -> Any:
    """Star what could still be a card number, except a transfer's key and the event's id."""
    match value:
        case dict():
            return {name: item if _is_ours(name, item) else _starred(item) for name, item in value.items()}
        case list():
            return [_starred(item) for item in value]
        case str():
            return star_card_numbers(value)
        case _:
            return value
