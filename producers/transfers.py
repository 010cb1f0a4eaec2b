"""`Transfers`: what a backend and a web tier hold. Each verb has its own module; here is their common surface.

It may be shared by threads. Nothing connects before the first call, which looks at the servers before anything else.
"""

import functools
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Protocol, Self, TypeVar, cast

from epay_transfers.ledger.clock import Clock, SystemClock
from epay_transfers.ledger.errors import LedgerUnavailable, TransfersError, VaultUnavailable, WrongCall
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.outcome_feed import OutcomeFeed
from epay_transfers.ledger.tracebacks import clear_frames, clear_frames_on_error
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.ledger.vault.sealing import Purpose, Sealer
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers.cancel import Cancel, cancel
from epay_transfers.producers.challenge import Challenge, PaymentPage, challenge, is_answered, visit
from epay_transfers.producers.confirm import Verdict, confirm
from epay_transfers.producers.context import Context
from epay_transfers.producers.enqueue import enqueue_all, not_begun
from epay_transfers.producers.errors import Ambiguous, NotFound
from epay_transfers.producers.intent import TransferIntent
from epay_transfers.producers.listing import Page, page
from epay_transfers.producers.notify import Notified, notify, three_ds2_returned
from epay_transfers.producers.outcome_consumer import Handler, run_outcomes
from epay_transfers.producers.outcomes import Feed, Outcome, outcomes
from epay_transfers.producers.receipt import Receipt
from epay_transfers.producers.running_loop import say_if_in_loop
from epay_transfers.producers.settings import ProducerSettings, SealingSettings
from epay_transfers.producers.validators import is_reference
from epay_transfers.runtime.health import Examination, error_of
from epay_transfers.runtime.sentry import without_request

if TYPE_CHECKING:  # as in `producers.context`
    from epay_transfers.ledger.queue.wakeups import Wakeups

#: States in which `wait` has nothing more to wait for: final ones, and those that wait for a person.
_FOR_A_PERSON = frozenset({State.PARKED, State.DEAD, State.NEEDS_REVIEW})

#: A minute: clients mistype now and then, and a handle has 128 bits.
_MOST_GUESSES = 60

#: No transfer's: what is asked for to see whether a server answers.
_NO_KEY = "000000"

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


#: What `enqueue_many` answers; the class below has a `list` of its own.
Answers = list[Receipt | TransfersError]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _sheltered(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates each method: no error of it keeps its arguments, and what it logs is reported without the request.

    A backend calls it where it answers a request with a card in its body, which Sentry adds to whatever is logged.
    """
    return clear_frames_on_error(without_request()(call))


def _public(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates each method that needs the servers: the first call looks at them, and connects."""

    @functools.wraps(call)
    def with_servers(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        cast("Transfers", args[0])._open()  # noqa: SLF001 - its own decorator
        return call(*args, **kwargs)

    return _sheltered(with_servers)


class _Closable(Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the methods work with."""

    context: Context
    feed: Feed
    owned: Sequence[_Closable]

    def close(self) -> None:
        for owned in self.owned:
            owned.close()


class Transfers:
    """Enqueue transfers and follow them. Made by `Transfers.from_env()`; to close it, use it in a `with` statement.

    The first call looks at the servers: it raises what `check` raises, and then that call stored nothing. A call before
    it may have, before a restart: so `enqueue` is called again with the same reference then, too.

    Every method raises `LedgerUnavailable` where the ledger's server does not answer, and `RecordUnreadable` (a
    `TransfersError`) for a record that this version can't read; `InternalError` for what no code expected. No error
    holds a card or a secret, and no frame of its traceback does.

    In an event loop it would hold up all else: that is what `AsyncTransfers` is for.
    """

    _waits_for_servers: ClassVar = True

    def __init__(
        self,
        *,
        ledger: Ledger,
        vault: Vault,
        sealer: Sealer,
        wakeups: "Wakeups",
        clock: Clock,
        settings: SealingSettings,
        inboxes: Inboxes | None = None,
        feed: Feed | None = None,
        pause: Callable[[float], None] = time.sleep,
        owned: Sequence[_Closable] = (),
    ) -> None:
        """For tests and for parts of this project; a backend calls `from_env`.

        `owned` is what `close` closes.
        """
        context = Context(
            ledger=ledger,
            inboxes=inboxes or Inboxes(ledger.client, ledger.test_clock),
            vault=vault,
            sealer=sealer,
            wakeups=wakeups,
            clock=clock,
            settings=settings,
        )
        self._begin(self._ask_both_servers, pause)
        self._take(_Parts(context, feed or OutcomeFeed(ledger.client, ledger.test_clock), tuple(owned)))

    @classmethod
    @_sheltered
    def from_env(
        cls,
        settings: SealingSettings | Callable[[], SealingSettings] | None = None,
        *,
        env_file: str | Path | None = None,
    ) -> Self:
        """From the environment, a secrets directory, and the `.env` that `env_file` names, if it names one.

        Or from `settings`, which were read there, or are arguments alone: `ProducerSettings(redis_url=..., ...)`.

        It connects to nothing: the first call does, or `check`. A function, like `ProducerSettings.load` without its
        parentheses, is called then, too: so a build that has no settings can import what calls `from_env`.

        Raises `SettingsWrong` for settings that are missing or wrong.
        """
        if settings and env_file:
            raise WrongCall("give settings, or the env_file to read them from")
        if isinstance(settings, str | Path):
            raise WrongCall("settings: a file is given by its name, env_file=...")
        settings = settings or ProducerSettings.load(env_file=env_file)
        load = settings if callable(settings) else functools.partial(_as_given, settings)
        made = cls.__new__(cls)
        made._begin(lambda: _examine(load()), time.sleep)  # noqa: SLF001 - its own class
        made._connect = lambda: _connected(load())  # noqa: SLF001 - as above
        return made

    @_sheltered
    def check(self) -> None:
        """Look at the settings and the servers now, as the first call does. For the start of a process, and for health.

        Raises `SettingsWrong` for settings that are missing or wrong, for servers that are configured otherwise than
        they must be, and for fingerprint keys that the ledger does not know; `LedgerUnavailable` or `VaultUnavailable`
        for a server that does not answer.
        """
        was_open = self._is_open.is_set()
        self._open()
        if was_open:
            self._examine()
        self._context.check_fingerprint_keys()

    # A backend.

    @_sheltered
    def enqueue(self, intent: TransferIntent) -> Receipt:
        """Put one transfer into the ledger and its card into the vault. It returns before anything is sent.

        The same reference and the same intent again: the same receipt, `replayed`, and nothing is sent twice.

        Raises `IntentRejected` (the deadline or the terminal), `Conflict`, `SuffixTaken`, `InvoicesExhausted`,
        `TerminalPaused` and `QueueFull`, where nothing was stored; `LedgerUnavailable`, where it may be stored, and
        `VaultUnavailable`, where it is stored and its card may be missing: call again with the same reference.
        `TypeError` for what is no `TransferIntent`; `SettingsWrong` for a web tier, which enqueues nothing, and for
        fingerprint keys that the ledger does not know: correct them, and call again with the same reference.
        """
        try:
            self._open()
        except (LedgerUnavailable, VaultUnavailable) as error:
            not_begun(error)
            raise
        _check_intent(intent)
        answer = enqueue_all(self._context, [intent])[0]
        if isinstance(answer, TransfersError):
            raise answer
        return answer

    @_sheltered
    def enqueue_json(self, text: str) -> Receipt:
        """Enqueue an intent that waited in your own database as the text of `intent.to_json()`: for an outbox.

        The same text again is the same transfer. What waited past its deadline is rejected, unless its reference is
        known: then its receipt comes again.

        Raises what `enqueue` raises; `IntentRejected` also for a text that `to_json` did not give, and for one of a
        version that this one does not know. `TypeError` for what is no str.
        """
        return self.enqueue(TransferIntent.from_json(text))

    @_sheltered
    def enqueue_many(self, intents: Sequence[TransferIntent]) -> Answers:
        """Put many transfers in, in a few round trips: for each, in order, its receipt or the error of `enqueue`.

        The errors are returned and not raised, but for `TypeError` and `SettingsWrong`: then nothing was stored.
        """
        _check_intents(intents)
        try:
            self._open()
        except (LedgerUnavailable, VaultUnavailable) as error:
            clear_frames(error, until=sys.exc_info()[1])
            return [not_begun(error)] * len(intents)
        answers = enqueue_all(self._context, intents)
        for answer in answers:
            if isinstance(answer, TransfersError):
                clear_frames(answer, until=sys.exc_info()[1])
        return answers

    @_public
    def get(self, key: str | None = None, *, reference: str | None = None) -> Transfer:
        """The transfer by its key (`receipt.key`), or by your own reference: `get(reference="payout-42")`.

        Raises `NotFound`; `TypeError` for none, or both, of the two.
        """
        if (key is None) == (reference is None):
            raise WrongCall("give either a key or a reference: get(receipt.key), or get(reference=...)")
        return self._context.view(self._record(key) if key is not None else self._referred(reference))

    @_public
    def outcomes(
        self, group: str, *, consumer: str | None = None, idle: float | None = None, claim_after: float = 60.0
    ) -> Iterator[Outcome]:
        """What becomes of transfers, for one group of readers: every move, at least once, until each is acknowledged.

        Consumers of a group share the work. One with a name of its own goes on after a restart with what it had not
        acknowledged; what a dead one left is given to another after `claim_after` seconds, and so is what takes longer
        than that to deal with. It ends after `idle` seconds without anything new, or never.

        Raises `LedgerUnavailable`, here and while you iterate: then call it again. `IntentRejected` for a name of a
        group or a consumer that is none.
        """
        return self._reading(group, consumer, idle, claim_after, lambda: False)

    @_public
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
        """Call `handler(outcome)` with each outcome, one after the other, until `stop` is set.

        Its return acknowledges the outcome. Where it raises, the outcome is tried again, 1 s, 4 s, 16 s later, up to
        ten minutes; the later outcomes of the same transfer wait for it, and all others go on. After `set_aside_after`
        deliveries it is set aside, with the later ones of its transfer, for operators to replay: so no version of a
        transfer is handed out before the one before it is dealt with, whatever consumers a group has. An outcome comes
        at least once: again, where this process or the ledger's server died before it was acknowledged.

        After `stop` it finishes the call that runs, takes nothing more, and returns within some seconds. It also ends
        after `idle` seconds in which nothing new came, and nothing waited to be tried again. `consumer` and
        `claim_after` (seconds) are those of `outcomes`. While the ledger is away, it waits for it.

        Raises `LedgerUnavailable` at its start, and where no waiting helps; `IntentRejected` for a name of a group or a
        consumer that is none; `WrongCall` for a handler that is async.
        """
        context = self._context
        run_outcomes(
            self._feed, context.clock, context.ledger.is_contradicted, self._pause, handler, group=group,
            consumer=consumer, is_stopped=(stop or threading.Event()).is_set, idle=idle, claim_after=claim_after,
            set_aside_after=set_aside_after,
        )  # fmt: skip

    @_public
    def find(self, text: str) -> Transfer:
        """The transfer by a text that is its key or its reference.

        Raises `NotFound`; `Ambiguous`, if it is one transfer's key and another one's reference.
        """
        _check_text(text, "a key or a reference", "receipt.key")
        by_key = self._context.ledger.get(text) if is_key(text) else None
        by_reference = self._context.ledger.by_reference(text) if is_reference(text) else None
        if by_key and by_reference and by_key.key != by_reference.key:
            raise Ambiguous
        record = by_key or by_reference
        if record is None:
            raise NotFound("key or reference")
        return self._context.view(record)

    @_public
    def list(
        self,
        *states: State,
        terminal: str | None = None,
        newest: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """A page of the transfers that are in one of these states, or of all: those longest in their state first.

        `newest`: the other way round. `limit`: at most so many, 1 to 1000. Go on with `cursor=page.cursor` until that
        is None: a page may have fewer items, or none, before. One that moves meanwhile may be missed or come twice, so
        what becomes of transfers is told by `outcomes`, and this is for a look.

        Raises `TypeError` for what is no state and a limit that is none, `IntentRejected` for an unknown terminal,
        `CursorUnreadable` (a `TransfersError`) for what is no cursor; `SettingsWrong` for a web tier.
        """
        return page(self._context, states, terminal=terminal, newest=newest, limit=limit, cursor=cursor)

    @_public
    def wait(self, key: str, timeout: float = 30.0) -> Transfer:
        """The transfer once it is final, or waits for a person, or `timeout` seconds are over: look at its `state`.

        What waits for a person is `parked` (until its client answers), `dead` or `needs_review`. Raises `NotFound`.
        """
        look = self._looks(key, timeout)
        while isinstance(seen := look(), float):
            self._pause(seen)
        return seen

    @_public
    def cancel(self, key: str, *, reason: str) -> Cancel:
        """Take a transfer back, if no money can have moved. `reason` goes into the record: no card data.

        Raises `NotFound`; `IntentRejected` for a reason that is empty, too long or looks like a card number;
        `VaultUnavailable`: then call it again.
        """
        return cancel(self._context, self._record(key), reason)

    # A web tier.

    @_public
    def challenge(self, handle: str) -> Challenge | None:
        """What the client's browser posts to the bank; None while a worker is at it, or once nothing is to be answered.

        Raises `NotFound` for a handle that is none, or whose transfer ended more than a day ago.
        """
        return challenge(self._context, _check_text(handle, "a handle", "receipt.handle"))

    @_public
    def confirm(self, *, md: str, pa_res: str, handle: str | None = None) -> Verdict:
        """What the client's browser brought back from the bank's page. With a handle, only for that transfer.

        Raises `IntentRejected` for a PaRes that is none; `VaultUnavailable`: then the client's browser sends it again.
        """
        if handle is not None:
            _check_text(handle, "a handle", "receipt.handle")
        return confirm(self._context, md, pa_res, handle)

    @_public
    def visit(self, handle: str) -> PaymentPage:
        """The transfer of a handle, and what its client is shown.

        Raises `NotFound` for a handle that is none, or whose transfer ended more than a day ago.
        """
        return visit(self._context, _check_text(handle, "a handle", "receipt.handle"))

    @_public
    def notify(self, payload: Mapping[str, Any]) -> Notified:
        """The bank's notification, parsed: a hint on which a worker asks the bank. It may come as often as it likes."""
        return notify(self._context, _encodable(payload))

    @_public
    def three_ds2_returned(self, handle: str, sizes: Mapping[str, int]) -> Notified:
        """The client brought no PaRes but fields of 3-D Secure 2, of these sizes: a worker asks the bank at once.

        Raises `NotFound`.
        """
        return three_ds2_returned(self._context, handle, sizes)

    @_public
    def is_guessing(self) -> bool:
        """Count one more request with a handle, an MD or an address that is none; True if too many came this minute.

        For routes of your own: answer such a request 429 then. Answer a known handle whatever this says, so that no
        client is locked out by another's guesses. All web tiers of a ledger count together.
        """
        return self._context.inboxes.count_guess() > _MOST_GUESSES

    # The rest.

    @_sheltered
    def close(self) -> None:
        """Close the connections. Transfers that were enqueued go on."""
        for owned in self._owned:
            owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, examine_now: Callable[[], None], pause: Callable[[float], None]) -> None:
        self._examine = examine_now
        self._pause = pause
        self._connect: Callable[[], _Parts] | None = None  #: None where it is open from the beginning
        self._is_open = threading.Event()
        self._opening = threading.Lock()
        self._owned: Sequence[_Closable] = ()

    # Its other face, `AsyncTransfers`, waits and reads in its own way by these two.

    @_public
    def _looks(self, key: str, timeout: float) -> Callable[[], Transfer | float]:
        """Of `wait`: each look gives the transfer that it ends with, or the seconds to pause before the next look."""
        clock = self._context.clock
        end = clock.monotonic() + timeout
        pause_s = _FIRST_PAUSE_S

        def look() -> Transfer | float:
            nonlocal pause_s
            record = self._record(key)
            left_s = end - clock.monotonic()
            is_for_person = record.state in _FOR_A_PERSON and not is_answered(self._context, record)
            if record.state.final or is_for_person or left_s <= 0:
                return self._context.view(record)
            this_s, pause_s = min(pause_s, left_s), min(pause_s * 1.5, _LONGEST_PAUSE_S)
            return this_s

        return look

    @_public
    def _reading(
        self, group: str, consumer: str | None, idle: float | None, claim_after: float, is_stopped: Callable[[], bool]
    ) -> Iterator[Outcome]:
        """Of `outcomes`. `is_stopped`: is asked each second; then it ends."""
        context = self._context
        read = outcomes(
            self._feed, context.clock, context.ledger.is_contradicted, group=group, consumer=consumer, idle=idle,
            claim_after=claim_after, is_stopped=is_stopped,
        )  # fmt: skip
        return _each(read)

    def _open(self) -> None:
        """Once: look at the servers, before a card is put anywhere, and connect. What fails is tried by the next call.

        Several threads may do it at once, so that none waits for another's time limits: the first one's stays.
        """
        if self._waits_for_servers:
            say_if_in_loop()
        if self._is_open.is_set() or self._connect is None:
            return
        self._examine()
        parts = self._connect()
        with self._opening:
            if not self._is_open.is_set():
                self._take(parts)
                return
        parts.close()

    def _take(self, parts: _Parts) -> None:
        self._context, self._feed, self._owned = parts.context, parts.feed, parts.owned
        self._is_open.set()

    def _ask_both_servers(self) -> None:
        """Where no settings name them: whether they answer."""
        self._context.ledger.get(_NO_KEY)
        self._context.vault.look(Purpose.PARES, _NO_KEY)

    def _record(self, key: str) -> Record:
        _check_text(key, "a transfer's key", "receipt.key")
        if not is_key(key):
            raise NotFound(
                "key",
                "this is not a key, which is digits, like receipt.key: for your own reference, get(reference=...)",
            )
        record = self._context.ledger.get(key)
        if record is None:
            raise NotFound("key")
        return record

    def _referred(self, reference: str | None) -> Record:
        text = _check_text(reference, "your own reference", "the intent's reference")
        record = self._context.ledger.by_reference(text) if is_reference(text) else None
        if record is None:
            raise NotFound("reference")
        return record


def _as_given(settings: SealingSettings) -> SealingSettings:
    return settings


def _examine(settings: SealingSettings) -> None:
    """Raises what `Transfers.check` raises."""
    if error := error_of(Examination(settings, SystemClock()).look()):
        raise error


def _connected(settings: SealingSettings) -> _Parts:
    """Clients that connect when they are first used."""
    from epay_transfers.ledger.queue.broker import Broker  # noqa: PLC0415 - as in `producers.context`
    from epay_transfers.ledger.queue.wakeups import Wakeups  # noqa: PLC0415 - as above

    ledger = connect(settings.redis_url.reveal(), settings.name_of("REDIS_URL"))
    vault = connect(settings.vault_url.reveal(), settings.name_of("VAULT_URL"))
    queue = connect(settings.queue_url, settings.queue_setting)
    context = Context(
        ledger=Ledger(ledger),
        inboxes=Inboxes(ledger),
        vault=Vault(vault),
        sealer=Sealer(settings.vault_public_key),
        wakeups=Wakeups(Broker(queue, [], {})),
        clock=SystemClock(),
        settings=settings,
    )
    return _Parts(context, OutcomeFeed(ledger), (ledger, vault, queue))


def _each(read: Generator[Outcome, None, None]) -> Iterator[Outcome]:
    step = clear_frames_on_error(lambda: next(read, None))
    with closing(read):
        while (outcome := step()) is not None:
            yield outcome


def _encodable(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a mark in the place of what UTF-8 can't encode: JSON may hold half of a character, which no hash is."""
    texts = {name: text.encode(errors="replace").decode() for name, text in payload.items() if isinstance(text, str)}
    return {**payload, **texts}


def _check_intents(intents: object) -> None:
    """Raises `TypeError`. A single intent can be iterated, and gives its fields."""
    if not isinstance(intents, Sequence):
        raise WrongCall("enqueue_many takes a list of TransferIntent: give [intent], or call enqueue(intent)")
    for intent in intents:
        _check_intent(intent)


def _check_intent(intent: object) -> None:
    """Raises `TypeError`. It names the type alone: what was given may hold a card."""
    if not isinstance(intent, TransferIntent):
        raise WrongCall(
            f"enqueue takes a TransferIntent, and not a {type(intent).__name__}: "
            "give TransferIntent(...), or TransferIntent.model_validate(data) for a dict"
        )


def _check_text(text: object, wanted: str, given_as: str) -> str:
    """Raises `TypeError`. A receipt is what most often stands in a key's place."""
    if not isinstance(text, str):
        raise WrongCall(f"this takes {wanted}, a str, and not a {type(text).__name__}: give {given_as}")
    return text
