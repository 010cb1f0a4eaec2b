"""Signals that end the demo: Ctrl-C, SIGTERM, SIGHUP. The handler only notes a signal; the demo obeys it later.

A handler that raised could do so anywhere: while `subprocess` holds a lock, which would never be released, so that the
demo could not end; or in a `__del__`, where Python ignores exceptions.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    def __init__(self) -> None:
        self._number = 0

    def came(self) -> bool:
        """Has a signal come that was not obeyed yet?"""
        return bool(self._number)

    def note(self, number: int, _frame: object) -> None:
        """The signal handler. It takes no lock and raises nothing, so it may run anywhere."""
        self._number = number

    def obey(self) -> None:
        """Raise what the signal that came asks for: `KeyboardInterrupt`, or a shell's status for it. Once."""
        if not self._number:
            return
        number, self._number = self._number, 0
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)


@contextlib.contextmanager
def noted() -> Iterator[Interruption]:
    """Note signals during the block. One that was not obeyed in it is obeyed at the end."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption.note) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    interruption.obey()
