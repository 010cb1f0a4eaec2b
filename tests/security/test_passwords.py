"""A server user's password is changed as `docs/security.md` says: two digests, ACL LOAD, one digest, ACL LOAD, kill."""

import hashlib
import secrets
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.store.connection import connect
from tests.security.guarded import OPTIONS, address, started
from tests.support.tools import PRODUCTS, server_binary


def opens(client: redis.Redis) -> bool:
    """A new connection."""
    client.connection_pool.disconnect()
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return False


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("server", OPTIONS)
def test_a_password_is_changed_without_a_restart_of_the_server(product: str, server: str, tmp_path: Path) -> None:
    """Between the two loads both passwords open a connection. CLIENT KILL ends one that the old password opened."""
    folder, fresh = tmp_path / server, secrets.token_urlsafe(24)
    with (
        started(server_binary(product), server, folder) as port,
        connect(address("admin", port)) as admin,
        connect(address("worker", port)) as old,
        connect(f"redis://worker:{fresh}@127.0.0.1:{port}/0") as new,
    ):
        file = folder / "users.acl"
        (line,) = [line for line in file.read_text().splitlines() if line.startswith("user worker ")]
        before = line.split()[3]
        assert (opens(old), opens(new)) == (True, False)

        file.write_text(file.read_text().replace(before, f"{before} #{hashlib.sha256(fresh.encode()).hexdigest()}"))
        opens(admin)
        admin.acl_load()
        assert (opens(old), opens(new)) == (True, True)

        file.write_text(file.read_text().replace(f"{before} ", ""))
        opens(admin)
        admin.acl_load()  # Redis closes the connections of users that it loads; Valkey leaves them open
        opens(admin)
        admin.client_kill_filter(user="worker")
        with pytest.raises((redis.ConnectionError, redis.AuthenticationError)):
            old.ping()
        assert (opens(old), opens(new)) == (False, True)
