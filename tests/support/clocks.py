"""Time that only a test moves."""

from dataclasses import dataclass


class FakeClock:
    """Time that only the test moves."""

    def __init__(self, now_ms: int = 1_795_500_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 1000.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now_ms += int(seconds * 1000)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """It is set, and no time has passed."""
        self._now_ms += int(seconds * 1000)


@dataclass(slots=True)
class MachineClock:
    """One machine's time: the servers', but for what it is off. What it counts with (`monotonic`) is never off."""

    true: FakeClock
    off_ms: int = 0

    def now_ms(self) -> int:
        return self.true.now_ms() + self.off_ms

    def monotonic(self) -> float:
        return self.true.monotonic()
