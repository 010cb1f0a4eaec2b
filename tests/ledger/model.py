"""The protocol once more, in plain Python from the design's text: what ledger, vault and bank must say of one transfer.

It does no I/O and borrows nothing from the product but the numbers of epochs. The machine holds the real scripts to it.
"""

from dataclasses import dataclass, field
from typing import Literal

from tests.support.state_table import (
    ADVANCE,
    AS_SEEN,
    ENTERS,
    FINAL_NAMES,
    KEEPS_DUE,
    LATE,
    PHASE,
    TABLE,
    UNLESS_PAID,
    cells,
)

GENERATION = 1_000_000

Kind = Literal["nothing", "stale", "blob", "tombstone", "closed"]
Request = Literal["transfer", "confirm"]

_CELLS = {verb: cells(lines) for verb, lines in TABLE.items()}


@dataclass
class Place:
    """One place in the vault: the cards, or the PaRes. Each method is a rule, and says what the script must answer."""

    kind: Kind = "nothing"
    epoch: int = 0
    tag: str = ""  #: of a blob its tag, of a tombstone the nonce of the claim

    @property
    def is_free(self) -> bool:
        return self.kind in {"nothing", "stale"}

    def set(self, kind: Kind, epoch: int = 0, tag: str = "") -> None:
        self.kind, self.epoch, self.tag = kind, epoch, tag

    def go_back(self, copy: "Place") -> None:
        """The server comes up from a copy: its blobs are another run's."""
        self.set("stale" if copy.kind == "blob" else copy.kind, copy.epoch, copy.tag)

    def put(self, epoch: int, tag: str, *, over: bool) -> str:
        if self.is_free or (over and self.kind == "blob" and self.epoch < epoch):
            self.set("blob", epoch, tag)
            return "STORED"
        return "SAME" if tag and (self.kind, self.epoch, self.tag) == ("blob", epoch, tag) else "PRESENT"

    def take(self, epoch: int, nonce: str) -> str:
        if (self.kind, self.epoch, self.tag) == ("tombstone", epoch, nonce):
            return "unheard"
        if self.kind == "blob" and self.epoch == epoch:
            self.set("tombstone", epoch, nonce)
            return "taken"
        return "later" if self.kind == "blob" and self.epoch > epoch else self.kind

    def refence(self, epoch: int) -> bool:
        if self.kind == "blob" and self.epoch == epoch:
            self.epoch += 1
            return True
        is_later_try = self.epoch > epoch and self.epoch // GENERATION == epoch // GENERATION
        return self.kind == "blob" and is_later_try

    def put_back(self, epoch: int, nonce: str, tag: str) -> str:
        if (self.kind, self.epoch, self.tag) == ("tombstone", epoch, nonce):
            self.set("blob", epoch + 1, tag)
            return "OK"
        if self.kind == "blob" and self.epoch == epoch + 1:
            return "ALREADY"
        return "NOTHING" if self.is_free else "OTHER"

    def close(self, epoch: int) -> bool:
        if self.kind == "tombstone":
            return False
        if self.kind == "blob" and self.epoch >= epoch:
            self.epoch += 1
        elif self.is_free:
            self.set("closed", epoch)
        return True

    def drop(self) -> None:
        if self.kind in {"blob", "stale"}:
            self.set("closed", self.epoch)

    def time_out(self) -> None:
        if self.kind in {"blob", "stale"}:
            self.set("nothing")


@dataclass
class BankBook:
    """What the bank has heard of one invoice, and done. It is a naive one: it would execute the same order twice."""

    mood: str  #: what it would do with the transfer, undisturbed
    word: Literal["unheard", "open", "paid", "rejected", "given_back"] = "unheard"
    executed: int = 0
    sent: dict[Request, int] = field(default_factory=lambda: {"transfer": 0, "confirm": 0})
    late: list[Request] = field(default_factory=list)  #: requests under way whose sender no longer listens

    def receive(self, request: Request, how: str) -> str:
        """What it answers. `how` is its mood, where it has a choice."""
        if request == "confirm" and self.word != "open":
            return "paid" if self.word in {"paid", "given_back"} else "rejected"
        if how == "challenges" and self.word == "unheard":
            self.word = "open"
            return "challenge"
        if how == "rejects" and self.word in {"unheard", "open"}:
            self.word = "rejected"
            return "rejected"
        self.word = "paid"
        self.executed += 1
        return "paid"


@dataclass
class TransferModel:
    key: str
    due: int | None
    bank: BankBook
    state: str = "queued"
    phase: str = "send"
    epoch: int = GENERATION + 1
    version: int = 1
    is_aged: bool = False  #: in doubt, and past the horizon
    is_noted: bool = False  #: the bank's proved notification that it paid is kept
    card: Place = field(default_factory=Place)
    pares: Place = field(default_factory=Place)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_NAMES

    def move(self, verb: str, epoch: int, version: int, due: int | None, *, quiet: bool = False) -> bool:
        """May the move be made? Then it is."""
        if self.refusal(verb, epoch, version):
            return False
        self.state = _CELLS[verb][self.state]
        self.phase = ENTERS.get(verb, self.phase)
        match ADVANCE.get(verb):
            case "try":
                self.epoch += 1
            case "given":
                self.epoch = epoch
            case "generation":
                self.epoch = (self.epoch // GENERATION + 1) * GENERATION + 1
        self.version += not quiet
        self.due = self.due if verb in KEEPS_DUE else due
        self.is_noted = (self.is_noted or verb == "keep_notification") and not self.is_final  # it goes with the end
        self.is_aged = self.is_aged and self.state == "in_doubt"
        return True

    def refusal(self, verb: str, epoch: int, version: int) -> str:
        """Empty: it may be made."""
        is_epoch = epoch == self.epoch or (verb in LATE and epoch > self.epoch)
        is_seen = verb not in AS_SEEN or version == self.version
        is_phase = PHASE.get(verb, self.phase) == self.phase
        if self.state not in _CELLS[verb] or not (is_epoch and is_seen and is_phase):
            return "refused"
        return "noted" if verb in UNLESS_PAID and self.is_noted else ""

    def wrongs(self) -> list[str]:
        """What must never be, whatever happens. Empty: all is well."""
        bank = self.bank
        claims = {
            "the bank executed it twice": bank.executed > 1,
            "two transfers were sent without proof that the first was not": bank.sent["transfer"] > 1,
            "a PaRes was sent twice": bank.sent["confirm"] > 1,
            f"{self.state}, but the bank executed it": bool(bank.executed)
            and self.state in {"declined", "expired", "cancelled", "dead"},
            f"{self.state}, but the bank never executed it": not bank.executed and self.state in {"paid", "reversed"},
            "queued, although it was sent": bool(bank.sent["transfer"]) and self.state == "queued",
            f"{self.state}, although a confirm was sent": bool(bank.sent["confirm"])
            and self.state in {"parked", "resumed"},
            "unfinished and due differ": (self.due is None) != self.is_final,
        }
        return [claim for claim, is_so in claims.items() if is_so]
