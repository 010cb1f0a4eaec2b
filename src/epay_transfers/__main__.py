"""The command `transfers`. The base alone can run the worker; all other commands need the extra `cli`.

So a worker's image holds neither a command line's libraries nor a database server: `pip install epay-transfers` and
`transfers worker` are enough. Where the extra is there, `ops.cli` does everything else.
"""

import importlib.metadata
import os
import sys
from typing import NoReturn

from epay_transfers.extras import ExtraMissing
from epay_transfers.runtime import garbage, output

#: `EX_UNAVAILABLE`: a part of the program is not installed.
EX_UNAVAILABLE = 69


def main() -> None:
    """Ends with the command's own exit status; with 69 and a sentence for an extra that is not installed."""
    output.occupy()  # before anything that could open a file or a connection
    garbage.wait()
    match sys.argv[1:]:
        case ["worker", *options] if not set(options) - {"--check"}:
            become_worker(options)  # without the command line's libraries: loading them takes as long as its own
    try:
        from epay_transfers.ops import cli  # noqa: PLC0415 - it needs an extra

        cli.main()
    except ExtraMissing as missing:
        sentence = str(missing)
    else:
        return
    match sys.argv[1:]:
        case ["--version"]:
            with output.guarded():
                sys.stdout.write(importlib.metadata.version("epay-transfers") + "\n")
        case _:
            with output.guarded():
                sys.stderr.write(sentence + "\n")
                sys.exit(EX_UNAVAILABLE)


def become_worker(options: list[str]) -> NoReturn:
    """Turn this process into the worker, without the working directory on its path."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "epay_transfers.worker", *options])  # noqa: S606 - our own


if __name__ == "__main__":
    main()
