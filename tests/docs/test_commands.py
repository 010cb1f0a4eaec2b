"""Every command that README, the documents, the runbook and the commands' own output name is run, as it is printed.

Each runs on servers of its own, with a transfer in the state that the command is for, and with a worker that reads
what operators ask for. Placeholders (KEY, FILE) stand for what the test prepares. What goes on running, or needs more
than servers, is run by the test that is named here.
"""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.transfer import moment
from epay_transfers.ledger.vault import sealing
from epay_transfers.ops import descriptions
from epay_transfers.ops.cli import COMMANDS, load
from tests.ops.conftest import Into, into, ledger
from tests.support.command_line import environment
from tests.support.forked_commands import Ended, ForkedCommands
from tests.support.prepared import prepare, write_plan

__all__ = ["environment", "into", "ledger"]

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / name for name in ("README.md", "UPGRADING.md", "CONTRIBUTING.md", "deploy/runbook.md", "tests/README.md")
]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))

#: Rooms whose texts a person reads on a screen.
ROOMS = ("ledger", "ops", "producers", "runtime", "worker")

#: What runs until a signal, or with more than servers: the test that runs it.
ELSEWHERE = {
    "archive": "tests/ops/test_archive.py",
    "demo": "tests/demo/test_demo.py",
    "demo --web": "tests/demo/test_demo.py",
    "demo --users": "tests/security/test_users_demo.py",
    "dev": "tests/demo/test_dev.py",
    "first-contact": "tests/e2e/test_first_contact.py",
    "enqueue": "tests/e2e/test_readme_path.py",
    "console": "tests/console/test_pages.py",
    "exporter": "tests/ops/test_exporter.py",
    "probe": "tests/ops/test_probe.py",
    "sandbox": "tests/ops/test_sandbox.py",
    "reconcile": "tests/ops/test_reconcile.py",
    "recover": "tests/ops/test_recover.py",
    "outcomes forget": "tests/ops/test_outcomes.py",
    "verify-backup": "tests/ops/test_verify_backup.py",
    "worker": "tests/e2e/test_readme_path.py",
}

#: Placeholder → what the test has. `...` is a reason or an evidence.
PLACES = {
    "KEY": "payout-42",
    "OTHER": "payout-42",
    "THE-BANKS-ID": "payout-42",
    "{pause.id}": "k7f3",
    "FILE": "events.place",
    "GROUP": "payouts",
    "REFERENCE": "payout-42",
    "{group}": "payouts",
    "PATH": "logs",
    "FOLDER": "folder",
    "PASSWORD": "secret",
    "...": "the bank says so",
}

#: What the documents have commands write into or look at.
FOLDERS = ("logs", *(f"var/lib/transfers-{name}" for name in ("ledger", "events", "archive")), "var/log", "etc")

#: Statuses other than 0 that are an answer: differences, since the prepared transfer has no card and no message; that
#: it waits, and no worker runs (`doctor`, `overview`); and the help of a group of commands.
ANSWERS = {
    "audit": {0, 1},
    "doctor": {0, 75},
    "overview": {0, 10, 20},
    "dead": {2},
    "plan": {2},
    "queue": {2},
    "outcomes": {2},
}

#: With these a command goes on until a signal.
ENDLESS = {"--follow", "--watch"}

#: A worker has to ask the bank before it does these: here it is seen that they are asked for.
ASK_THE_BANK = {"dead requeue", "dead discard", "settle", "correct", "ask"}

#: What `transfers plan` wrote, wherever the text says that it is.
PLAN = "plan.json"

_INLINE = re.compile(r"`(?:\.venv/bin/)?(transfers [a-z][^`\n]*)`")
_TYPED = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?(transfers [a-z][^#\n]*)", re.MULTILINE)
_BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def named() -> Iterator[tuple[str, str]]:
    """Each command, and where it stands."""
    for path in DOCUMENTS:
        text = path.read_text()
        blocks = "".join(_BLOCK.findall(text))
        for line in [*_INLINE.findall(_BLOCK.sub("", text)), *_TYPED.findall(blocks)]:
            yield line.strip(), path.name
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for line in re.findall(r"`transfers ([a-z][^`]*)`", re.sub(r'"\s+f?"', "", path.read_text())):
                yield f"transfers {line}", str(path.relative_to(ROOT))
    for name, entry in COMMANDS.items():
        yield f"transfers {name} {entry.example}".strip(), "ops/cli.py"


def cleaned(line: str) -> str:
    """Without what a shell does with it; alternatives as the first of them."""
    line = re.sub(r"\s*(\||<<|>>|<|>|&&).*", "", line) if "--paid|--not-paid" not in line else line
    line = line.replace("--paid|--not-paid|--reversed", "--paid").replace("{lane}", "send")
    return re.sub(r"\{\w*\.?key\}", "KEY", line)


LINES = sorted({cleaned(line) for line, _ in named()})


def name_of(words: list[str]) -> str:
    return " ".join(words[: 2 if " ".join(words[:2]) in COMMANDS else 1])


def elsewhere(words: list[str]) -> str:
    """The row of `ELSEWHERE` that this is, if any."""
    name = name_of(words)
    return next(
        (f"{name} {word}" for word in words if f"{name} {word}" in ELSEWHERE), name if name in ELSEWHERE else ""
    )


def whole(words: list[str], folder: Path) -> list[str]:
    """With the placeholders filled in, and with what a sentence leaves out: a name, a reason, an evidence."""
    name = name_of(words)
    words = [str(folder / word.lstrip("/")) if word.startswith("/") else PLACES.get(word, word) for word in words]
    if name == "apply":
        words = [words[0], PLAN, *words[2:]]
    for parameter in load(name).params:
        if parameter.param_type_name == "argument" and parameter.required and len(words) == len(name.split()):
            words.append({"lane": "send", "folder": "folder"}.get(str(parameter.name), "payout-42"))
        elif parameter.param_type_name == "option" and parameter.required and parameter.opts[0] not in words:
            words += [parameter.opts[0], "aigul" if parameter.opts[0] == "--operator" else "the bank says so"]
    if name in ASK_THE_BANK:
        words += ["--wait", "0"]
    ends = {"settle", "correct", "plan settle"}
    if name in ends and not {"--paid", "--not-paid", "--reversed", "--take-back"} & set(words):
        words.append("--paid")
    if name == "settle" and not {"--evidence", "--take-back"} & set(words):
        words += ["--evidence", "the bank says so"]
    return words


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedCommands]:
    with ForkedCommands(tmp_path_factory.mktemp("commands")) as server:
        yield server


@pytest.fixture
def keys(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the keys are files, as in production."""
    today = moment(SystemClock().now_ms()).date()
    pair = sealing.generate(today)
    for name, text in {
        "VAULT_PRIVATE_KEYS": pair.private.reveal(),
        "FINGERPRINT_KEYS": fingerprint_keys.generate(today).reveal(),
    }.items():
        file = tmp_path / name.lower()
        file.write_text(f"{text}\n")
        file.chmod(0o600)
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(f"{name}_FILE", str(file))
    monkeypatch.setenv("VAULT_PUBLIC_KEY", pair.public)
    monkeypatch.setenv("EPAY_TERMINALS", '{"kiosk": {"space": "kiosk"}}')


@pytest.mark.usefixtures("ledger_client", "vault_client", "keys")
@pytest.mark.parametrize("line", [line for line in LINES if not elsewhere(shlex.split(line)[1:])])
def test_it_does_what_it_says(commands: ForkedCommands, line: str, ledger: Ledger, into: Into, tmp_path: Path) -> None:
    words = whole(shlex.split(line)[1:], tmp_path)
    name = name_of(words)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    reference = next((word for word in words if re.fullmatch("payout-[0-9]+", word)), "payout-42")
    pause_id = words[words.index("unpause") + 1] if "unpause" in words else ""
    prepare(name, reference, ledger, into, pause_id=pause_id, words=words)
    write_plan(ledger, tmp_path / PLAN)

    said = run(commands, words, tmp_path)

    if ENDLESS & set(words):
        assert (said.status, said.err) == (-9, ""), "it goes on until a signal"
    else:
        assert said.status in ANSWERS.get(name, {0}), said.err
    assert said.out or name in {"dead", "plan", "queue", "outcomes"}
    assert 'File "' not in said.err


def run(commands: ForkedCommands, words: list[str], folder: Path) -> Ended:
    within_s = 4 if ENDLESS & set(words) else 60
    return commands.run(words, env=os.environ, cwd=folder, within_s=within_s, is_answered=True)


@pytest.mark.parametrize("row", sorted({elsewhere(shlex.split(line)[1:]) for line in LINES} - {""}))
def test_the_others_are_run_where_it_says(row: str) -> None:
    text = (ROOT / ELSEWHERE[row]).read_text()

    assert all(word in text or word in (ROOT / "README.md").read_text() for word in row.split())


def test_the_next_step_of_each_state_is_among_them() -> None:
    """What `status` tells an operator to type."""
    told = {
        cleaned(f"transfers {line}")
        for text in descriptions.NEXT.values()
        for line in re.findall("`transfers ([^`]+)`", text)
    }

    assert told
    assert told <= set(LINES)
    assert len(LINES) > 60
    assert State.DEAD in descriptions.NEXT
