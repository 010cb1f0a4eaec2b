"""The caller closed a standard file (`>&-`): its number is never a connection's, into which the command would print."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.sandbox import addresses
from tests.ops.conftest import Into
from tests.support.environment import environment_of
from tests.support.intents import AS_JSON

COMMAND = [sys.executable, "-m", "epay_transfers"]

pytestmark = pytest.mark.usefixtures("ledger_client", "vault_client")


@dataclass
class Recording:
    """A proxy before a server: what each client sent, connection by connection."""

    url: str
    sent: list[bytearray] = field(default_factory=list)

    def foreign(self) -> list[bytes]:
        """What is no command of the protocol. A server executes such a line all the same."""
        return [odd for each in self.sent if (odd := _after_commands(bytes(each)))]


def _after_commands(sent: bytes) -> bytes:
    """What is left after the whole commands at the beginning: for each `*` and a count, then `$`, a length, a text."""
    while sent:
        head, end, rest = sent.partition(b"\r\n")
        if not (end and head[:1] == b"*" and head[1:].isdigit()):
            return sent
        for _ in range(int(head[1:])):
            size, end, rest = rest.partition(b"\r\n")
            if not (end and size[:1] == b"$" and size[1:].isdigit()):
                return sent
            length = int(size[1:])
            if rest[length : length + 2] != b"\r\n":
                return sent
            rest = rest[length + 2 :]
        sent = rest
    return b""


@pytest.fixture
def recording(environment: dict[str, str]) -> Iterator[Recording]:
    to = urlsplit(environment["REDIS_URL"])
    made = Recording("")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            sent = bytearray()
            made.sent.append(sent)
            with socket.create_connection((to.hostname or "", to.port or 0)) as server:
                back = threading.Thread(target=_copy, args=(server, self.request, bytearray()))
                back.start()
                _copy(self.request, server, sent)
                back.join()

    class Proxy(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        made.url = to._replace(netloc=f"127.0.0.1:{proxy.server_address[1]}").geturl()
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield made
        proxy.shutdown()
        thread.join()


def _copy(one: socket.socket, other: socket.socket, sent: bytearray) -> None:
    try:
        while data := one.recv(65_536):
            sent += data
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        other.close()


def run(words: str, redirections: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
    """The command with these redirections, by a shell, as a person or a cron job gives them."""
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *words.split()]
    return subprocess.run(shell, capture_output=True, timeout=60, check=False, **more)  # noqa: S603 - our own command


@pytest.mark.parametrize(
    ("words", "redirections"),
    [
        ("list", ">&-"),
        ("list --json", ">&-"),
        ("events", ">&-"),
        ("events --json", "<&- >&-"),
        ("events", "<&- >&- 2>&-"),
        ("status payout-42", ">&- 2>&-"),
        ("enqueue --json", ">&-"),
        ("enqueue --json", "2>&-"),
        ("enqueue", ">&- 2>&-"),
    ],
)
def test_nothing_that_a_command_prints_reaches_a_server(
    recording: Recording, into: Into, words: str, redirections: str
) -> None:
    """The next connection got the number of the closed file, and a server executed the lines that were printed."""
    into(State.QUEUED, "payout-42")

    said = run(
        words,
        redirections,
        input=json.dumps(AS_JSON).encode(),
        env=os.environ | {"REDIS_URL": recording.url, "LOG_LEVEL": "DEBUG"},
    )

    assert len(recording.sent) > 0
    assert recording.foreign() == []
    assert said.returncode == (74 if ">&-" in redirections.replace("2>&-", "") else 0), said.stderr


@pytest.mark.parametrize("closed", ["", "<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_the_three_numbers_are_taken_within_a_command(closed: str) -> None:
    """Also after everything that nothing refers to any more is collected, and for a process that it turns into."""
    look = (
        "import gc, os, sys; from epay_transfers.runtime.output import guarded\n"
        "with guarded():\n"
        "    gc.collect(); [os.fstat(n) for n in range(3)]\n"
        "    sys.exit(7 if os.open(os.devnull, os.O_RDONLY) > 2 and all(map(os.get_inheritable, range(3))) else 8)\n"
    )
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", look]

    assert subprocess.run(shell, timeout=60, check=False, stdin=subprocess.DEVNULL).returncode == 7  # noqa: S603 - our own


@pytest.fixture
def worker_env(environment: dict[str, str]) -> dict[str, str]:
    """A worker that could run: it remarks on standard output that it has no links."""
    return environment_of(addresses("http://127.0.0.1:9"), DURABILITY="relaxed") | {
        name: environment[name] for name in ("REDIS_URL", "VAULT_URL")
    }


@pytest.mark.parametrize(
    ("redirections", "status", "told"),
    [
        ("", 0, "DURABILITY=relaxed"),
        (">/dev/full", 74, "Standard output can't be written: No space left on device."),
        (">&-", 74, "Standard output can't be written: Bad file descriptor."),
        (">&- 2>&-", 74, ""),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ("<&- 2>&-", 0, ""),
    ],
)
def test_a_workers_check_ends_with_a_sentence_and_the_status_of_what_it_could_not_print(
    worker_env: dict[str, str], redirections: str, status: int, told: str
) -> None:
    said = run("worker --check", redirections, env=worker_env)

    assert said.returncode == status, said.stderr
    assert told.encode() in said.stderr
    assert b'File "' not in said.stderr
    assert (b"WEB_BASE_URL" in said.stdout) == (status == 0)


def test_a_reader_of_the_check_that_has_gone_is_quiet_and_141(worker_env: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    said = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, "worker", "--check"], env=worker_env, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)

    assert said.returncode == 141
    assert b"Traceback" not in said.stderr


def test_wrong_settings_are_78_where_no_sentence_can_be_shown(worker_env: dict[str, str]) -> None:
    for redirections in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        assert run("worker --check", redirections, env=worker_env | {"EPAY_RATE": "x"}).returncode == 78


@pytest.mark.parametrize("redirections", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full >/dev/full"])
def test_a_worker_without_outputs_works_and_its_log_reaches_no_server(
    recording: Recording, worker_env: dict[str, str], redirections: str, tmp_path: Path
) -> None:
    """Its first connection had the number of standard error, and each line of the log was a command to the server."""
    env = worker_env | {"REDIS_URL": recording.url, "LOG_LEVEL": "DEBUG"}
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, "worker"]
    worker = subprocess.Popen(shell, env=env, cwd=tmp_path)  # noqa: S603 - our own command
    end = time.monotonic() + 60
    while not any(b"{t}:due" in each for each in recording.sent):  # its loops are at work, after its start's checks
        assert worker.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert recording.foreign() == []


@pytest.mark.parametrize("words", ["enqueue", "enqueue --json"])
def test_without_standard_input_enqueue_says_what_it_wants(environment: dict[str, str], words: str) -> None:
    said = run(words, "<&-")

    assert said.returncode == 2
    told = json.loads(said.stderr)["what"] if "--json" in words else said.stderr.decode()
    assert "give an intent, or a list of them, as json on standard input" in told.lower()


def test_an_input_that_can_not_be_read_is_a_sentence(environment: dict[str, str]) -> None:
    said = run("enqueue", "<>/dev/null 0>/dev/null")

    assert (said.returncode, said.stderr) == (1, b"standard input can't be read: Bad file descriptor\n")


@pytest.mark.parametrize(
    "words", ["list", "events --json", "status payout-42", "keygen", "acl folder --operator aigul"]
)
def test_a_locale_that_knows_no_utf_8_keeps_no_command_from_its_work(into: Into, words: str, tmp_path: Path) -> None:
    """A Lua script with one dash of typography in it was not readable there."""
    into(State.QUEUED, "payout-42")

    said = run(words, "", env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})

    assert (said.returncode, said.stderr) == (0, b"")
