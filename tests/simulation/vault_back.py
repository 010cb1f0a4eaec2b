"""A vault that goes back to an earlier copy of itself, once or more often in a life, while the ledger forgets nothing.

As another run of its server (a dump that was loaded, a replica that was promoted): each blob of the copy is stale then,
and its tombstones stand. That is promised to be harmless whenever it happens.

In the same run (a machine that is resumed from a copy of its memory): then only the count of its writes shows it, to a
caller that knows of more writes than the copy has. That is promised to be harmless where the ledger was told of more,
until the server is restarted: a worker that looks tells the ledger that the run went back, and from then on no write
makes its count level. What is not promised (`docs/design.md`, "What it promises, and what not") is left out here:

- Nobody told the ledger of a write since the copy: a take whose worker died before it recorded anything may be undone
  without a trace. So the vault only goes back where the ledger knows of more writes.
- Callers that know of no count (a producer or a worker that has just started) write until the copy has as many writes
  as the ledger knows of, before any worker has looked. So the operator restarts the vault before that.
- A refence compares with a count that was read before a higher one was told: its worker stands still between two
  adjacent lines, while the vault goes back. So the operator is in time for that, too.
"""

from collections.abc import Sequence

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from tests.simulation.laws import Laws
from tests.simulation.line import Command
from tests.simulation.wires import Copy, Server
from tests.simulation.world import World

_DEPTHS = (1, 1, 2, 2, 3, 5)
_LATEST = 9  #: by which write the first copy is made
_AGAIN = 5

#: Where the vault's scripts, with their keys, have the run and its writes that the caller knows of.
_KNOWN = {"vault_take": 3}
_KNOWN_ELSE = 2


class VaultBack:
    def __init__(self, world: World, vault: Server, ledger: Server, laws: Laws, *, same_run: bool) -> None:
        self._world = world
        self._vault = vault
        self._ledger = ledger
        self._laws = laws
        self._same_run = same_run
        self._writes = 0
        self._copy: Copy | None = None
        self._writes_of_copy = 0
        self._cards_of_copy: set[str] = set()
        self._begin = world.dice.randrange(_LATEST)
        self._depth = world.dice.choice(_DEPTHS)
        self._run_behind = 0
        self._is_over = False
        vault.before_write = self._before_write

    @property
    def is_behind(self) -> bool:
        """It went back in the same run, and was not restarted since."""
        return self._vault.run == self._run_behind

    def maybe(self) -> None:
        """Between two activities: now, if the writes that it is to lose are made. Or its operator has come."""
        if self.is_behind and self._world.chance(0.05):
            self.operator_restarts()
        elif self._is_time():
            self._go_back()

    def _is_time(self) -> bool:
        """Best while one is on the wire whose card stands in the copy; else once so many writes are to be lost."""
        if not self._copy or self._writes <= self._begin:
            return False
        sending = (redis_keys.card(name) for name, state in self._laws.states.items() if state is State.SENDING)
        if any(place in self._cards_of_copy for place in sending):
            return self._world.chance(0.2)
        return self._writes >= self._begin + self._depth and self._world.chance(0.3)

    def now_or_never(self) -> None:
        if self._copy and self._writes > self._begin:
            self._go_back()
        self._copy = None
        self._is_over = True

    def operator_restarts(self) -> None:
        """As the runbook says: it comes up empty, as another run."""
        self._world.tell("THE VAULT IS RESTARTED by its operator")
        self._world.counts["the vault was restarted by its operator"] += 1
        self._vault.restart()
        self._arm()

    def _arm(self) -> None:
        self._copy = None
        self._begin = self._writes + self._world.dice.randrange(_AGAIN)
        self._depth = self._world.dice.choice(_DEPTHS)

    def _before_write(self, commands: Sequence[Command]) -> None:
        """The copies of pauses are no writes that anything counts or relies on: they come and go with the others."""
        commands = [command for command in commands if str(command[0]).startswith("vault_")]
        if not commands:
            return
        if not self.is_behind and self._is_time():
            self._go_back()
        if self.is_behind:
            self._see_to_the_promise(commands)
        is_take = any(command[0] == "vault_take" for command in commands)
        may_copy = not self.is_behind and not self._is_over
        if may_copy and ((self._writes >= self._begin and not self._copy) or (is_take and self._world.chance(0.5))):
            self._copy, self._writes_of_copy = self._vault.copy(), self._vault.writes()
            self._cards_of_copy = {name for name, _ in self._copy.dumps}
            self._begin = self._writes
        self._writes += len(commands)

    def _go_back(self) -> None:
        assert self._copy is not None
        if self._same_run and self._told(self._copy.run) <= self._writes_of_copy:
            self._world.counts["the vault did not go back: nobody told the ledger of what it would lose"] += 1
            self._arm()
            return
        self._world.tell("THE VAULT GOES BACK", "in the same run" if self._same_run else "as another run")
        how = "in the same run" if self._same_run else "as another run"
        self._world.counts[f"the vault went back, {how}"] += 1
        self._vault.put_back(self._copy, same_run=self._same_run)
        self._run_behind = self._vault.run if self._same_run else 0
        self._arm()

    def _see_to_the_promise(self, commands: Sequence[Command]) -> None:
        """What would not be promised does not happen: the operator comes first."""
        told, writes = self._told(self._vault.run), self._vault.writes()
        for command in commands:
            at = _KNOWN.get(str(command[0]), _KNOWN_ELSE)
            run, known = str(command[at]), int(command[at + 1])
            if run == self._vault.run_id and known > writes:
                continue  # it is told BEHIND, and changes nothing
            writes += 1
            if writes >= told or command[0] == "vault_refence":
                self._world.counts[
                    f"left out: {'a refence by an older count' if writes < told else 'it grew level'}"
                ] += 1
                self.operator_restarts()
                return

    def _told(self, run: int) -> int:
        """The most writes of that run that the ledger was told of."""
        return int(self._ledger.line.one("HGET", redis_keys.COUNTERS, f"vault:{run:08x}") or 0)
