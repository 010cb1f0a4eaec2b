"""`log_line`: a log line that runs inside a backend's process: a sentence with its ids, and the same as extras.

A backend formats its log as it likes. A plain formatter shows the sentence; a structured one has the event's dotted
name, as the extra `event`, and each id as an extra of its own. The sentence stays a template until it is shown, so that
an error report groups by it.
"""

from collections.abc import Callable


def log_line(log: Callable[..., None], event: str, sentence: str, **fields: object) -> None:
    """`log`: a logger's method for a level. The sentence names each field that it shows as `%(name)s`."""
    log(sentence, *([fields] if fields else []), extra={"event": event} | fields, stacklevel=2)
