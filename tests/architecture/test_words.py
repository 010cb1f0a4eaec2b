"""The words of the project: what `tests/words.toml` bans stands in no name, no comment, no message and no document."""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from tests.architecture.source import ROOT, files, nodes_of, text_of

_WORDS = tomllib.loads((ROOT / "tests/words.toml").read_text())


#: Documents that speak of old words on purpose.
_HISTORY = {"CHANGELOG.md"}

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Ban:
    """A banned word or phrase: how to find it, what to use, and where it is right all the same."""

    pattern: re.Pattern[str]
    use: str
    exceptions: tuple[str, ...]


def _bans(kind: str, field: str) -> list[Ban]:
    return [
        Ban(
            re.compile(re.escape(entry[field]) if kind == "name" else entry[field], re.IGNORECASE),
            entry["use"],
            tuple(entry.get("except", ())),
        )
        for entry in _WORDS[kind]
    ]


NAMES = _bans("name", "word")
BY_WORD = {entry["word"].lower(): ban for entry, ban in zip(_WORDS["name"], NAMES, strict=True)}
PHRASES = _bans("phrase", "pattern")
WHOLE: dict[str, str] = {entry["name"]: entry["use"] for entry in _WORDS["whole"]}


def _documents() -> list[str]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return sorted(name for name in (str(path.relative_to(ROOT)) for path in found) if name not in _HISTORY)


PYTHON = files()
TEXTS = [*files("lua"), *files("html"), *_documents()]
ALL = [*PYTHON, *TEXTS]


@cache
def parts_of(name: str) -> tuple[str, ...]:
    """`old_name`, `OldName` and `old.name` → `old`, `name`."""
    return tuple(part.lower() for word in re.split(r"[^A-Za-z0-9]+", name) for part in _CAMEL.split(word) if part)


def names_in(file: str) -> Iterator[tuple[int, str]]:
    """Every name that the module's code defines or uses, with its line, and the file's own."""
    yield 1, file
    for node in nodes_of(file):
        line = getattr(node, "lineno", 1)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
                yield line, name
            case ast.Constant(value=str(text)) if re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", text):
                yield line, text  # a log event, a field, a word that code branches on
            case _:
                pass


def prose_in(file: str) -> Iterator[tuple[int, str]]:
    """Comments and strings of a Python module; every line of another text."""
    if not file.endswith(".py"):
        yield from enumerate(text_of(file).splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text_of(file)).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING, _MIDDLE}:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line.lstrip("#: ")


#: What stands between the braces of an f-string is code, what stands around them is text (a token since Python 3.12).
_MIDDLE: int = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)


@cache
def wrong_in(file: str) -> tuple[str, ...]:
    """What the file says that it should not, a line each."""
    found = []
    if file.endswith(".py"):
        found += [
            f"{file}:{line}: `{name}`: use {ban.use}"
            for line, name in names_in(file)
            for part in parts_of(name)
            if (ban := BY_WORD.get(part)) and not file.startswith(ban.exceptions)
        ]
        found += [f"{file}:{line}: `{name}`: use {WHOLE[name]}" for line, name in names_in(file) if name in WHOLE]
    found += [
        f"{file}:{line}: {text.strip()!r}: use {ban.use}"
        for line, text in prose_in(file)
        for ban in PHRASES
        if not file.startswith(ban.exceptions) and ban.pattern.search(text)
    ]
    return tuple(dict.fromkeys(found))


def test_no_file_has_a_banned_word() -> None:
    """Each line names the place, the word, and what to use instead."""
    assert [line for file in ALL for line in wrong_in(file)] == []


def test_names_and_prose_are_found() -> None:
    """What the test reads of a module is really there: names, comments, docstrings, messages."""
    file = "ledger/errors.py"
    names = {name for _, name in names_in(file)}
    prose = "\n".join(text for _, text in prose_in(file))

    assert {"TerminalUnknown", "receipt"} <= names
    assert "What to do about a record" in prose
    assert "the base of every error" in prose.lower()
    assert "no credentials for terminal" in prose


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("NotAWakeup", ("not", "a", "wakeup")),
        ("old_name", ("old", "name")),
        ("wakeup.not_sent", ("wakeup", "not", "sent")),
        ("HTTPServer", ("http", "server")),
    ],
)
def test_a_name_is_read_in_its_parts(name: str, parts: tuple[str, ...]) -> None:
    assert parts_of(name) == parts


@pytest.mark.parametrize("ban", [*NAMES, *PHRASES], ids=lambda ban: ban.pattern.pattern)
def test_an_exception_names_what_is_there(ban: Ban) -> None:
    """A path that is gone leaves its exception behind otherwise."""
    assert [start for start in ban.exceptions if not any(file.startswith(start) for file in ALL)] == []
