"""The facts that an operator judges by, gathered with short timeouts. A fact that can't be had is None: unknown.

Unknown is never 0 and never "none". Nothing here judges, and nothing is changed.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.errors import LedgerFormat, RecordUnreadable, ServerUnavailable
from epay_transfers.ledger.limits import Day
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.circuit_breakers import OpenBreaker, read_open
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Event, Events
from epay_transfers.ledger.store.heartbeats import Heartbeat, Heartbeats
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_format import check_format
from epay_transfers.ledger.store.outcomes_aside import OutcomesAside
from epay_transfers.ledger.store.pauses import Pause, Pauses
from epay_transfers.ledger.store.samples import Sample, Samples
from epay_transfers.ledger.store.totals import Totals
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.ops import screen
from epay_transfers.ops.context import Context
from epay_transfers.ops.overview import processes
from epay_transfers.runtime.health import Examination, Finding
from epay_transfers.runtime.server_look import ServerLook, look_at

T = TypeVar("T")

#: Of a server. A healthy one answers within milliseconds, and an operator waits.
TIMEOUT_S = 2.0

#: So many transfers of a state are looked at for the first deadline: those longest in it.
LOOKED_AT = 1000

#: So many of the newest events are looked at for alarms and for the last act of an operator.
EVENTS = 500

#: A transfer that came into its state so long before a moment was not only just put there.
_MARGIN_MS = 5_000

#: What may stand so long is overdue.
STALE_MS = 300_000

_ALARMING = frozenset({Alarm.FOREIGN_BANK_ID, Alarm.ORDER_CHANGED, Alarm.LEDGER_WENT_BACK, Alarm.VAULT_WENT_BACK})
_ALARMS_MS = 3_600_000

#: Of so many transfers that are named by what is wrong the money is looked up.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Of the transfers of a state: the first one (ms), and how many end within five minutes.

    `is_whole`: all of them were looked at. Else there may be an earlier one.
    """

    first_ms: int
    soon: int
    is_whole: bool


@dataclass(frozen=True, kw_only=True)
class Facts:
    now_ms: int  #: the ledger's time; this machine's where the ledger can't be asked
    ledger: ServerLook
    queue: ServerLook
    vault: ServerLook | None = None  #: None: this environment has no VAULT_URL
    findings: Sequence[Finding] = ()  #: what is not as it must be at the servers
    counters: Mapping[str, int] | None = None
    oldest: Mapping[State, int] | None = None  #: since when (ms) the one longest in a state is in it
    deadlines: Mapping[State, Deadlines] | None = None
    paid_today: int | None = None
    last_paid_ms: int | None = None  #: 0: none is paid
    overdue_leases: int | None = None
    lag_ms: int | None = None  #: for how long the transfer that is due longest has been due
    lost_cards: int | None = None  #: queued since before the vault's start
    old_parked: int | None = None  #: parked for more than five minutes
    samples: Sequence[Sample] | None = None
    workers: Sequence[Heartbeat] | None = None
    local: Mapping[str, processes.Process] = field(default_factory=dict)  #: silent workers of this machine
    pauses: Sequence[Pause] | None = None
    breakers: Sequence[OpenBreaker] | None = None
    mark: int | None = None  #: the highest sequence of the ledger that the vault was told
    requests: Mapping[str, int] | None = None  #: inbox → entries that wait
    events: Sequence[Event] | None = None  #: the newest
    outcomes_aside: Mapping[str, int] | None = None  #: group → outcomes that its handler could not deal with
    contradictions: Mapping[str, str] | None = None  #: key → what the bank says against how the transfer ended
    named: Mapping[str, screen.Sum] | None = None  #: the transfers that contradictions and alarms name
    spaces: Sequence[str] = ("main",)

    @property
    def totals(self) -> Totals | None:
        return None if self.counters is None else Totals.of_counters(self.counters)

    @property
    def alive(self) -> list[Heartbeat]:
        """The workers that are heard; none where that is unknown, too."""
        return [worker for worker in self.workers or () if not worker.silent_ms(self.now_ms)]

    @property
    def silent(self) -> list[Heartbeat]:
        return [worker for worker in self.workers or () if worker.silent_ms(self.now_ms)]

    @property
    def vault_since_ms(self) -> int:
        """When the vault's server was started; 0 where no process says so."""
        if self.vault is not None and not self.vault.is_away:
            return self.now_ms - self.vault.uptime_s * 1000
        return max((worker.vault_since_ms for worker in self.alive), default=0)

    @property
    def sequence(self) -> int | None:
        return None if self.counters is None else self.counters.get("sequence", 0)

    @property
    def earlier(self) -> Sample | None:
        """The sample of about five minutes ago."""
        return self._sample_of(STALE_MS, within_ms=150_000)

    @property
    def alarms(self) -> list[Event]:
        """Those of the last hour, the newest first."""
        return [
            event
            for event in reversed(self.events or ())
            if event.fields.get("verb") in _ALARMING and event.at_ms > self.now_ms - _ALARMS_MS
        ]

    @property
    def last_act(self) -> Event | None:
        """Of an operator, as far as the newest events go back."""
        return next(
            (each for each in reversed(self.events or ()) if each.fields.get("actor", "").startswith("operator ")), None
        )

    def _sample_of(self, ago_ms: int, within_ms: int) -> Sample | None:
        wanted_ms = self.now_ms - ago_ms
        near = [sample for sample in self.samples or () if abs(sample.at_ms - wanted_ms) <= within_ms]
        return min(near, key=lambda sample: abs(sample.at_ms - wanted_ms), default=None)


def gather(context: Context, *, timeout_s: float = TIMEOUT_S, reads_records: bool = True) -> Facts:
    """All of them: the servers at the same time, each within its timeout.

    Without `reads_records` no whole record is read, which an exporter's server user may not, and `named` is None.
    """
    settings = context.settings
    with ExitStack() as stack:
        clients = {
            "ledger": connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL"), timeout_s=timeout_s),
            "queue": connect(settings.queue_url, settings.queue_setting, timeout_s=timeout_s),
        }
        if settings.vault_url:
            clients["vault"] = connect(settings.vault_url.reveal(), settings.name_of("VAULT_URL"), timeout_s=timeout_s)
        for client in clients.values():
            stack.callback(client.close)
        with ThreadPoolExecutor(len(clients) + 1) as pool:
            looks: dict[str, Future[ServerLook]] = {
                name: pool.submit(look_at, client) for name, client in clients.items()
            }
            findings = pool.submit(lambda: Examination(settings, context.clock, queue=True, timeout_s=timeout_s).look())
            ledger = looks["ledger"].result()
            vault = looks["vault"].result() if "vault" in looks else None
            reading = _Reading(Ledger(clients["ledger"]), context.clock.now_ms(), reads_records=reads_records)
            bare = Facts(
                now_ms=reading.now_ms,
                ledger=ledger,
                queue=looks["queue"].result(),
                vault=vault,
                mark=_known(Vault(clients["vault"]).high_water) if vault and not vault.is_away else None,
                spaces=list(dict.fromkeys(["main", *(plan.space for plan in settings.epay_terminals.values())])),
            )
            is_read = not ledger.is_away and _has_our_format(Ledger(clients["ledger"]))
            whole = reading.of_the_ledger(bare) if is_read else bare
            return _with(whole, findings=findings.result())


class _Reading:
    """What the ledger says, one question after the other: each that is not answered is unknown by itself."""

    def __init__(self, ledger: Ledger, own_ms: int, *, reads_records: bool) -> None:
        self._ledger = ledger
        self._reads_records = reads_records
        self.now_ms = own_ms

    def of_the_ledger(self, bare: Facts) -> Facts:
        ledger = self._ledger
        now_ms = _known(ledger.now_ms)
        if now_ms is None:
            return bare
        self.now_ms = now_ms
        workers = _known(Heartbeats(ledger.client).told)
        bare = _with(bare, now_ms=now_ms, workers=workers)
        paid = _known(lambda: ledger.lists.page([State.PAID], limit=1, newest=True).listed)
        started_ms = bare.vault_since_ms
        whole = _with(
            bare,
            counters=_known(ledger.counters),
            oldest=_known(self._oldest),
            deadlines=_known(self._deadlines),
            paid_today=_known(lambda: self._count(State.PAID, since_ms=Day.of(now_ms).begins_ms)),
            last_paid_ms=None if paid is None else paid[0].at.since_ms if paid else 0,
            overdue_leases=_known(self._overdue_leases),
            lag_ms=_known(lambda: ledger.lag_ms(now_ms)),
            lost_cards=_known(lambda: self._count(State.QUEUED, until_ms=started_ms - _MARGIN_MS)) if started_ms else 0,
            old_parked=_known(lambda: self._count(State.PARKED, until_ms=now_ms - STALE_MS)),
            samples=_known(Samples(ledger.client).read),
            local=processes.look_at(bare.silent),
            pauses=_known(Pauses(ledger.client).standing),
            breakers=_known(lambda: read_open(ledger.client)),
            requests=_known(Inboxes(ledger.client).waiting),
            events=_known(lambda: Events(ledger.client).newest(EVENTS)),
            outcomes_aside=_known(OutcomesAside(ledger.client).counts),
            contradictions=_known(ledger.contradictions),
        )
        if not self._reads_records:
            return whole
        keys = [*(whole.contradictions or ()), *(event.fields.get("key", "") for event in whole.alarms)]
        return _with(whole, named=_known(lambda: self._named(keys[:_NAMED])))

    def _named(self, keys: Sequence[str]) -> dict[str, screen.Sum]:
        found = {}
        for key in filter(None, keys):
            with suppress(RecordUnreadable):
                record = self._ledger.get(key)
                if record is not None:
                    found[key] = screen.Sum(1, record.amount, record.currency)
        return found

    def _oldest(self) -> dict[State, int]:
        pages = ((state, self._ledger.lists.page([state], limit=1).listed) for state in State if not state.final)
        return {state: listed[0].at.since_ms for state, listed in pages if listed}

    def _deadlines(self) -> dict[State, Deadlines]:
        found = {}
        for state, name in ((State.QUEUED, "deadline_at"), (State.PARKED, "parked_until")):
            page = self._ledger.lists.page([state], limit=LOOKED_AT)
            times = self._ledger.times(page.keys, name).values()
            if times:
                soon = sum(time < self.now_ms + STALE_MS for time in times)
                found[state] = Deadlines(min(times), soon, page.next is None)
        return found

    def _overdue_leases(self) -> int:
        return len(overdue_leases(self._ledger, self.now_ms))

    def _count(self, state: State, *, since_ms: int | None = None, until_ms: int | None = None) -> int:
        lists = self._ledger.lists
        return sum(
            lists.count(state, terminal, since_ms=since_ms, until_ms=until_ms) for terminal in lists.terminals(state)
        )


def overdue_leases(ledger: Ledger, now_ms: int) -> list[str]:
    """The keys of those that a worker holds for longer than it may, among the first that are held."""
    keys = ledger.lists.page([State.SENDING, State.CONFIRMING], limit=LOOKED_AT).keys
    return [key for key, until_ms in ledger.times(keys, "lease_until").items() if until_ms < now_ms]


def _has_our_format(ledger: Ledger) -> bool:
    """Where it has another one, what this version reads there is not what is there: all of it is unknown."""
    try:
        check_format(ledger.client)
    except LedgerFormat:
        return False
    except ServerUnavailable:
        pass  # each fact says so by itself
    return True


def _known(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ServerUnavailable:
        return None


def _with(facts: Facts, **more: object) -> Facts:
    return replace(facts, **more)  # type: ignore[arg-type]  # names are checked by replace
