"""The runbook: what it tells a person to type exists, and what it promises of it happens."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops import server_users
from epay_transfers.ops.cli import COMMANDS
from epay_transfers.ops.overview.judgement import Trouble
from epay_transfers.runtime import health
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from epay_transfers.runtime.settings import Durability, ServerSettings
from tests.support.factories import NONCE
from tests.support.runbook import RUNBOOK, sections_of

ROOT = Path(__file__).parents[2]
#: Each heading → what stands below it, to the next heading.
SECTIONS = sections_of(RUNBOOK)

#: What each section of a trouble says, in this order.
LEADS = ("Overview says:", "It means:", "Money:", "Do:", "Do not:", "It is over when:")

#: One process asks for the help of all commands, on a screen wide enough to cut nothing off.
ASK = """
import json, sys
from typer.testing import CliRunner
from epay_transfers.ops.cli import app
names = json.load(sys.stdin)
done = [CliRunner().invoke(app, [*name, "--help"]) for name in names]
print(json.dumps(["" if each.exit_code else each.output for each in done]))
"""

Name = tuple[str, ...]


def helps_of(names: list[Name]) -> dict[Name, str]:
    """What `transfers <name> --help` says, for each; nothing where there is no such command."""
    done = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"},
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(names, json.loads(done.stdout), strict=True))


def test_the_runbook_has_a_line_for_every_command_that_changes_something() -> None:
    changing = [name for name, entry in COMMANDS.items() if entry.changes and name != "enqueue"]

    assert [name for name in changing if f"transfers {name} " not in RUNBOOK] == []


def knows(help_text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", help_text) is not None


def commands() -> list[list[str]]:
    """Every `transfers ...` of the runbook, in a block or in a sentence, as words."""
    blocks = "".join(re.findall(r"^ *```\n(.*?)^ *```$", RUNBOOK, re.DOTALL | re.MULTILINE))
    code = re.findall(r"`(transfers [^`]+)`", RUNBOOK) + re.findall(r"^\s*(transfers [^#\n`]+)", blocks, re.MULTILINE)
    return [shlex.split(line)[1:] for line in code]


def name_of(words: list[str]) -> Name:
    """The command itself; those of a group are commands of their own."""
    return tuple(words[: 2 if " ".join(words[:2]) in COMMANDS else 1])


def test_every_command_of_the_runbook_exists() -> None:
    """With its options."""
    helps = helps_of(list(dict.fromkeys(name_of(words) for words in commands())))
    unknown = []
    for words in commands():
        name = name_of(words)
        wanted = ["--help", *(word for word in words if word.startswith("--"))]
        unknown += [f"{' '.join(name)} {option}" for option in wanted if not knows(helps[name], option)]

    assert unknown == []


def test_the_runbook_has_every_command_that_operators_were_promised() -> None:
    looking = "overview explain doctor status list events queues parked doubt dead"
    promised = f"{looking} settle pause unpause terminals cancel audit queue"

    assert set(promised.split()) - {"list"} <= {words[0] for words in commands()}


def test_the_chapters_that_the_code_sends_people_to_exist() -> None:
    texts = [
        path.read_text() for room in ("ledger", "worker", "ops", "producers") for path in (ROOT / room).rglob("*.py")
    ]
    texts += [path.read_text() for path in (ROOT / "deploy").glob("*.conf")]
    sent = {name for text in texts for name in re.findall(r"runbook, ['\"](.+?)['\"]", re.sub(r"\n# ", " ", text))}

    assert sent
    assert sent <= set(SECTIONS)


def test_the_audits_findings_are_quoted_as_it_says_them() -> None:
    """An operator looks for what the screen shows. `N` stands for a number."""
    said = (ROOT / "runtime/audit.py").read_text()
    chapter = SECTIONS["The audit finds something"]
    quoted = [
        words for line in re.findall(r"^- (\*.+?):", chapter, re.MULTILINE) for words in re.findall(r"\*(.+?)\*", line)
    ]
    parts = {part.strip() for words in quoted for part in re.split(r"\bN s\b|,(?= kept)", words) if part.strip()}

    assert len(parts) > 7
    assert {part for part in parts if part not in said} == set()


def test_a_field_that_a_person_is_told_to_remove_is_one_of_the_record() -> None:
    """A renamed field would leave the wrong time where it is, and say nothing."""
    removed = re.findall(r"HDEL 'transfers:\{t\}:r:\S+' (\w+)", RUNBOOK)

    assert removed
    assert set(removed) <= {field.name for field in dataclasses.fields(Record)}


def test_the_way_out_after_the_ledger_went_back(
    ledger_server: EmbeddedServer,
    vault_server: EmbeddedServer,
    ledger_client: redis.Redis,
    vault_client: redis.Redis,
    vault: Vault,
) -> None:
    """The vault's mark is ahead: a worker would not start. With step 6 of the runbook it does, and no sooner."""
    settings = ServerSettings.load(
        redis_url=ledger_server.url, vault_url=vault_server.url, durability=Durability.STRICT
    )
    vault.put(Purpose.CARD, "251124000123", 1, "sealed", 60_000)
    vault.take(Purpose.CARD, "251124000123", 1, 500, NONCE)
    before = [str(finding) for finding in health.Examination(settings, SystemClock()).look()]

    for line in re.findall(r"^\s*redis-cli -u (.+)$", RUNBOOK, re.MULTILINE):
        server, *command = shlex.split(line)
        if command[0] in {"GET", "HSET", "SETBIT"}:
            client = vault_client if server == "$VAULT_URL" else ledger_client
            client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py does not type this one

    assert ["the ledger has lost moves" in line for line in before] == [True]
    assert health.Examination(settings, SystemClock()).look() == []
    assert Ledger(ledger_client).counters()["sequence"] > vault.high_water() > 0
    assert ledger_client.getbit(redis_keys.suffixes("main"), 123) == 1


def test_the_user_repair_may_do_what_the_documents_have_it_do() -> None:
    """On the ledger's server; what a person types there is refused to every other user."""
    text = RUNBOOK + (ROOT / "docs" / "events.md").read_text()
    named = re.findall(r'redis-cli(?: -u "\$REDIS_URL")? (?:--)?([A-Za-z]+)', text)
    named += [word for word in ("HGETALL", "RENAME", "XDEL") if f"`{word}" in text]
    (rule,) = server_users.users("ledger", ["first"])["repair"].rules

    assert {word.lower() for word in named} == set(rule.commands) - set(server_users._UPGRADES)


def test_each_trouble_that_the_overview_names_has_a_section_and_each_such_section_a_trouble() -> None:
    """Its heading is the word itself, as `overview` prints it, so that it is found by searching and by its anchor."""
    headings = re.findall(r"^### ([a-z_]+)$", RUNBOOK, re.MULTILINE)

    assert sorted(headings) == sorted(Trouble)
    assert [what for what in Trouble if f"[`{what}`](#{what})" not in SECTIONS["First look"]] == [], "the index"


@pytest.mark.parametrize("what", Trouble)
def test_each_section_says_what_is_seen_what_it_means_the_money_and_what_to_do_and_not_to_do(what: Trouble) -> None:
    """In one order, so that a reader finds the line that they look for."""
    assert tuple(re.findall(r"^- \*\*([^*]+)\*\*", SECTIONS[what], re.MULTILINE)) == LEADS


def test_phone_numbers_and_cut_off_times_have_a_place_before_all_else() -> None:
    """The tables are to be filled in: their last column is empty."""
    place = SECTIONS["Phone numbers and cut-off times"]
    rows = [row for row in place.splitlines() if row.startswith("| ")]

    assert RUNBOOK.index("## Phone numbers") < RUNBOOK.index("## First look") < RUNBOOK.index("### ledger_away")
    assert sum(row.endswith("| |") for row in rows) >= 10
