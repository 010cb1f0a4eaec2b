"""Logs: one line an event, dotted names with fields; JSON where a machine reads, words where a person does.

What a library says goes through the same two formats. No field holds a card: who logs passes keys, states and words.
"""

import json
import logging
import sys
from datetime import UTC, datetime

import dramatiq

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: These say what they send at DEBUG, bodies and all: never, whatever LOG_LEVEL asks for.
_NEVER_DEBUG = ("urllib3", "requests", "dramatiq", "http.client")


def set_up(level: str) -> None:
    """Log to standard error, from here on and for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_arguments)
    handler.setFormatter(PlainFormatter() if sys.stderr.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NEVER_DEBUG:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(level)))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        line |= _fields(record)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        text = f"{_moment(record)} {record.levelname.lower():8} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _without_arguments(record: logging.LogRecord) -> bool:
    """Dramatiq logs a message with its arguments: what is not a ring may hold a card there. Its id is enough."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg.message_id if isinstance(arg, (dramatiq.Message, dramatiq.MessageProxy)) else arg for arg in record.args
        )
    return True


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
