"""`transfers probe`: the health check of a container asks the process itself."""

from collections.abc import Callable, Iterator

import pytest

from epay_transfers.runtime.endpoint import Endpoint
from tests.support.command_line import Cli
from tests.support.servers import free_port

Serve = Callable[[list[str], list[str]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A process's endpoint, with reasons against its life and its readiness; its address."""
    made: list[Endpoint] = []

    def start(live: list[str], ready: list[str]) -> str:
        made.append(Endpoint("127.0.0.1:0", live=lambda: live, ready=lambda: ready).start())
        return made[-1].address

    yield start
    for each in made:
        each.stop()


def test_one_that_lives_is_0_and_so_is_one_that_is_ready(transfers: Cli, serve: Serve) -> None:
    address = serve([], [])

    assert (transfers("probe", address).status, transfers("probe", address, "--ready").status) == (0, 0)
    assert transfers("probe", address, "--json").json["says"] == ["ok"]


def test_one_that_is_not_ready_lives_and_says_why_it_is_not(transfers: Cli, serve: Serve) -> None:
    """So it is not started anew for it."""
    address = serve([], ["unfit: the ledger is away"])
    said = transfers("probe", address, "--ready")

    assert transfers("probe", address).status == 0
    assert (said.status, said.err) == (1, "unfit: the ledger is away\n")


def test_one_that_hangs_does_not_live(transfers: Cli, serve: Serve) -> None:
    said = transfers("probe", serve(["hangs: sweeper"], []))

    assert (said.status, said.err) == (1, "hangs: sweeper\n")


def test_one_that_does_not_listen_and_an_address_that_is_none_are_sentences(transfers: Cli) -> None:
    port = free_port()
    away, wrong = transfers("probe", f"127.0.0.1:{port}"), transfers("probe", "9108")

    assert (away.status, away.err) == (1, f"127.0.0.1:{port}/live does not answer: Connection refused\n")
    assert (wrong.status, wrong.err) == (1, "the address is no HOST:PORT; give it like 127.0.0.1:9108\n")
