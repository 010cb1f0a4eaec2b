"""Is a test red when the code is wrong? `make mutate` changes one thing at a time and runs the tests that should fail.

`python -m tests.mutation.run [FILE ...]` works in a copy of the tree, prints what survives, and writes a report.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory

from tests.mutation import functions, lua, tables
from tests.mutation.forked import Mutant, survivors
from tests.mutation.targets import all_files, tests_of

ROOT = Path(__file__).parents[2]
#: Git ignores this folder.
REPORT = ROOT / "build" / "mutation.md"

_IN_COPY = "TRANSFERS_MUTATION_REPORT"  #: set in the copy, to the report's path
_IGNORED = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".hypothesis", "build", "*.egg-info")


def mutants(file: str) -> list[Mutant]:
    if file.endswith(".lua"):
        return list(lua.mutants(file))
    return [*tables.mutants(file), *functions.mutants(file)]


def run(files: list[str], report: Path) -> int:
    """How many survive. The report is written anew after each file."""
    rows, lists = [], []
    survived = 0
    for file in files:
        begun = time.monotonic()
        near, far = tests_of(file)
        found = mutants(file)
        _say(f"{file}: {len(found)} mutants")
        left = found
        for tests in filter(None, (near, far)):
            if left:
                _say(f"  {len(left)} against {' '.join(tests)}")
                left = _survivors(file, tests, left)
        survived += len(left)
        killed = len(found) - len(left)
        _say(f"{file}: {killed} of {len(found)} killed, {time.monotonic() - begun:.0f} s")
        rows.append(f"| `{file}` | {len(found)} | {killed} | {len(left)} |")
        lists += [f"\n## `{file}`\n", *(f"- {mutant.where} {mutant.what}" for mutant in left)] if left else []
        report.parent.mkdir(exist_ok=True)
        report.write_text("\n".join(_head() + rows + lists) + "\n")
    _say(f"{survived} survive in {len(files)} files: {report}")
    return survived


def _survivors(file: str, tests: tuple[str, ...], found: list[Mutant]) -> list[Mutant]:
    """A mutant of a script leaves the file changed: it is as it was afterwards."""
    text = Path(file).read_text()
    try:
        return survivors(tests, found)
    finally:
        Path(file).write_text(text)


def _head() -> list[str]:
    return ["# Mutation report", "", "| file | mutants | killed | survive |", "| --- | --- | --- | --- |"]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its output


def _in_a_copy(arguments: list[str]) -> int:
    """The same program in a copy of the tree, in which all of the project is imported from."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=_IGNORED, symlinks=True)
        env = os.environ | {"PYTHONPATH": f"{copy / 'src'}", _IN_COPY: str(REPORT), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.mutation.run", *arguments]
        return subprocess.run(command, cwd=copy, env=env, check=False).returncode  # noqa: S603 - this very program


def main() -> int:
    report = os.environ.get(_IN_COPY)
    if report is None:
        return _in_a_copy(sys.argv[1:])
    os.environ.setdefault("TRANSFERS_MACHINES", "50")  # each mutant meets them all, in its own process
    os.environ.setdefault("TRANSFERS_SEED", str(SystemRandom().randrange(2**32)))
    return 1 if run(sys.argv[1:] or all_files(), Path(report)) else 0


if __name__ == "__main__":
    sys.exit(main())
