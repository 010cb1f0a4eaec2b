"""The root of a worker: every part is built here and handed to the parts that need it. Nothing connects by it.

The process builds one on its settings (`build`). A test assembles one on its own servers, bank and clock (`assemble`).
`clock` is the machine's: a part that decides by a time gets the `LedgerClock`, which goes by the ledger.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import SystemRandom
from urllib.parse import urlsplit

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.queue import broker as queues
from epay_transfers.ledger.queue.broker import Broker
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.store.circuit_breakers import Breakers
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.pause_mirror import PauseMirror
from epay_transfers.ledger.store.pauses import Lane, Pauses
from epay_transfers.ledger.vault.sealing import Opener
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.runtime import health
from epay_transfers.runtime.health import Finding
from epay_transfers.worker import actors
from epay_transfers.worker.activity import Activity
from epay_transfers.worker.backoff import RetryRule
from epay_transfers.worker.bank import Bank, Terminal
from epay_transfers.worker.card_custody import CardCustody
from epay_transfers.worker.card_steps import CardSteps
from epay_transfers.worker.consequences import Consequences
from epay_transfers.worker.heartbeat import Pulse, Self
from epay_transfers.worker.inbox import Inbox
from epay_transfers.worker.inquiry_rules import InquiryRule
from epay_transfers.worker.journey import Journey
from epay_transfers.worker.ledger_clock import LedgerClock
from epay_transfers.worker.limits import MoneyLimits
from epay_transfers.worker.maintenance import Maintenance
from epay_transfers.worker.metrics import Metrics
from epay_transfers.worker.notifications import Notifications
from epay_transfers.worker.operator_limits import OperatorLimits
from epay_transfers.worker.preflight import Preflight, PreflightRule
from epay_transfers.worker.quarantine import Quarantine
from epay_transfers.worker.questions import Questions
from epay_transfers.worker.recorder import Recorder
from epay_transfers.worker.settings import WorkerSettings
from epay_transfers.worker.sweeper import Sweeper

#: A bank that hangs may not take every thread from a client that waits: these two leave a quarter of them free.
_SHARE_OF_BATCH = 0.5
_SHARE_OF_INQUIRIES = 0.25

#: As many calls of the bank one thread makes for one transfer at the most: an inquiry, and again with a new token.
_EXCHANGES = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """The worker's settings, as far as its parts ask for them."""

    retry: RetryRule
    doubt: InquiryRule
    preflight: PreflightRule
    park_s: int  #: how long a challenge is kept
    has_status: bool
    threads: int
    keep_events_ms: int = 30 * 86_400_000
    limits: MoneyLimits = field(default_factory=lambda: MoneyLimits({}, Secret("")))
    operator_limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Rules":
        return cls(
            retry=RetryRule(settings.retry_attempts, settings.retry_min_backoff, settings.retry_max_backoff),
            doubt=InquiryRule(settings.doubt_horizon, settings.doubt_reads, settings.epay_not_found_letter),
            preflight=PreflightRule(
                lease_s=settings.lease,
                deadline_s=settings.http_deadline,
                confirm_needs_token=settings.epay_confirm_auth == "bearer",
                token_host=urlsplit(settings.epay_token_url).netloc,
                hosts={
                    Lane.SEND: urlsplit(settings.epay_transfer_url).netloc,
                    Lane.CONFIRM: urlsplit(settings.epay_confirm_url).netloc,
                },
                gaps_ms={name: int(1000 / rate) for name, rate in settings.epay_rate.items()},
                places=settings.places,
                hash_key=settings.epay_secret_hash_key,
                spaces={name: settings.spaces[its.terminal_id] for name, its in settings.terminals.items()},
            ),
            park_s=settings.park_ttl,
            has_status=settings.bank.addresses.status_url is not None,
            threads=settings.worker_threads,
            keep_events_ms=settings.events_keep * 1000,
            limits=MoneyLimits(settings.epay_limits, settings.epay_client_secret),
            operator_limits=settings.operator_limits,
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process runs, and what a test drives by hand."""

    journey: Journey
    sweeper: Sweeper
    inbox: Inbox
    maintenance: Maintenance
    recorder: Recorder
    preflight: Preflight
    custody: CardCustody
    breakers: Breakers
    events: Events
    pauses: Pauses
    broker: Broker
    activity: Activity
    pulse: Pulse
    metrics: Metrics


def build(settings: WorkerSettings) -> Worker:
    """On this machine's clock and chance. The actors are declared to its broker."""
    clock = SystemClock()
    bank = Bank(settings.bank, clock)
    worker = assemble(
        ledger=Ledger(
            connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL"), shared=True),
            replicas=settings.replicas,
        ),
        vault=Vault(connect(settings.vault_url.reveal(), settings.name_of("VAULT_URL"), shared=True)),
        opener=Opener(settings.vault_private_keys),
        bank=bank,
        broker=Broker(
            connect(settings.queue_url, settings.queue_setting, text=False),
            [Quarantine()],
            _places(settings.worker_threads),
        ),
        terminals=settings.terminals,
        rules=Rules.of(settings),
        examine=health.Examination(settings, clock).look,
        clock=clock,
        actor=f"worker {socket.gethostname()} {os.getpid()}",
        chance=SystemRandom().random,
    )
    actors.declare(worker.broker, worker.journey, worker.activity)
    return worker


def assemble(
    *,
    ledger: Ledger,
    vault: Vault,
    opener: Opener,
    bank: Bank,
    broker: Broker,
    terminals: dict[str, Terminal],
    rules: Rules,
    examine: Callable[[], list[Finding]],
    clock: Clock,
    actor: str,
    chance: Callable[[], float],
) -> Worker:
    ledger_clock = LedgerClock(clock)
    events, pauses = Events(ledger.client, ledger.test_clock), Pauses(ledger.client, ledger.test_clock)
    breakers = Breakers(ledger.client, events, actor, ledger.test_clock)
    consequences = Consequences(pauses, events, ledger_clock, actor)
    custody = CardCustody(vault=vault, ledger=ledger, clock=ledger_clock, park_s=rules.park_s)
    recorder = Recorder(
        ledger=ledger,
        custody=custody,
        consequences=consequences,
        retry=rules.retry,
        clock=ledger_clock,
        chance=chance,
        actor=actor,
        has_status=rules.has_status,
        park_s=rules.park_s,
    )
    preflight = Preflight(
        ledger=ledger,
        bank_client=bank,
        terminals=terminals,
        breakers=breakers,
        pauses=pauses,
        consequences=consequences,
        recorder=recorder,
        custody=custody,
        rule=rules.preflight,
        clock=clock,
        ledger_clock=ledger_clock,
        limits=rules.limits,
        actor=actor,
    )
    card_steps = CardSteps(
        ledger=ledger,
        custody=custody,
        opener=opener,
        recorder=recorder,
        consequences=consequences,
        preflight=preflight,
        limits=rules.limits,
    )
    questions = Questions(
        ledger=ledger, holds=preflight.holds, recorder=recorder, consequences=consequences, clock=ledger_clock
    )
    journey = Journey(
        ledger=ledger,
        custody=custody,
        bank=bank,
        preflight=preflight,
        card_steps=card_steps,
        recorder=recorder,
        questions=questions,
        rule=rules.doubt,
        clock=ledger_clock,
    )
    mirror = PauseMirror(pauses, vault.client, actor, custody.raise_mark)
    maintenance = Maintenance(
        ledger=ledger,
        custody=custody,
        breakers=breakers,
        pauses=pauses,
        mirror=mirror,
        events=events,
        preflight=preflight,
        ask_harmless=lambda host: bank.ask_harmless(host, terminals["main"]),
        examine=examine,
        keep_ms=rules.keep_events_ms,
        clock=clock,
        actor=actor,
    )
    activity = Activity(clock)
    broker.on_fetch = activity.fetched
    about = _about(rules, actor, opener)
    pulse = Pulse(ledger, bank, activity, maintenance, preflight, lambda: broker.watch.why, clock, about)
    wakeups = Wakeups(broker)
    notifications = Notifications(
        ledger=ledger, consequences=consequences, wakeups=wakeups, opener=opener, hash_key=rules.preflight.hash_key
    )
    inbox = Inbox(
        inboxes=Inboxes(ledger.client, ledger.test_clock),
        ledger=ledger,
        custody=custody,
        events=events,
        pauses=pauses,
        mirror=mirror,
        wakeups=wakeups,
        notifications=notifications,
        operator_limits=OperatorLimits(ledger, rules.operator_limits),
        is_fit=lambda: preflight.is_fit,
    )
    return Worker(
        journey=journey,
        sweeper=Sweeper(ledger, journey, wakeups, rules.threads),
        inbox=inbox,
        maintenance=maintenance,
        recorder=recorder,
        preflight=preflight,
        custody=custody,
        breakers=breakers,
        events=events,
        pauses=pauses,
        broker=broker,
        activity=activity,
        pulse=pulse,
        metrics=_metrics(ledger, bank, breakers),
    )


def _metrics(ledger: Ledger, bank: Bank, breakers: Breakers) -> Metrics:
    """It is told by each part that has something to count."""
    metrics = Metrics()
    ledger.on_moved = metrics.moved
    bank.calls.on_ended = metrics.called
    breakers.on_failure, breakers.on_trip = metrics.failed, metrics.tripped
    return metrics


def _about(rules: Rules, actor: str, opener: Opener) -> Self:
    rule = rules.preflight
    hosts = {"token": rule.token_host, "transfer": rule.hosts[Lane.SEND], "confirm": rule.hosts[Lane.CONFIRM]}
    return Self(
        actor=actor,
        host=socket.gethostname(),
        pid=os.getpid(),
        threads=rules.threads,
        patience_s=_EXCHANGES * rule.deadline_s + rule.lease_s,
        hosts=hosts,
        vault_keys=list(opener.opening_ids),
    )


def _places(threads: int) -> dict[str, int]:
    """How many messages of each queue may be in hand at once."""
    return {
        queues.NOW: threads,
        queues.CONFIRMS: threads,
        queues.BATCH: max(1, int(threads * _SHARE_OF_BATCH)),
        queues.INQUIRIES: max(1, int(threads * _SHARE_OF_INQUIRIES)),
    }
