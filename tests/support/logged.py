"""The events of a log by their dotted names, which are an extra of each record: its message is a sentence."""

import logging
from collections.abc import Iterable


def names_of(records: Iterable[logging.LogRecord]) -> list[str]:
    """The name of each event, or the message of a record that has none."""
    return [getattr(record, "event", record.getMessage()) for record in records]
