"""Logs: one line for an event, a dotted name with fields; JSON for a machine, plain text on a terminal.

Where a message is a sentence that holds its ids (`ledger.log_lines`), JSON has the event's name and the fields, and a
terminal shows the sentence and the fields that it lacks: each stands there once.

Log messages of libraries go through the same filter. Our own code logs only keys, states and words, never a card; the
filter is for a mistake in that. It changes the record itself, so that every handler gets the filtered one.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import dramatiq

from epay_transfers.ledger.card_numbers import star_card_numbers
from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.invoice import is_key

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: Only loggers of this package may add fields to a record. Fields of a library are dropped: their content is unknown.
_OURS = "epay_transfers"

#: The extra with the dotted name of an event whose message is a sentence (`ledger.log_lines`).
_EVENT = "event"

_IN_SENTENCE = re.compile(r"%\((\w+)\)")

#: These libraries log whole requests at DEBUG: they stay at INFO, whatever LOG_LEVEL says.
_NEVER_DEBUG = ("urllib3", "requests", "dramatiq", "http.client")

_LOG = logging.getLogger(__name__)


def set_up(level: str) -> None:
    """Log to standard error, from here on and for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(without_cards)
    handler.setFormatter(PlainFormatter() if sys.stderr.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(level)))


def catch_the_rest() -> None:
    """Log uncaught exceptions by ourselves: Python's own report shows the exception's text, with values."""
    sys.excepthook = _uncaught
    threading.excepthook = lambda hook: _uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)


def without_cards(record: logging.LogRecord) -> bool:
    """The filter: stars whatever could be a card number in the record, except the transfer's own key."""
    key = getattr(record, "key", None)
    ours = key.rpartition(":")[2] if isinstance(key, str) and is_key(key) else ""
    record.msg = str(_cleaned(record.msg, ours))
    if isinstance(record.args, Mapping):
        record.args = {name: _cleaned(value, ours) for name, value in record.args.items()}
    elif record.args:
        record.args = tuple(_cleaned(value, ours) for value in record.args)
    for name, value in _fields(record).items():
        if record.name.partition(".")[0] == _OURS:
            setattr(record, name, _cleaned(value, ours))
        else:
            delattr(record, name)
    if record.exc_info:
        record.exc_text = star_card_numbers("\n".join(trace(record.exc_info[1])), ours)
    return True


def trace(error: BaseException | None) -> Iterator[str]:
    """Types and places of an exception. Its text is shown only if it is our own: it may hold the value at fault."""
    while error is not None:
        text = f": {error}" if isinstance(error, TransfersError) else ""
        yield f"{type(error).__module__}.{type(error).__qualname__}{text}"
        yield from (line.rstrip() for line in traceback.format_tb(error.__traceback__))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "event": getattr(record, _EVENT, None) or record.getMessage(),
            "logger": record.name,
        }
        line |= {name: value for name, value in _fields(record).items() if name != _EVENT}
        if record.exc_text:
            line["trace"] = record.exc_text
        return _as_json(line)


#: `json.dumps` with these would make an encoder for each line.
_as_json = json.JSONEncoder(default=str, ensure_ascii=False).encode


class PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {_EVENT, *_IN_SENTENCE.findall(record.msg)} if hasattr(record, _EVENT) else set()
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items() if name not in told)
        text = f"{_moment(record)} {record.levelname.lower():8} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{record.exc_text}" if record.exc_text else text


def _cleaned(value: object, ours: str) -> object:
    """A value as it may be logged: numbers as they are, a message's id, an exception's type, else its text, starred."""
    match value:
        case str():  # most are: the other kinds are asked for one after the other
            return star_card_numbers(str(value), ours)
        case None | bool() | float():
            return value
        case int():
            starred = star_card_numbers(str(value), ours)
            return value if starred == str(value) else starred
        case dramatiq.Message() | dramatiq.MessageProxy():
            return value.message_id
        case BaseException() if not isinstance(value, TransfersError):
            return type(value).__name__
        case _:
            return star_card_numbers(str(value), ours)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _uncaught(kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        _LOG.critical(
            "Nothing caught an exception",
            extra={"event": "process.broke"},
            exc_info=(kind, error or kind(), at),
        )
