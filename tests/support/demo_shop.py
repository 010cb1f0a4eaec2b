"""The demo shop, started as a person starts it: `transfers demo --web`."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shop:
    url: str
    bank_url: str
    console_url: str


@contextmanager
def running_shop(folder: Path) -> Iterator[Shop]:
    """`transfers demo --web`, as anybody would run it."""
    command = [sys.executable, "-u", "-c", "from epay_transfers.ops.cli import main; main()", "demo", "--web"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"shop is open: (\S+)\s+.*bank's books: +(\S+)\s+.*console: +(\S+)/ ", said):
                    yield Shop(*found.groups())
                    return
            raise AssertionError(f"the shop did not open: {said}")
        finally:
            process.terminate()
