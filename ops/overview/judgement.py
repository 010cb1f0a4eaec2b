"""A judgement: one thing that is wrong, how grave it is, the money that it concerns, what is safe, the next command.

`Trouble` is the one list of what can be wrong, the gravest first: its order decides what an operator reads first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.overview.facts import Facts


class Level(IntEnum):
    """The exit status of `transfers overview`."""

    WELL = 0
    ATTENTION = 10
    ACT = 20


class Trouble(StrEnum):
    """What can be wrong, the gravest first: what is a cause stands before what follows from it."""

    LEDGER_AWAY = "ledger_away"
    LEDGER_BACK = "ledger_back"
    LEDGER_FULL = "ledger_full"
    VAULT_BACK = "vault_back"
    VAULT_AWAY = "vault_away"
    SERVERS_WRONG = "servers_wrong"
    NO_WORKER = "no_worker"
    WORKERS_UNFIT = "workers_unfit"
    CONTRADICTION = "contradiction"
    ALARM = "alarm"
    CARDS_LOST = "cards_lost"
    TERMINAL_REFUSED = "terminal_refused"
    BANK_DOWN = "bank_down"
    TRANSFERS_HANG = "transfers_hang"
    QUEUE_AWAY = "queue_away"
    SUFFIXES_OUT = "suffixes_out"
    DOUBT_GROWS = "doubt_grows"
    WORKER_HANGS = "worker_hangs"
    OVERDUE = "overdue"
    PARKED_PILES = "parked_piles"
    BANK_SLOW = "bank_slow"
    BANK_FAILS = "bank_fails"
    PAUSED = "paused"
    WORKER_SILENT = "worker_silent"
    NEEDS_REVIEW = "needs_review"
    DEAD = "dead"
    OUTCOMES_ASIDE = "outcomes_aside"
    LEDGER_FILLS = "ledger_fills"
    SUFFIXES_LOW = "suffixes_low"
    REQUESTS_WAIT = "requests_wait"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Concern:
    """The transfers that a judgement is about: all in some states, or some that are named; and their money."""

    sums: Sequence[screen.Sum]
    states: Sequence[State] = ()
    terminal: str | None = None  #: None: of all
    keys: Sequence[str] = ()  #: where they are named one by one


@dataclass(frozen=True, slots=True)
class Judgement:
    what: Trouble
    level: Level
    says: str  #: one sentence: the cause
    next: str  #: what to do; a command is in backticks
    safe: str = ""
    unsafe: str = ""
    concerns: Concern | None = None  #: None: it is not of money, or that is not known
    setting: str = ""  #: of the server that it is about
    passes: bool = True  #: it may end without a change of settings or servers

    @property
    def command(self) -> str:
        """The command that `next` names; empty where it names none."""
        return self.next.split("`")[1] if self.next.count("`") > 1 else ""

    @property
    def runbook(self) -> str:
        """Where it is explained: a section of the runbook has each `Trouble` as its heading."""
        return f"deploy/runbook.md#{self.what}"


FOR_A_WORKER = tuple(state for state in State if not state.final and state not in {State.NEEDS_REVIEW, State.DEAD})
ON_THE_WAY = (State.SENDING, State.CONFIRMING)
UNKNOWN_MONEY = (State.IN_DOUBT, State.NEEDS_REVIEW)

NOTHING_IS_SENT = "nothing is sent: what waits goes on waiting until its deadline"
DO_NOT_PAY = "do not pay what is in doubt another way, and do not settle it without the bank's word"
_DO_NOT_PAY_WAITING = "do not pay what waits another way: it is sent as well"


def all_in(facts: Facts, *states: State) -> Concern:
    totals = facts.totals
    sums = [] if totals is None else screen.sums(totals.of(*states))
    return Concern(sums, states)


def those_named(facts: Facts, keys: Sequence[str]) -> Concern | None:
    """None where none is named, or one of them is not known."""
    if not keys:
        return None
    named = facts.named or {}
    each = [named.get(key) for key in keys]
    sums: dict[str, screen.Sum] = {}
    for one in each:
        if one is None:
            return None
        known = sums.get(one.currency, screen.Sum(0, 0, one.currency))
        sums[one.currency] = screen.Sum(known.count + 1, known.amount_minor + one.amount_minor, one.currency)
    return Concern(list(sums.values()), keys=keys)


def count_of(facts: Facts, *states: State) -> int:
    totals = facts.totals
    return 0 if totals is None else totals.of(*states).count


def do_not_pay(facts: Facts) -> str:
    """What may not be paid another way now: only that of which there is something. Empty where nothing is there."""
    if facts.totals is None or count_of(facts, *ON_THE_WAY, *UNKNOWN_MONEY):
        return DO_NOT_PAY
    return _DO_NOT_PAY_WAITING if count_of(facts, *FOR_A_WORKER) else ""


def joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def span_of(since_ms: int, facts: Facts) -> str:
    return screen.span(facts.now_ms - since_ms)


#: What the bank's client says of one exchange, for people.
_EXCHANGES = {
    "timeout": "no answer in time",
    "deadline": "no answer in time",
    "connect_timeout": "no connection in time",
    "refused": "the connection is refused",
    "dropped": "the connection was cut",
    "cut": "the answer was cut off",
    "dns": "its name is not found",
    "tls": "no TLS",
    "unreachable": "no route to it",
    "unsendable": "no request can be built for its address",
    "not_json": "the answer is no JSON",
    "html": "the answer is a web page",
}


def in_words(word: str) -> str:
    """A reason in plain words, with the word that logs and records have."""
    if word.startswith("http_"):
        return f"HTTP {word.removeprefix('http_')}"
    return f"{_EXCHANGES[word]}: {word}" if word in _EXCHANGES else word


def first_part(text: str) -> str:
    """A problem without its cure."""
    return text.partition(";")[0]
