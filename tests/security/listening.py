"""What each server user really does: every command that a server was sent, also those inside scripts, with its key."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pytest
import redis
from redis.connection import AbstractConnection

from epay_transfers.ops.server_users import Rule
from tests.security.guarded import Guarded, address

#: A worker is a process of its own, so its connections are not made here.
_ELSEWHERE = "worker"

_WITH_SUBCOMMAND = frozenset({"config", "xgroup", "xinfo", "script", "acl", "client", "memory", "slowlog", "latency"})

#: By these a monitor tells the words of a command apart.
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class Heard:
    """`calls`: by user, commands with their keys; `""` for a command without one."""

    calls: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)  #: by the port of a connection that this process made
    _last: str = ""

    def hear(self, entry: dict[str, Any]) -> None:
        if entry["client_type"] != "lua":
            self._last = self.users.get(int(entry["client_port"] or 0), _ELSEWHERE)
        words = str(entry["command"]).split(" ")
        name, rest = words[0].lower(), words[1:]
        mine = self.calls.setdefault(self._last, set())
        if name in _WITH_SUBCOMMAND and rest:
            name, rest = f"{name}|{rest[0].lower()}", rest[1:]
        if name == "evalsha":
            each = (name, f"evalsha|{rest[0]}")  # the second: of a script that stands in a rule of its own
            mine |= {(way, key) for way in each for key in (*rest[2 : 2 + int(rest[1])], "")}
        elif name in {"xread", "xreadgroup"}:
            mine.add((name, rest[[word.upper() for word in rest].index("STREAMS") + 1]))
        elif name in {"xgroup|create", "xinfo|groups", "xinfo|stream", "xgroup|delconsumer"}:
            mine.add((name, rest[0]))
        elif name in {"del", "exists"}:
            mine |= {(name, key) for key in rest}
        else:
            mine.add((name, rest[0] if rest else ""))

    def unused(self, user: str, rule: Rule, *, scripts: bool) -> set[str]:
        """The commands and the keys of the rule that nobody under this name used."""
        keys = [key.partition("#")[2] or key for key in rule.keys]
        ways = {*rule.commands, "evalsha"} if scripts else set(rule.commands)
        mine = [(name, key) for name, key in self.calls.get(user, set()) if name in ways]
        fitting = [(name, key) for name, key in mine if not keys or any(fnmatchcase(key, each) for each in keys)]
        keyless = {name for name, key in mine}
        commands = {each for each in rule.commands if each not in {name for name, _ in fitting} | (keyless & _KEYLESS)}
        return commands | {each for each in keys if not any(fnmatchcase(key, each) for _, key in fitting)}


_KEYLESS = frozenset({"scan", "keys", "multi", "exec", "script|load"})


def _patient(guarded: Guarded, server: str) -> redis.Redis:
    """A monitor hears nothing for as long as nothing is sent: the product's time-out would end it."""
    return redis.Redis.from_url(address("root", guarded.ports[server]), decode_responses=True, socket_timeout=None)


@contextmanager
def listening(guarded: Guarded, server: str) -> Iterator[Heard]:
    heard, begun = Heard(), threading.Event()
    connects = AbstractConnection.on_connect_check_health

    def on_connect(self: Any, *args: Any, **more: Any) -> Any:
        if int(self.port) == guarded.ports[server]:
            heard.users[self._sock.getsockname()[1]] = str(self.username)
        return connects(self, *args, **more)

    def listen(client: redis.Redis) -> None:
        with client.monitor() as monitor:  # type: ignore[no-untyped-call]  # redis-py types not all
            begun.set()
            for entry in monitor.listen():
                if entry["command"] == "GET the-end":
                    return
                heard.hear(entry)

    with pytest.MonkeyPatch.context() as patch, _patient(guarded, server) as root:
        patch.setattr(AbstractConnection, "on_connect_check_health", on_connect)
        thread = threading.Thread(target=listen, args=(root,), daemon=True)
        thread.start()
        begun.wait(10)
        try:
            yield heard
        finally:
            with guarded.client(server, "root") as other:
                other.get("the-end")
            thread.join(30)
