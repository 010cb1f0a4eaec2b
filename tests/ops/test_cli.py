"""The command as a whole: what it lists, how fast it does, and how it says that something is wrong."""

import shlex
import subprocess
import sys

import pytest
from typer.core import TyperGroup

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pauses import PEOPLES_CAUSES, Cause
from epay_transfers.ops import descriptions
from epay_transfers.ops.cli import COMMANDS, load
from tests.ops.conftest import Into
from tests.support.command_line import Cli

#: The first words of commands of two words: alone, they show the help of the group.
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}

CONNECTING = sorted(name for name, entry in COMMANDS.items() if entry.connects and name not in GROUPS)


def example(name: str) -> list[str]:
    """The arguments that help shows."""
    return shlex.split(COMMANDS[name].example)


def takes(name: str, parameter: str) -> bool:
    return parameter in {each.name for each in load(name).params}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_on_the_shelf_is_there_and_says_what_it_does(transfers: Cli, name: str) -> None:
    assert load(name).name in {name.rsplit(maxsplit=1)[-1], None} or name in GROUPS

    said = transfers(*name.split(), "--help")

    assert said.status == 0
    assert "Usage: transfers" in said.out
    assert " ".join(COMMANDS[name].example.split()) in " ".join(said.out.split())


def test_help_lists_every_command_and_loads_no_library_of_ours() -> None:
    """`transfers --help` is what a newcomer types first: it may not take a second."""
    script = (
        "import sys\nfrom epay_transfers.ops.cli import main\nsys.argv = ['transfers', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "late = {'redis', 'pydantic', 'cryptography', 'dramatiq', 'epay_transfers.ledger.store.ledger'}\n"
        "print(sorted(late & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own command

    assert [name for name in COMMANDS if " " not in name and f" {name} " not in done.stdout] == []
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_loads_the_room_of_the_producers_only_if_it_is_one() -> None:
    """An operator who looks at a transfer does not wait for a backend's intents and their checks."""
    as_producers = {"console", "demo", "dev", "doctor", "enqueue"}
    script = (
        "import sys\nfrom epay_transfers.ops import cli\n"
        f"for name in cli.COMMANDS:\n    name in {as_producers} or cli.load(name)\n"
        "print(sorted({'epay_transfers.producers', 'sentry_sdk'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own command

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", CONNECTING)
def test_missing_settings_are_a_line_each_and_78(transfers: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("REDIS_URL")

    said = transfers(*name.split(), *example(name))

    assert (said.status, said.out) == (78, "")
    assert "REDIS_URL: is not set" in said.err


#: What says it on its own page: `doctor` and `overview`. And `keys` needs no server.
@pytest.mark.parametrize("name", sorted(set(CONNECTING) - {"doctor", "overview", "keys"}))
def test_a_ledger_that_is_away_is_a_sentence_and_75(transfers: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    said = transfers(*name.split(), *example(name))

    assert (said.status, said.out) == (75, "")
    assert "_URL: the server at 127.0.0.1:1 refused the connection; start it" in said.err
    assert "may be stored" not in said.err or COMMANDS[name].changes, "a read changes nothing"


@pytest.mark.parametrize("name", [name for name in COMMANDS if takes(name, "name")])
def test_an_unknown_transfer_is_a_sentence_that_does_not_repeat_what_was_typed(transfers: Cli, name: str) -> None:
    """Who types a card number in the wrong place does not find it in the log of a terminal."""
    said = transfers(*name.split(), "4405639704015096", *example(name)[1:])

    sentence = "there is no transfer with this key or reference, nor one with this id or reference of the bank's\n"
    assert (said.status, said.err) == (1, sentence)


def test_a_name_of_two_transfers_is_not_guessed(transfers: Cli, into: Into) -> None:
    key = into(State.QUEUED, "payout-1", invoice_id="251124000001").key
    into(State.QUEUED, key, invoice_id="251124000002")

    said = transfers("status", key)

    assert said.status == 1
    assert "the key of one transfer and the reference of another" in said.err


def test_the_bank_s_id_finds_its_transfer_and_a_reference_of_several_names_them(
    transfers: Cli, into: Into, ledger: Ledger
) -> None:
    """The bank answers with its own id: whose it is, is asked in the middle of the night."""
    keys = []
    for number in (1, 2):
        record = into(State.SENDING, f"payout-{number}", invoice_id=f"25112400000{number}")
        fields: RecordFields = {"code": "0", "bank_id": f"b-{number}", "bank_reference": "326100009021"}
        ledger.move(record, Verb.PAY, Change(fields=fields), actor="worker")
        keys.append(record.key)

    found, several = transfers("status", "b-2"), transfers("status", "326100009021")

    assert (found.status, keys[1] in found.out, keys[0] in found.out) == (0, True, False)
    assert (several.status, several.err) == (1, f"the bank gave this to several: give one of {keys[0]}, {keys[1]}\n")


def test_pause_offers_the_causes_of_people_alone(transfers: Cli) -> None:
    """A worker's causes are its own findings."""
    said = " ".join(transfers("pause", "--help").out.split())

    assert "fraud, maintenance, bank, other." in said
    assert not [cause for cause in Cause if cause not in PEOPLES_CAUSES and cause in said]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_changes_something_if_it_takes_a_reason(name: str) -> None:
    """Enqueue takes an intent in a reason's place."""
    assert COMMANDS[name].changes == (takes(name, "reason") or name == "enqueue")


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_every_command_of_a_group_has_its_entry(name: str) -> None:
    group = load(name)

    assert isinstance(group, TyperGroup)
    assert {f"{name} {each}" for each in group.commands} == {each for each in COMMANDS if each.startswith(f"{name} ")}


def test_a_reason_is_required_wherever_something_changes(transfers: Cli) -> None:
    for arguments in ([*name.split(), *example(name)] for name in COMMANDS if takes(name, "reason")):
        said = transfers(*arguments[: arguments.index("--reason")])

        assert said.status == 2
        assert "--reason" in said.err


def test_a_reason_that_looks_like_a_card_is_not_kept(transfers: Cli) -> None:
    said = transfers("pause", "send", "--reason", "because of 4405 6397 0401 5096")

    assert said.status == 1
    assert said.err.startswith("reason: looks like a card number")


def test_every_verb_and_every_state_has_its_words() -> None:
    assert all(verb.row.happened and verb.row.short and verb.row.by for verb in Verb)
    assert all(alarm.sentence for alarm in Alarm)
    assert not {verb.value for verb in Verb} & {alarm.value for alarm in Alarm}
    assert {state for state in State if not state.final} == set(descriptions.NEXT)
