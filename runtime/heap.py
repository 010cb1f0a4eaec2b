"""The memory of a process of many threads, as the C library hands it out.

glibc gives threads an arena each, up to eight a core, and what was freed in one is of no use to the threads of another:
so a worker's memory climbs for hours. Only one thread at a time runs Python, so two arenas for all keep none waiting.
"""

import ctypes
import os

#: A user of the process may choose otherwise: this is glibc's own variable.
_CHOICE = "MALLOC_ARENA_MAX"

_M_ARENA_MAX = -8

#: With one alone, a thread that holds it and is not run keeps the others waiting.
_ARENAS = 2


def keep_few_arenas() -> None:
    """Before the first thread starts. Where the C library has no arenas, nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and _CHOICE not in os.environ:
        mallopt(_M_ARENA_MAX, _ARENAS)
