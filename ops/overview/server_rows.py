"""Servers, invoice ids, requests, the last act: what the overview shows in a terminal and a browser. Unknown is `?`."""

from collections.abc import Sequence
from dataclasses import dataclass

from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ops import descriptions, screen
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge_transfers import lasts_ms
from epay_transfers.runtime.server_look import ServerLook

_YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class ServerRow:
    name: str
    says: str
    more: str = ""
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class SuffixRow:
    """The invoice ids of a space. None: unknown."""

    space: str
    used: int | None
    lasts: str  #: how long the rest does, at the rate of the last hours; empty where it is not known

    @property
    def share(self) -> str:
        return "?" if self.used is None else f"{self.used / SUFFIXES:.1%}"

    @property
    def left(self) -> int | None:
        return None if self.used is None else SUFFIXES - self.used

    @property
    def says(self) -> str:
        if self.used is None:
            return "?"
        rest = f"; the rest lasts {self.lasts} at the rate of the last hours" if self.lasts else ""
        return f"{self.share} of its invoice ids used for ever{rest}"


def server_rows(facts: Facts) -> Sequence[ServerRow]:
    sequence = "?" if facts.sequence is None else str(facts.sequence)
    mark = "?" if facts.mark is None else str(facts.mark)
    ledger = ServerRow(
        "ledger", _server(facts.ledger), f"moves {sequence}, the vault knows {mark}", facts.ledger.is_away
    )
    queue = ServerRow("queue", "AWAY" if facts.queue.is_away else "ok", is_away=facts.queue.is_away)
    return [ledger, _vault(facts), queue]


def _vault(facts: Facts) -> ServerRow:
    if facts.vault is not None:
        return ServerRow("vault", _server(facts.vault), is_away=facts.vault.is_away)
    if not facts.alive:
        return ServerRow("vault", "?")
    sights = [worker.sees["vault"].why for worker in facts.alive if "vault" in worker.sees]
    return ServerRow("vault", f"{sum(not why for why in sights)} of {len(sights)} workers reach it")


def _server(look: ServerLook) -> str:
    if look.problem is not None:
        return f"AWAY ({look.problem.reason or 'unknown'})"
    share = look.share
    memory = f"{look.memory / 1_048_576:.0f} MB, no limit" if share is None else f"{share:.0%} of its memory"
    return f"{look.role}, up {screen.span(look.uptime_s * 1000)}, {memory}"


def suffix_rows(facts: Facts) -> Sequence[SuffixRow]:
    return [
        SuffixRow(
            space, None if facts.counters is None else facts.counters.get(f"used:{space}", 0), _lasts(facts, space)
        )
        for space in facts.spaces
    ]


def _lasts(facts: Facts, space: str) -> str:
    left_ms = lasts_ms(facts, space)
    if left_ms >= 2 * _YEAR_MS:
        return f"{left_ms / _YEAR_MS:.0f} years"
    return screen.span(left_ms) if left_ms else ""


def archived_says(facts: Facts) -> str:
    """Empty where none is archived, or that is not known."""
    archived = 0 if facts.counters is None else facts.counters.get("archived", 0)
    return f"{archived} of those that ended: the ledger has their ends alone" if archived else ""


def requests_says(facts: Facts) -> str:
    if facts.requests is None:
        return "?"
    waiting = [f"{count} of {sender}" for sender, count in facts.requests.items()]
    return ", ".join(waiting) or "none wait for a worker"


def last_act_says(facts: Facts) -> str:
    if facts.events is None:
        return "?"
    last = facts.last_act
    if last is None:
        return f"of an operator: none among the last {len(facts.events)} events"
    key = f"{last.fields['key']}: " if last.fields.get("key") else ""
    ago = screen.ago(last.at_ms, facts.now_ms)
    return f"{ago}, {last.fields.get('actor', '?')}: {key}{descriptions.happened(last)}"
