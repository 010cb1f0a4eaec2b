"""A server that Sentinels name: each connection asks anew, and after a failover the clients find the promoted one."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.connection import connect, disconnect, in_one_write, server_of
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem
from epay_transfers.ops import server_users
from epay_transfers.runtime import embedded_servers, server_addresses
from epay_transfers.runtime.embedded_servers import EmbeddedServer
from tests.support.sentinels import deployed_sentinel, running_sentinel
from tests.support.servers import free_port
from tests.support.tools import PRODUCTS, server_binary
from tests.support.waiting import until

USER = """sentinel auth-user ledger sentinel
sentinel auth-pass ledger {password}
"""

#: Of the users by which a replica and a Sentinel come, as the ACL file of `transfers acl` has them.
PASSWORD = secrets.token_hex(8)


@dataclass
class Watched:
    url: str
    sentinel: int  #: its port
    primary: EmbeddedServer
    replica: EmbeddedServer


def port_of(server: EmbeddedServer) -> int:
    return urlsplit(server.url).port or 0


@pytest.fixture(params=PRODUCTS)
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, EmbeddedServer, EmbeddedServer]]:
    """The product's program, a primary and its replica, with the users of a replica and of Sentinels."""
    binary = server_binary(request.param)
    with ExitStack() as stack:
        servers = []
        for name in ("primary", "replica"):
            server = embedded_servers.start(tmp_path / name, embedded_servers.LEDGER_OPTIONS, binary=binary)
            stack.callback(server.stop)
            stack.callback(server.process.send_signal, signal.SIGCONT)
            servers.append(server)
            with connect(server.url) as client:
                for user in ("replica", "sentinel"):
                    words = server_users.users("ledger", [])[user].line(user, []).split()[4:]  # as the ACL file has it
                    client.execute_command("ACL", "SETUSER", user, "reset", "on", f">{PASSWORD}", *words)
                client.execute_command("CONFIG", "SET", "masteruser", "replica", "masterauth", PASSWORD)
        primary, replica = servers
        with connect(replica.url) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", port_of(primary))
            until(lambda: client.info("replication")["master_link_status"] == "up")
        yield binary, primary, replica


@pytest.fixture
def watched(servers: tuple[str, EmbeddedServer, EmbeddedServer], tmp_path: Path) -> Iterator[Watched]:
    """With one Sentinel that has seen both."""
    binary, primary, replica = servers
    users = USER.format(password=PASSWORD)
    with running_sentinel(binary, tmp_path, port_of(primary), more=users) as port:
        away = free_port()
        yield Watched(f"redis://ledger/0?sentinels=127.0.0.1:{away},127.0.0.1:{port}", port, primary, replica)


def _fails_over(sentinel: redis.Redis) -> bool:
    """It refuses until it has heard enough of the replica."""
    with suppress(redis.ResponseError):
        return bool(sentinel.sentinel_failover("ledger"))
    return False


def test_a_client_finds_the_server_that_a_sentinel_names_and_after_a_failover_the_promoted_one(
    watched: Watched,
) -> None:
    """The first Sentinel is away. No address is changed and no process is started anew."""
    with connect(watched.url, "REDIS_URL") as client:
        client.set("a", "1")
        assert client.connection_pool._available_connections[0].port == port_of(watched.primary)
        watched.primary.process.kill()

        until(lambda: _writes(client))

        assert client.connection_pool._available_connections[-1].port == port_of(watched.replica)
        assert server_of(client).place == "ledger, a name of Sentinels"
        refused = [(entry["username"], entry["object"]) for entry in client.acl_log()]
        assert refused == [], "the users of a replica and of Sentinels may do what they need"


def test_a_client_that_was_disconnected_names_its_server_as_a_new_one_does(watched: Watched) -> None:
    """Where it was a look before is not where it is now."""
    with connect(watched.url, "REDIS_URL") as client:
        client.ping()
        disconnect(client)
        with redis.Redis(port=watched.sentinel) as sentinel:
            sentinel.shutdown(nosave=True)

        with pytest.raises(redis.ConnectionError) as raised:
            client.ping()

    problem = known_problem(raised.value)
    assert problem is not None
    assert "ledger, a name of Sentinels" in problem.problem


def _writes(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return bool(client.set("b", "2"))
    return False


def test_a_server_that_became_a_replica_is_left_at_the_first_write(watched: Watched) -> None:
    """Its connections stand; the write is refused there, and the next one goes to the promoted server."""
    with connect(watched.url) as client, redis.Redis(port=watched.sentinel) as sentinel:
        client.set("a", "1")
        until(lambda: _fails_over(sentinel))
        with connect(watched.primary.url) as old:
            until(lambda: old.info("replication")["role"] == "slave")

        until(lambda: _writes(client))

        assert client.connection_pool._available_connections[-1].port == port_of(watched.replica)


def test_what_goes_with_a_write_that_a_replica_refuses_has_its_own_answer(watched: Watched) -> None:
    """The connection is left after its last answer: so each write says that it was refused, and a read is answered."""
    with connect(watched.url) as client:
        client.set("a", "1")
        with connect(watched.primary.url) as primary:
            primary.execute_command("REPLICAOF", "127.0.0.1", port_of(watched.replica))

        first, read, last = in_one_write(client, [("SET", "a", "2"), ("ECHO", "a"), ("SET", "a", "3")])

        assert read == "a"
        assert [type(each) for each in (first, last)] == [redis.ReadOnlyError] * 2
        assert not [link for link in client.connection_pool._available_connections if link._sock]


def test_where_no_sentinel_answers_the_error_says_so(watched: Watched) -> None:
    """With the setting, and whether to wait; nothing is sent anywhere."""
    with connect(f"redis://ledger/0?sentinels=127.0.0.1:{free_port()}", "REDIS_URL") as client:
        with pytest.raises(redis.ConnectionError) as raised:
            client.ping()
        problem = known_problem(raised.value)
        assert problem is not None
        assert (problem.reason, problem.setting, problem.is_passing) == (ServerReason.NO_PRIMARY, "REDIS_URL", True)
    other = watched.url.replace("//ledger/", "//unknown/")
    with connect(other) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_sentinels_as_deploy_has_them_admit_a_client_that_may_ask_and_do_nothing_else(
    servers: tuple[str, EmbeddedServer, EmbeddedServer], tmp_path: Path
) -> None:
    """Two of them, which agree with one another on a failover, by the users of their file. None is refused anything."""
    binary, primary, replica = servers
    passwords = {name: secrets.token_hex(8) for name in ("client", "sentinel", "admin")} | {"ledger": PASSWORD}
    ports = free_port(), free_port()
    places = ",".join(f"127.0.0.1:{port}" for port in ports)
    own = f"&sentinel_username=client&sentinel_password={passwords['client']}"
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(
                deployed_sentinel(
                    binary, tmp_path / str(port), port_of(primary), port=port, passwords=passwords
                )
            )  # fmt: skip
        admins = [
            stack.enter_context(
                redis.Redis(port=port, username="admin", password=passwords["admin"], decode_responses=True)
            )
            for port in ports
        ]
        until(lambda: all(_sees_both(admin) for admin in admins))
        client = stack.enter_context(connect(f"redis://ledger/0?sentinels={places}{own}", "REDIS_URL"))
        client.set("a", "1")
        refusing = stack.enter_context(connect(f"redis://ledger/0?sentinels={places}", "REDIS_URL"))
        with pytest.raises(redis.ConnectionError) as raised:
            refusing.ping()
        problem = known_problem(raised.value)
        assert problem is not None
        assert (problem.reason, problem.is_passing) == (ServerReason.SENTINELS_REFUSE, False)
        asking = stack.enter_context(redis.Redis(port=ports[0], username="client", password=passwords["client"]))
        for words in (("SENTINEL", "FAILOVER", "ledger"), ("SENTINEL", "MASTERS")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                asking.execute_command(*words)

        primary.process.kill()
        until(lambda: _writes(client))

        assert client.connection_pool._available_connections[-1].port == port_of(replica)
        refused = {(each["username"], each["object"]) for admin in admins for each in admin.acl_log()}
        assert "sentinel" not in {name for name, _ in refused}, refused


def _sees_both(admin: redis.Redis) -> bool:
    """The replica, and the other Sentinel."""
    with suppress(redis.RedisError):
        words = (("SENTINEL", "REPLICAS", "ledger"), ("SENTINEL", "SENTINELS", "ledger"))
        return all(len(admin.execute_command(*each)) == 1 for each in words)  # type: ignore[no-untyped-call]  # redis-py does not type it
    return False


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("sentinel_password=p", "says sentinel_password, but names no Sentinels: give sentinels=HOST:PORT too"),
        ("sentinels=a:1&sentinel_username=client", "a user of the Sentinels without a password"),
        ("sentinels=a:1&sentinel_ssl=true", "rediss://NAME/0?sentinels=HOST:PORT&sentinel_ssl=true"),
        ("sentinels=a:1&sentinel_password=p&sentinel_password=q", "once at most"),
    ],
)
def test_what_is_said_of_sentinels_by_half_is_refused_with_the_whole(options: str, why: str) -> None:
    assert why in server_addresses.complaint_of(Secret(f"redis://ledger/0?{options}"))


@pytest.mark.parametrize("value", ["false", "1", ""])
def test_tls_of_sentinels_is_wanted_in_one_way(value: str) -> None:
    """What turns a check off elsewhere turns none off here."""
    url = Secret(f"rediss://ledger/0?sentinels=a:1&sentinel_ssl={value}")
    assert "&sentinel_ssl=true" in server_addresses.complaint_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://ledger/0?sentinels=",
        "redis://ledger/0?sentinels=127.0.0.1",
        "redis://ledger/0?sentinels=127.0.0.1:0",
        "redis://ledger/0?sentinels=127.0.0.1:26379,",
        "redis://ledger:6379/0?sentinels=127.0.0.1:26379",
        "unix:///run/ledger?sentinels=127.0.0.1:26379",
    ],
)
def test_an_address_that_names_sentinels_in_another_way_is_refused_with_the_right_one(url: str) -> None:
    assert "redis://NAME/0?sentinels=HOST:PORT" in server_addresses.complaint_of(Secret(url))


def test_the_queue_beside_the_ledger_is_found_by_the_same_sentinels() -> None:
    url = Secret("redis://ledger/0?sentinels=127.0.0.1:26379,[::1]:26380")
    assert server_addresses.complaint_of(url) == ""
    beside = Secret(server_addresses.next_database(url))
    assert server_addresses.complaint_of(beside) == ""
    assert server_addresses.database_of(beside) == 1
    with connect(beside.reveal()) as client:
        assert client.connection_pool.connection_kwargs["address"].found_by.places == [
            ("127.0.0.1", 26379),
            ("::1", 26380),
        ]
