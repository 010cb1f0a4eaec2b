"""A thief with the password of web tier, operator, admin or any reader: whatever it sends, all data stay."""

import random

import pytest
import redis

from epay_transfers.ledger.states import Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ops import server_users
from tests.security.guarded import Guarded, act_as, bank, guarded
from tests.security.test_users import its_name
from tests.support import factories

__all__ = ["act_as", "bank", "guarded"]

SEED = random.SystemRandom().randrange(2**32)
CALLS = 1000

#: A follower has no user on the vault.
NOT_THERE = ("follower", "vault")

#: Where a thief may write: what stands there is a request, until a worker has looked at the transfer.
OPEN_TO = {
    "web": {redis_keys.inbox("web")},
    "ops": {redis_keys.inbox("ops:first"), redis_keys.ADDED_PAUSES, redis_keys.OPERATORS},
    "admin": set[str](),
    "follower": set[str](),
    "exporter": set[str](),
    "console": set[str](),
}

#: On which server they have a user.
THIEVES = [(server, user) for user in OPEN_TO for server in ("ledger", "vault") if (user, server) != NOT_THERE]

#: Words of commands. BLOCK is none of them: a thief that waits does no harm.
WORDS = ["0", "1", "-1", "-", "+", "*", "$", "x", "MAXLEN", "NX", "XX", "GET", "KEEPTTL", "state", "amount", "declined",
         "9990000", "COUNT", "MATCH", "STREAMS", "PX", "EX", "1-1", "FULL", "LIMIT", "BYSCORE", "REPLACE"]  # fmt: skip

#: They end a test, or wait: every one of them is refused by a test of its own.
LEFT_OUT = {"shutdown", "debug", "failover", "client", "reset", "quit", "auth", "hello", "monitor", "psubscribe",
            "subscribe", "ssubscribe", "sync", "psync", "select", "wait", "waitaof"}  # fmt: skip


def snapshot(root: redis.Redis, but: set[str]) -> dict[str, object]:
    """All that a server holds, in any form."""
    return {name: root.dump(name) for name in sorted(map(str, root.scan_iter("*"))) if name not in but}


@pytest.mark.parametrize(("server", "user"), THIEVES)
def test_no_sequence_of_commands_changes_what_stands_in_a_server(guarded: Guarded, server: str, user: str) -> None:
    """So `get`, `wait` and `outcomes` say what they said; but for what a worker makes of the inbox, which checks it."""
    print(f"seed {SEED}")  # noqa: T201 - what repeats it, if it fails
    dice = random.Random(SEED)  # noqa: S311 - a test's
    with guarded.client(server, "root") as root, guarded.client(server, user) as thief:
        thief.response_callbacks.clear()  # the client would break on what it is answered after MULTI
        key = _prepared(root, server)
        names = [redis_keys.record(key), redis_keys.EVENTS, redis_keys.COUNTERS, redis_keys.DUE, redis_keys.BY_STATE,
                 redis_keys.challenge(key), redis_keys.card(key), redis_keys.sealed_card(key), redis_keys.WRITES,
                 redis_keys.HIGH_WATER, redis_keys.PAUSES, *OPEN_TO[user]]  # fmt: skip
        open_to = OPEN_TO[user] | ({redis_keys.pares(key), redis_keys.sealed_pares(key)}
                                   if (server, user) == ("vault", "web") else set())  # fmt: skip
        commands = [name for name in map(str.lower, map(str, root.command_list()))
                    if name.partition("|")[0] not in LEFT_OUT]  # fmt: skip
        rules = server_users.users(server, ["first"])[its_name(user)].rules
        leaves = [command for rule in rules for command in rule.commands if command not in LEFT_OUT]
        before, taken = snapshot(root, open_to), 0
        for _ in range(CALLS):
            words = dice.choice(dice.choice([commands, leaves])).split("|") + _arguments(dice, names)
            try:
                thief.execute_command(*words)
                taken += 1
            except redis.RedisError:
                thief.connection_pool.disconnect()
        assert snapshot(root, open_to) == before
        assert taken > 0
        root.flushall()  # a pause that it added holds what the next test sends


def _prepared(root: redis.Redis, server: str) -> str:
    """A transfer in the ledger, or what stands for one in the vault; its key."""
    root.flushall()
    if server == "vault":
        key = "251124000001"
        root.set(redis_keys.card(key), "X:1000001:" + "n" * 16)
        root.set(redis_keys.sealed_card(key), "sealed")
        root.set(redis_keys.HIGH_WATER, "7")
        return key
    ledger = Ledger(root)
    record = factories.into(ledger, (State.PARKED, Phase.SEND), "payout-1", lasts_ms=900_000)
    ledger.move(record, Verb.REQUEST, Change(due_in=0, fields={"requested_action": "inquire"}), actor="test")
    return record.key


def _arguments(dice: random.Random, names: list[str]) -> list[str]:
    first = [dice.choice(names)] if dice.random() < 0.8 else []
    return first + [dice.choice(WORDS if dice.random() < 0.8 else names) for _ in range(dice.randrange(4))]


def test_the_kinds_of_entries_are_all_a_sender_can_ask_for() -> None:
    """A new kind is looked at here: what could a thief of its sender's password do with it?"""
    assert {kind.value for kind in Kind} == {
        "confirm", "notification", "secure_2", "request", "cancel", "settle", "take_back", "ask", "paused", "unpause",
        "rebuild", "doubt", "",
    }  # fmt: skip
