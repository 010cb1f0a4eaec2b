"""An operator who types commands, as processes of their own: what the runbook says after another server took over.

It looks at what the runbook tells an operator to look at, beside the sandbox bank's statement, and ends a pause by its
id. A command that could not be done now (75: a server is away, no worker came) is typed again by the caller.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from epay_transfers.ledger.store.pauses import Cause
from epay_transfers.ops.exit_status import ExitStatus
from tests.support.forked_commands import ForkedCommands

_MAPPING = Path(__file__).parents[2] / "docs/examples/statement.toml"
_LONGEST_S = 180.0
_RECOVERY = frozenset({ExitStatus.DONE, ExitStatus.ACT})


class CommandFailed(AssertionError):
    """It ended with another status than the caller expects: the command's own words."""


@dataclass(frozen=True, slots=True)
class Failover:
    """What an operator sees of a ledger whose server was replaced or restarted, with `transfers` alone.

    `pauses`: id → reason, of the cause `failover`. `recovery`: what `transfers recover` says of the bank's statement.
    """

    pauses: Mapping[str, str]
    first_line: str
    sequence: int
    mark: int
    recovery: Mapping[str, Any]

    @property
    def lacks(self) -> str:
        """Why no pause may be ended yet; empty where the ledger knows all that the bank executed."""
        if self.sequence < self.mark:
            return f"the ledger's sequence is {self.sequence}, and the vault's mark {self.mark}"
        left = {name: len(self.recovery[name]) for name in ("absent", "unsent_here", "ended_here", "unreadable")}
        return ", ".join(f"{name} {count}" for name, count in left.items() if count)


@dataclass(frozen=True, slots=True)
class OperatorAtWork:
    env: Mapping[str, str]
    bank_url: str
    folder: Path
    commands: ForkedCommands

    def types(self, *words: str, expects: frozenset[int] = frozenset({ExitStatus.DONE})) -> str:
        """What the command printed. Raises `CommandFailed` where it ends with a status that is not expected."""
        ended = self.commands.run(words, env=self.env, cwd=self.folder, within_s=_LONGEST_S)
        if ended.status not in expects:
            raise CommandFailed(f"{' '.join(words)}: {ended.status}: {ended.out.decode()}{ended.err}")
        return ended.out.decode()

    def statement(self) -> Path:
        """The bank's own, of all days until now."""
        path = self.folder / "statement.csv"
        path.write_text(requests.get(f"{self.bank_url}/statement", timeout=60).text, encoding="utf-8", newline="")
        return path

    def looks(self) -> Failover:
        """The runbook's order: what stands and why, the two numbers, then the statement beside the ledger."""
        standing = json.loads(self.types("pauses", "--json"))
        overview = json.loads(self.types("overview", "--json", expects=frozenset({ExitStatus.ACT})))
        sequence, mark = overview["servers"]["ledger"]["sequence"], (overview["servers"]["vault"] or {}).get("mark")
        if sequence is None or mark is None:
            raise CommandFailed("overview: the ledger's sequence or the vault's mark is unknown")
        return Failover(
            pauses={pause["id"]: pause["reason"] for pause in standing if pause["cause"] == Cause.FAILOVER},
            first_line=overview["judgements"][0]["says"],
            sequence=sequence,
            mark=mark,
            recovery=self.recovers(),
        )

    def recovers(self, *more: str) -> Mapping[str, Any]:
        said = self.types("recover", *self._words(), "--json", *more, expects=_RECOVERY)
        found: Mapping[str, Any] = json.loads(said)
        return found

    def recovers_in_words(self) -> str:
        """As a person reads it, with the lines that are to be typed at the ledger's server."""
        return self.types("recover", *self._words(), expects=_RECOVERY)

    def _words(self) -> tuple[str, ...]:
        return "--statement", str(self.statement()), "--mapping", str(_MAPPING)

    def ends(self, pause_id: str, reason: str) -> None:
        self.types("unpause", pause_id, "--reason", reason)
