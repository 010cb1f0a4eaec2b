"""The demo shop as it is run by hand, and Debian's Chromium."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Shop:
    url: str
    bank_url: str


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
                if found := re.search(r"shop is open: (\S+)\s+.*bank's books: +(\S+)", said):
                    yield Shop(found[1], found[2])
                    return
            raise AssertionError(f"the shop did not open: {said}")
        finally:
            process.terminate()


@contextmanager
def running_chromium(binary: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield browser
        browser.close()
