"""`Users`: the servers' ACL users, for `transfers demo --users`. It fills their files with fresh passwords.

The files are those of `deploy/`, in which an operator replaces each placeholder by a password's digest, as done here.
"""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from epay_transfers.ops import server_users
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.runtime.server_addresses import OPERATORS_USER, with_user

ADMIN, PRODUCER, WEB, WORKER = "admin", "producer", "web", "worker"
BACKEND = "backend"  #: a backend and a web tier in one process
OPS = "ops"  #: the first operator of the files

_OPERATOR = re.compile(rf"^user ({OPERATORS_USER}\S+)", re.MULTILINE)


class Users:
    """`folder`: where `users-ledger.acl` and `users-vault.acl` are. Raises `Refusal` if they are not there."""

    def __init__(self, folder: Path) -> None:
        self._texts: Mapping[str, str] = {server: _read(folder, server) for server in ("ledger", "vault")}
        names = {name for text in self._texts.values() for name in server_users.users_in(text)}
        self._passwords = {name: secrets.token_urlsafe(24) for name in names}
        found = _OPERATOR.search(self._texts["ledger"])
        if found is None:
            raise Refusal("--users: no operator has a user there; `transfers acl` writes the files")
        self.operator = found[1]

    def options(self, server: str, home: Path) -> dict[str, str]:
        """Options of a server that runs in `home`, where its ACL file is written."""
        home.mkdir(parents=True, exist_ok=True)
        file = home / "users.acl"
        file.touch(0o600)
        file.write_text(self.filled(server), encoding="utf-8")
        return {"aclfile": str(file)}

    def filled(self, server: str) -> str:
        return server_users.with_passwords(self._texts[server], self._passwords)

    def address(self, user: str, url: str) -> str:
        """The server's address, with this user in it."""
        user = self.operator if user == OPS else user
        return with_user(url, user, self._passwords[user])


def _read(folder: Path, server: str) -> str:
    file = folder / f"users-{server}.acl"
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Refusal(f"--users: can't read {file.name} there ({why}); name the folder, such as deploy") from None
