"""No key is built in Lua: each is handed in, spelled by `ledger.keys` alone."""

import re

import pytest

from tests.architecture.source import files, text_of

#: Commands that take no key.
KEYLESS = {"INFO", "TIME"}

#: In these parts the keys are what the script hands to the function: KEYS, at each call.
GIVEN = {
    "ledger/lua/_events.lua": {"events"},
    "ledger/lua/_lone_event.lua": {"counters", "events"},
    "ledger/lua/_pauses.lua": {"hash", "written"},
    "ledger/lua/_rate.lua": {"rates"},
    "ledger/lua/_in_turn.lua": {"rates"},
    "ledger/lua/_vault.lua": {"place"},
    "ledger/lua/vault_put.lua": {"place_of_text"},  # in ARGV, as its header says
}

#: A script that does the same for many names what it takes of KEYS.
_NAMES = re.compile(r"local ([\w, ]+) = unpack\(KEYS,|for at, (\w+) in ipairs\(KEYS\)")
_GIVES_RATES = re.compile(r"(?<!function )\b(?:may_go|have_gone|in_turn)\(([^,]+),")
_GIVES = re.compile(
    r"(?<!function )\b(?:add_event|pauses)\(([^,]+), ([^,)]+)|(?<!function )\b(?:unsound_log|append_event)\(([^,)]+)()"
)

#: What a header says of words of the JSON that are numbers of keys, where not each call has these keys.
_PLACES = re.compile(r"((?:\w+, )*\w+)(?:: | +with a \w+: )the places?, in KEYS, of")

_CALL = re.compile(r"redis\.p?call\(\s*'(\w+)'\s*(?:,\s*([^,)]+(?:\[[^\]]*\])?))?")


def code_of(file: str) -> str:
    return "\n".join(line.partition("--")[0] for line in text_of(file).splitlines())


@pytest.mark.parametrize("file", files("lua"))
def test_every_command_names_its_key_by_number(file: str) -> None:
    """In KEYS, also one after the other (`at`), or where the JSON in ARGV says that it stands there (its header).

    Or in ARGV, where a caller may not read or write it (its header).
    """
    numbers = re.findall(r" (\d+) (?:the sealed text's key|the key of the count of this run's writes)", text_of(file))
    in_argv = {f"ARGV[{number}]" for number in numbers}
    named = {name for words in _NAMES.findall(code_of(file)) for name in re.findall(r"\w+", " ".join(words))}
    in_argv |= {f"m.{name}" for name in re.findall(r"(\w+) +of an end: the key of the cards' prints", text_of(file))}
    places = "|".join(word for words in _PLACES.findall(text_of(file)) for word in words.split(", ")) or "(?!)"
    wrong = [
        f"{file}: {command} {key}"
        for command, key in _CALL.findall(code_of(file))
        if command not in KEYLESS
        and not re.fullmatch(rf"KEYS\[(\d+|at|[mt]\.({places}))\]", key.strip())
        and key.strip() not in in_argv | named
        and key.strip() not in GIVEN.get(file, ())
    ]
    assert wrong == []


@pytest.mark.parametrize("file", files("lua"))
def test_what_is_handed_to_the_events_part_is_a_key(file: str) -> None:
    """So its own commands name keys of the script, too."""
    given = [key for keys in _GIVES.findall(code_of(file)) for key in keys if key]
    given += _GIVES_RATES.findall(code_of(file))
    known = GIVEN.get(file, ())
    assert [key for key in given if not re.fullmatch(r"KEYS\[(\d+|m\.rates)\]", key) and key not in known] == []


@pytest.mark.parametrize("file", files("lua"))
def test_no_script_spells_a_key_or_runs_another_text(file: str) -> None:
    text = code_of(file)

    assert "transfers:" not in text
    assert "KEYS[#" not in text
    assert not re.search(r"\bloadstring\b|\bload\(|\bdofile\b", text)


def test_keys_are_spelled_in_one_module() -> None:
    wrong = [
        file
        for file in files()
        if file != "ledger/store/redis_keys.py" and re.search(r"[\"']transfers:\{", text_of(file))
    ]
    assert wrong == []


def test_scripts_are_found() -> None:
    assert len(files("lua")) > 10
