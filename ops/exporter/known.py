"""Which facts are known, and which troubles can be judged by them. Pure."""

from collections.abc import Callable, Iterator, Mapping

from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judgement import Trouble

#: By the name that `transfers_fact_up` has for it. A vault that this environment does not name is nothing unknown.
FACTS: Mapping[str, Callable[[Facts], bool]] = {
    "counters": lambda facts: facts.counters is not None,
    "oldest": lambda facts: facts.oldest is not None,
    "deadlines": lambda facts: facts.deadlines is not None,
    "paid_today": lambda facts: facts.paid_today is not None,
    "last_paid": lambda facts: facts.last_paid_ms is not None,
    "leases": lambda facts: facts.overdue_leases is not None,
    "due": lambda facts: facts.lag_ms is not None,
    "parked": lambda facts: facts.old_parked is not None,
    "samples": lambda facts: facts.samples is not None,
    "workers": lambda facts: facts.workers is not None,
    "pauses": lambda facts: facts.pauses is not None,
    "breakers": lambda facts: facts.breakers is not None,
    "requests": lambda facts: facts.requests is not None,
    "events": lambda facts: facts.events is not None,
    "outcomes_aside": lambda facts: facts.outcomes_aside is not None,
    "contradictions": lambda facts: facts.contradictions is not None,
    "mark": lambda facts: facts.vault is None or facts.mark is not None,
}

#: Not told by themselves: they say what else a judgement needs.
_MORE: Mapping[str, Callable[[Facts], bool]] = {
    "ledger": lambda facts: not facts.ledger.is_away,
    "vault": lambda facts: facts.vault is not None or facts.workers is not None,
    "vaults_start": lambda facts: bool(facts.vault_since_ms) and facts.lost_cards is not None,
    "heard": lambda facts: bool(facts.alive),
    "earlier": lambda facts: facts.earlier is not None,
}

#: What must be known before "this is not so" may be said. A test holds that each trouble has a row.
NEEDS: Mapping[Trouble, tuple[str, ...]] = {
    Trouble.LEDGER_AWAY: (),
    Trouble.LEDGER_BACK: ("counters", "pauses", "mark"),
    Trouble.LEDGER_FULL: ("ledger",),
    Trouble.VAULT_BACK: ("workers",),
    Trouble.VAULT_AWAY: ("vault",),
    Trouble.SERVERS_WRONG: (),
    Trouble.NO_WORKER: ("workers", "counters"),
    Trouble.WORKERS_UNFIT: ("workers",),
    Trouble.CONTRADICTION: ("contradictions",),
    Trouble.ALARM: ("events",),
    Trouble.CARDS_LOST: ("vaults_start",),
    Trouble.TERMINAL_REFUSED: ("pauses",),
    Trouble.BANK_DOWN: ("breakers",),
    Trouble.TRANSFERS_HANG: ("breakers",),
    Trouble.QUEUE_AWAY: ("ledger",),
    Trouble.SUFFIXES_OUT: ("counters",),
    Trouble.DOUBT_GROWS: ("counters", "earlier"),
    Trouble.WORKER_HANGS: ("workers",),
    Trouble.OVERDUE: ("due",),
    Trouble.PARKED_PILES: ("workers", "counters", "parked"),
    Trouble.BANK_SLOW: ("heard",),
    Trouble.BANK_FAILS: ("heard",),
    Trouble.PAUSED: ("pauses",),
    Trouble.WORKER_SILENT: ("workers",),
    Trouble.NEEDS_REVIEW: ("counters",),
    Trouble.DEAD: ("counters",),
    Trouble.OUTCOMES_ASIDE: ("outcomes_aside",),
    Trouble.LEDGER_FILLS: ("ledger",),
    Trouble.SUFFIXES_LOW: ("counters",),
    Trouble.REQUESTS_WAIT: ("requests",),
    Trouble.UNKNOWN: ("ledger",),
}


def is_known(facts: Facts, name: str) -> bool:
    """Is this fact known, or this condition of a judgement so?"""
    return (FACTS.get(name) or _MORE[name])(facts)


def known_troubles(facts: Facts) -> Iterator[Trouble]:
    """Those of which it can be said whether they are so."""
    for what, needs in NEEDS.items():
        if all(is_known(facts, name) for name in needs):
            yield what
