"""A server that can't be used: each kind of trouble has its sentence, with the setting, host and port, and its status.

What a command says, what `doctor` finds, what a worker's `--check` says and what a backend's exception says come from
one table.
"""

import http.server
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.connection import SSLConnection

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable, QueueUnavailable, ServerProblem, VaultUnavailable
from epay_transfers.ledger.queue.stats import Queues
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import WEB, Inboxes, Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.server_problems import TABLE, Server, ServerReason, problem_of, reason_of
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import SettingsWrong, Transfers, TransfersError
from epay_transfers.runtime import embedded_servers, health
from epay_transfers.runtime.settings import ServerSettings
from tests.producers.conftest import by_pan
from tests.support.command_line import Cli
from tests.support.servers import free_port, running, running_server
from tests.support.speaker import speaking
from tests.support.tools import PRODUCTS, server_binary

USER, PASSWORD = "somebody", "hunter22"

#: What a server or another program answers → the reason, and whether to wait may help.
ANSWERS: dict[bytes, tuple[ServerReason, bool]] = {
    b"-NOAUTH Authentication required.\r\n": (ServerReason.NO_PASSWORD, False),
    b"-NOAUTH HELLO must be called with the client already authenticated, otherwise\r\n": (
        ServerReason.NO_PASSWORD,
        False,
    ),
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n": (ServerReason.WRONG_PASSWORD, False),
    b"-ERR AUTH <password> called without any password configured for the default user. Are\r\n": (
        ServerReason.WRONG_PASSWORD,
        False,
    ),
    b"-NOPERM User somebody has no permissions to run the 'hgetall' command\r\n": (ServerReason.NOT_PERMITTED, False),
    b"-ERR The user executing the script can't run this command or subcommand script: 1\r\n": (
        ServerReason.NOT_PERMITTED,
        False,
    ),
    b"-ERR unknown command 'HGETALL', with args beginning with: 'hunter22'\r\n": (ServerReason.UNKNOWN_COMMAND, False),
    b"-ERR DB index is out of range\r\n": (ServerReason.NO_DATABASE, False),
    b"-ERR SELECT is not allowed in cluster mode\r\n": (ServerReason.CLUSTER, False),
    b"-MOVED 3999 127.0.0.1:6381\r\n": (ServerReason.CLUSTER, False),
    b"-CLUSTERDOWN The cluster is down\r\n": (ServerReason.CLUSTER, False),
    b"-DENIED Redis is running in protected mode because\r\n": (ServerReason.PROTECTED, False),
    b"-READONLY You can't write against a read only replica.\r\n": (ServerReason.READ_ONLY, False),
    b"-LOADING Redis is loading the dataset in memory\r\n": (ServerReason.LOADING, True),
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n": (ServerReason.FULL, True),
    b"-MISCONF Redis is configured to save RDB snapshots, but it's unable to\r\n": (ServerReason.CANNOT_SAVE, True),
    b"-NOREPLICAS Not enough good replicas to write.\r\n": (ServerReason.NO_REPLICAS, True),
    b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL\r\n": (ServerReason.BUSY, True),
    b"-ERR max number of clients reached\r\n": (ServerReason.TOO_MANY_CLIENTS, True),
    b"-ERR something of the day after tomorrow\r\n": (ServerReason.OTHER, True),
    b"": (ServerReason.LOST, True),
    b"HTTP/1.1 400 Bad Request\r\n\r\n": (ServerReason.NO_REDIS, False),
    b"SSH-2.0-OpenSSH_9.2\r\n": (ServerReason.NO_REDIS, False),
    b":irc.example NOTICE\r\n": (ServerReason.NO_REDIS, False),
    b"\x4a\x00\x00\x00\x0a5.7.44\r\n": (ServerReason.NO_REDIS, False),
}


def raised_by(url: str) -> LedgerUnavailable:
    with connect(url, "REDIS_URL") as client, pytest.raises(LedgerUnavailable) as caught:
        Ledger(client).counters()
    return caught.value


def found_at(url: str, **more: str) -> list[health.Finding]:
    values = {"redis_url": url, "epay_environment": "test"} | more
    return health.Examination(ServerSettings.model_validate(values), SystemClock(), vault=False).look()


def shows_no_secret(text: str) -> bool:
    return USER not in text and PASSWORD not in text


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer[:24].decode("latin-1"))
def test_each_answer_has_its_reason_and_its_sentence(
    transfers: Cli, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """In the exception, in a finding and in a command; the status is 75 where to wait may help, and else 78."""
    reason, is_passing = ANSWERS[answer]
    with speaking(answer, at_once=reason is ServerReason.NO_REDIS) as place:
        url = f"redis://{USER}:{PASSWORD}@{place}/0"
        error, (finding, *_) = raised_by(url), found_at(url)
        monkeypatch.setenv("REDIS_URL", url)
        monkeypatch.setenv("EPAY_ENVIRONMENT", "test")
        said = transfers("list", "queued")

    problem = error.__cause__
    assert isinstance(problem, ServerProblem)
    assert (problem.reason, problem.is_passing, error.is_passing) == (reason, is_passing, is_passing)
    sentence = TABLE[reason].problem.format(place=place, database=0, setting="REDIS_URL")
    assert str(error).startswith(f"REDIS_URL: {sentence}; ")
    assert (said.status, said.out) == (75 if is_passing else 78, "")
    assert said.err.startswith(f"REDIS_URL: {sentence}; ")
    if reason is not ServerReason.NOT_PERMITTED:  # there `doctor` says what to allow
        assert (finding.name, finding.problem, finding.passing) == ("REDIS_URL", sentence, is_passing)
    assert shows_no_secret(f"{error} {problem} {finding} {said.err}")


def test_every_reason_has_its_sentence_and_its_cure() -> None:
    assert set(TABLE) == set(ServerReason)
    assert len({row.problem for row in TABLE.values()}) == len(TABLE)
    for row in TABLE.values():
        assert "{place}" in row.problem
        assert row.cure


@pytest.fixture(scope="module", params=PRODUCTS)
def server(request: pytest.FixtureRequest) -> Iterator[embedded_servers.EmbeddedServer]:
    """One that has a single database, and no command by the name of CONFIG."""
    options = embedded_servers.LEDGER_OPTIONS | {"databases": "1"}
    with embedded_servers.running(options, binary=server_binary(request.param)) as running:
        yield running


def place_of(url: str) -> str:
    return url.partition("://")[2].rpartition("@")[2].partition("/")[0]


def test_a_real_server_is_told_apart_by_what_is_wrong_with_the_address(server: embedded_servers.EmbeddedServer) -> None:
    """User, password, database, TLS: each is another sentence, and none of them passes by itself."""
    place = place_of(server.url)
    expected = {
        f"redis://{USER}:{PASSWORD}@{place}/0": f"the server at {place} refused the user or the password",
        f"redis://{place}/1": f"the server at {place} has no database 1",
        f"rediss://{place}/0": f"the server at {place} speaks no TLS, and REDIS_URL does",
    }

    for url, sentence in expected.items():
        assert str(raised_by(url)).startswith(f"REDIS_URL: {sentence}; ")
        assert not raised_by(url).is_passing
        assert [(one.problem, one.passing) for one in found_at(url)] == [(sentence, False)]


def test_a_real_server_that_takes_no_write_is_told_apart(server: embedded_servers.EmbeddedServer) -> None:
    """Full, without its replicas, a replica itself, and one that wants a password."""
    with connect(server.url) as admin:
        inboxes = Inboxes(connect(server.url, "REDIS_URL"))

        def refused() -> str:
            with pytest.raises(LedgerUnavailable) as caught:
                inboxes.put(WEB, Kind.CONFIRM, {"key": "251124000001"})
            return str(caught.value)

        admin.config_set("maxmemory", "1")
        full = refused()
        admin.config_set("maxmemory", "0")
        admin.config_set("min-replicas-to-write", "1")
        without_replicas = refused()
        admin.config_set("min-replicas-to-write", "0")
        admin.replicaof("127.0.0.1", "1")
        replica = refused()
        admin.replicaof("NO", "ONE")
        admin.config_set("requirepass", PASSWORD)
        without_password = str(raised_by(server.url))
        admin.config_set("requirepass", "")

    place = place_of(server.url)
    for said, sentence in {
        full: "is full and takes no write",
        without_replicas: "has too few replicas and takes no write",
        replica: "is a replica and takes no write",
    }.items():
        assert said.startswith(f"REDIS_URL: the server at {place} {sentence}; ")
        assert said.endswith("; the change may or may not be stored: call again with the same reference")
    assert without_password.startswith(f"REDIS_URL: the server at {place} wants a user or a password; ")


@pytest.mark.parametrize("product", PRODUCTS)
def test_where_config_is_renamed_the_cure_is_to_attest(product: str, tmp_path: Path) -> None:
    """As a managed server does it. With DURABILITY=attested nothing is asked of CONFIG, and nothing is found."""
    port = free_port()
    command = [server_binary(product), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    command += ["--rename-command", "CONFIG", "another-name", "--logfile", str(tmp_path / "server.log")]
    with running_server(command, f"redis://127.0.0.1:{port}/0") as server:
        (finding,) = found_at(server.url, durability="strict")
        attested = found_at(server.url, durability="attested")

    assert finding.problem == "the server does not show its configuration (CONFIG GET)"
    assert "`appendonly yes`" in finding.cure
    assert finding.cure.endswith("and set DURABILITY=attested")
    assert not finding.passing
    assert attested == []


def test_a_user_without_config_is_told_both_cures(server: embedded_servers.EmbeddedServer) -> None:
    with connect(server.url) as admin:
        commands = ["+info", "+time", "+ping", "+hello", "+select"]
        admin.acl_setuser("shy", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=commands)
        restart, finding = found_at(f"redis://shy:{PASSWORD}@{place_of(server.url)}/0")
        admin.acl_deluser("shy")

    assert restart.cure.startswith("allow this user +acl|dryrun; ")
    assert restart.cure.endswith("set DURABILITY=attested")
    assert finding.cure.startswith("allow this user +config|get; ")
    assert finding.cure.endswith("set DURABILITY=attested")


@contextmanager
def web_server(
    port: int = 0, handler: type[socketserver.BaseRequestHandler] = http.server.BaseHTTPRequestHandler
) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Terse(socketserver.BaseRequestHandler):
    """It closes the connection where it is asked for nothing of HTTP."""

    def handle(self) -> None:
        if self.request.recv(64).startswith(b"HEAD"):
            self.request.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def test_what_took_the_place_of_a_server_is_named_by_the_next_look(tmp_path: Path) -> None:
    """A worker looks with the clients of its start: what answered then may be another program now."""
    with running(embedded_servers.LEDGER_OPTIONS, tmp_path) as there:
        values = {"redis_url": there.url, "epay_environment": "test"}
        examination = health.Examination(ServerSettings.model_validate(values), SystemClock(), vault=False)
        assert examination.look() == []
    with web_server(int(place_of(there.url).rpartition(":")[2]), _Terse) as place:
        (finding,) = examination.look()

    assert finding.problem == problem_of(ServerReason.NO_REDIS, Server("REDIS_URL", place)).problem


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_port_where_http_answers_is_no_redis(scheme: str) -> None:
    with web_server() as place:
        error = raised_by(f"{scheme}://{place}/0")

    expected = {"redis": ServerReason.NO_REDIS, "rediss": ServerReason.HAS_NO_TLS}[scheme]
    assert error.problem
    assert error.problem.reason == expected
    assert f"at {place}" in str(error)


@pytest.mark.parametrize(
    ("url", "reason", "is_passing"),
    [
        ("redis://nowhere.invalid:6390/0", ServerReason.UNKNOWN_HOST, False),
        ("redis://a..b:6390/0", ServerReason.UNKNOWN_HOST, False),
        (f"redis://{'a' * 70}:6390/0", ServerReason.UNKNOWN_HOST, False),
        ("redis://127.0.0.1:1/0", ServerReason.REFUSED, True),
        ("redis://[::1]:1/0", None, True),  # refused, or without a route where a machine has no IPv6
        ("unix:///nowhere/redis.sock", ServerReason.NO_SOCKET, True),
        ("unix:///etc/passwd", ServerReason.NOT_A_SOCKET, False),
        ("unix:///etc/passwd/redis.sock", ServerReason.NOT_A_SOCKET, False),
        ("unix:///etc", ServerReason.NOT_A_SOCKET, False),
    ],
)
def test_a_place_that_does_not_lead_to_a_server_is_told_apart(
    url: str,
    reason: ServerReason | None,
    is_passing: bool,  # noqa: FBT001 - a table's column
) -> None:
    error = raised_by(url)

    assert error.problem
    assert error.problem.reason == reason or reason is None
    assert error.is_passing == is_passing
    assert (place_of(url) or url.removeprefix("unix://")) in str(error)


def test_a_server_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("epay_transfers.ledger.store.connection.SOCKET_TIMEOUT", 0.2)
    monkeypatch.setattr("epay_transfers.ledger.store.connection._LOOK_TIMEOUT", 0.2)
    hanging = free_port()
    with socket.create_server(("127.0.0.1", hanging)):
        error = raised_by(f"redis://127.0.0.1:{hanging}/0")

    assert error.problem
    assert error.problem.reason == ServerReason.TIMEOUT
    assert error.is_passing


def test_a_server_that_has_answered_once_is_not_asked_what_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each lost connection of a run would cost two more."""
    looks: list[bytes] = []

    def look(_host: str, _port: int, greeting: bytes) -> bytes:
        looks.append(greeting)
        return b""

    monkeypatch.setattr("epay_transfers.ledger.store.connection._first_answer", look)
    with speaking(b"+OK\r\n") as place:
        error = raised_by(f"redis://{USER}:{PASSWORD}@{place}/0")  # it answers the handshake, and closes
    assert error.problem
    assert (error.problem.reason, looks) == (ServerReason.LOST, [])
    with speaking(b"") as place:
        raised_by(f"redis://{place}/0")
    assert len(looks) >= 2, "the control: one that never answers is asked"


def test_the_error_that_a_caller_handles_says_nothing_of_the_server() -> None:
    """A backend may call while it handles an error of its own: that is the context of ours, and not its reason."""
    own = ConnectionRefusedError("the backend's own")
    theirs = redis.ResponseError("DB index is out of range")
    theirs.__context__ = own

    assert reason_of(theirs, own) is ServerReason.NO_DATABASE


def test_a_read_speaks_of_no_change_and_a_change_does() -> None:
    """Of whichever server."""
    with connect("redis://127.0.0.1:1/0", "VAULT_URL") as client:
        with pytest.raises(VaultUnavailable) as read:
            Vault(client).high_water()
        with pytest.raises(VaultUnavailable) as change:
            Vault(client).drop("251124000001")
        with pytest.raises(QueueUnavailable) as queue:
            Queues(client, SystemClock()).read()

    assert (
        str(read.value) == "VAULT_URL: the server at 127.0.0.1:1 refused the connection; start it, or correct VAULT_URL"
    )
    assert str(change.value) == f"{read.value}; what was asked may or may not be done: call again"
    assert str(queue.value) == str(read.value)


def test_a_backends_exception_names_the_setting_and_keeps_the_cause(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that may come back is `LedgerUnavailable`, and an address to correct is `SettingsWrong`."""
    place = place_of(environment["REDIS_URL"])
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(LedgerUnavailable) as away:
        Transfers.from_env().check()
    monkeypatch.setenv("REDIS_URL", f"redis://{USER}:{PASSWORD}@{place}/0")
    with pytest.raises(SettingsWrong) as wrong:
        Transfers.from_env().check()

    assert str(away.value).startswith("REDIS_URL: the server at 127.0.0.1:1 refused the connection")
    assert "stored" not in str(away.value)
    assert isinstance(away.value.__cause__, ServerProblem)
    assert wrong.value.lines == [
        f"REDIS_URL: the server at {place} refused the user or the password; correct them in REDIS_URL"
    ]


def test_the_cause_stays_when_an_error_leaves_a_public_call(
    environment: dict[str, str], ledger_client: redis.Redis, vault_client: redis.Redis
) -> None:
    """Without a frame and without the client's own error, whose text may repeat what was sent."""
    with Transfers.from_env() as transfers:
        transfers.check()
        transfers._context.ledger.client = connect(f"redis://{USER}:{PASSWORD}@{place_of(environment['REDIS_URL'])}/0")
        with pytest.raises(TransfersError) as caught:
            transfers.get(reference="payout-1")

    cause = caught.value.__cause__
    assert isinstance(cause, ServerProblem)
    assert cause.reason == ServerReason.WRONG_PASSWORD
    assert (cause.__traceback__, cause.__cause__, cause.__context__, caught.value.__context__) == (None,) * 4


def test_after_a_failed_first_look_an_enqueue_says_what_may_be_stored(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That call stored nothing; but after a restart it may be the retry of a call that did."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    transfers = Transfers.from_env()
    with pytest.raises(LedgerUnavailable) as one:
        transfers.enqueue(by_pan("order-1"))
    (many,) = transfers.enqueue_many([by_pan("order-1")])
    assert isinstance(many, LedgerUnavailable)
    monkeypatch.setenv("REDIS_URL", environment["REDIS_URL"])
    monkeypatch.setenv("VAULT_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(VaultUnavailable) as vault:
        Transfers.from_env().enqueue(by_pan("order-1"))

    for error, name in ((one.value, "REDIS_URL"), (many, "REDIS_URL"), (vault.value, "VAULT_URL")):
        assert str(error) == (
            f"{name}: the server at 127.0.0.1:1 refused the connection; start it, or correct {name}; nothing was "
            "stored by this call, but a call before it, under the same reference, may have stored the transfer: call "
            "again with the same reference"
        )
        assert isinstance(error.__cause__, ServerProblem)
    with pytest.raises(LedgerUnavailable) as read:
        transfers.get(reference="order-1")
    assert "stored" not in str(read.value), "the control: a read says nothing of it"


# The queue's server.


def worker_check() -> tuple[int, list[str]]:
    command = [sys.executable, "-P", "-m", "epay_transfers.worker", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("broker_url", "sentence", "status"),
    [
        ("redis://127.0.0.1:1/0", "the server at 127.0.0.1:1 refused the connection", 75),
        ("redis://nowhere.invalid/0", "there is no host of the name in nowhere.invalid:6379", 78),
        (f"redis://{USER}:{PASSWORD}@PLACE/1", "the server at PLACE refused the user or the password", 78),
        ("redis://PLACE/9999", "the server at PLACE has no database 9999", 78),
    ],
)
def test_doctor_examines_the_queues_server(
    transfers: Cli,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    broker_url: str,
    sentence: str,
    status: int,
) -> None:
    place = place_of(environment["REDIS_URL"])
    monkeypatch.setenv("BROKER_URL", broker_url.replace("PLACE", place))
    monkeypatch.setenv("EPAY_ENVIRONMENT", "test")

    said = transfers("doctor", "--json")

    assert said.status == status
    (finding,) = said.json["findings"]
    assert (finding["name"], finding["problem"]) == ("BROKER_URL", sentence.replace("PLACE", place))
    assert shows_no_secret(said.out)


def test_a_ledgers_server_with_one_database_has_no_place_for_the_queue(server: embedded_servers.EmbeddedServer) -> None:
    """Where BROKER_URL is not set, the queue is in the database after the ledger's."""
    settings = ServerSettings.model_validate({"redis_url": server.url})

    (finding,) = health.Examination(settings, SystemClock(), vault=False, queue=True).look()

    assert finding.name == "REDIS_URL", "no BROKER_URL is given"
    assert finding.problem == f"the server at {place_of(server.url)} has no database 1"
    assert (
        "give another database in REDIS_URL; where BROKER_URL is not set, the queue's is REDIS_URL's + 1"
        in finding.cure
    )
    assert not finding.passing
    assert health.Examination(settings, SystemClock(), vault=False).look() == [], "a producer needs no queue"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"TRANSFERS_REDIS_URL": "redis://127.0.0.1:1/0"}, ["TRANSFERS_REDIS_URL"]),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, ["REDIS_URL"]),
        ({"TRANSFERS_BROKER_URL": "redis://127.0.0.1:1/0"}, ["TRANSFERS_BROKER_URL"]),
        ({"TRANSFERS_VAULT_URL": "redis://127.0.0.1:1/0"}, ["TRANSFERS_VAULT_URL"]),
    ],
)
def test_a_sentence_names_the_setting_as_it_was_given(
    transfers: Cli,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    names: list[str],
) -> None:
    """With its prefix; and where the queue's address is made from the ledger's, there is one line, on the ledger's."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    findings = transfers("doctor", "--json").json["findings"]
    said = transfers("list", "queued") if names[0].endswith("REDIS_URL") else None

    assert [each["name"] for each in findings] == names
    assert names[0] in findings[0]["cure"]
    assert said is None or said.err.startswith(f"{names[0]}: ")
    if names[0].endswith(("REDIS_URL", "VAULT_URL")):
        with pytest.raises(TransfersError) as caught:
            Transfers.from_env().check()
        assert str(caught.value).startswith(f"{names[0]}: ")


def test_a_port_without_tls_is_asked_for_it_once(
    server: embedded_servers.EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers with silence, and each wait is one of `doctor`, which asks it a dozen questions."""
    handshakes: list[int] = []
    wrap = SSLConnection._wrap_socket_with_ssl

    def counted(self: SSLConnection, sock: socket.socket) -> object:
        handshakes.append(sock.fileno())
        return wrap(self, sock)  # type: ignore[no-untyped-call]  # redis-py does not type it

    monkeypatch.setattr(SSLConnection, "_wrap_socket_with_ssl", counted)
    monkeypatch.setattr("epay_transfers.ledger.store.connection._NO_TLS_UNTIL", {})
    settings = ServerSettings.model_validate({"redis_url": f"rediss://{place_of(server.url)}/0"})

    (finding,) = health.Examination(settings, SystemClock(), queue=True).look()
    with pytest.raises(LedgerUnavailable) as caught, connect(settings.redis_url.reveal(), "REDIS_URL") as client:
        Ledger(client).counters()

    assert finding.problem.endswith("speaks no TLS, and REDIS_URL does")
    assert str(caught.value).startswith(f"REDIS_URL: {finding.problem}; ")
    assert len(handshakes) == 1


def test_a_user_that_may_not_even_connect_is_told_what_it_needs(server: embedded_servers.EmbeddedServer) -> None:
    """SELECT and PING come before any question, and the cure names them."""
    with connect(server.url) as admin:
        for lacking in ("ping", "info"):
            commands = [f"+{each}" for each in ("ping", "hello", "select", "info", "time") if each != lacking]
            admin.acl_setuser("shy", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=commands)
            (finding,) = found_at(f"redis://shy:{PASSWORD}@{place_of(server.url)}/0")
            admin.acl_deluser("shy")
            assert finding.cure == "allow it +ping, +hello, +select, +info, +config|get, +acl|dryrun and +time"


def test_one_server_that_is_away_is_one_finding() -> None:
    settings = ServerSettings.model_validate({"redis_url": "redis://127.0.0.1:1/0"})

    assert [one.name for one in health.Examination(settings, SystemClock(), queue=True).look()] == ["REDIS_URL"]
