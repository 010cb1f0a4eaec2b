"""A ledger that goes back to an older truth: a copy of all its keys before a write, put back some writes later.

`shallow`: exactly one write is lost, the vault lives. That is what may happen to a server that confirms before its disk
has it, and nothing may come of it. `deep`: many writes are lost while workers are at work; then nobody may be paid
twice while the vault lives. `BeforeCreate`: no worker is at anything, and the ledger goes back to before a transfer was
made that the bank has by now; its producer brings the reference again. Nothing may come of that either, as long as the
vault lives and the reference's own last six digits are free.
"""

import json
from collections.abc import Callable, Sequence

from epay_transfers.ledger.store import redis_keys
from tests.simulation.bank import Books
from tests.simulation.laws import Laws
from tests.simulation.line import Command
from tests.simulation.wires import Copy, Server
from tests.simulation.world import World

_LATEST = 50  #: by which write the copy is made
_DEPTHS = (2, 3, 5, 9, 17)


class Rollback:
    """By a number of writes, between any two steps of anybody."""

    #: Whether workers that were told more may be gone by then.
    leaves_idle_workers = False

    def __init__(self, world: World, ledger: Server, laws: Laws, *, depth: int) -> None:
        self._world = world
        self._ledger = ledger
        self._laws = laws
        self._depth = depth
        self._begin = world.dice.randrange(2, _LATEST)
        self._writes = 0
        self._copy: Copy | None = None
        self.has_happened = False
        ledger.before_write = self._before_write

    @classmethod
    def throw(cls, world: World, ledger: Server, laws: Laws, *, deep: bool) -> "Rollback":
        return cls(world, ledger, laws, depth=world.dice.choice(_DEPTHS) if deep else 1)

    def maybe(self) -> None:
        """Between two activities: now, if all the writes that it is to lose are made."""
        if self._copy and self._begin < self._writes <= self._begin + self._depth and self._world.chance(0.5):
            self._go_back()

    def now_or_never(self) -> None:
        self._begin = self._begin if self._copy else -1
        self.maybe()
        self._copy = None
        self._ledger.before_write = lambda _: None

    def _before_write(self, _: Sequence[Command]) -> None:
        """The last moment: one more write would be one too many."""
        if self._copy and self._writes == self._begin + self._depth:
            self._go_back()
        if self._writes == self._begin and not self._copy:
            self._copy = self._ledger.copy()
        self._writes += 1

    def _go_back(self) -> None:
        self._world.counts[
            "the ledger went back, by one write" if self._depth == 1 else "the ledger went back, deep"
        ] += 1
        self._begin = -1
        self._restore()
        self._laws.has_forgotten = self._depth > 1
        self._laws.check()

    def _restore(self) -> None:
        assert self._copy is not None
        self._world.tell("THE LEDGER GOES BACK by", self._writes - self._begin)
        self._ledger.put_back(self._copy)
        self._copy = None
        self.has_happened = True
        self._laws.forget()


class BeforeCreate(Rollback):
    """To before a transfer was made, when the bank has heard of it and no process is at anything."""

    leaves_idle_workers = True

    def __init__(
        self, world: World, ledger: Server, laws: Laws, books: Books, lose_who_knows: Callable[[], None]
    ) -> None:
        super().__init__(world, ledger, laws, depth=0)
        self._books = books
        self._lose_who_knows = lose_who_knows
        self._copies: dict[str, tuple[Copy, int]] = {}  #: before each transfer was made, by its last six digits
        self.name = ""  #: of the one that is forgotten

    def maybe(self) -> None:
        if self._world.chance(0.05):
            self._go_back_if_sent()

    def now_or_never(self) -> None:
        self._go_back_if_sent()
        self._copies.clear()

    def _go_back_if_sent(self) -> None:
        sent = [name for name in self._copies if any(account.sent for account in self._books.of(name))]
        if sent and not self.has_happened:
            self.name = self._world.dice.choice(sent)
            self._copy, self._begin = self._copies[self.name]
            self._go_back()

    def _before_write(self, commands: Sequence[Command]) -> None:
        self._writes += 1
        for command in commands:
            if command[0] == "create":
                record = next(word for word in map(str, command) if word.startswith("{"))  # the first that is no key
                self._made(str(json.loads(record)["key"]))

    def _made(self, key: str) -> None:
        is_there = self._ledger.line.one("EXISTS", redis_keys.record(key))
        if self.has_happened and not is_there and key[-6:] == self.name:
            self._world.counts["a forgotten transfer is made again"] += 1
        elif not self.has_happened and not is_there:
            self._copies.setdefault(key[-6:], (self._ledger.copy(), self._writes))

    def _go_back(self) -> None:
        self._world.end_all()
        self._world.counts["the ledger went back, to before a transfer was made"] += 1
        self._restore()
        self._laws.check()
        self._lose_who_knows()

    def count_what_came_of_it(self) -> None:
        events = [entry[1] for entry in self._ledger.line.one("XRANGE", redis_keys.EVENTS, "-", "+")]
        named = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in events]
        if self.has_happened:
            for why in {each.get("reason", "") for each in named if each.get("key", "")[-6:] == self.name}:
                if why.startswith("vault_") or why == "ledger_went_back":
                    self._world.counts[f"of a forgotten transfer it says: {why}"] += 1
