"""Writes what this version writes and no generation of the corpus has yet: `python -m tests.corpus.generate`.

It adds a generation beside those that are there, and changes none of them. Read the new lines before you commit them:
`means` is what the code that wrote them says, and every later version is held to it.
"""

import subprocess
import sys
from importlib.metadata import version

from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import Options, running
from tests.corpus import lines
from tests.corpus.writers import write_all, writers
from tests.support.servers import folder_in_memory


def main() -> int:
    command = ["git", "rev-parse", "--short=7", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - ours
    with (
        folder_in_memory() as folder,
        embedded_servers.running(embedded_servers.LEDGER_OPTIONS, folder) as ledger,
        embedded_servers.running(embedded_servers.VAULT_OPTIONS) as vault,
        running(Options()) as sandbox,
        writers(ledger.url, vault.url, sandbox) as all_writers,
    ):
        written = write_all(all_writers)
    added = lines.add_generation(written, f"{version('epay-transfers')} ({commit})")
    sys.stdout.write(f"{added.name} was added\n" if added else "No shape is new: nothing was added\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
