"""Each script does what its header says: its KEYS, its ARGV, its replies, and the fields of a move."""

import inspect
import re
from collections.abc import Iterator
from importlib import resources

import pytest

from epay_transfers.ledger.record import KEPT_AS, Record, StoredChallenge
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import change, redis_keys, scripts
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.new_transfer import Names
from epay_transfers.ledger.vault.vault import Content, Put, PutBack
from tests.support.factories import new_transfer

SHELF = resources.files("epay_transfers.ledger") / "lua"
NAMES = sorted(path.name.removesuffix(".lua") for path in SHELF.iterdir() if path.name.endswith(".lua"))
SHARED = [name for name in NAMES if name.startswith("_")]
VERBS = [name for name in NAMES if not name.startswith("_")]

#: A label, and a number with two blanks before it: so a header names what it takes.
_LABEL = re.compile(r"^-- (KEYS|ARGV|Replies)\b")
#: A word that a script answers: by itself, by the vault's `reply`, or as one of several.
_REPLIED = re.compile(r"(?:\{|reply\(|words\[at\] = )'([A-Z]+)'")
_NUMBER = re.compile(r"(?:^| {2,})(\d+) (?=\S)")


def own_text(name: str) -> str:
    return (SHELF / f"{name}.lua").read_text()


def code_of(text: str) -> str:
    return "\n".join(line.partition("--")[0] for line in text.splitlines())


def header_of(name: str) -> dict[str, str]:
    """The comment on top, by its labels; what stands before the first one is under ""."""
    sections: dict[str, str] = {"": ""}
    label = ""
    for line in own_text(name).splitlines():
        if not line.startswith("--"):
            break
        found = _LABEL.match(line)
        label = found[1] if found else label
        rest = line[2:] if not found else line[found.end() :]
        sections[label] = sections.get(label, "") + rest + "\n"
    return sections


def shared_of(name: str) -> list[str]:
    head = (
        scripts.text_of(name)
        .removesuffix(own_text(name))
        .removeprefix(scripts._MAY_EXCEED)
        .removeprefix(scripts._CLEARED)
    )
    shared = sorted((part for part in SHARED if own_text(part) in head), key=lambda part: head.index(own_text(part)))
    assert head == "".join(map(own_text, shared))
    return shared


def named_numbers(name: str, label: str) -> set[int]:
    numbers = set()
    for part in (*shared_of(name), name):
        lines = header_of(part).get(label, "").splitlines()
        numbers |= {int(number) for line in lines for number in _NUMBER.findall(line)}
    return numbers


def used_numbers(name: str, label: str) -> set[int]:
    return {int(number) for number in re.findall(rf"{label}\[(\d+)\]", code_of(scripts.text_of(name)))}


def replied_words(name: str) -> set[str]:
    """The words that the script can answer: its own, and those of the shared functions that it calls."""
    own = code_of(own_text(name))
    words = set(re.findall(_REPLIED, own))
    functions = dict(pair for shared in shared_of(name) for pair in _functions(own_text(shared)))
    called: set[str] = set()
    bodies = [own]
    while bodies:
        body = bodies.pop()
        fresh = {function for function in functions if re.search(rf"\b{function}\(", body)} - called
        called |= fresh
        bodies += [functions[function].partition("\n")[2] for function in fresh]
    for function in called:
        words |= set(re.findall(_REPLIED, functions[function]))
    return words


def named_words(name: str) -> set[str]:
    replies = header_of(name)["Replies"]
    words = set(re.findall(r"\b[A-Z]{2,}\b", replies))
    return words | (named_words("move") if "as move.lua" in replies else set())


def _functions(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^local function (\w+)\(.*?^end$", code_of(text), re.MULTILINE | re.DOTALL):
        yield match[1], match[0]


@pytest.mark.parametrize("name", VERBS)
def test_a_header_says_what_the_script_does_first(name: str) -> None:
    assert own_text(name).startswith(f"-- {name}: ")
    assert "Replies" in header_of(name)


@pytest.mark.parametrize("label", ["KEYS", "ARGV"])
@pytest.mark.parametrize("name", VERBS)
def test_what_is_used_stands_in_the_header_and_the_other_way_round(name: str, label: str) -> None:
    assert used_numbers(name, label) == named_numbers(name, label)


@pytest.mark.parametrize("name", VERBS)
def test_every_reply_stands_in_the_header_and_the_other_way_round(name: str) -> None:
    assert replied_words(name) == named_words(name)


@pytest.mark.parametrize("name", SHARED)
def test_every_shared_function_is_called(name: str) -> None:
    callers = [code_of(scripts.text_of(verb)) for verb in VERBS if name in shared_of(verb)]
    for function, _ in _functions(own_text(name)):
        assert any(len(re.findall(rf"\b{function}\(", text)) > 1 for text in callers), function


@pytest.mark.parametrize("name", VERBS)
def test_the_shared_parts_are_the_vaults_or_the_ledgers(name: str) -> None:
    """Some of the ledger's need no time of their own: they store none, or are given what `due` has just answered."""
    is_move = name in {"create", "claim", "move"}
    is_rate, looks = name in {"rate", "watched"}, name == "ledger_look"
    has_time = (
        is_move
        or is_rate
        or looks
        or name in {"due", "probe", "inbox_take", "remember_worker", "turn", "leave_waiting", "tell", "archive"}
    )
    tells = is_move or looks or name in {"set_aside", "tell", "trim", "archive"}
    tells_alone = tells and not is_move and not looks
    parts = ["_time"] * has_time + ["_events"] * tells + ["_lone_event"] * tells_alone
    parts += ["_counters"] * is_move + ["_rate"] * is_rate
    parts += ["_in_turn"] * (name in {"claim", "move", "watched"}) + ["_move"] * (is_move and name != "create")
    parts += ["_pauses"] * (name in {"create", "claim"}) + ["_server"] * (looks or name == "claim")
    assert shared_of(name) == (["_vault"] if name.startswith("vault_") else parts)


def test_the_fields_of_a_move_are_those_of_the_header_and_of_python() -> None:
    """A field that only one of the three knows is a field that is silently ignored."""
    header = header_of("_move")["ARGV"]
    first = re.search(r"as JSON: ([\w, ]+), moves", header)
    assert first is not None
    named = {*re.findall(r"\w+", first[1]), "moves"}
    named |= {
        word for line in re.findall(r"^ {9}([\w, ]+?)(?: {2,}|$)", header, re.MULTILINE) for word in line.split(", ")
    }
    used = set(re.findall(r"\bm\.(\w+)", code_of(own_text("_move") + own_text("_counters"))))
    builders = (change.script_argument, change._of_row, change._must_hold, change._beside)
    written = "".join(inspect.getsource(each) for each in builders)
    given = {a or b for a, b in re.findall(r'"(\w+)": |(?:held|said)\["(\w+)"\] =', written)}

    assert used == named
    assert given == used


def test_no_script_knows_a_field_that_has_a_short_name() -> None:
    """It would read one name of two, and miss what the record has under the other."""
    for name in NAMES:
        words = set(re.findall(r"'(\w+)'|\b[rm]\.(?:set\.)?(\w+)", code_of(own_text(name))))
        known = {word for pair in words for word in pair if word}
        assert not known & {*KEPT_AS, *KEPT_AS.values()}, name


def test_what_create_brings_is_a_record() -> None:
    brought = set(re.findall(r"\br\.(\w+)", code_of(own_text("create"))))

    assert brought <= set(Record.__slots__)


def test_python_knows_every_word_of_the_vault() -> None:
    assert {put.value for put in Put} == named_words("vault_put")
    assert {put_back.value for put_back in PutBack} == named_words("vault_put_back")
    code = code_of(own_text("_vault"))
    kinds = set(re.findall(r"\b[XC] = '(\w+)'", code)) | set(re.findall(r"'(nothing|stale|blob)'", code))
    assert {there.value for there in Content} == kinds


def test_a_word_that_no_header_knows_is_a_bug_and_not_a_default() -> None:
    ledger = Ledger(connect("redis://127.0.0.1:1/0"))
    names = Names("251124000001", "h")

    with pytest.raises(AssertionError, match="PERHAPS"):
        ledger._moved(["PERHAPS"], 0)
    with pytest.raises(AssertionError, match="PERHAPS"):
        ledger._creation(names, new_transfer(), ["PERHAPS"], 0)


def test_the_keys_of_a_move_are_as_many_as_its_header_names() -> None:
    ledger = Ledger(connect("redis://127.0.0.1:1/0"))
    record = Record(key="251124000001", state=State.SENDING, handle="h")
    plain, _ = ledger._call(record, Verb.DOUBT, Change(due_at=1), actor="t")
    asked = Change(due_at=1, challenge=StoredChallenge("p", "m", "a"))
    parking, _ = ledger._call(record, Verb.PARK, asked, actor="t")

    assert named_numbers("move", "KEYS") == set(range(1, len(parking) + 1))
    assert list(parking[:-2]) == list(plain)
    paying, _ = ledger._call(record, Verb.PAY, Change(fields={"bank_id": "a9e1"}), actor="t")
    assert list(paying) == [*plain, redis_keys.bank_id("a9e1"), *redis_keys.bank_ids("a9e1")]
