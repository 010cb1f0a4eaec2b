"""The shelf of Lua: one verb a file, sent by its digest, loaded when the server does not know it yet.

redis-py's own script objects ask the server for every digest before each pipeline, which is a round trip a batch. Here
a server that forgot its scripts answers NOSCRIPT, which proves that nothing ran, and only then they are loaded.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any, cast

import redis
from redis.exceptions import NoScriptError

from epay_transfers.ledger.record import CLEARED
from epay_transfers.ledger.store.connection import in_one_write

Call = tuple[str, Sequence[str], Sequence[str | int]]  #: script, KEYS, ARGV

#: Which shared parts are put before a script.
_SHARED = (
    {"create": ("_time", "_events", "_counters", "_pauses")}
    | {"claim": ("_time", "_events", "_counters", "_in_turn", "_move", "_pauses", "_server")}
    | {"move": ("_time", "_events", "_counters", "_in_turn", "_move")}
    | {"rate": ("_time", "_rate"), "watched": ("_time", "_rate", "_in_turn")}
    | {"ledger_look": ("_time", "_events", "_server")}
    | dict.fromkeys(("due", "probe", "inbox_take", "remember_worker", "turn", "leave_waiting"), ("_time",))
    | dict.fromkeys(("tell", "archive"), ("_time", "_events", "_lone_event"))
    | dict.fromkeys(("trim", "set_aside"), ("_events", "_lone_event"))
)
_VAULT_SHARED = ("_vault",)

#: Scripts that run on a server whose memory is full, too, and what their text has to begin with for that.
_ON_A_FULL_SERVER = frozenset({"add_pause"})
_MAY_EXCEED = "#!lua flags=allow-oom\n"

#: What `_move.lua` knows of the records: it is told which of these fields go, and not their names.
_CLEARED = f"local CLEARED = {{{', '.join(map(repr, CLEARED))}}}\n"


@cache  # each look of an operator makes clients anew, and there are dozens of files
def text_of(name: str) -> str:
    """A script's whole text, as the server sees it."""
    folder = resources.files("epay_transfers.ledger") / "lua"
    shared = _SHARED.get(name, _VAULT_SHARED if name.startswith("vault_") else ())
    text = "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in (*shared, name))
    if "_move" in shared:
        text = _CLEARED + text
    return (_MAY_EXCEED if name in _ON_A_FULL_SERVER else "") + text


class Scripts:
    """The scripts of one server."""

    def __init__(self, client: redis.Redis, names: Sequence[str]) -> None:
        self._client = client
        self._texts = {name: text_of(name) for name in names}
        self._digests = {name: _digest(text) for name, text in self._texts.items()}

    def run(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> list[str]:
        """One script, one round trip. Raises redis-py's errors: its caller makes them ours."""
        try:
            return self._send(name, keys, args)
        except NoScriptError:
            self._client.script_load(self._texts[name])
            return self._send(name, keys, args)

    def run_then(
        self, name: str, keys: Sequence[str], args: Sequence[str | int], more: Sequence[Sequence[str | int]]
    ) -> tuple[list[str], list[Any]]:
        """One script, and right behind it further commands on its connection: one round trip.

        Their answers, or the client's errors; what the script itself raises is raised.
        """
        commands = [("EVALSHA", self._digests[name], len(keys), *keys, *args), *more]
        reply, *answers = in_one_write(self._client, commands)
        if isinstance(reply, NoScriptError):
            self._client.script_load(self._texts[name])
            reply, *answers = in_one_write(self._client, commands)
        if isinstance(reply, redis.RedisError):
            raise reply
        return cast("list[str]", reply), answers

    def run_beside(
        self, name: str, keys: Sequence[str], args: Sequence[str | int], ask: Callable[[Any], object]
    ) -> tuple[list[str], Any]:
        """One script, and behind it the command that `ask` puts into the pipeline: one round trip.

        That one may only read: its answer may be an error. What the script itself raises is raised.
        """
        reply, answer = self._pipeline([(name, keys, args)], ask)
        if isinstance(reply, NoScriptError):
            self._client.script_load(self._texts[name])
            reply, answer = self._pipeline([(name, keys, args)], ask)
        if isinstance(reply, Exception):
            raise reply
        return cast("list[str]", reply), answer

    def run_many(self, calls: Sequence[Call]) -> list[list[str] | Exception]:
        """All calls in one round trip; each one's reply, or its error, in order."""
        if len(calls) == 1:  # a pipeline of one costs more than the call
            try:
                return [self.run(*calls[0])]
            except redis.ResponseError as error:
                return [error]
        replies = self._pipeline(calls)
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            for name in {calls[at][0] for at in unknown}:
                self._client.script_load(self._texts[name])
            for at, reply in zip(unknown, self._pipeline([calls[at] for at in unknown]), strict=True):
                replies[at] = reply
        return replies

    def _send(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> list[str]:
        send = self._client.execute_command
        return cast("list[str]", send("EVALSHA", self._digests[name], len(keys), *keys, *args))  # type: ignore[no-untyped-call]  # redis-py does not type it

    def _pipeline(self, calls: Sequence[Call], ask: Callable[[Any], object] | None = None) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for name, keys, args in calls:
            cast("Any", pipeline).evalsha(self._digests[name], len(keys), *keys, *args)
        if ask:
            ask(pipeline)
        return pipeline.execute(raise_on_error=False)


@cache
def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
