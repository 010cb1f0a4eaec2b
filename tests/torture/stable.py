"""A stable of workers: a process that has everything imported and forks a real worker for each line that it reads.

It answers with the child's id. Who kills the child is nobody's business here.
"""

import os
import signal
import sys

from epay_transfers.runtime.settings import ServerSettings
from epay_transfers.worker.process import main as work


def main() -> None:
    ServerSettings.model_config["env_file"] = None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are buried by the kernel
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(work())
        print(pid, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
