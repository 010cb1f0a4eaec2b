"""`transfers enqueue`: intents in by standard input; receipts, or sentences, out."""

import json
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Vault
from tests.support.command_line import Cli

INTENT: dict[str, Any] = {
    "reference": "payout-42",
    "amount": "15000",
    "description": "Payout 42",
    "sender": {"number": "4405639704015096", "expiry": "01/25", "cvc": "815", "name": "TEST CARD"},
    "receiver": {"number": "5522042705066736"},
}


def test_an_intent_is_in_the_ledger_and_its_card_in_the_vault(transfers: Cli, ledger: Ledger, vault: Vault) -> None:
    said = transfers("enqueue", "--json", stdin=json.dumps(INTENT))

    record = ledger.by_reference("payout-42")
    assert record is not None
    assert said.status == 0
    assert said.json == {
        "key": record.key,
        "invoice_id": record.key,
        "handle": record.handle,
        "state": "queued",
        "replayed": False,
    }
    assert vault.look(Purpose.CARD, record.key) is Content.BLOB


def test_the_same_intent_again_is_said_to_be_known(transfers: Cli) -> None:
    transfers("enqueue", stdin=json.dumps(INTENT))

    said = transfers("enqueue", stdin=json.dumps(INTENT))

    assert said.status == 0
    assert "nothing new was made" in said.out


def test_a_list_has_an_answer_for_each_in_its_order(transfers: Cli, ledger: Ledger) -> None:
    """The valid ones are taken, whatever is wrong with the others."""
    wrong = INTENT | {"reference": "payout-43", "amount": "-1"}
    last = INTENT | {"reference": "payout-44"}

    said = transfers("enqueue", "--json", stdin=json.dumps([INTENT, wrong, last]))

    assert said.status == 1
    assert [sorted(answer) for answer in said.json] == [
        ["handle", "invoice_id", "key", "replayed", "state"],
        ["error", "message"],
        ["handle", "invoice_id", "key", "replayed", "state"],
    ]
    assert said.json[1]["message"].startswith("amount: ")
    assert ledger.totals().of(State.QUEUED).count == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amount": "0"}, "amount: must be more than 0"),
        ({"sender": INTENT["sender"] | {"number": "4405639704015097"}}, "sender.number: is not a card number"),
        ({"reference": "4405639704015096"}, "reference: looks like a card number"),
        ({"terminal": "kiosk"}, "terminal: "),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_fields_name(
    transfers: Cli, ledger: Ledger, change: dict[str, Any], sentence: str
) -> None:
    said = transfers("enqueue", stdin=json.dumps(INTENT | change))

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(sentence)
    assert len(said.err.splitlines()) == 1
    assert ledger.counters() == {}


@pytest.mark.parametrize("text", ["4405639704015096", "{", "", "[" * 100_000, '"4405639704015096"', "null", "[1]"])
def test_what_is_no_intent_is_a_sentence(transfers: Cli, text: str) -> None:
    said = transfers("enqueue", stdin=text)

    assert (said.status, said.out) == (1, "")
    assert len(said.err.splitlines()) == 1


def test_an_empty_list_is_nothing_to_do(transfers: Cli) -> None:
    said = transfers("enqueue", "--json", stdin="[]")

    assert (said.status, said.json) == (0, [])


def test_servers_that_are_away_are_75_and_unfit_ones_78(transfers: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = "redis://127.0.0.1:1/0"
    monkeypatch.setenv("VAULT_URL", vault)
    away = transfers("enqueue", stdin=json.dumps(INTENT))
    monkeypatch.setenv("VAULT_URL", "http://127.0.0.1/")
    unfit = transfers("enqueue", stdin=json.dumps(INTENT))

    assert (away.status, unfit.status) == (75, 78)
    assert "VAULT_URL: the server at 127.0.0.1:1 refused the connection" in away.err
    assert "VAULT_URL: is not a redis://" in unfit.err


def test_a_terminal_is_shown_an_example_instead_of_being_waited_for(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("epay_transfers.ops.commands.enqueue.is_person", lambda: True)

    said = transfers("enqueue")

    assert said.status == 2
    assert '"reference": "payout-42"' in said.err


def test_what_was_enqueued_is_queued(transfers: Cli) -> None:
    transfers("enqueue", stdin=json.dumps(INTENT))

    (found,) = transfers("list", "queued", "--json").json["transfers"]

    assert (found["reference"], found["state"], found["sender_card"]) == (
        "payout-42",
        State.QUEUED,
        "440563******5096",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            json.dumps(INTENT)[:-1] + ', "amount": "1"}',
            "standard input gives amount twice in one object; it must be an",
        ),
        (
            "[" + json.dumps(INTENT)[:-1] + ', "amount": "1"}]',
            "standard input gives amount twice in one object; it must",
        ),
        (
            '{"5522042705066736": 1, "5522042705066736": 1}',
            "standard input gives a name twice in one object; it must be",
        ),
        ("{", "standard input is not JSON; it must be an intent, or a list of intents, and give each name once"),
    ],
)
def test_a_name_that_is_given_twice_is_refused_and_nothing_is_enqueued(
    transfers: Cli, ledger: Ledger, text: str, why: str
) -> None:
    """A parser takes the last of the two amounts, and the person who looked at the text may have read the first."""
    said = transfers("enqueue", stdin=text)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(why)
    assert ledger.by_reference("payout-42") is None


def test_it_reads_the_env_file_of_the_working_directory(
    transfers: Cli, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command is our own process: a library call would not."""
    for name, value in environment.items():
        monkeypatch.delenv(name)
        with Path(".env").open("a") as file:
            file.write(f"TRANSFERS_{name}={value}\n")
    Path(".env").chmod(0o600)

    assert transfers("enqueue", stdin=json.dumps(INTENT)).status == 0
