"""Error reports (Sentry): each event is built anew from a list of what may leave, and nothing else leaves.

Filtering what must not leave is a race that the next release of a library wins. So: type, place, code and key; no
message, no local variable, no body, no breadcrumb, no command line. If building fails, nothing is sent.
"""

import logging
from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint

from ledger.secret import Secret

_LOG = logging.getLogger(__name__)

_TOP = ("event_id", "timestamp", "level", "platform", "release", "environment", "logger")
_FRAME = ("filename", "function", "lineno", "module", "in_app")
_EXTRA = ("key", "state", "actor", "queue", "terminal", "why")


def set_up(dsn: Secret | None, release: str, environment: str) -> None:
    """Before the broker is built. No DSN: nothing is reported."""
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn.reveal(),
        release=release,
        environment=environment,
        default_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        before_send=rebuild,
        before_send_transaction=lambda _event, _hint: None,
        traces_sample_rate=0,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_default_pii=False,
        send_client_reports=False,
        auto_session_tracking=False,
        server_name="",
    )


def rebuild(event: Event, _hint: Hint) -> Event | None:
    """What leaves of an event."""
    try:
        raw = cast("dict[str, Any]", event)
        built: dict[str, Any] = {name: raw[name] for name in _TOP if name in raw}
        entry = raw.get("logentry") or {}
        if "message" in entry and "." in entry["message"] and " " not in entry["message"]:
            built["logentry"] = {"message": entry["message"]}  # a dotted name of ours, not a sentence of anybody's
        exceptions = (raw.get("exception") or {}).get("values") or []
        built["exception"] = {"values": [_exception(value) for value in exceptions]}
        built["extra"] = {name: str(value) for name, value in (raw.get("extra") or {}).items() if name in _EXTRA}
        return cast("Event", built)
    except Exception:  # noqa: BLE001 - whatever went wrong, an event that was not rebuilt does not leave
        _LOG.warning("report.dropped")
        return None


def _exception(value: dict[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "stacktrace": {"frames": [{name: frame.get(name) for name in _FRAME} for frame in frames]},
    }
