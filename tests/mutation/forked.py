"""How a mutant is run: the tests are collected once, then each mutant is a fork that changes one thing and runs them.

What `tests.mutation.tables` and `tests.mutation.lua` share. A mutant costs a fork, and the tests up to the first that
goes red. Everything happens in a copy of the tree; the tree itself is never changed.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]

#: Who runs for longer than this waits for ever, and no run of the tests would let that pass.
LONGEST_S = 300

_IGNORED = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis")


@dataclass(frozen=True)
class Mutant:
    where: str  #: file and line
    what: str
    apply: Callable[[], None]  #: in the fork, where the project is imported and the tests are collected


class Runner:
    """A pytest plugin: in place of one run of the tests, one for each mutant; `survivors` stayed green."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self.mutants = mutants
        self.survivors: list[Mutant] = []
        self.was_green = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.was_green = _is_green(session, lambda: None)
        for mutant in self.mutants if self.was_green else ():
            if _is_green(session, mutant.apply):
                self.survivors.append(mutant)
                print(f"survived: {mutant.where} {mutant.what}", flush=True)  # noqa: T201 - its output
        return True


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """A copy to work in; what is imported of the project from here on comes from it."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=_IGNORED)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        yield copy


def survivors(tests: Sequence[str], mutants: Sequence[Mutant]) -> list[Mutant]:
    """Which mutants no test ends. The tests are run in the order in which they are named here."""
    runner = Runner(mutants)
    pytest.main(["-q", "-q", "-s", "--no-header", "-p", "no:cacheprovider", *tests], plugins=[runner])
    if not runner.was_green:
        raise SystemExit(f"{' '.join(tests)}: not green even without a mutant")
    return runner.survivors


def summary(name: str, count: int, survived: int) -> None:
    print(f"{name}: {count} mutants, {count - survived} killed, {survived} survived", flush=True)  # noqa: T201 - its output


def _is_green(session: pytest.Session, change: Callable[[], None]) -> bool:
    """All tests in a fork, in a session of its own: a crash, or too long a time, is not green."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            change()
            code = 0 if _all_pass(session) else 1
        finally:
            os._exit(code)  # the servers of the fork end with it
    ends = time.monotonic() + LONGEST_S
    while time.monotonic() < ends:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _all_pass(session: pytest.Session) -> bool:
    for item, later in zip(session.items, [*session.items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=later)
        if session.testsfailed:
            return False
    return True
