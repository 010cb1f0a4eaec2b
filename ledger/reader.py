"""The reader of the ledger: a transfer by its key and by what else names it, who is due, who is in which state.

It changes nothing. `Ledger` is a reader that may write.
"""

import json
from collections.abc import Iterator, Sequence
from typing import cast

import redis

from ledger import keys
from ledger.clock import Clock, ledger_ms
from ledger.errors import LedgerUnavailable
from ledger.record import Challenge, Record
from ledger.replies import Due
from ledger.scripts import Scripts
from ledger.states import State
from ledger.wall import wall


class Reader:
    def __init__(self, client: redis.Redis, test_clock: Clock | None = None) -> None:
        """`test_clock`: a test's time in place of the server's. Production has none."""
        self.client = client
        self.test_clock = test_clock
        self._looks = Scripts(client, ("due",))

    def now_ms(self) -> int:
        """The ledger's own time, by which its times are meant."""
        with wall(LedgerUnavailable):
            return ledger_ms(self.client, self.test_clock)

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

    def due(self, limit: int) -> Due:
        """Who must be looked at now, longest due first. Nobody is taken out: only a move changes `due`."""
        with wall(LedgerUnavailable):
            now, *names = self._looks.run("due", (keys.DUE,), (self._test_time or "", limit))
        return Due(int(now), self.get_many(names) if names else [])

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
        """`n:<state>:<currency>`, `sum:<state>:<currency>` (minor units), `used:<space>`, `sequence`."""
        with wall(LedgerUnavailable):
            raw = cast("dict[str, str]", self.client.hgetall(keys.COUNTERS))
        return {name: int(value) for name, value in raw.items()}

    @property
    def _test_time(self) -> str | None:
        return str(self.test_clock.now_ms()) if self.test_clock else None

    def _by(self, name: str) -> Record | None:
        with wall(LedgerUnavailable):
            key = cast("str | None", self.client.get(name))
        return self.get(key) if key else None
