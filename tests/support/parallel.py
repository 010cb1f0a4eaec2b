"""How `make test` uses all cores: pytest-xdist runs whole files beside one another, and parts of a long search.

Each process has servers of its own, on free ports, and runs the tests of a file in their order. `pytest` without `-n`
runs everything in one process. Each process reads all tests before it begins, which is seconds of its own.
"""

import gc
import os
import re
from collections.abc import Generator
from dataclasses import dataclass

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

#: These begin first, so that no core ends up alone with a long one. The order is that of their length.
LONG_FILES = (
    "tests/crash/test_kill.py",
    "tests/incidents/test_incidents.py",
    "tests/simulation/test_simulation.py",
    "tests/demo/test_dev.py",
    "tests/crash/test_replicas.py",
    "tests/crash/test_outcomes.py",
    "tests/crash/test_failover.py",
    "tests/security/test_users.py",
    "tests/crash/test_going_back.py",
    "tests/crash/test_servers.py",
    "tests/web/test_transactions.py",
    "tests/hosts/test_hosts.py",
    "tests/demo/test_demo.py",
    "tests/console/test_accessible.py",
    "tests/console/test_pauses.py",
    "tests/security/test_two_operators.py",
    "tests/e2e/test_clocks.py",
    "tests/journey/test_replicas.py",
    "tests/packaging/test_types.py",
    "tests/packaging/test_extras.py",
    "tests/packaging/test_django.py",
    "tests/packaging/test_sbom.py",
    "tests/deploy/test_compose.py",
    "tests/security/test_plans.py",
    "tests/security/test_canaries.py",
    "tests/ledger/test_sentinels.py",
    "tests/ledger/test_machine.py",
    "tests/incidents/test_endpoints.py",
    "tests/console/test_overview.py",
    "tests/console/test_guard.py",
    "tests/console/test_plans.py",
    "tests/console/test_transfer_acts.py",
    "tests/console/test_live.py",
    "tests/e2e/test_standing.py",
    "tests/e2e/test_foreign_messages.py",
    "tests/e2e/test_two_versions.py",
    "tests/e2e/test_thousand.py",
    "tests/e2e/test_lost_take.py",
    "tests/crash/test_restore.py",
    "tests/crash/test_follower.py",
    "tests/deploy/test_systemd.py",
    "tests/deploy/test_image.py",
    "tests/browser/test_paying.py",
    "tests/corpus/test_corpus.py",
    "tests/ops/test_closed_outputs.py",
    "tests/ops/test_doctor.py",
    "tests/docs/test_commands.py",
    "tests/docs/test_runbook_users.py",
    "tests/security/test_users_demo.py",
    "tests/security/test_hostile_settings.py",
    "tests/security/test_default_reports.py",
    "tests/docs/test_ci.py",
)

_PART = re.compile(r"\bpart-\d+-of-\d+\b")


@dataclass(frozen=True)
class Part:
    """One part of a long search."""

    number: int  #: from 0
    of: int

    def __str__(self) -> str:
        return f"part-{self.number + 1}-of-{self.of}"

    def share(self, count: int) -> int:
        """How many of so many are its own: at least one."""
        return max(count // self.of + (self.number < count % self.of), 1)


def parts(of: int = max(4, os.cpu_count() or 1)) -> pytest.MarkDecorator:
    """The test runs once for each `part` of its search: other cores take other parts."""
    return pytest.mark.parametrize("part", [Part(number, of) for number in range(of)], ids=str)


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """A process takes a file, or one part of a search; the long ones go first."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if _PART.search(nodeid) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeFiles:
    config.option.loadscopereorder = False  # the order is ours
    return WholeFiles(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that is collected is garbage: a third of the time went into the search for some.

    Nor does any of it become garbage: each later search would look at all of it, which took a fifteenth of the tests'.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_one_of_several(config):
        items.sort(key=_rank)


def is_one_of_several(config: pytest.Config) -> bool:
    """Is this process one that pytest-xdist has started?"""
    return hasattr(config, "workerinput")


def _rank(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    return LONG_FILES.index(file) if file in LONG_FILES else len(LONG_FILES)
