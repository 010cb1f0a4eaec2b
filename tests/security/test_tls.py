"""TLS to the servers and to the bank: verified, or nothing is said at all. On a server that is built with it."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Created
from epay_transfers.ledger.store.server_problems import ServerReason, known_problem
from epay_transfers.runtime import embedded_servers
from epay_transfers.runtime.settings import ServerSettings, SettingsWrong
from epay_transfers.worker.bank.transport import Transport
from tests.http.conftest import authority
from tests.support.certificates import Authority
from tests.support.clocks import FakeClock
from tests.support.factories import new_transfer
from tests.support.sentinels import deployed_sentinel
from tests.support.servers import free_port, running_server
from tests.support.tools import server_binary
from tests.support.waiting import until

__all__ = ["authority"]  # a throw-away one, and what it signs


@pytest.fixture(scope="module")
def address(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks TLS alone, without what a client has to know of its authority."""
    binary = server_binary("redis")  # the embedded Valkey is built without TLS
    asked = subprocess.run([binary, "--tls-port", "x"], capture_output=True, text=True, check=False)  # noqa: S603 - as below
    if "integer" not in asked.stdout + asked.stderr:  # it would say that x is none, if it knew the directive
        pytest.skip("this machine's redis-server is built without TLS: `apt-get install redis-server` for Debian's")
    folder, own = tmp_path_factory.mktemp("tls"), Path(authority.ca_file).parent / "127.0.0.1.pem"
    port = free_port()
    options = embedded_servers.LEDGER_OPTIONS | {
        "port": "0", "tls-port": str(port), "tls-cert-file": str(own), "tls-key-file": str(own),
        "tls-ca-cert-file": authority.ca_file, "tls-auth-clients": "no", "dir": str(folder),
    }  # fmt: skip
    pairs = [part for option, value in options.items() for part in (f"--{option}", value)]
    command = [binary, "--bind", "127.0.0.1", *pairs, "--logfile", str(folder / "server.log")]
    url = f"rediss://127.0.0.1:{port}/0"
    with running_server(command, f"{url}?ssl_ca_certs={authority.ca_file}"):
        yield url


def test_a_server_that_wants_a_clients_certificate_is_78_each_time(authority: Authority, tmp_path: Path) -> None:
    """It ends the connection after the handshake: with an alert, or without a word, as the race will have it."""
    own = Path(authority.ca_file).parent / "127.0.0.1.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            with suppress(OSError):
                link, _ = listener.accept()
                context.wrap_socket(link, server_side=True).close()  # without a word

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        url = f"rediss://127.0.0.1:{listener.getsockname()[1]}/0?ssl_ca_certs={authority.ca_file}"
        with connect(url, "REDIS_URL") as client:
            for _ in range(5):
                with pytest.raises(LedgerUnavailable) as caught:
                    Ledger(client).counters()
                assert caught.value.problem
                assert caught.value.problem.reason == ServerReason.TLS_FAILED
                assert not caught.value.is_passing
                assert "names the client's certificate" in str(caught.value)
        ended.set()


def test_the_ledger_works_over_tls_and_so_does_the_queue_beside_it(address: str, authority: Authority) -> None:
    """With the authority named in the address; the queue's address is made of it, and keeps it."""
    url = f"{address}?ssl_ca_certs={authority.ca_file}"
    settings = ServerSettings.load(redis_url=url)

    with connect(url) as client, connect(settings.queue_url) as queue:
        (made,) = Ledger(client).create([new_transfer("over-tls")], actor="test")
        assert queue.ping()
        connection = client.connection_pool.get_connection()
        sock = connection._get_socket() if hasattr(connection, "_get_socket") else connection._sock
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.version() in {"TLSv1.2", "TLSv1.3"}
        client.connection_pool.release(connection)
    assert isinstance(made, Created)


def test_sentinels_are_asked_by_tls_and_are_verified_as_the_server_is(
    address: str, authority: Authority, tmp_path: Path
) -> None:
    """As deploy/sentinel.conf has them. One whose authority is not known is not told the password."""
    port, binary = free_port(), server_binary("redis")
    passwords = dict.fromkeys(("client", "sentinel", "admin", "ledger"), "a-password")
    folder = str(Path(authority.ca_file).parent)
    url = f"rediss://ledger/0?sentinels=127.0.0.1:{port}&sentinel_ssl=true&sentinel_username=client"
    url += "&sentinel_password=a-password"
    primary = urlsplit(address).port or 0
    with (
        deployed_sentinel(binary, tmp_path / "s", primary, port=port, passwords=passwords, authority=folder),
        connect(f"{url}&ssl_ca_certs={authority.ca_file}", "REDIS_URL") as client,
        connect(url, "REDIS_URL") as stranger,
    ):
        until(lambda: _answers(client))
        with pytest.raises(redis.ConnectionError) as raised:
            stranger.ping()
        problem = known_problem(raised.value)
        assert problem is not None
        assert (problem.reason, problem.is_passing) == (ServerReason.SENTINELS_TLS, False)


def _answers(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return bool(client.ping())
    return False


def test_a_server_whose_authority_nobody_knows_is_not_spoken_to(address: str) -> None:
    """Without `ssl_ca_certs` the machine's own authorities count, and this one is not among them."""
    with connect(address) as client:
        with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
            client.ping()
        with pytest.raises(LedgerUnavailable):
            Ledger(client).counters()


def test_a_server_of_another_name_is_not_spoken_to(address: str, authority: Authority) -> None:
    """Its certificate is good, and for somebody else."""
    elsewhere = address.replace("127.0.0.1", "localhost")
    client = connect(f"{elsewhere}?ssl_ca_certs={authority.ca_file}")
    with client, pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        client.ping()


def test_what_keeps_tls_from_working_is_said(address: str, authority: Authority) -> None:
    """A client without TLS, an authority that is not known, another name: each has its sentence, and none passes."""
    trusted, place = f"ssl_ca_certs={authority.ca_file}", address.removeprefix("rediss://").removesuffix("/0")
    expected = {
        f"redis://{place}/0": (ServerReason.WANTS_TLS, place),
        f"redis://user:hunter22@{place}/0": (ServerReason.WANTS_TLS, place),
        address: (ServerReason.CERTIFICATE, place),
        f"{address.replace('127.0.0.1', 'localhost')}?{trusted}": (
            ServerReason.CERTIFICATE,
            place.replace("127.0.0.1", "localhost"),
        ),
    }
    for url, (reason, shown) in expected.items():
        with connect(url, "REDIS_URL") as client, pytest.raises(LedgerUnavailable) as caught:
            Ledger(client).counters()
        problem = caught.value.problem
        assert problem is not None
        assert (problem.reason, problem.is_passing) == (reason, False)
        assert str(caught.value).startswith("REDIS_URL: ")
        assert f"at {shown}" in str(caught.value)
        assert "hunter22" not in str(caught.value)


def test_a_client_that_speaks_no_tls_hears_nothing(address: str) -> None:
    with connect(address.replace("rediss://", "redis://")) as client, pytest.raises(redis.ConnectionError):
        client.ping()


@pytest.mark.parametrize(
    "careless", ["ssl_cert_reqs=none", "ssl_cert_reqs=optional", "ssl_check_hostname=false", "SSL_CERT_REQS=NONE"]
)
@pytest.mark.parametrize("name", ["redis_url", "vault_url", "broker_url"])
def test_an_address_that_turns_the_check_off_is_refused(name: str, careless: str) -> None:
    urls = {"redis_url": "redis://127.0.0.1/0", name: f"rediss://ledger.example/3?{careless}"}

    with pytest.raises(SettingsWrong, match=f"{name.upper()}: turns off the check of the server's certificate"):
        ServerSettings.load(**urls)


def test_an_address_that_asks_for_the_check_is_taken(authority: Authority) -> None:
    options = f"ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs={authority.ca_file}"
    url = f"rediss://ledger.example/0?{options}"

    assert ServerSettings.load(redis_url=url).redis_url.reveal() == url


def test_the_banks_certificate_is_checked_and_old_tls_is_not_spoken() -> None:
    """What a stranger's certificate does is in `tests/http`: nothing of a request is sent."""
    transport = Transport(FakeClock(), connect_timeout_s=1, read_timeout_s=1, deadline_s=1, ca_file=None)
    context = transport._tls

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
