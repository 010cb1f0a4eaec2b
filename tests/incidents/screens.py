"""What an operator's screen shows in each incident, for readers who are not told which one it is.

`python -m tests.incidents.screens FOLDER` stages the incidents anew and writes their screens as `FOLDER/01.txt` and so
on, in an order by chance. The key, number and incident, is the file `FOLDER-key.txt` beside it.
"""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

#: The test → the incident. One of each kind: tests of variants are left out.
INCIDENTS = {
    "test_the_bank_is_down": "the bank is down",
    "test_the_bank_is_slow": "the bank is slow",
    "test_transfers_hang_while_status_answers": "transfers hang while status answers",
    "test_the_bank_refuses_the_terminal[487]": "the terminal is refused (487)",
    "test_the_bank_refuses_the_secret": "the bank refuses the secret",
    "test_doubt_grows": "doubt grows",
    "test_suffixes_run_out": "suffixes at 99.9 %",
    "test_the_ledger_is_full": "the ledger is full",
    "test_the_ledger_is_away": "the ledger is away",
    "test_the_queues_server_is_away": "the queue's server is away",
    "test_the_vault_is_away": "the vault is away",
    "test_the_vault_was_restarted_and_is_empty": "the vault was restarted and is empty",
    "test_the_workers_were_killed": "the workers were killed",
    "test_the_workers_are_stopped": "the workers are stopped (SIGSTOP)",
    "test_parked_ones_pile_up": "parked ones pile up",
}


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as pages:
        tests = [f"{Path(__file__).with_name('test_incidents.py')}::{name}" for name in INCIDENTS]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        status = subprocess.run(command, env=os.environ | {"INCIDENT_PAGES": pages}, check=False).returncode  # noqa: S603 - our own tests
        staged = [(name, Path(pages, f"{name}.txt")) for name in INCIDENTS]
        shown = [(name, page.read_text(encoding="utf-8")) for name, page in staged if page.exists()]
    random.shuffle(shown)
    key = []
    for number, (name, text) in enumerate(shown, start=1):
        (folder / f"{number:02}.txt").write_text(text, encoding="utf-8")
        key.append(f"{number:02}  {INCIDENTS[name]}")
    folder.with_name(f"{folder.name}-key.txt").write_text("\n".join(key) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
