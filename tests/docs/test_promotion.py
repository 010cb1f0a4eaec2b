"""A person starts a replica and promotes it: the runbook's own lines, with the files and the users of `deploy/`.

`tests/crash` has the failover whole, under load, with the comparison behind it. This is what is typed at the servers.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import NoPermissionError

from epay_transfers.ledger.store.connection import connect
from tests.docs.test_servers import DEPLOY
from tests.support.runbook import RUNBOOK, sections_of
from tests.support.server_users import ROOT, UsersAndRoot
from tests.support.servers import free_port, running_server
from tests.support.tools import PRODUCTS, server_binary
from tests.support.waiting import until

SECTIONS = sections_of(RUNBOOK)


@dataclass
class Machine:
    """One of the two hosts: its server's files, as an administrator of the machine may write them."""

    binary: str
    folder: Path
    users: UsersAndRoot
    port: int

    @classmethod
    def made(cls, binary: str, folder: Path, users: UsersAndRoot) -> "Machine":
        folder.mkdir()
        machine = cls(binary, folder, users, free_port())
        (folder / "users.acl").write_text(users.filled("ledger"))
        replaced = {"port": f"port {machine.port}", "dir": f"dir {folder}", "logfile": f"logfile {folder}/server.log"}
        lines = (DEPLOY / "ledger.conf").read_text().splitlines()
        machine.conf.write_text("\n".join(replaced.get(line.partition(" ")[0], line) for line in lines) + "\n")
        machine.conf.chmod(0o600)
        return machine

    @property
    def conf(self) -> Path:
        return self.folder / "ledger.conf"

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [self.binary, str(self.conf), "--aclfile", str(self.folder / "users.acl")]
        with running_server(command, self.address("admin")):
            yield

    def address(self, user: str) -> str:
        return self.users.address(user, f"redis://127.0.0.1:{self.port}/0")

    def type(self, user: str, *words: str) -> object:
        with connect(self.address(user)) as client:
            return client.execute_command(*words)

    def rewrite(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        changed, count = re.subn(old, new, text, flags=re.MULTILINE)
        assert count == 1, f"{old} stands {count} times in {file}"
        (self.folder / file).write_text(changed)

    def says(self) -> dict[str, str]:
        """`INFO replication`, as the runbook has it."""
        found = self.type("admin", "INFO", "replication")
        assert isinstance(found, dict)
        return {name: str(value) for name, value in found.items()}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_replica_follows_and_is_promoted_by_the_lines_of_the_runbook(product: str, tmp_path: Path) -> None:
    """Each word of the two sections that names a directive or a command stands here, and was typed."""
    missing, failover = SECTIONS["A replica is missing"], SECTIONS["A failover of the ledger"]
    users, binary = UsersAndRoot(), server_binary(product)
    ledger, replica = (Machine.made(binary, tmp_path / name, users) for name in ("ledger", "replica"))
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(ledger.running())

        # "A replica is missing", 3.
        for words in ("`replicaof`", "`masteruser replica`", "`masterauth`", "`chmod 600`", "`replica` is off"):
            assert words in " ".join(missing.split())
        password = urlsplit(ledger.address("replica")).password
        with replica.conf.open("a") as conf:
            conf.write(f"replicaof 127.0.0.1 {ledger.port}\nmasteruser replica\nmasterauth {password}\n")
        for machine in (ledger, replica):
            machine.rewrite("users.acl", "^user replica off", "user replica on")
        ledger.type("admin", "ACL", "LOAD")
        second = stack.enter_context(ExitStack())
        second.enter_context(replica.running())
        until(lambda: replica.says().get("master_link_status") == "up")
        ledger.type(ROOT, "SET", "kept", "1")
        until(lambda: replica.type(ROOT, "GET", "kept") == "1")

        # "A failover of the ledger", 1 to 3.
        assert {"role", "slave_repl_offset", "master_repl_offset"} <= replica.says().keys()
        first.close()
        with pytest.raises(NoPermissionError):
            replica.type("admin", "REPLICAOF", "NO", "ONE")
        assert "write `+replicaof` at the end of `admin`'s line" in " ".join(failover.split())
        replica.rewrite("users.acl", r"^(user admin .*)$", r"\1 +replicaof")
        replica.type("admin", "ACL", "LOAD")
        replica.type("admin", "REPLICAOF", "NO", "ONE")
        replica.rewrite("users.acl", r" \+replicaof$", "")
        replica.type("admin", "ACL", "LOAD")
        with pytest.raises(NoPermissionError):
            replica.type("admin", "REPLICAOF", "NO", "ONE")
        assert replica.says()["role"] == "master"

        # It stays the ledger after its next start, and has what it was given.
        assert "Take `replicaof` out of its configuration file" in " ".join(failover.split())
        replica.rewrite("ledger.conf", r"^replicaof .*\n", "")
        second.close()
        stack.enter_context(replica.running())
        assert replica.says()["role"] == "master"
        assert replica.type(ROOT, "GET", "kept") == "1"


def test_the_old_server_is_masked_and_the_replica_of_the_promoted_one_is_started_first() -> None:
    """Workers with `LEDGER_REPLICAS` stand still until one follows: so it comes before the pauses are ended."""
    steps = re.findall(r"^\d\. .*?(?=^\d\. |\Z)", SECTIONS["A failover of the ledger"], re.DOTALL | re.MULTILINE)
    assert "systemctl mask --now transfers-ledger" in steps[0]
    before, _, after = steps[4].partition("end the pauses")
    assert "Start another replica at once" in before
    assert after
