"""Terminals: the space of each, how many of its invoice ids are used for ever, and the pauses that hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from epay_transfers.ledger.store.pauses import ALL, Pause
from epay_transfers.ops.settings import OpsSettings


@dataclass(frozen=True, slots=True)
class TerminalUse:
    name: str
    space: str
    used: int
    pauses: Sequence[Pause]


def terminals(settings: OpsSettings, counters: Mapping[str, int], pauses: Sequence[Pause]) -> list[TerminalUse]:
    """Those of the settings, `main` first."""
    names = dict.fromkeys(("main", *settings.epay_terminals))
    spaces = {name: settings.space_of(name) or name for name in names}
    return [
        TerminalUse(
            name,
            space,
            counters.get(f"used:{space}", 0),
            [pause for pause in pauses if pause.terminal in {ALL, name}],
        )
        for name, space in spaces.items()
    ]
