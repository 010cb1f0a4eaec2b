"""A new installation's users, passwords and keys: which process gets which, each as a file of its own.

A file has a setting's name, so that a process reads its folder as it is (`SECRETS_DIR`, systemd's credentials, a
container's secrets). No process gets more than it needs: so there is a folder for each user of the servers.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from epay_transfers.ops import dotenv, server_users
from epay_transfers.runtime.server_addresses import OPERATORS_USER, with_user

#: The setting that names a server.
_ADDRESSES = {"ledger": "REDIS_URL", "vault": "VAULT_URL"}

_SEALS, _COMPARES = "VAULT_PUBLIC_KEY", "FINGERPRINT_KEYS"

#: What a process needs beside the servers.
_KEYS = {
    "producer": (_SEALS, _COMPARES),
    "web": (_SEALS,),
    "backend": (_SEALS, _COMPARES),
    "worker": ("VAULT_PRIVATE_KEYS",),
}

#: The server's own file: its users, and what each may do.
ACL_FILE = "users.acl"

#: For the console: the people that it knows, and the addresses of their server users beside it.
PEOPLE_FOLDER, PEOPLE_FILE = "console-people", "people.toml"

_PEOPLE = """\
# The people of `transfers console` (CONSOLE_PEOPLE): docs/console.md, "People and roles".
# A name is what the proxy's token or the certificate says: change these. Roles: viewer, operator, approver.
"""

Files = dict[str, dict[str, str]]


def files_of(urls: Mapping[str, str], operators: Sequence[str], keys: dotenv.FreshKeys) -> Files:
    """Folder → name → text. `urls`: the addresses of `ledger` and `vault`, without a user."""
    texts = {server: server_users.file_text(server, operators) for server in server_users.SERVERS}
    names = {name for text in texts.values() for name in server_users.users_in(text)}
    passwords = {name: secrets.token_urlsafe(32) for name in sorted(names)}
    found: Files = {name: {} for name in passwords}
    for server, text in texts.items():
        found[server] = {ACL_FILE: server_users.with_passwords(text, passwords)}
        for name in server_users.users_in(text):
            found[name][_ADDRESSES[server]] = with_user(urls[server], name, passwords[name]) + "\n"
    found[PEOPLE_FOLDER] = _people(found, operators)
    for name, settings in _KEYS.items():
        found[name] |= {setting: f"{keys.as_dict()[setting]}\n" for setting in settings}
    return found


def _people(found: Files, operators: Sequence[str]) -> dict[str, str]:
    """Each looks only, until a person gives them another role."""
    users = [f"{OPERATORS_USER}{name}" for name in operators]
    tables = [
        f'\n[people."{name}"]\nrole = "viewer"\nredis_url_file = "{user}"\n'
        for name, user in zip(operators, users, strict=True)
    ]
    return {PEOPLE_FILE: _PEOPLE + "".join(tables)} | {user: found[user][_ADDRESSES["ledger"]] for user in users}


def write(folder: Path, files: Files) -> None:
    """Each file for its owner alone. Raises `FileExistsError` before anything is written, and other `OSError`s."""
    for name in files:
        if os.path.lexists(folder / name):
            raise FileExistsError(name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, its in files.items():
        (folder / name).mkdir(mode=0o700)
        for setting, text in its.items():
            dotenv.write(folder / name / setting, text)
