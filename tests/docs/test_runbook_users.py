"""The runbook's commands under the operator's own server user, with the servers' users of `deploy/`, on both products.

A server writes down each command that it refuses a user (`ACL LOG`), also where the process swallows the answer.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from tests.docs.test_commands import (
    ANSWERS,
    FOLDERS,
    PLAN,
    cleaned,
    commands,
    elsewhere,
    keys,
    name_of,
    named,
    run,
    whole,
)
from tests.security.guarded import Guarded, address, bank, guarded
from tests.support import factories
from tests.support.command_line import environment
from tests.support.forked_commands import ForkedCommands
from tests.support.prepared import prepare, write_plan
from tests.support.runbook import RUNBOOK
from tests.support.server_users import ROOT

__all__ = ["bank", "commands", "environment", "guarded", "keys"]

OPERATOR = "ops-first"

LINES = sorted({cleaned(line) for line, where in named() if where == "runbook.md"})

#: What is typed at a server: its setting or its address, and the command.
TYPED = sorted({
    (server, command.strip())
    for server, command in re.findall(r'redis-cli -u "(\S+)" (?!--)([A-Z][^`\n;|]+)', RUNBOOK)
})  # fmt: skip

#: Who types there: on the ledger's server `repair`, which is off until then; `admin`, with one more command, as the
#: runbook says.
TYPISTS = {
    "$REDIS_URL": ("ledger", "repair", "on"),
    "$VAULT_URL": ("vault", OPERATOR, "on"),
    "redis://admin@127.0.0.1:6379/0": ("ledger", "admin", "+config|set"),
    "redis://admin@replica.example:6379/0": ("ledger", "admin", "+replicaof"),
}


@pytest.fixture
def roots(guarded: Guarded) -> Iterator[dict[str, redis.Redis]]:
    """Both servers, empty, by a user that may do anything."""
    with ExitStack() as stack:
        clients = {name: guarded.client(name, ROOT) for name in guarded.ports}
        for client in clients.values():
            stack.callback(client.close)
            client.flushall()
            client.execute_command("ACL LOG RESET")  # type: ignore[no-untyped-call]  # redis-py does not type this one
        yield clients


def refused(client: redis.Redis, user: str) -> list[str]:
    """The commands and keys that the server refused to this user."""
    return [f"{each['object']}" for each in client.acl_log() if each["username"] == user]


@pytest.mark.usefixtures("environment", "keys")
@pytest.mark.parametrize("line", [line for line in LINES if not elsewhere(shlex.split(line)[1:])])
def test_no_server_refuses_the_operators_user_a_command_of_the_runbook(
    guarded: Guarded,
    roots: dict[str, redis.Redis],
    commands: ForkedCommands,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each does what it is for, on a ledger that has something for it; a worker with its own user answers."""
    for name, user in (("", OPERATOR), ("WORKER_", "worker")):
        monkeypatch.setenv(f"{name}REDIS_URL", address(user, guarded.ports["ledger"]))
        monkeypatch.setenv(f"{name}VAULT_URL", address(user, guarded.ports["vault"]))
    words = whole(shlex.split(line)[1:], tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    ledger = Ledger(roots["ledger"])

    def into(state: State, reference: str) -> Record:
        phase = Phase.CONFIRM if state in {State.RESUMED, State.CONFIRMING} else Phase.SEND
        return factories.into(ledger, (state, phase), reference, lasts_ms=3_600_000)

    name = name_of(words)
    pause_id = words[words.index("unpause") + 1] if "unpause" in words else ""
    prepare(name, "payout-42", ledger, into, pause_id=pause_id, words=words)
    write_plan(ledger, tmp_path / PLAN)

    said = run(commands, words, tmp_path)

    refusals = {f"{server}: {what}" for server, client in roots.items() for what in refused(client, OPERATOR)}
    assert refusals == set(), said
    assert said.status in (ANSWERS.get(name, {0}) if "--follow" not in words else {-9}), said


@pytest.mark.parametrize(("place", "line"), TYPED)
def test_no_server_refuses_what_is_typed_there(
    guarded: Guarded, roots: dict[str, redis.Redis], place: str, line: str
) -> None:
    """By the user that the runbook names for it."""
    server, user, rule = TYPISTS[place]
    roots[server].execute_command("ACL SETUSER", user, rule)  # type: ignore[no-untyped-call]  # redis-py types it not
    words = shlex.split(line.replace("$suffix", "123"))

    with connect(address(user, guarded.ports[server])) as client:
        client.execute_command(*words)

    assert refused(roots[server], user) == []


def test_there_are_commands_to_try() -> None:
    assert len(LINES) > 40
    assert len(TYPED) > 6
