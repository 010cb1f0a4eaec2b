"""The Procfile: one line a process, and each line is a command that starts."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from epay_transfers.runtime.settings import EX_CONFIG

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def processes() -> dict[str, list[str]]:
    """The command of each process, from the environment of these tests."""
    lines = [line for line in (ROOT / "Procfile").read_text().splitlines() if not line.startswith("#")]
    found = {name: shlex.split(command) for name, _, command in (line.partition(": ") for line in lines)}
    return {name: [str(BIN / words[0]), *words[1:]] for name, words in found.items()}


def test_the_worker_is_one_command() -> None:
    assert processes()["worker"] == [str(BIN / "transfers"), "worker"]


def test_the_exporter_is_the_other_one(tmp_path: Path) -> None:
    """Without settings it says what is missing, and where to begin."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    done = subprocess.run(  # noqa: S603 - the command that the Procfile names
        processes()["exporter"], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )

    assert set(processes()) == {"worker", "exporter"}
    assert done.returncode == EX_CONFIG
    assert done.stderr.startswith("REDIS_URL: is not set; ")


def test_without_settings_it_says_all_that_is_missing_and_ends_with_78(tmp_path: Path) -> None:
    """It starts far enough to say so: a line `NAME: what is wrong; what mends it` for each."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(  # noqa: S603 - the command that the Procfile names
        processes()["worker"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.splitlines()

    assert done.returncode == EX_CONFIG
    assert all(re.fullmatch(r"[A-Z_]+: .+; .+", line) for line in lines)
    assert {line.partition(":")[0] for line in lines} >= {"REDIS_URL", "VAULT_URL", "VAULT_PRIVATE_KEYS"}
