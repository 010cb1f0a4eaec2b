"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable

_LOOK_EACH_S = 0.05
_LOOKS = 1200


def until(is_so: Callable[[], bool]) -> None:
    """Returns as soon as it is so, and fails after 1,200 looks: a minute, and the time that the looks take."""
    for _ in range(_LOOKS):
        if is_so():
            return
        time.sleep(_LOOK_EACH_S)
    raise AssertionError("it did not become so within a minute")
