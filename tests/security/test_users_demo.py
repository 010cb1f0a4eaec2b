"""The whole demo under the users of `deploy/`: nothing is refused; and where a user lacks a leave, the demo says so."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from epay_transfers.ops.demo.users import Users

DEPLOY = Path(__file__).parents[2] / "deploy"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def play(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()", "demo", *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_demo_runs_under_the_users_and_none_is_refused_anything(tmp_path: Path) -> None:
    """Backend, web tier, worker and operator: every story ends, the books agree, and ACL LOG is empty on both."""
    done = play(tmp_path, "--users", str(DEPLOY))

    assert done.returncode == 0, done.stdout
    assert "nothing was paid twice" in done.stdout
    assert "Under the servers' users, and none of them was refused anything." in done.stdout


#: Who loses which leave on the ledger; each is one that the demo cannot do without.
TAKEN = {
    "producer": "+setbit",
    "web": "%R~transfers:{t}:challenge:*",
    "worker": "+config|get",
    "ops-first": "+xread",
}


@pytest.mark.parametrize(("user", "leave"), TAKEN.items())
def test_where_a_user_lacks_a_leave_the_demo_fails_and_says_who_was_refused(
    tmp_path: Path, user: str, leave: str
) -> None:
    """The control, for each process: it is under its own name, and ACL LOG is read."""
    users = shutil.copytree(DEPLOY, tmp_path / "deploy")
    file = users / "users-ledger.acl"
    before = file.read_text()
    after = re.sub(rf"^(user {user} .*) {re.escape(leave)}(?= |$)", r"\1", before, flags=re.MULTILINE)
    assert len(before) - len(after) == len(leave) + 1
    file.write_text(after)

    done = play(tmp_path, "--users", str(users))

    assert done.returncode != 0
    assert f"the ledger refused {user}: " in done.stdout
    assert not [other for other in TAKEN if other != user and f"the ledger refused {other}: " in done.stdout]
    assert "none of them was refused" not in done.stdout


def test_a_folder_without_the_files_is_said_and_so_is_the_shop(tmp_path: Path) -> None:
    """In a sentence, before anything of it counts."""
    missing, shop = play(tmp_path, "--users", str(tmp_path)), play(tmp_path, "--users", str(DEPLOY), "--web")

    assert (missing.returncode, shop.returncode) == (1, 1)
    assert "can't read users-ledger.acl" in missing.stdout
    assert "--web has no --users" in shop.stdout


def test_passwords_are_fresh_each_time_and_the_file_holds_only_their_digests() -> None:
    """So that no run's password opens another's servers."""
    one, other = Users(DEPLOY), Users(DEPLOY)
    address = one.address("worker", "redis://127.0.0.1:1/0")
    user, _, password = address.removeprefix("redis://").partition("@")[0].partition(":")

    assert user == "worker"
    assert address != other.address("worker", "redis://127.0.0.1:1/0")
    assert len(password) >= 32
    assert password not in one.filled("ledger")
    assert "SHA256-OF" not in one.filled("ledger") + one.filled("vault")
