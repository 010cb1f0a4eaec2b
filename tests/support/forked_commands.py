"""`transfers` as a shell runs it, a process for each command, without paying for the imports each time.

A server has the commands imported and forks. Each child gets its own environment, folder, and the three standard files
as the system gives them; at its end it flushes what is left, as Python does. So what a shell sees is what is tested.
"""

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

#: What Python exits with where its last flush fails.
_FLUSH_FAILED = 120

FULL, GONE, CLOSED = "full", "gone", "closed"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status, and what it wrote."""

    status: int
    out: bytes
    err: str


class ForkedCommands:
    """The server, and what it is asked. `folder`: for the files into which the commands write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        command = [sys.executable, "-m", "tests.support.forked_commands"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=30)

    def run(
        self,
        words: Sequence[str | bytes],
        *,
        env: Mapping[str, str],
        cwd: Path,
        out: str = "",
        err: str = "",
        stdin: bytes = b"",
        within_s: float = 60,
        is_answered: bool = False,
    ) -> Ended:
        """`out` and `err`: empty for a file that is read afterwards, or one of the words above.

        `is_answered`: a worker reads what the command asks for, at once.
        """
        self._number += 1
        files = {name: self._folder / f"{self._number}.{name}" for name in ("in", "out", "err")}
        files["in"].write_bytes(stdin)
        asked = {
            "words": [os.fsdecode(word) for word in words],
            "env": dict(env),
            "cwd": str(cwd),
            "in": str(files["in"]),
            "out": out or str(files["out"]),
            "err": err or str(files["err"]),
            "within_s": within_s,
            "is_answered": is_answered,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        status = json.loads(self._server.stdout.readline())
        wrote = {name: files[name].read_bytes() if files[name].exists() else b"" for name in ("out", "err")}
        return Ended(status, wrote["out"], wrote["err"].decode())


def _open(number: int, where: str) -> None:
    os.close(number)
    match where:
        case "closed":
            return
        case "full":
            opened = os.open("/dev/full", os.O_WRONLY)
        case "gone":
            reader, writer = os.pipe()
            opened = os.dup(writer)
            os.close(reader)
            os.close(writer)
        case _:
            opened = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _stream(number: int, where: str, errors: str) -> Any:
    if where == CLOSED:
        return None
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "wb", closefd=False)), encoding=encoding, errors=errors)


def _child(asked: dict[str, Any]) -> int:
    from epay_transfers.ops import cli  # noqa: PLC0415 - imported before the fork; the tests import this module alone

    os.setsid()
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    os.dup2(os.open(asked["in"], os.O_RDONLY), 0)
    _open(1, asked["out"])
    _open(2, asked["err"])
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)))
    sys.stdout, sys.stderr = _stream(1, asked["out"], "strict"), _stream(2, asked["err"], "backslashreplace")
    sys.argv = ["transfers", *asked["words"]]
    if asked["is_answered"]:
        _answer()
    try:
        cli.main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:  # noqa: BLE001 - as Python ends
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            status = _FLUSH_FAILED
    return status


def _answer() -> None:
    from epay_transfers.ledger.clock import SystemClock  # noqa: PLC0415 - as above
    from epay_transfers.ledger.queue.broker import Broker  # noqa: PLC0415
    from epay_transfers.ledger.queue.wakeups import Wakeups  # noqa: PLC0415
    from epay_transfers.ledger.store.connection import connect  # noqa: PLC0415
    from epay_transfers.ledger.store.ledger import Ledger  # noqa: PLC0415
    from epay_transfers.ledger.vault.vault import Vault  # noqa: PLC0415
    from epay_transfers.ops import context  # noqa: PLC0415
    from tests.support.inbox import ReadAtOnce  # noqa: PLC0415

    # Where servers have users, the worker has one of its own.
    ledger_url, vault_url = (os.environ.get(f"WORKER_{name}", os.environ[name]) for name in ("REDIS_URL", "VAULT_URL"))
    ledger, vault, queue = (connect(url) for url in (ledger_url, vault_url, ledger_url.removesuffix("/0") + "/1"))
    parts = (Ledger(ledger), Vault(vault), Wakeups(Broker(queue, [], {})), SystemClock())
    vars(context)["Inboxes"] = lambda client: ReadAtOnce(*parts, client)  # a worker beside it


def _await(pid: int, within_s: float) -> int:
    """Its exit status, or minus the signal that ended it. Afterwards none of its processes is left."""
    end = time.monotonic() + within_s
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
            end += within_s
        time.sleep(0.01)


def main() -> None:
    import typer  # noqa: PLC0415 - the server's alone

    from epay_transfers.ops import cli  # noqa: PLC0415 - the server's alone

    for name in cli.COMMANDS:
        cli.load(name)
    typer.main.get_command(cli.app)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["is_answered"]:
            importlib.import_module("tests.support.inbox")  # once, here: each child would import a worker for itself
        pid = os.fork()
        if pid == 0:
            os._exit(_child(asked))
        print(json.dumps(_await(pid, asked["within_s"])), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
