"""How a mutant is run: the tests are collected once, then each mutant is a fork that changes one thing and runs them.

A mutant costs a fork, and the tests up to the first that fails. Everything happens in a copy of the tree.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

#: A mutant that runs for longer than this waits for ever, and counts as killed: no run of the tests would let it pass.
LONGEST_S = 300


@dataclass(frozen=True)
class Mutant:
    where: str  #: file and line
    what: str
    apply: Callable[[], None]  #: in the fork, where the project is imported and the tests are collected


class Runner:
    """A pytest plugin: one run of the tests for each mutant; `survivors` are those that fail no test."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self.mutants = mutants
        self.survivors: list[Mutant] = []
        self.was_green = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.was_green = _is_green(session, lambda: None)
        for number, mutant in enumerate(self.mutants if self.was_green else (), start=1):
            if _is_green(session, mutant.apply):
                self.survivors.append(mutant)
                print(f"  survived ({number}/{len(self.mutants)}): {mutant.where} {mutant.what}", flush=True)  # noqa: T201 - its output
        return True


def survivors(tests: Sequence[str], mutants: Sequence[Mutant]) -> list[Mutant]:
    """The mutants that fail no test. The tests run in the order in which they are named here."""
    runner = Runner(mutants)
    pytest.main(["-q", "-q", "-s", "--no-header", "-p", "no:cacheprovider", *tests], plugins=[runner])
    if not runner.was_green:
        raise SystemExit(f"{' '.join(tests)}: not green even without a mutant")
    return runner.survivors


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
            try:
                change()
            except (LookupError, ValueError):  # it can't be made: no test has seen it fail
                os._exit(0)
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
