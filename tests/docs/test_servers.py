"""The server configurations in `deploy/`: what an operator starts is what the workers ask for, on both products."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import embedded_servers, health
from epay_transfers.runtime.settings import ServerSettings
from tests.support.servers import free_port, running_server
from tests.support.tools import PRODUCTS, server_binary

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIGURATIONS = ("ledger", "vault")

Pair = dict[str, embedded_servers.EmbeddedServer]


def lines_of(name: str) -> list[str]:
    return (DEPLOY / f"{name}.conf").read_text().splitlines()


def directives_of(name: str) -> list[tuple[str, str]]:
    split = [line.partition(" ") for line in lines_of(name) if line and not line.startswith("#")]
    return [(directive, value.strip('"')) for directive, _, value in split]


def in_bytes(value: str) -> str:
    """`2gb` as the server reports it."""
    units = {"mb": 1024**2, "gb": 1024**3}
    return str(int(value[:-2]) * units[value[-2:]]) if value[-2:] in units else value


@contextmanager
def started(binary: str, name: str, folder: Path) -> Iterator[embedded_servers.EmbeddedServer]:
    """A server on the file as it stands, but for the port and the folder of this run."""
    port = free_port()
    folder.mkdir()
    replaced = {"port": f"port {port}", "dir": f"dir {folder}", "logfile": f"logfile {folder / 'server.log'}"}
    copy = folder / "server.conf"
    copy.write_text("\n".join(replaced.get(line.partition(" ")[0], line) for line in lines_of(name)) + "\n")
    with running_server([binary, str(copy)], f"redis://127.0.0.1:{port}/0") as server:
        yield server


@pytest.fixture(params=PRODUCTS, scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both servers as `deploy/` configures them: the embedded Valkey, and the system's Redis where there is one."""
    binary = server_binary(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        yield {name: stack.enter_context(started(binary, name, folder / name)) for name in CONFIGURATIONS}


@pytest.fixture
def client(pair: Pair) -> Iterator[Callable[[str], redis.Redis]]:
    with ExitStack() as stack:

        def of(name: str) -> redis.Redis:
            made = connect(pair[name].url)
            stack.callback(made.close)
            return made

        yield of


def test_a_worker_finds_nothing_wrong_with_the_two_servers(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURABILITY", raising=False)
    settings = ServerSettings.load(redis_url=pair["ledger"].url, vault_url=pair["vault"].url)

    assert health.Examination(settings, SystemClock()).look() == []


def test_a_worker_finds_the_two_servers_confused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round is one finding: the cure of each half would spoil both servers."""
    monkeypatch.delenv("DURABILITY", raising=False)
    settings = ServerSettings.load(redis_url=pair["vault"].url, vault_url=pair["ledger"].url)

    (finding,) = health.Examination(settings, SystemClock()).look()

    assert finding.problem.startswith("REDIS_URL and VAULT_URL look swapped: ")
    assert finding.cure == "exchange the two addresses, and change neither server"


def test_every_directive_is_in_force(client: Callable[[str], redis.Redis]) -> None:
    """The server reports what the file says: nothing is misspelt, and nothing is overruled further down."""
    for name in CONFIGURATIONS:
        ours = {"port", "dir", "logfile", "rename-command"}  # this run's own, and one that no server reports
        wanted = {directive: in_bytes(value) for directive, value in directives_of(name) if directive not in ours}

        assert client(name).config_get(*wanted) == wanted


@pytest.mark.parametrize(
    "command", ["SAVE", "BGSAVE", "BGREWRITEAOF", "SHUTDOWN", "PSYNC ? -1", "SYNC", "REPLICAOF ::1 1"]
)
def test_the_vault_knows_no_command_that_would_copy_it(command: str, client: Callable[[str], redis.Redis]) -> None:
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client("vault").execute_command(*command.split())  # type: ignore[no-untyped-call]  # redis-py does not type it


def test_the_vault_leaves_nothing_in_its_folder(tmp_path: Path) -> None:
    """Neither while it runs nor when it ends; the ledger, told the same, leaves its file."""
    left = {}
    for name in CONFIGURATIONS:
        with started(server_binary("valkey"), name, tmp_path / name) as server:
            own = connect(server.url)
            own.set("canary", "5522042705066736")
            own.close()
        found = [path for path in (tmp_path / name).rglob("*") if path.is_file() and path.name != "server.conf"]
        left[name] = [path.name for path in found if b"5522042705066736" in path.read_bytes()]

    assert left["vault"] == []
    assert left["ledger"] != []


@pytest.mark.parametrize(
    ("name", "options"), [("ledger", embedded_servers.LEDGER_OPTIONS), ("vault", embedded_servers.VAULT_OPTIONS)]
)
def test_the_embedded_servers_are_configured_as_the_file_says(name: str, options: dict[str, str]) -> None:
    written = dict(directives_of(name))

    assert {option: written.get(option) for option in options} == options


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_reason_stands_above_every_line(name: str) -> None:
    """A directive follows its comment, or another directive under the same one; no comment stands behind a value."""
    above = ""
    for line in lines_of(name):
        if line and not line.startswith("#"):
            assert above, f"no reason above: {line}"
            assert "#" not in line
        above = line
