"""What CI runs: it installs what the tests need, or says what to do; and no skip hides a test there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tools

ROOT = Path(__file__).parents[2]

SKIPPING = {
    "by_a_mark": "@pytest.mark.skip(reason='no tool')\ndef test_it(): ...",
    "by_a_condition": "@pytest.mark.skipif(True, reason='no tool')\ndef test_it(): ...",
    "while_it_runs": "def test_it(): pytest.skip('no tool')",
    "by_a_fixture": "@pytest.fixture\ndef tool(): pytest.skip('no tool')\ndef test_it(tool): ...",
    "for_a_module_that_is_missing": "def test_it(): pytest.importorskip('no_tool')",
    "as_a_whole_module": "pytest.skip('no tool', allow_module_level=True)",
}


def run(folder: Path, tests: dict[str, str], ci: str) -> "subprocess.CompletedProcess[str]":
    """A file for each test, under the hooks that all of ours have."""
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(f"import pytest\n{text}\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rfE",
        "-p",
        "tests.support.tools",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    return subprocess.run(  # noqa: S603 - this very program
        [*command, f"--rootdir={folder}", "--continue-on-collection-errors", str(folder)],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_skipped_in_ci_fails_there_and_says_why_it_was_skipped(tmp_path: Path) -> None:
    """However it is skipped."""
    done = run(tmp_path, SKIPPING, ci="true")

    assert " skipped" not in done.stdout.splitlines()[-1]
    for name in SKIPPING:
        assert re.search(rf"^(FAILED|ERROR) .*test_{name}.py", done.stdout, re.MULTILINE), name
    assert len(re.findall(r"skipped in CI, where all tests run: .*no.tool", done.stdout)) >= len(SKIPPING)


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPING, ci="").returncode == 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    """It did run."""
    assert run(tmp_path, {"failing": "@pytest.mark.xfail\ndef test_it(): assert False"}, ci="true").returncode == 0


def test_this_very_run_has_the_hooks(pytestconfig: pytest.Config) -> None:
    hooks = (tools.pytest_runtest_makereport, tools.pytest_make_collect_report)

    assert all(
        hook in {found.function for found in getattr(pytestconfig.hook, hook.__name__).get_hookimpls()}
        for hook in hooks
    )


def test_what_may_be_skipped_in_ci_is_a_test_that_is_there() -> None:
    for test in tools.MAY_BE_SKIPPED:
        file, _, name = test.partition("::")

        assert f"def {name}(" in (ROOT / file).read_text()


def test_a_tool_that_is_missing_is_named_with_the_package_to_install() -> None:
    with pytest.raises(pytest.skip.Exception, match="no such-tool on this machine: `apt-get install its-package`"):
        tools.tool("such-tool", "its-package")


class Machine:
    """A machine of stubs: a folder of commands, and what each of them was told."""

    def __init__(self, folder: Path, *, user: int, here: tuple[str, ...]) -> None:
        self.told, self.policy, self.postgres = folder / "told", folder / "policy-rc.d", folder / "postgres"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.told.touch()
        for name in ("bash", "chmod", "dirname", "rm"):
            (self._bin / name).symlink_to(tools.tool(name, "coreutils"))
        self._stub("id", f"echo {user}")
        self._stub("apt-get", f'"{self.policy}"\necho "apt-get $*: services $?" >>"{self.told}"')
        self._stub("make", f'echo "make $* CI=$CI" >>"{self.told}"')
        for name in here:
            self._stub(name, ":")

    def run(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - the script itself
            [ROOT / ".ci/run"],
            env={"PATH": str(self._bin), "POLICY_RC_D": str(self.policy), "POSTGRES_BIN": str(self.postgres)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _stub(self, name: str, line: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)


ALL = ("redis-server", "chromium", "shellcheck", "promtool", "postgres", "systemd-analyze", "ip", "openssl")
MISSING = "redis-server shellcheck prometheus postgresql systemd iproute2 openssl"  #: but chromium: packages
WORK = ["make lint CI=true", "make test CI=true", "make lowest CI=true"]
FORBIDDEN = 101  #: what Debian takes for: do not start this service


def test_where_all_is_there_nothing_is_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=0, here=ALL)

    assert machine.run().returncode == 0
    assert machine.told.read_text().splitlines() == WORK


def test_a_postgres_in_its_versions_folder_is_here(tmp_path: Path) -> None:
    """Debian puts it in no PATH."""
    machine = Machine(tmp_path, user=0, here=tuple(name for name in ALL if name != "postgres"))
    machine.postgres.mkdir()
    (machine.postgres / "postgres").touch()

    assert machine.run().returncode == 0
    assert machine.told.read_text().splitlines() == WORK


def test_root_installs_what_is_missing_and_no_service_starts_by_it(tmp_path: Path) -> None:
    """Else Debian's own server would hold its port, and outlive the tests."""
    machine = Machine(tmp_path, user=0, here=("chromium",))

    assert machine.run().returncode == 0
    assert machine.told.read_text().splitlines() == [
        f"apt-get update -qq: services {FORBIDDEN}",
        f"apt-get install -y -qq --no-install-recommends {MISSING}: services {FORBIDDEN}",
        *WORK,
    ]
    assert not machine.policy.exists()


def test_a_policy_that_the_machine_has_is_its_own(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=0, here=())
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    machine.policy.chmod(0o755)

    assert machine.run().returncode == 0
    assert "redis-server chromium shellcheck prometheus postgresql systemd iproute2 openssl: services 104" in (
        machine.told.read_text()
    )
    assert machine.policy.exists()


def test_who_may_not_install_is_told_what_to_install_and_nothing_runs(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=1000, here=("chromium",))

    done = machine.run()

    assert done.returncode == 1
    assert f"apt-get install --no-install-recommends {MISSING}" in done.stderr
    assert machine.told.read_text() == ""
