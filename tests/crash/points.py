"""The named points at which a process is killed: before and after each step of a journey, a sweep, a producer's verb.

A point is a method of a real part. `work` says which transfers lead there, `env` what the process must be told for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from epay_transfers.ledger.queue.wakeups import Wakeups
from epay_transfers.ledger.states import Verb
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.vault.sealing import Opener, Purpose
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.worker.bank import Bank
from epay_transfers.worker.bank.attempt import WatchedPlain
from epay_transfers.worker.sweeper import Sweeper

Role = Literal["worker", "backend", "web", "cancel", "ops"]

#: Nobody listens there: a request that is proved not to have been sent.
_NOWHERE = "http://127.0.0.1:1/nobody"


@dataclass(frozen=True)
class Step:
    """A method; where one method is several steps, the argument that says which."""

    part: type[Any]
    method: str
    word: str = ""

    def __post_init__(self) -> None:
        if not hasattr(self.part, self.method):
            raise AttributeError(f"{self.part.__name__} has no {self.method}: name the method of today")

    @property
    def name(self) -> str:
        return f"{self.part.__name__}.{self.method}" + (f":{self.word}" if self.word else "")

    def is_meant(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        said = {str(value) for value in (*args, *kwargs.values())}
        if self.word.startswith("/"):
            return any(value.endswith(self.word) for value in said)
        return not self.word or self.word in said


@dataclass(frozen=True)
class Way:
    """Steps that transfers of one kind come by, one after the other."""

    work: str  #: what kind of transfers; see `situations`
    steps: tuple[Step, ...]
    role: Role = "worker"
    together: int = 5  #: so many transfers stand at the point when it strikes, each in a call of its own
    batch: int = 1  #: or in one call all of them
    env: dict[str, str] = field(default_factory=dict)


def _moves(*verbs: Verb) -> tuple[Step, ...]:
    return tuple(Step(Ledger, "move", verb) for verb in verbs)


_SEND = (
    Step(Ledger, "get"),
    Step(Bank, "token"),
    Step(Ledger, "claim"),
    Step(Vault, "take", Purpose.CARD),
    Step(Opener, "open", Purpose.CARD),
    Step(Bank, "transfer"),
    Step(WatchedPlain, "request", "/transfer"),  # after it: sent, and nothing heard
)
_CONFIRM = (
    Step(Ledger, "challenge"),
    Step(Ledger, "claim", "confirm"),
    Step(Vault, "take", Purpose.PARES),
    Step(Opener, "open", Purpose.PARES),
    Step(Bank, "confirm"),
    Step(WatchedPlain, "request", "/confirm"),
)
_INBOX = (Step(Inboxes, "take"), Step(Wakeups, "send"), Step(Inboxes, "done"))
_GIVE_BACK = Step(Vault, "put_back")

WAYS = (
    Way("pays", (*_SEND, *_moves(Verb.PAY))),
    Way("declines", _moves(Verb.DECLINE)),
    Way("challenges", _moves(Verb.PARK)),
    Way("silent", _moves(Verb.DOUBT)),
    Way("pays", (_GIVE_BACK, *_moves(Verb.REQUEUE)), env={"EPAY_TRANSFER_URL": _NOWHERE}),
    Way("pays", _moves(Verb.FAIL_CLAIMED), env={"EPAY_TRANSFER_URL": _NOWHERE, "RETRY_ATTEMPTS": "1"}),
    Way("pays", _moves(Verb.DEFER), env={"EPAY_TOKEN_URL": _NOWHERE}),
    Way("pays", _moves(Verb.FAIL_QUEUED), env={"EPAY_TOKEN_URL": _NOWHERE, "RETRY_ATTEMPTS": "1"}),
    Way("late", (Step(Vault, "close"), *_moves(Verb.EXPIRE), Step(Vault, "drop"))),
    Way("answered", (*_CONFIRM, *_moves(Verb.PAY))),
    Way("answered", (Step(Vault, "put_back"), *_moves(Verb.REQUEUE_CONFIRM)), env={"EPAY_CONFIRM_URL": _NOWHERE}),
    Way("asked", (Step(Bank, "status"), *_moves(Verb.INQUIRY_PAID))),
    Way("asked-declined", _moves(Verb.INQUIRY_DECLINED)),
    Way("asked-unheard", _moves(Verb.INQUIRY_INCONCLUSIVE), env={"DOUBT_HORIZON": "86400"}),
    Way("asked-unheard", _moves(Verb.SEND_TO_REVIEW), env={"EPAY_STATUS_URL": "none"}),
    Way("asked-open", _moves(Verb.CHALLENGE_EXPIRED)),
    Way("dead-asked", (Step(Vault, "refence"), *_moves(Verb.REQUEUE_DEAD))),
    Way("forgotten-late", _moves(Verb.FOUND_TAKEN), together=10),
    Way("dead-forgotten", _moves(Verb.FOUND_TAKEN)),
    Way("answered-forgotten", _moves(Verb.FOUND_TAKEN_CONFIRM), env={"EPAY_STATUS_URL": "none"}),
    Way("left", (Step(Sweeper, "run_once"), Step(Ledger, "move_many"), Step(Wakeups, "send_all")), together=1, batch=5),
    Way(
        "new",
        (Step(Ledger, "create"), Step(Vault, "put_cards"), Step(Wakeups, "send_all")),
        "backend",
        together=1,
        batch=5,
    ),
    Way("parked", (Step(Vault, "put"), Step(Inboxes, "put")), "web"),
    Way("answered", _INBOX + _moves(Verb.RESUME), together=1, batch=5),
    Way("dead-requested", _INBOX + _moves(Verb.REQUEST), together=1, batch=5),
    Way("queued", (Step(Vault, "close"), *_moves(Verb.CANCEL), Step(Vault, "drop")), "cancel"),
    Way("forgotten", _moves(Verb.FOUND_TAKEN), "cancel", together=10),
    Way("unanswered", _moves(Verb.REQUEST), "cancel", together=10),
    Way("dead", (Step(Inboxes, "put"),), "ops", together=10),
)
STEPS = {(way.work, way.role, step.name): step for way in WAYS for step in way.steps}
