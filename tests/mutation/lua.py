"""Mutants of the Lua: a comparison turned round, a call dropped, a state swapped for another."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.mutation.forked import Mutant

_FLIPS = {"==": "~=", "~=": "==", "<=": "<", ">=": ">", "<": "<=", ">": ">=", " and ": " or ", " or ": " and "}
_COMPARISON = re.compile(r"==|~=|<=|>=|(?<![=~<>])<(?![=])|(?<![=~<>-])>(?![=])| and | or ")
_NUMBER = re.compile(r"(?<=[+-] )1\b")
_CALL = re.compile(r"\s*(?:if .* then )?redis\.call\(.*\)(?: end)?\s*$")
_SWAPS = (("'queued'", "'sending'"), ("'blob'", "'closed'"), ("'tombstone'", "'closed'"))


def mutants(file: str) -> Iterator[Mutant]:
    """One change each, never in a comment; in the file itself, which each run of the tests reads anew."""
    path = Path(file)
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        for what, changed in _changes(line.partition("--")[0]):
            text = "\n".join([*lines[:at], changed, *lines[at + 1 :]]) + "\n"
            yield Mutant(f"{file}:{at + 1}", what, partial(_write, path, text))


def _changes(code: str) -> Iterator[tuple[str, str]]:
    for found in _COMPARISON.finditer(code):
        flipped = code[: found.start()] + _FLIPS[found[0]] + code[found.end() :]
        yield f"{found[0].strip()} → {_FLIPS[found[0]].strip()}", flipped
    if _CALL.match(code):
        yield "call dropped", ""
    for name, other in _SWAPS:
        if name in code:
            yield f"{name} → {other}", code.replace(name, other, 1)
    if _NUMBER.search(code):
        yield "1 → 2", _NUMBER.sub("2", code)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
