"""The servers' users as `deploy/` has them, and one more, `root`: a test looks with it at what the others left."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from epay_transfers.ops.demo.users import Users

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = "root"


class UsersAndRoot(Users):
    def __init__(self, folder: Path = DEPLOY) -> None:
        super().__init__(folder)
        self._root = secrets.token_urlsafe(16)

    def filled(self, server: str) -> str:
        return f"{super().filled(server)}user {ROOT} on >{self._root} ~* &* +@all\n"

    def address(self, user: str, url: str) -> str:
        if user != ROOT:
            return super().address(user, url)
        parts = urlsplit(url)
        return parts._replace(netloc=f"{ROOT}:{self._root}@{parts.netloc.rpartition('@')[2]}").geturl()
