"""What people do in a simulation: workers hear and sweep, a backend enqueues, a client answers, an operator decides.

Each method is one activity, of the real parts of a process; the next activity starts a process anew that was killed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from epay_transfers.ledger import decisions
from epay_transfers.ledger.errors import LedgerBroken, LedgerWentBack, RecordUnreadable, TransfersError
from epay_transfers.ledger.queue.wakeups import wakeup_of
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.inboxes import Kind, operator
from epay_transfers.producers import PanCard, SavedCard, TransferIntent, Transfers
from epay_transfers.producers import Receiver as IntentReceiver
from tests.simulation.bank import HORIZON_S, NO, YES
from tests.simulation.people import Place, WorkerProcess, start_producer, start_worker
from tests.simulation.world import CALM, Process

_WORKERS = 2
_BACK = {Verb.OPERATOR_PAID: "paid", Verb.OPERATOR_REVERSED: "given_back"}
_WRONG = (Verb.OPERATOR_PAID, Verb.OPERATOR_NOT_PAID, Verb.OPERATOR_REVERSED)
_ACTORS = ("execute", "confirm", "inquire")


@dataclass
class Activities:
    place: Place
    intents: dict[str, TransferIntent]  #: by key
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    producers: dict[str, tuple[Process, Transfers]] = field(default_factory=dict)
    mds: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = self.place.world

    # Workers.

    def hear(self, _key: str = "") -> None:
        """A message, not always the oldest; now and then it is heard again."""
        messages, dice = self.place.queue.messages, self.world.dice
        if not messages:
            return
        at = dice.randrange(len(messages)) if self.world.weather.others else 0
        _, actor, key = messages[at]
        if self.world.weather is CALM or dice.random() < 0.9:
            del messages[at]
        worker = self.worker()
        if worker:
            worker.hear(actor, key)

    def wake_up(self, key: str) -> None:
        """One more wake-up for a transfer under way; now and then one for an actor that it does not wait for."""
        record, worker = self.peek(key), self.worker()
        wakeup = wakeup_of(record) if record else None
        if worker and record:
            worker.hear(
                wakeup.actor if wakeup and self.world.chance(0.9) else self.world.dice.choice(_ACTORS), record.key
            )

    def sweep(self, _key: str = "") -> None:
        worker = self.worker()
        if worker:
            self._let(worker.worker.sweeper.run_once)

    def read_inboxes(self, _key: str = "") -> None:
        """A worker reads what the web tier and the operator asked for."""
        worker = self.worker()
        if worker:
            self._let(worker.worker.inbox.run_once)

    def keep_house(self, _key: str = "") -> None:
        worker = self.worker()
        if worker:
            self._let(worker.keep_house)

    def worker(self) -> WorkerProcess | None:
        """One of them; one that was killed is started anew. None: it did not come up."""
        name = f"worker-{self.world.dice.randrange(_WORKERS)}"
        known = self.workers.get(name)
        if known is None or known.process.dead:
            self.workers.pop(name, None)
            try:
                self.workers[name] = start_worker(self.place, name)
            except TransfersError:
                return None
        return self.workers[name]

    # Producers.

    def enqueue(self, key: str) -> None:
        """A new intent, or one that is known: nobody remembers whether it was answered."""
        intent = self.intents[key]
        self._let(lambda: self.transfers("backend").enqueue(intent))

    def bring_card(self, key: str) -> None:
        """Of what is queued, where it is known: a card that is missing is put again."""
        record = self.peek(key)
        if record and record.state is State.QUEUED:
            self.enqueue(key)

    def cancel(self, key: str) -> None:
        record = self.peek(key)
        name = record.key if record else key
        self._let(lambda: self.transfers("backend").cancel(name, reason="not wanted"))

    def answer_challenge(self, key: str) -> None:
        """The client's browser opens the bank's page; then, or later, it comes back, perhaps with another word."""
        dice, web, record = self.world.dice, self.transfers("web"), self.peek(key)
        if record and record.state is State.PARKED:
            self._let(lambda: self._open_page(web, record.handle))
        if self.mds:
            handle, md = dice.choice(self.mds[-3:])
            said = YES if dice.random() < 0.8 else NO
            self._let(lambda: web.confirm(md=md, pa_res=said, handle=dice.choice((handle, None))))

    def _open_page(self, web: Transfers, handle: str) -> None:
        challenge = web.challenge(handle)
        if challenge and (handle, challenge.md) not in self.mds:
            self.mds.append((handle, challenge.md))

    def transfers(self, name: str) -> Transfers:
        known = self.producers.get(name)
        if known is None or known[0].dead:
            known = self.producers[name] = start_producer(self.place, name)
        return known[1]

    def backends(self) -> list[Process]:
        """Their processes, and the web tier's."""
        return [process for process, _ in self.producers.values()]

    # Operators.

    def operate(self, key: str) -> None:
        """Requeue or discard the dead, ask the bank, or settle what is in review: two people, one of whom may err."""
        record = self.peek(key)
        if record is None:
            return
        now = self.world.clock.now_ms()
        if record.state is State.DEAD:
            asked = self.world.dice.choice(("requeue", "requeue", "discard"))
            self._put(Kind.REQUEST, {"key": record.key, "what": asked, "why": "a test"})
        elif record.state is State.NEEDS_REVIEW:
            account = self.place.books.account(record.key)
            is_over = not account.under_way and now >= record.in_doubt_since + HORIZON_S * 1000
            verb = next((verb for verb, word in _BACK.items() if account.word == word), None)
            if account.word in {"unheard", "rejected"} and is_over:
                verb = Verb.OPERATOR_NOT_PAID
            self._settle(record, verb)
        elif record.state is State.PAID or self.world.chance(0.2):
            self._put(Kind.ASK, {"key": record.key, "why": "a test"})

    def discard(self, key: str) -> None:
        """What the runbook says of one that is dead in a ledger that went back, and that the bank's statement has."""
        if (record := self.peek(key)) and record.state is State.DEAD:
            self._put(Kind.REQUEST, {"key": record.key, "what": RequestedAction.DISCARD, "why": "the bank has it"})

    def _settle(self, record: Record, verb: Verb | None) -> None:
        """By the bank's books (None: they do not settle it yet), and now and then wrongly, but never by two.

        Bolat is wrong now and then, and takes it back later; Aigul and Chen go by the books alone.
        """
        dice = self.world.dice
        standing = decisions.standing(record.decisions, record.state, record.state_since, _WRONG)
        if any(each.by == "bolat" and each.what != verb for each in standing):
            self._put(Kind.TAKE_BACK, {"key": record.key, "why": "it was wrong"}, by="bolat")
            return
        is_wrong = self.world.weather.others and dice.random() < 0.2
        if is_wrong or verb is not None:
            by = "bolat" if is_wrong else dice.choice(("aigul", "chen"))
            said = dice.choice(_WRONG) if is_wrong or verb is None else verb
            seen = {"key": record.key, "version": str(record.version)}
            self._put(Kind.SETTLE, seen | {"verb": said, "why": "a test", "proof": "the bank's books"}, by=by)

    def _put(self, kind: Kind, fields: dict[str, str], by: str = "aigul") -> None:
        """The operator's command: it writes into the operator's inbox, and nothing else."""
        inboxes = self.transfers("backend")._context.inboxes
        self._let(lambda: inboxes.put(operator(by), kind, fields))

    def peek(self, key: str) -> Record | None:
        """As the ledger has it, and without a step."""
        flat = self.place.ledger.line.one("HGETALL", redis_keys.record(key))
        raw = dict(zip(flat[::2], flat[1::2], strict=True))
        return Record.from_hash(raw) if raw else None

    def _let(self, call: Callable[[], object]) -> None:
        """What goes wrong for want of a server, or is refused, is no bug: whoever asked comes again."""
        try:
            answer = call()
        except (LedgerBroken, RecordUnreadable):
            raise  # nothing here leaves that behind
        except LedgerWentBack:
            self.world.counts["producers that saw that the ledger went back"] += 1
            for process in self.backends():  # they restart
                self.world.kill(process)
        except TransfersError as error:
            self.world.tell("is told", type(error).__name__)
        else:
            self.world.tell("is told", answer)


def intent(
    number: int, urgency: Literal["now", "batch"], now_ms: int, *, has_invoice_id: bool, has_deadline: bool
) -> TransferIntent:
    """A client's, whose card lives a quarter of an hour; or a payout, which has two hours.

    Without an invoice id the ledger makes one. Without a deadline a payout has a day from when it is brought (again).
    """
    is_now = urgency == "now"
    card = PanCard(number="4405639704015096", expiry="01/25", cvc="815", name="Sergey Frolov")
    deadline = datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(hours=2)
    return TransferIntent(
        reference=f"payout-{number}",
        invoice_id=f"26112400000{number}" if has_invoice_id else None,
        amount=100 + number,
        description="Payout",
        sender=card if is_now else SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e"),
        receiver=IntentReceiver(number="5522042705066736"),
        urgency=urgency,
        deadline=deadline if has_deadline and not is_now else None,
    )
