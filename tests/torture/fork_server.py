"""A fork server of workers: it has everything imported, and forks a real worker for each line that it reads.

It answers with the child's process id; the torture kills the child.
"""

import os
import signal
import sys

from epay_transfers.worker.startup import main as work


def main() -> None:
    os.chdir("/")  # a developer's .env is not there
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are buried by the kernel
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(work())
        print(pid, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
