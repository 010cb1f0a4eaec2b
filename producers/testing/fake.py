"""`FakeTransfers`: the real `Transfers` on dictionaries, and by its side what a worker, the bank and time would do."""

import base64
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast

from epay_transfers.ledger import fingerprint_keys
from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.record import FIELDS, Record, RequestedAction, StoredChallenge
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.archived import script_argument
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome, OutcomesAside
from epay_transfers.ledger.store.replies import Moved, Refused
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ledger.vault.sealing import Sealer, generate
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers.asynchronous import AsyncTransfers
from epay_transfers.producers.challenge import Challenge
from epay_transfers.producers.outcome_consumer import Handler
from epay_transfers.producers.outcomes import Feed, Outcome
from epay_transfers.producers.settings import ProducerSettings, SealingSettings
from epay_transfers.producers.testing import passing_time
from epay_transfers.producers.testing.memory import (
    MemoryFeed,
    MemoryInboxes,
    MemoryLedger,
    MemoryScripts,
    MemoryVault,
    OneAtATime,
)
from epay_transfers.producers.transfers import Transfers
from epay_transfers.runtime.settings import TerminalPlan

_NOWHERE = Secret("redis://127.0.0.1:1/0")
_PARK_MS = 900_000
_SOON_MS = 5_000


class FakeTransfers(Transfers):
    """Beside the surface of `Transfers`: verbs that play the bank, each with a key or a reference.

    Threads may share it, and in asyncio there is `AsyncTransfers(fake)`.
    """

    _waits_for_servers = False

    def __init__(self, *, terminals: dict[str, str] | None = None, queue_limit: int | None = None) -> None:
        """`terminals`: further ones, by name, each with its space."""
        keys = self._keys = generate()
        self._stands_for: list[Transfers] = []  #: those whose calls are this one's now
        self._time = _Time()
        self._scripts, self._memory_vault = MemoryScripts(self._time), MemoryVault()
        self._books = MemoryLedger(self._scripts, self._time)
        settings = ProducerSettings.model_construct(  # what stands in an environment is not for a unit test
            redis_url=_NOWHERE,
            vault_url=_NOWHERE,
            vault_public_key=keys.public,
            fingerprint_keys=[fingerprint_keys.generate()],
            queue_limit=queue_limit,
            epay_terminals={name: TerminalPlan(space=space) for name, space in (terminals or {}).items()},
        )
        super().__init__(
            ledger=self._books,
            inboxes=MemoryInboxes(self._work),
            vault=cast("Vault", OneAtATime(self._memory_vault, self._scripts.lock)),
            sealer=Sealer(keys.public),
            wakeups=_Silent(),
            clock=self._time,
            settings=settings,
            feed=cast("Feed", OneAtATime(MemoryFeed(self._scripts, self._time), self._scripts.lock)),
            pause=self.advance,
        )

    @classmethod
    def from_env(
        cls,
        settings: SealingSettings | Callable[[], SealingSettings] | None = None,  # noqa: ARG003 - the real one's signature
        *,
        env_file: str | Path | None = None,  # noqa: ARG003 - as above
    ) -> Self:
        return cls()

    def outcomes(
        self, group: str, *, consumer: str | None = None, idle: float | None = None, claim_after: float = 60.0
    ) -> Iterator[Outcome]:
        """As the real one's; but it ends where the real one would wait, for no other process brings more."""
        return super().outcomes(group, consumer=consumer, idle=idle or 0, claim_after=claim_after)

    def run_outcomes(
        self,
        handler: Handler,
        *,
        group: str,
        consumer: str | None = None,
        stop: threading.Event | None = None,
        idle: float | None = None,
        claim_after: float = 60.0,
        set_aside_after: int = 8,
    ) -> None:
        """As the real one's; but it ends when nothing is left. Time passes by itself between two tries."""
        super().run_outcomes(
            handler, group=group, consumer=consumer, stop=stop, idle=idle or 0, claim_after=claim_after,
            set_aside_after=set_aside_after,
        )  # fmt: skip

    @contextmanager
    def in_place_of(self, transfers: Transfers | AsyncTransfers) -> Iterator[Self]:
        """As long as this lasts, each call of `transfers` is this fake's, by whatever name a module keeps it.

        So no test pays for real by a name that was taken before it began: not by an `AsyncTransfers` that was made of
        it, and not by a method that was. A call that has begun by then goes on where it was.
        """
        real = transfers._transfers if isinstance(transfers, AsyncTransfers) else transfers  # noqa: SLF001 - its other face
        earlier = real._stands_for if isinstance(real, FakeTransfers) else []  # noqa: SLF001 - its own class
        kept = [(each, each.__class__, each.__dict__) for each in (real, *earlier) if each is not self]
        for each, _, _ in kept:  # in this order a call between the two is the fake's already
            each.__dict__ = self.__dict__
            each.__class__ = type(self)
        before = len(self._stands_for)
        self._stands_for += (each for each, _, _ in kept)
        try:
            yield self
        finally:
            del self._stands_for[before:]
            for each, kind, values in reversed(kept):
                each.__class__ = kind
                each.__dict__ = values

    # The bank.

    def pay(self, name: str) -> Transfer:
        """The bank moved the money."""
        return self._end(name, Verb.PAY, code="0", reason="", bank_reference="204978430339")

    def decline(self, name: str, code: str = "484") -> Transfer:
        return self._end(name, Verb.DECLINE, code=code, reason="declined_D", message="declined")

    def reverse(self, name: str) -> Transfer:
        """It was paid, and the bank gave it back."""
        return self._end(name, Verb.OPERATOR_REVERSED, reason="reversed")

    def park(self, name: str) -> Challenge:
        """The bank wants 3-D Secure."""
        record = self._sent(name)
        asked = StoredChallenge(
            pa_req=base64.b64encode(secrets.token_bytes(60)).decode(),
            md=f"{secrets.randbelow(9 * 10**8) + 10**8}-{secrets.token_hex(8).upper()}",
            action="https://acs.example/pareq",
        )
        change = Change(
            look_again_in=_PARK_MS,
            fields={"bank_id": secrets.token_hex(8)},
            times_in={"parked_until": _PARK_MS},
            challenge=asked,
        )
        self._move(record, Verb.PARK, change)
        challenge = self.challenge(record.handle)
        if challenge is None:
            raise AssertionError("a parked transfer has a challenge")
        return challenge

    def doubt(self, name: str) -> Transfer:
        """It was sent, and no answer can be believed."""
        return self._move(self._sent(name), Verb.DOUBT, Change(look_again_in=_SOON_MS, fields={"reason": "timeout"}))

    # A worker, an operator, time.

    def send_to_review(self, name: str) -> Transfer:
        """In doubt, and the bank's answers do not settle it."""
        if self._named(name).state is not State.IN_DOUBT:
            self.doubt(name)
        change = Change(look_again_in=passing_time.TOMORROW_MS, fields={"reason": "bank_says_not_found"})
        return self._move(self._named(name), Verb.SEND_TO_REVIEW, change)

    def fail(self, name: str) -> Transfer:
        """Its tries are used up, and it is proved not sent."""
        change = Change(look_again_in=passing_time.TOMORROW_MS, fields={"reason": "attempts_used_up"})
        return self._move(self._sent(name), Verb.FAIL_CLAIMED, change)

    def expire(self, name: str) -> Transfer:
        return self._end(name, Verb.EXPIRE, reason="deadline")

    def grant_cancel(self, name: str) -> Transfer:
        """A cancel that was `asked`: the bank says that its client had not answered."""
        return self._end(name, Verb.CANCEL, reason="cancelled")

    def archive(self, name: str) -> Transfer:
        """It ended long ago, and operators archived it: what is left of it answers a replay of its reference."""
        record = self._named(name)
        said = {field: str(value) for field in FIELDS if (value := getattr(record, field)) not in {"", 0}}
        keys, argument = script_argument(said, file="transfers-1.jsonl", actor="operator test", why="")
        word, *_ = self._scripts.run("archive", keys, (argument,))
        if word != "ARCHIVED":
            raise AssertionError(f"a transfer that is {record.state} is not archived: it has not ended")
        return self.get(record.key)

    def outcomes_aside(self, group: str) -> list[AsideOutcome]:
        """What operators see with `transfers outcomes list`."""
        return [aside for aside in OutcomesAside(self._books.client).all() if aside.group == group]

    def replay_outcomes(self, group: str, *names: str) -> None:
        """An operator replays what was set aside: of these transfers, or of all. `run_outcomes` does it next."""
        keys = {self.find(name).key for name in names} or {aside.key for aside in self.outcomes_aside(group)}
        OutcomesAside(self._books.client).ask_replay(group, keys, "operator test")

    def pause_terminal(self, terminal: str = "main", until: datetime | None = None) -> None:
        """Its send lane is paused, until then or until further notice."""
        self._scripts.stops[terminal] = int(until.timestamp() * 1000) if until else 0

    def set_away(self, *, ledger: bool = False, vault: bool = False) -> None:
        """Which of the servers does not answer from now on."""
        self._scripts.away, self._memory_vault.away = ledger, vault

    def advance(self, seconds: float) -> None:
        """Time passes: here it does so by this, and by `wait`, alone. A worker does what is due meanwhile.

        A queued transfer expires at its deadline, a parked one at the end of its challenge; one whose client brought
        3-D Secure 2 goes on for a day more. A cancel that was asked for is granted. A doubt goes on, since the bank
        says nothing, and is `needs_review` after two days. A handle ends a day after its transfer. While a server is
        away (`set_away`) only time passes.
        """
        end_ms = self._time.now_ms() + round(seconds * 1000)
        later: set[str] = set()  #: what can't be done now, since the vault does not answer
        while due := self._due(end_ms, later):
            at_ms, key = min(due)
            self._time.advance(max(0, at_ms - self._time.now_ms()) / 1000)
            record = self._books.get(key)
            try:
                if record is None or not passing_time.look(
                    record, self._time.now_ms(), self._memory_vault, self._try_move
                ):
                    later.add(key)
            except VaultUnavailable:
                later.add(key)
        self._time.advance((end_ms - self._time.now_ms()) / 1000)

    # How.

    def _reading(
        self, group: str, consumer: str | None, idle: float | None, claim_after: float, is_stopped: Callable[[], bool]
    ) -> Iterator[Outcome]:
        return super()._reading(group, consumer, idle or 0, claim_after, is_stopped)

    def _due(self, end_ms: int, later: set[str]) -> list[tuple[int, str]]:
        """What time does something to until then: when, and the key."""
        records = [] if self._scripts.away else list(self._scripts.hashes.values())
        due = self._scripts.due
        times = [(passing_time.due_at(raw, due.get(raw["key"])), raw["key"]) for raw in records if "deadline_at" in raw]
        return [(at, key) for at, key in times if at is not None and at <= end_ms and key not in later]

    def _try_move(self, record: Record, verb: Verb, change: Change) -> Moved | Refused:
        return self._books.move(record, verb, change, actor="fake")

    def _work(self, kind: Kind, entry: Mapping[str, str]) -> None:
        """What a worker does with an entry of the web tier. It has no key to prove a notification with."""
        record = self._named(entry["key"])
        if kind is Kind.CONFIRM and record.state is State.PARKED:
            fields: RecordFields = {"pares_digest": entry["digest"], "next_attempt_at": 0, "attempts": 0}
            self._move(record, Verb.RESUME, Change(due_in=_SOON_MS, fields=fields))
        elif kind is not Kind.CONFIRM and record.state in {State.PARKED, State.IN_DOUBT, State.NEEDS_REVIEW}:
            brought = entry["fields"] if kind is Kind.SECURE_2 else record.three_ds2_fields
            if record.requested_action and brought == record.three_ds2_fields:
                return  # it is asked for already
            action = record.requested_action or RequestedAction.INQUIRE
            asked: RecordFields = {"requested_action": action, "three_ds2_fields": brought}
            self._move(record, Verb.REQUEST, Change(due_in=0, fields=asked))

    def _named(self, name: str) -> Record:
        record = self._books.get(self.find(name).key)
        if record is None:
            raise AssertionError("it was found a moment ago")
        return record

    def _sent(self, name: str) -> Record:
        """The record, once a worker has sent it."""
        record = self._named(name)
        if record.state in {State.QUEUED, State.RESUMED}:
            self._move(record, Verb.CLAIM, Change(due_in=_SOON_MS))
        return self._named(name)

    def _end(self, name: str, verb: Verb, **fields: str) -> Transfer:
        return self._move(self._named(name), verb, Change(fields=cast("RecordFields", fields)))

    def _move(self, record: Record, verb: Verb, change: Change) -> Transfer:
        moved = self._try_move(record, verb, change)
        if isinstance(moved, Refused):
            raise AssertionError(f"{verb}: that can't happen to a transfer that is {moved.state}")  # noqa: TRY004 - the test's mistake
        return self.get(record.key)


class _Silent(Wakeups):
    """No worker gets a wake-up: the test plays the worker."""

    def __init__(self) -> None:
        """There is no queue."""

    def send(self, record: Record) -> bool:  # noqa: ARG002 - no worker listens
        return False

    def send_all(self, records: Iterable[Record]) -> int:  # noqa: ARG002 - as above
        return 0


class _Time:
    def __init__(self) -> None:
        self._now_ms = int(datetime.now(UTC).timestamp() * 1000)
        self._monotonic = 0.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)
        self._monotonic += seconds
