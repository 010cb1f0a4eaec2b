"""What the documents say in the code's stead is what the code says: states, codes, keys, the parts of each room."""

import re
from collections.abc import Callable

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from tests.docs.generated import PIECES, ROOT, piece_of

DOCUMENTS = ("*.md", "docs/*.md", "deploy/*.md", "tests/README.md")
DESIGN = (ROOT / "docs/design.md").read_text()


@pytest.mark.parametrize(
    ("piece", "make"), PIECES.items(), ids=lambda piece: piece[1] if isinstance(piece, tuple) else ""
)
def test_the_generated_piece_is_up_to_date(piece: tuple[str, str], make: Callable[[], str]) -> None:
    """Red? `python -m tests.docs.generated` writes it anew."""
    place, name = piece

    assert piece_of((ROOT / place).read_text(), name)[0] == make()


_PLACES = (redis_keys.card, redis_keys.pares, redis_keys.sealed_card, redis_keys.sealed_pares, redis_keys.prints)


def test_the_table_of_keys_names_every_key_and_no_other() -> None:
    constants = {
        value for value in vars(redis_keys).values() if isinstance(value, str) and value.startswith("transfers:{t}:")
    }
    made = {
        redis_keys.suffix_record("<space>", 0).replace("000000", "<suffix>"),
        redis_keys.suffixes("<space>"),
        redis_keys.reference("<reference>"),
        redis_keys.handle("<handle>"),
        re.sub("[0-9a-f]{32}$", "<digest>", redis_keys.md("")),
        redis_keys.bank_id("<id>"),
        redis_keys.archived("").rpartition(":")[0] + ":<bucket>",
        *(
            place.rpartition(":")[0] + ":<bucket>"
            for index in (redis_keys.references, redis_keys.bank_ids)
            for place in index("")
        ),
        redis_keys.inbox("<sender>"),
        redis_keys.guesses(0).removesuffix("0") + "<minute>",
        *(place("000000").replace("main:000000", "<space>:<suffix>") for place in _PLACES),
        redis_keys.challenge("<key>"),
        redis_keys.limits("<day>"),
        redis_keys.receiver_limits("<day>"),
        redis_keys.operator_limits("<day>"),
    }
    written = set(re.findall(r"^\| `(transfers:[^`]+)` \|", DESIGN, re.MULTILINE))

    assert written == (constants - {redis_keys._ROOT}) | made


def test_every_way_to_make_a_key_is_in_the_test_above() -> None:
    """A new function in `ledger.keys` is a new row in the table, and in that test."""
    functions = {
        name
        for name, value in vars(redis_keys).items()
        if callable(value) and value.__module__ == redis_keys.__name__ and not name.startswith("_")
    }

    assert functions == {
        "record", "suffix_record", "suffixes", "reference", "handle", "md", "card", "every", "pares", "sealed_card",
        "sealed_pares", "challenge", "place", "bank_id", "guesses", "inbox", "limits", "prints", "receiver_limits",
        "references", "operator_limits", "bank_ids", "bank_id_name", "archived",
    }  # fmt: skip


@pytest.mark.parametrize("document", ["docs/design.md", "deploy/runbook.md"])
def test_every_state_is_in_the_table_of_states(document: str) -> None:
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", (ROOT / document).read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}

    assert {str(state) for state in State} <= named


def test_every_file_that_the_documents_name_exists() -> None:
    """A renamed module turns the sentences about it red."""
    rooms = "producers|ledger|worker|ops|runtime|sandbox|tests|deploy|docs|benchmarks"
    said = "".join(path.read_text() for pattern in DOCUMENTS for path in ROOT.glob(pattern))
    named = set(re.findall(rf"`((?:{rooms})/[\w/.]*)`", said))

    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_one_test_that_contributing_runs_exists() -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", (ROOT / "CONTRIBUTING.md").read_text())

    assert [name for file, name in named if f"def {name}(" in (ROOT / file).read_text()] == [name for _, name in named]
    assert named
