"""Both servers under their users, once as Valkey and once as Redis, and a bank: for tests of what each user may do."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.store.connection import connect
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import Options, RunningSandbox, running
from tests.support.environment import environment_of
from tests.support.server_users import UsersAndRoot
from tests.support.servers import free_port, running_server
from tests.support.tools import PRODUCTS, server_binary

DEPLOY = Path(__file__).parents[2] / "deploy"
OPTIONS = {"ledger": embedded_servers.LEDGER_OPTIONS, "vault": embedded_servers.VAULT_OPTIONS}
NAMES = tuple(line.split()[1] for line in (DEPLOY / "users-ledger.acl").read_text().splitlines()[1:])
USERS = UsersAndRoot()

_QUEUE = "{transfers}"


def lines_of(name: str) -> list[str]:
    return (DEPLOY / f"users-{name}.acl").read_text().splitlines()


def command(binary: str, name: str, folder: Path, port: int) -> list[str]:
    options = OPTIONS[name] | {"aclfile": str(folder / "users.acl"), "port": str(port), "dir": str(folder)}
    pairs = [part for option, value in options.items() for part in (f"--{option}", value)]
    return [binary, "--bind", "127.0.0.1", *pairs, "--logfile", str(folder / "server.log")]


@contextmanager
def started(binary: str, name: str, folder: Path) -> Iterator[int]:
    """A server with its users; its port."""
    port = free_port()
    folder.mkdir()
    (folder / "users.acl").write_text(USERS.filled(name))
    with running_server(command(binary, name, folder, port), address("admin", port)):
        yield port


def address(user: str, port: int) -> str:
    return USERS.address(user, f"redis://127.0.0.1:{port}/0")


@dataclass
class Guarded:
    """The two servers, and what each room's environment says of them."""

    ports: dict[str, int]
    common: dict[str, str]

    def client(self, server: str, user: str) -> redis.Redis:
        return connect(address(user, self.ports[server]))

    def env(self, user: str) -> dict[str, str]:
        servers = {
            "REDIS_URL": address(user, self.ports["ledger"]),
            "VAULT_URL": address(user, self.ports["vault"]),
        }
        return self.common | servers


@pytest.fixture(scope="module")
def bank() -> Iterator[RunningSandbox]:
    with running(Options()) as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=PRODUCTS)
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bank: RunningSandbox
) -> Iterator[Guarded]:
    """The embedded Valkey, and the system's Redis where there is one."""
    binary = server_binary(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    limits = '{"main": {"KZT": {"transfer": 1000000, "terminal_day": 1000000000, "receiver_day": 1000000000}}}'
    common = environment_of(bank.addresses, OPERATOR="aigul", EPAY_LIMITS=limits)
    with ExitStack() as stack:
        ports = {name: stack.enter_context(started(binary, name, folder / name)) for name in OPTIONS}
        yield Guarded(ports, common)


@pytest.fixture
def act_as(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """From here on this process is of that room."""
    monkeypatch.chdir(tmp_path)

    def act(user: str) -> None:
        for name, value in guarded.env(user).items():
            monkeypatch.setenv(name, value)

    return act


@contextmanager
def worker_of(guarded: Guarded, log: Path) -> Iterator[None]:
    with log.open("wb") as said:
        command = [sys.executable, "-m", "epay_transfers.worker"]
        process = subprocess.Popen(command, env=guarded.env("worker") | {"EPAY_RATE": '{"main": 50}'}, stderr=said)  # noqa: S603 - this very program
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
