"""A ledger that goes back to an older truth: a copy of all its keys before a write, put back some writes later.

`shallow`: exactly one write is lost, the vault lives. That is what may happen to a server that confirms before its disk
has it, and nothing may come of it. `deep`: many writes are lost; then nobody may be paid twice while the vault lives.
"""

from typing import Any

from tests.simulation.laws import Laws
from tests.simulation.wires import Server
from tests.simulation.world import World

_LATEST = 120  #: by which write it has happened
_DEPTHS = (2, 3, 5, 9, 17)


class Rollback:
    def __init__(self, world: World, ledger: Server, laws: Laws, *, depth: int) -> None:
        self._world = world
        self._ledger = ledger
        self._laws = laws
        self._depth = depth
        self._begin = world.dice.randrange(2, _LATEST)
        self._writes = 0
        self._copy: list[tuple[str, Any]] = []
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
        self._copy = []
        self._ledger.before_write = lambda: None

    def _before_write(self) -> None:
        """The last moment: one more write would be one too many."""
        if self._copy and self._writes == self._begin + self._depth:
            self._go_back()
        if self._writes == self._begin and not self._copy:
            line = self._ledger.line
            names = line.one("KEYS", "*")
            self._copy = list(zip(names, line.ask(*(("DUMP", name) for name in names)), strict=True))
        self._writes += 1

    def _go_back(self) -> None:
        self._world.tell("THE LEDGER GOES BACK by", self._depth)
        self._ledger.line.one("FLUSHDB")
        self._ledger.line.ask(*(("RESTORE", name, 0, dump) for name, dump in self._copy))
        self._copy = []
        self._begin = -1
        self.has_happened = True
        self._laws.forget()
        self._laws.has_forgotten = self._depth > 1
        self._laws.check()
