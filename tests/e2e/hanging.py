"""`python -m tests.e2e.hanging`: a worker on a machine where the names hang that a file names, as long as it is there.

`localhost` and `127.0.0.2` may, both of this machine; in an empty file `localhost` does. The file's path is the one
argument. The process waits for little more than its deadline when it is told to stop.
"""

import socket
import sys
import time
from pathlib import Path
from typing import Any

from epay_transfers.worker import process, startup

process._DRAIN_S, process._END_S = 0.5, 1.0


_really = socket.getaddrinfo


def hanging() -> list[str]:
    try:
        return Path(sys.argv[1]).read_text(encoding="utf-8").split() or ["localhost"]
    except FileNotFoundError:
        return []


def look_up(host: Any, *args: Any, **more: Any) -> Any:
    while host in hanging():
        time.sleep(0.05)
    return _really("127.0.0.1" if host in {"localhost", "127.0.0.2"} else host, *args, **more)


if __name__ == "__main__":
    socket.getaddrinfo = look_up
    sys.exit(startup.main())
