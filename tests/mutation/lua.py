"""A small mutator for the Lua: flip a comparison, drop a call, swap a state; then see whether a test goes red.

`python -m tests.mutation.lua [SCRIPT ...]` works in a copy of the tree and prints what survived. It is not a part of
`make test`; `tests/README.md` has the figures of the last run, and the reason for each survivor.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "ledger" / "scripts"

#: The tests that hold the scripts. The first one to go red ends a mutant.
TESTS = ("tests/ledger", "tests/journey", "tests/producers", "tests/unit/ledger/test_scripts.py")

_FLIPS = {"==": "~=", "~=": "==", "<=": "<", ">=": ">", "<": "<=", ">": ">=", " and ": " or ", " or ": " and "}
_COMPARISON = re.compile(r"==|~=|<=|>=|(?<![=~<>])<(?![=])|(?<![=~<>-])>(?![=])| and | or ")
_NUMBER = re.compile(r"(?<=[+-] )1\b")


@dataclass(frozen=True)
class Mutant:
    script: str
    line: int
    what: str
    text: str


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of one script: one change each, never in a comment."""
    lines = path.read_text().splitlines(keepends=True)
    for at, line in enumerate(lines):
        code = line.partition("--")[0]
        if not code.strip():
            continue
        for found in _COMPARISON.finditer(code):
            flipped = code[: found.start()] + _FLIPS[found[0]] + code[found.end() :]
            yield _made(path, lines, at, f"{found[0].strip()} → {_FLIPS[found[0]].strip()}", flipped)
        if re.match(r"\s*redis\.call\(.*\)\s*$", code):
            yield _made(path, lines, at, "call dropped", "\n")
        if re.match(r"\s*if .* then redis\.call\(.*\) end\s*$", code):
            yield _made(path, lines, at, "call dropped", "\n")
        for name, other in (("'queued'", "'sending'"), ("'blob'", "'closed'"), ("'tombstone'", "'closed'")):
            if name in code:
                yield _made(path, lines, at, f"{name} → {other}", code.replace(name, other, 1) + "\n")
        if _NUMBER.search(code):
            yield _made(path, lines, at, "1 → 2", _NUMBER.sub("2", code))


def _made(path: Path, lines: list[str], at: int, what: str, line: str) -> Mutant:
    line = line if line.endswith("\n") else line + "\n"
    return Mutant(path.name, at + 1, what, "".join([*lines[:at], line, *lines[at + 1 :]]))


def is_killed(copy: Path, mutant: Mutant) -> bool:
    path = copy / "ledger" / "scripts" / mutant.script
    original = path.read_text()
    path.write_text(mutant.text)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *TESTS]
    try:
        ended = subprocess.run(command, cwd=copy, capture_output=True, check=False, timeout=600)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return True
    else:
        return ended.returncode != 0
    finally:
        path.write_text(original)


def main() -> int:
    wanted = set(sys.argv[1:])
    survivors, count = [], 0
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".mypy_cache", ".hypothesis", ".transfers")
        shutil.copytree(ROOT, copy, ignore=ignored)
        for path in sorted(SCRIPTS.glob("*.lua")):
            if wanted and path.name not in wanted:
                continue
            for mutant in mutants(path):
                count += 1
                if not is_killed(copy, mutant):
                    survivors.append(mutant)
                    print(f"survived: {mutant.script}:{mutant.line} {mutant.what}", flush=True)  # noqa: T201 - its output
    print(f"{count} mutants, {count - len(survivors)} killed, {len(survivors)} survived")  # noqa: T201 - its output
    return 0 if not survivors else 1


if __name__ == "__main__":
    sys.exit(main())
