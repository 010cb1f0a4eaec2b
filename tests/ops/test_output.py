"""What the command prints and reads at its edges: a full disk, a closed pipe, no text, a narrow encoding."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops.cli import COMMANDS, app, load
from epay_transfers.runtime.output import EX_IOERR, READER_GONE
from tests.ops.conftest import Into
from tests.support.forked_commands import CLOSED, FULL, GONE, Ended, ForkedCommands
from tests.support.intents import AS_JSON
from tests.support.prepared import prepare

#: What would go on until a signal, needs files or a worker, or prints nothing on standard output, shows its help here.
INSTEAD = {
    "acl": "folder --operator aigul",
    "enqueue": "",
    "sandbox": "--port 0",
} | dict.fromkeys(
    (
        "apply", "console", "dead", "exporter", "first-contact", "keys", "keys rotate", "plan", "plan requeue",
        "plan discard", "plan cancel", "plan settle", "probe", "queue", "reconcile", "recover", "verify-backup",
        "worker",
    ),
    "--help",
)  # fmt: skip

CUT_OFF = (
    "Standard output can't be written: {why}. Not all is printed, and what the command was to do may be done.\n"
).format

pytestmark = pytest.mark.usefixtures("ledger_client", "vault_client")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedCommands]:
    with ForkedCommands(tmp_path_factory.mktemp("commands")) as server:
        yield server


class Shell:
    """One test's folder and environment."""

    def __init__(self, commands: ForkedCommands) -> None:
        self._commands = commands

    def __call__(self, *words: str | bytes, out: str = "", err: str = "", **env: str) -> Ended:
        stdin = json.dumps(AS_JSON).encode()
        return self._commands.run(words, env=os.environ | env, cwd=Path.cwd(), out=out, err=err, stdin=stdin)


@pytest.fixture
def shell(commands: ForkedCommands, environment: dict[str, str]) -> Shell:
    return Shell(commands)


def words_of(name: str) -> list[str]:
    """The command as help gives an example of it, without waiting for a worker: none runs here."""
    words = [*name.split(), *shlex.split(INSTEAD.get(name, COMMANDS[name].example))]
    waits = "wait" in {each.name for each in load(name).params}
    return [*words, "--wait", "0"] if waits and "--help" not in words else words


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_a_sentence_and_74(shell: Shell, name: str, ledger: Ledger, into: Into) -> None:
    """It is no traceback and no 0: what was to be printed is not there."""
    prepare(name, "payout-42", ledger, into)

    said = shell(*words_of(name), out=FULL)

    assert said.status == EX_IOERR, said.err
    assert said.err.endswith(CUT_OFF(why="No space left on device"))
    assert 'File "' not in said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_gone_is_quiet_and_141(shell: Shell, name: str, ledger: Ledger, into: Into) -> None:
    """As a shell has it for a process that SIGPIPE ended: `transfers list | head -1` is no error to tell."""
    prepare(name, "payout-42", ledger, into)

    said = shell(*words_of(name), out=GONE)

    assert said.status == READER_GONE, said.err
    assert [line for line in said.err.splitlines() if not line.startswith("{")] == []  # a line of the log, at most


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "scan"])
def test_an_argument_that_is_no_text_is_a_sentence_and_nothing_is_done(shell: Shell, name: str) -> None:
    said = shell(*name.split(), b"\xcf\xeb\xe0\xf2\xe5\xe6")

    at = len(name.split()) + 1
    assert (said.status, said.out) == (2, b"")
    assert said.err == f"Not UTF-8, so no text: argument {at}. Nothing was done; give it in UTF-8.\n"


def test_utf_8_is_read_in_a_locale_that_knows_none(environment: dict[str, str], into: Into, ledger: Ledger) -> None:
    """A reason in Kazakh under LC_ALL=C, where Python keeps each byte as half of a character."""
    into(State.QUEUED, "payout-42")
    command = [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "pause", "send", "--reason", "төлем тоқтатылды"],
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    (name,) = ledger.client.scan_iter(f"{redis_keys.inbox('')}*")
    (entry,) = ledger.client.lrange(name, 0, -1)
    assert json.loads(entry)["why"] == "төлем тоқтатылды"


def test_a_file_of_any_name_is_scanned(shell: Shell) -> None:
    """A folder of backups may hold such names, and a search that refuses them looks into nothing."""
    folder = Path(os.fsdecode(b"\xcf\xeb\xe0"))
    folder.mkdir()
    (folder / os.fsdecode(b"\xf2")).write_text("card 4405639704015096\n")

    told, shown = shell("scan", "--files", "--json", bytes(folder)), shell("scan", "--files", bytes(folder))

    assert (told.status, told.err, shown.status, shown.err) == (1, "", 1, "")
    assert json.loads(told.out)["finds"][0]["card"] == "440563******5096"
    assert b"440563******5096" in shown.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251"])
@pytest.mark.parametrize(
    "words", ["status payout-42", "status payout-42 --json", "list", "list --help", "events", "events --json"]
)
def test_what_an_encoding_lacks_is_escaped(shell: Shell, words: str, encoding: str, into: Into) -> None:
    """A bank's message in Kazakh on a terminal without it: JSON stays JSON, and a table stays a table."""
    into(State.QUEUED, "payout-42", receiver_card="Төлем 😀")

    said = shell(*words.split(), PYTHONIOENCODING=encoding)

    assert (said.status, said.err) == (0, "")
    assert said.out.decode(encoding)
    if words == "status payout-42 --json":
        assert json.loads(said.out)["receiver_card"] == "Төлем 😀"


def test_without_standard_output_nothing_could_be_printed(shell: Shell) -> None:
    said = shell("keygen", out=CLOSED)

    assert (said.status, said.err) == (EX_IOERR, CUT_OFF(why="Bad file descriptor"))


@pytest.mark.parametrize("err", [CLOSED, FULL, GONE])
def test_without_standard_error_the_status_is_the_same(shell: Shell, err: str) -> None:
    """A line of the log that is lost breaks nothing off: the intent is enqueued."""
    said = shell("enqueue", "--json", err=err, LOG_LEVEL="INFO")

    assert said.status == 0
    assert json.loads(said.out)["state"] == "queued"
    assert shell("nonsense", err=err).status == 2


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_no_flag_is_shown_as_if_it_took_a_value(name: str) -> None:
    """`--json <bool>` stood in the help, and `--json true` is a usage error."""
    shown = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="transfers").output

    assert "Usage: transfers" in shown
    assert "<bool>" not in shown
    assert "BOOLEAN" not in shown
