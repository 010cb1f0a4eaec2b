"""Processes of ours leave no core dump and are closed to debuggers, unless they are told to; no card is in argv."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.hardening import SWITCH, cards_in
from tests.security.canaries import PAN, dresses

#: It holds a card, hardens itself or not, says how it stands, and breaks down.
_SCRIPT = f"""
import ctypes, os, resource, sys
from epay_transfers.runtime.hardening import harden
card = "{PAN[:7]}" + "{PAN[7:]}"
hardened = harden()
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(hardened, dumpable, *resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os.abort()
"""

_PATTERN = Path("/proc/sys/kernel/core_pattern")


def run(folder: Path, *, switch: str) -> tuple[list[str], list[bytes]]:
    """What it said, and the core files that it left."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", _SCRIPT],
        cwd=folder,
        env=os.environ | {SWITCH: switch, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2),
    )
    assert done.returncode == -signal.SIGABRT
    return done.stdout.split(), [path.read_bytes() for path in folder.iterdir()]


@pytest.mark.parametrize("switch", ["", "1"])
def test_no_process_of_ours_writes_the_secrets_of_its_connections(switch: str, tmp_path: Path) -> None:
    """Not those to the servers either: a program that records one would read its password. Open to debuggers or not."""
    script = (
        "import os, ssl; from epay_transfers.runtime.hardening import harden; harden(); ssl.create_default_context()"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", script],
        env=os.environ | {SWITCH: switch, "SSLKEYLOGFILE": str(tmp_path / "secrets")},
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="core dumps are asked for as Linux does it")
def test_a_hardened_process_that_breaks_down_leaves_no_core(tmp_path: Path) -> None:
    said, cores = run(tmp_path, switch="")

    assert said == ["True", "0", "0", "0"]
    assert cores == []


@pytest.mark.skipif(sys.platform != "linux", reason="core dumps are asked for as Linux does it")
def test_one_that_is_open_to_debuggers_leaves_a_core_with_the_card_in_it(tmp_path: Path) -> None:
    """The control: without the hardening the card would be on the disk."""
    if not _PATTERN.exists() or _PATTERN.read_text().strip() != "core":
        pytest.skip("this machine does not write core dumps into the process's folder")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        pytest.skip("this machine allows no core dumps at all")

    said, cores = run(tmp_path, switch="1")

    assert said[:2] == ["False", "1"]
    assert any(PAN.encode() in core for core in cores)


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read as Linux shows them")
def test_a_server_that_we_start_leaves_no_core(ledger_server: embedded_servers.EmbeddedServer) -> None:
    """Its memory holds sealed cards; and it writes none of it into its log when it crashes."""
    limits = Path(f"/proc/{ledger_server.process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)

    client = connect(ledger_server.url)
    told = client.config_get("crash-*")
    client.close()
    assert told == {"crash-log-enabled": "no", "crash-memcheck-enabled": "no"}


@pytest.mark.parametrize("text", [*dresses(PAN)[1:], "5522042705066736", "--number=5522042705066736"])
def test_a_card_number_in_an_argument_or_the_environment_is_found_and_not_repeated(text: str) -> None:
    assert cards_in(["status", text], {"HOME": "/", "CARD": text}) == ["argument 1", "CARD"]


def test_a_transfers_own_key_is_no_card_number() -> None:
    """It may be as long as one, and pass the check digit."""
    assert cards_in(["status", PAN, f"kiosk:{PAN}", "251124000001", "--since", "2026-11-24"], {}) == []


def test_the_command_refuses_a_card_number_as_an_argument(tmp_path: Path) -> None:
    """Before it does anything, with 2, and without saying the number again."""
    done = subprocess.run(
        [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()", "status", "5522042705066736"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "An argument looks like a card number" in done.stderr
    assert "5522042705066736" not in done.stderr


def test_the_commands_last_words_hold_no_value(tmp_path: Path) -> None:
    """A bug's own words may be what it stumbled over: only types and places are said."""
    script = (
        "import sys\nfrom epay_transfers.ops import cli\nsys.argv = ['transfers']\n"
        f"def broken(app):\n    raise KeyError('{PAN}')\n"
        "cli.typer.main.get_command = broken\ncli.main()\n"
    )
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "builtins.KeyError" in done.stderr
    assert "in broken" in done.stderr
    assert PAN not in done.stderr
