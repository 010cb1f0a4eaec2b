"""A worker whose machine's clock is wrong: by as many seconds as a file says, from one moment to the next.

`python -m tests.e2e.astray FILE`. No part of the product knows of it: the one clock that reads a machine is wrapped.
"""

import sys
from pathlib import Path

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.worker.startup import main


def go_astray(file: Path) -> None:
    right = SystemClock.now_ms
    wrong = property(lambda clock: lambda: right(clock) + int(file.read_text() or 0) * 1000)
    setattr(SystemClock, "now_ms", wrong)  # noqa: B010 - no method is to be assigned to


if __name__ == "__main__":
    go_astray(Path(sys.argv[1]))
    sys.exit(main())
