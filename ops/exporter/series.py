"""Facts and judgements as series of Prometheus. Pure.

A fact that is not known has no series, and `transfers_fact_up` of it is 0: unknown is never 0. The series are as many
as states, terminals, currencies and settings: neither their number nor what they cost grows with the transfers, and no
label holds a transfer's key, a process id, a reason that a person typed, or a text of the bank.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.invoice import SUFFIXES
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.heartbeats import calls_of
from epay_transfers.ledger.store.inboxes import WEB
from epay_transfers.ledger.store.pauses import ALL, Pause
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ops.behind import behind
from epay_transfers.ops.exporter.known import FACTS, is_known, known_troubles
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge_bank import usual_ms
from epay_transfers.ops.overview.judgement import Judgement, Level
from epay_transfers.runtime.server_look import ServerLook
from epay_transfers.runtime.settings import is_terminal_name

Family = GaugeMetricFamily

_Labels = TypeVar("_Labels", bound=tuple[str, ...])

#: `transfers_trouble`: not there, an operator looks at it today, an operator acts now.
LEVELS = {Level.WELL: 0, Level.ATTENTION: 1, Level.ACT: 2}

#: Of the reasons of a state, the most frequent; what is left is `other`.
_REASONS = 20

_OTHER = "other"

#: A word of this program, or `code_N` of the bank. Nothing with more digits than a code has: it could be a card.
_WORD = re.compile(r"[a-z][a-z_]*(?:_[0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,100}")

_LONGEST_WORD = 40


class Exposition(Collector):
    """One look, as a collector of `prometheus_client`."""

    def __init__(self, facts: Facts, judgements: Iterable[Judgement]) -> None:
        self._facts = facts
        self._judgements = list(judgements)

    def collect(self) -> Iterator[Family]:
        facts = self._facts
        yield from _troubles(facts, self._judgements)
        yield _family("fact_up", "1: this fact is known. 0: it is not, and its series are absent.", ("fact",),
                      {(name,): is_known(facts, name) for name in FACTS})  # fmt: skip
        yield from _money(facts)
        yield from _delays(facts)
        yield from _bank(facts)
        yield from _workers(facts)
        yield from _pauses(facts)
        yield from _servers(facts)
        yield from _rest(facts)


def _troubles(facts: Facts, judgements: list[Judgement]) -> Iterator[Family]:
    """One that can't be judged, for want of a fact, has no series."""
    found = {(str(what),): 0 for what in known_troubles(facts)}
    for judgement in judgements:
        name = (str(judgement.what),)
        found[name] = max(found.get(name, 0), LEVELS[judgement.level])
    text = "What `transfers overview` says: 0 this is not so, 1 it wants attention, 2 an operator has to act now."
    yield _family("trouble", text, ("what",), found)


def _money(facts: Facts) -> Iterator[Family]:
    totals = facts.totals
    if totals is not None:
        labels = ("state", "terminal", "currency")
        counts, amounts = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
        for total in totals.each:
            place = (str(total.state), _terminal(total.terminal), _currency(total.currency))
            counts[place] += total.count
            amounts[place] += total.amount
        for state in State:  # none in it is a fact, too
            if not any(place[0] == state for place in counts):
                none = (str(state), "main", "KZT")
                counts[none] = amounts[none] = 0
        yield _family("in_state", "Transfers in each state.", labels, counts)
        yield _family("amount_minor", "Money in each state, in minor units (tiyn).", labels, amounts)
        yield _family("reasons", "Transfers by state and why they are there; the most frequent reasons, the others "
                      "together.", ("state", "reason"), _reasons(totals))  # fmt: skip
    if facts.paid_today is not None:
        yield _one("paid_today", "Transfers that were paid since midnight, Almaty's time.", facts.paid_today)
    if facts.last_paid_ms:
        yield _one("last_paid_timestamp_seconds", "When the newest paid transfer was paid.", facts.last_paid_ms / 1000)
    if facts.oldest is not None:
        ages = {(str(state),): _age_s(facts, since) for state, since in facts.oldest.items()}
        yield _family("oldest_seconds", "For how long the one longest in a state is in it; absent where none is.",
                      ("state",), ages)  # fmt: skip
    if facts.deadlines is not None:
        left = {(str(state),): (its.first_ms - facts.now_ms) / 1000 for state, its in facts.deadlines.items()}
        soon = {(str(state),): its.soon for state, its in facts.deadlines.items()}
        yield _family("first_deadline_seconds", "How long until the first deadline, of those longest in a state.",
                      ("state",), left)  # fmt: skip
        yield _family("deadlines_soon", "Deadlines within five minutes, of those longest in a state.", ("state",),
                      soon)  # fmt: skip


def _reasons(totals: Totals) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for state in State:
        for at, (reason, those) in enumerate(totals.of(state).by_reason()):
            if reason:
                found[str(state), _word(reason) if at < _REASONS else _OTHER] += those.count
    return found


def _delays(facts: Facts) -> Iterator[Family]:
    for name, text, value in (
        ("due_lag_seconds", "For how long the transfer that is due longest has been due.", _seconds(facts.lag_ms)),
        ("overdue_leases", "Transfers at a worker whose lease is over.", facts.overdue_leases),
        (
            "lost_cards",
            "Queued transfers from before the vault's start: their cards are gone.",
            facts.lost_cards if is_known(facts, "vaults_start") else None,
        ),
        ("parked_long", "Clients that wait at 3-D Secure for more than five minutes.", facts.old_parked),
    ):
        if value is not None:
            yield _one(name, text, value)


def _bank(facts: Facts) -> Iterator[Family]:
    if facts.workers is not None and facts.alive:
        calls, kind = calls_of(facts.alive), ("kind",)
        p95 = {(name,): p95 / 1000 for name, its in calls.items() if (p95 := its.percentile_ms(0.95)) is not None}
        usual = {(name,): usual / 1000 for name in calls if (usual := usual_ms(facts, name)) is not None}
        outcomes = {(name, word): count for name, its in calls.items() for word, count in its.outcomes.items()}
        under_way = {(name,): its.under_way for name, its in calls.items()}
        longest = {(name,): its.longest_s for name, its in calls.items()}
        yield _family("bank_recent_calls", "Calls of five minutes, all workers.", ("kind", "outcome"), outcomes)
        yield _family("bank_p95_seconds", "The 95th percentile of the last five minutes.", kind, p95)
        yield _family("bank_usual_p95_seconds", "What it usually is, by the samples of the last hours.", kind, usual)
        yield _family("bank_calls_under_way", "Calls that have no answer yet.", kind, under_way)
        yield _family("bank_longest_call_seconds", "The longest of them, so far.", kind, longest)
    if facts.breakers is not None:
        hosts = {host for worker in facts.alive for host in worker.hosts.values()}
        is_open = {(_host(host),): 0 for host in hosts} | {(_host(each.host),): 1 for each in facts.breakers}
        yield _family("breaker_open", "1: the breaker of this host of the bank is open.", ("host",), is_open)


def _workers(facts: Facts) -> Iterator[Family]:
    if facts.workers is None:
        return
    alive = facts.alive
    states = {
        ("heard",): len(alive),
        ("silent",): len(facts.silent),
        ("unfit",): sum(bool(worker.unfit) for worker in alive),
        ("hung",): sum(bool(worker.hung) for worker in alive),
    }
    yield _family("workers", "Workers of the last day, by what is heard of them.", ("state",), states)
    yield _one("threads", "Threads for transfers in the workers that are heard.", sum(its.threads for its in alive))
    yield _one("busy_threads", "Of them, those that are at a transfer.", sum(its.busy for its in alive))
    without = {
        (server,): sum(bool(sight.why) for its in alive if (sight := its.sees.get(server)) is not None)
        for server in ("vault", "queue", "bank")
    }
    yield _family("workers_without", "Workers that say that they can't use it.", ("server",), without)
    if alive:
        yield _one("clock_distance_seconds", "The largest distance of a worker's clock from the ledger's.",
                   max(abs(worker.clock_ms) for worker in alive) / 1000)  # fmt: skip


def _pauses(facts: Facts) -> Iterator[Family]:
    if facts.pauses is None:
        return
    labels = ("lane", "terminal", "cause")
    counted = Counter(_place(pause) for pause in facts.pauses)
    yield _family("pauses", "Pauses that stand; absent where there is none.", labels, counted)
    totals = facts.totals
    if totals is not None:
        held = {_place(pause): behind(pause, totals).count for pause in facts.pauses}
        yield _family("paused", "Transfers that wait behind them.", labels, held)


def _place(pause: Pause) -> tuple[str, str, str]:
    terminal = "all" if pause.terminal == ALL else _terminal(pause.terminal)
    return str(pause.lane), terminal, _word(str(pause.cause))


def _servers(facts: Facts) -> Iterator[Family]:
    looks: dict[str, ServerLook] = {"ledger": facts.ledger, "queue": facts.queue}
    if facts.vault is not None:
        looks["vault"] = facts.vault
    answering = {(name,): look for name, look in looks.items() if not look.is_away}
    for name, text, found in (
        ("server_up", "1: the server answers the exporter.",
         {(name,): not look.is_away for name, look in looks.items()}),
        ("server_memory_bytes", "What counts for its limit.", {name: look.memory for name, look in answering.items()}),
        ("server_memory_limit_bytes", "Its limit; absent where it has none.",
         {name: look.limit for name, look in answering.items() if look.limit}),
        ("server_uptime_seconds", "How long it runs.", {name: look.uptime_s for name, look in answering.items()}),
        ("server_is_master", "1: it takes writes.", {name: look.role == "master" for name, look in answering.items()}),
    ):  # fmt: skip
        yield _family(name, text, ("server",), found)
    yield _one("server_findings", "What is not as it must be at the servers.", len(facts.findings))
    if facts.sequence is not None:
        yield _one("ledger_sequence", "Moves that the ledger has written.", facts.sequence)
    if facts.mark is not None:
        yield _one("vault_mark", "The highest sequence of the ledger that the vault was told.", facts.mark)


def _rest(facts: Facts) -> Iterator[Family]:
    if facts.counters is not None:
        used = {(space,): facts.counters.get(f"used:{space}", 0) for space in facts.spaces}
        yield _family("suffixes_used", "Invoice ids that are used, for ever.", ("space",), used)
        yield _family("suffixes", "Invoice ids that a space has.", ("space",), dict.fromkeys(used, SUFFIXES))
    if facts.requests is not None:
        waiting = Counter({("web",): 0, ("operators",): 0})
        for sender, count in facts.requests.items():
            waiting[("web" if sender == WEB else "operators",)] += count
        yield _family("requests_waiting", "Entries of the inboxes that no worker has taken.", ("sender",), waiting)
    if facts.outcomes_aside is not None:
        aside = {(group,): count for group, count in facts.outcomes_aside.items()}
        yield _family("outcomes_aside", "Outcomes that a group's handler could not deal with.", ("group",), aside)
    if facts.contradictions is not None:
        yield _one("contradictions", "Transfers of which the bank says the opposite of how they ended.",
                   len(facts.contradictions))  # fmt: skip
    if facts.events is not None:
        verbs = {str(alarm) for alarm in Alarm}
        alarms = Counter((verb,) for each in facts.alarms if (verb := each.fields.get("verb", "")) in verbs)
        yield _family("recent_alarms", "Grave alarms of the last hour; absent where there is none.", ("alarm",), alarms)


def _family(name: str, text: str, labels: tuple[str, ...], found: Mapping[_Labels, float]) -> Family:
    family = Family(f"transfers_{name}", text, labels=labels)
    for values, value in found.items():
        family.add_metric(values, float(value))
    return family


def _one(name: str, text: str, value: float) -> Family:
    return Family(f"transfers_{name}", text, value=float(value))


def _age_s(facts: Facts, since_ms: int) -> float:
    return max(0, facts.now_ms - since_ms) / 1000


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _terminal(text: str) -> str:
    return text if is_terminal_name(text) else _OTHER


def _currency(text: str) -> str:
    return text if _CURRENCY.fullmatch(text) else _OTHER


def _host(text: str) -> str:
    return text if _HOST.fullmatch(text) else _OTHER


def _word(text: str) -> str:
    return text if len(text) <= _LONGEST_WORD and _WORD.fullmatch(text) else _OTHER
