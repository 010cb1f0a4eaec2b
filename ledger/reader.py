"""The reader of the ledger: a transfer by its key and by what else names it, who is due, who is in which state.

It changes nothing. `Ledger` is a reader that may write.
"""

import json
from collections.abc import Iterator, Sequence
from typing import cast

import redis

from ledger import keys
from ledger.clock import Clock
from ledger.errors import LedgerUnavailable
from ledger.record import Challenge, Record
from ledger.states import State
from ledger.wall import wall

#: Before the name of a run, in the counters.
_VAULT = "vault:"


class Reader:
    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self.client = client
        self._clock = clock

    def get(self, key: str) -> Record | None:
        with wall(LedgerUnavailable):
            raw = cast("dict[str, str]", self.client.hgetall(keys.record(key)))
        return Record.from_hash(raw) if raw.get("key") == key else None

    def by_reference(self, reference: str) -> Record | None:
        return self._by(keys.reference(reference))

    def by_handle(self, handle: str) -> Record | None:
        return self._by(keys.handle(handle))

    def by_md(self, md: str) -> Record | None:
        return self._by(keys.md(md))

    def challenge(self, record: Record) -> Challenge | None:
        with wall(LedgerUnavailable):
            text = cast("str | None", self.client.get(keys.challenge(record.key)))
        return Challenge(**json.loads(text)) if text else None

    def due(self, limit: int) -> list[Record]:
        """Who must be looked at now, longest due first. Nobody is taken out: only a move changes `due`."""
        with wall(LedgerUnavailable):
            names = cast(
                "list[str]", self.client.zrangebyscore(keys.DUE, "-inf", self._clock.now_ms(), start=0, num=limit)
            )
        return self.get_many(names)

    def in_state(self, state: State, limit: int = 100) -> list[Record]:
        """Unfinished transfers of one state, longest in it first."""
        with wall(LedgerUnavailable):
            names = cast(
                "list[str]", self.client.zrangebylex(keys.OPEN, f"[{state}:", f"({state};", start=0, num=limit)
            )
        return self.get_many([name.split(":", 2)[2] for name in names])

    def all_in_state(self, state: State, page: int) -> Iterator[Record]:
        """Every unfinished transfer of one state, a page a round trip; who moves meanwhile may be missed."""
        after = f"[{state}:"
        while True:
            with wall(LedgerUnavailable):
                names = cast("list[str]", self.client.zrangebylex(keys.OPEN, after, f"({state};", start=0, num=page))
            yield from self.get_many([name.split(":", 2)[2] for name in names])
            if len(names) < page:
                return
            after = f"({names[-1]}"

    def get_many(self, names: Sequence[str]) -> list[Record]:
        pipeline = self.client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(keys.record(name))
        with wall(LedgerUnavailable):
            raws = pipeline.execute()
        return [Record.from_hash(raw) for name, raw in zip(names, raws, strict=True) if raw.get("key") == name]

    def counters(self) -> dict[str, int]:
        """`n:<state>:<currency>`, `sum:<state>:<currency>` (minor units), `used:<space>`, `vault:<run>`, `sequence`."""
        with wall(LedgerUnavailable):
            raw = cast("dict[str, str]", self.client.hgetall(keys.COUNTERS))
        return {name: int(value) for name, value in raw.items()}

    def vault_runs(self) -> dict[str, int]:
        """By run of the vault's server: the most of its writes that anybody was told of and has told the ledger."""
        told = self.counters()
        return {name.removeprefix(_VAULT): writes for name, writes in told.items() if name.startswith(_VAULT)}

    def sequence(self) -> int:
        """How many moves the ledger has made, all told; 0 for one that has made none."""
        with wall(LedgerUnavailable):
            return int(cast("str | None", self.client.hget(keys.COUNTERS, "sequence")) or 0)

    def _by(self, name: str) -> Record | None:
        with wall(LedgerUnavailable):
            key = cast("str | None", self.client.get(name))
        return self.get(key) if key else None
