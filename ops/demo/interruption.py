"""Whatever asks the demo to end: Ctrl-C, SIGTERM, SIGHUP. A signal leaves word; it is obeyed where the demo looks.

A handler that raised would do so wherever the process happens to be: with a lock of `subprocess` just taken, which
nobody gives back, so that the ending waits for it for ever; or in a `__del__`, where Python drops what is raised.
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
        """Whether one came that nobody has obeyed."""
        return bool(self._number)

    def note(self, number: int, _frame: object) -> None:
        """The handler. It takes no lock and raises nothing, so it may run anywhere."""
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
    """Inside, signals are only noted. One that nobody obeyed is obeyed at the end."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption.note) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    interruption.obey()
