"""A small mutator for the Lua: flip a comparison, drop a call, swap a state; then see whether a test goes red.

`python -m tests.mutation.lua [SCRIPT ...]` works in a copy of the tree and prints what survived. It is not a part of
`make test`; `tests/README.md` has the figures of the last run, and the reason for each survivor.
"""

import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import SystemRandom

from tests.mutation.forked import Mutant, copy_of_the_tree, summary, survivors

#: The tests that are near to a script, by how its name begins; what survives them meets all that can reach a script.
NEAR = {
    "_time": ("time", "move", "create", "claim"),
    "_move": ("broken", "bank_ids", "move", "time", "create", "claim", "events", "lanes", "health"),
    "_vault": ("vault",),
    "claim": ("claim", "time", "lanes", "move", "broken"),
    "create": ("create", "lanes", "broken"),
    "due": ("move", "time"),
    "move": ("move",),
    "probe": ("claim", "time"),
    "set_aside": ("unreadable",),
    "vault": ("vault",),
}
FAR = ("tests/ledger", "tests/journey", "tests/producers", "tests/unit/ledger/test_scripts.py")

_FLIPS = {"==": "~=", "~=": "==", "<=": "<", ">=": ">", "<": "<=", ">": ">=", " and ": " or ", " or ": " and "}
_COMPARISON = re.compile(r"==|~=|<=|>=|(?<![=~<>])<(?![=])|(?<![=~<>-])>(?![=])| and | or ")
_NUMBER = re.compile(r"(?<=[+-] )1\b")
_CALL = re.compile(r"\s*(?:if .* then )?redis\.call\(.*\)(?: end)?\s*$")
_SWAPS = (("'queued'", "'sending'"), ("'blob'", "'closed'"), ("'tombstone'", "'closed'"))


def mutants(folder: Path, texts: dict[str, str], name: str) -> Iterator[Mutant]:
    """Every mutant of one script: one change each, never in a comment."""
    lines = texts[name].splitlines()
    for at, line in enumerate(lines):
        for what, changed in _changes(line.partition("--")[0]):
            text = "\n".join([*lines[:at], changed, *lines[at + 1 :]]) + "\n"
            yield Mutant(f"{name}:{at + 1}", what, partial(_write, folder, texts | {name: text}))


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


def _write(folder: Path, texts: dict[str, str]) -> None:
    """All scripts, for the fork before this one has left its own mutant there."""
    for name, text in texts.items():
        (folder / name).write_text(text)


def near(script: str) -> tuple[str, ...]:
    names = next(names for start, names in NEAR.items() if script.startswith(start))
    return tuple(f"tests/ledger/test_{name}.py" for name in names)


def main() -> int:
    os.environ.setdefault("TRANSFERS_MACHINES", "50")  # of the far pass: each mutant meets them all,
    os.environ.setdefault("TRANSFERS_SEED", str(SystemRandom().randrange(2**32)))  # in its own process
    with copy_of_the_tree() as tree:
        folder = tree / "ledger" / "lua"
        texts = {path.name: path.read_text() for path in folder.glob("*.lua")}
        found = {name: list(mutants(folder, texts, name)) for name in sorted(sys.argv[1:] or texts)}
        left: list[Mutant] = []
        for tests in dict.fromkeys(near(name) for name in found):  # scripts with the same tests share a collection
            _write(folder, texts)
            left += survivors(tests, [mutant for name, made in found.items() if near(name) == tests for mutant in made])
        if left:
            print("against all that can reach a script:", flush=True)  # noqa: T201 - its output
            _write(folder, texts)
            left = survivors(FAR, left)
        for name, made in found.items():
            summary(name, len(made), sum(mutant in left for mutant in made))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
