"""The interpreter's search for garbage, which waits until a process has started: it takes a tenth of a start, and what
is imported is no garbage. What there is by then stays as long as the process, so no later search looks at it.
"""

import gc


def wait() -> None:
    """As the first thing of a process of ours."""
    gc.disable()


def search() -> None:
    """All is imported. In a process that did not wait, a test's say, nothing happens."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
