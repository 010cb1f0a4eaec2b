"""What the model explores: one transfer, and everything that can touch it, as one immutable value.

A `World` is a tuple of small tuples, so that it can be a key of the explorer's index, and a step shares with the world
before it all that it left alone. Words are plain strings: a trace reads by itself, and their hashes are cached.

These abstractions keep the space small:

- No message: a wake-up may come at any moment, which covers lost, doubled, late and old ones.
- No clock: a lease, a deadline, a life in the vault may be thought over at any moment. Only the horizon of a doubt, and
  with `leases_are_true` the end of a lease, have a true moment, since rules rest on them.
- One question after the horizon stands for the row of DOUBT_READS, and its "not found" may be untrue.
- A claim's nonce is its epoch, and whether the ledger had gone back by then: no two claims share both.
- The record's version is the state and the evidence that were seen: under one epoch nothing else comes back.
- A server goes back once. The vault's count of writes begins at its copy and stops at 7.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

NOT_THERE: Final = "none"  #: the ledger knows no such transfer
QUEUED: Final = "queued"
SENDING: Final = "sending"
PARKED: Final = "parked"
RESUMED: Final = "resumed"
CONFIRMING: Final = "confirming"
IN_DOUBT: Final = "in_doubt"
NEEDS_REVIEW: Final = "needs_review"
DEAD: Final = "dead"
PAID: Final = "paid"
DECLINED: Final = "declined"
EXPIRED: Final = "expired"
CANCELLED: Final = "cancelled"

FINAL: Final = frozenset({PAID, DECLINED, EXPIRED, CANCELLED})
UNFINISHED: Final = frozenset({QUEUED, SENDING, PARKED, RESUMED, CONFIRMING, IN_DOUBT, NEEDS_REVIEW, DEAD})

SEND: Final = "send"
CONFIRM: Final = "confirm"

NOT_SENT: Final = "not_sent"
MAYBE_SENT: Final = "maybe_sent"

NOTHING: Final = "nothing"
BLOB: Final = "blob"
TOMBSTONE: Final = "tombstone"
CLOSED: Final = "closed"

UNKNOWN: Final = "not found"  #: the bank's words
OPEN: Final = "3-D Secure open"
EXECUTED: Final = "paid"
REJECTED: Final = "not paid"

#: An epoch is *card generation . try* in one number; so many tries fit beside a generation.
GENERATION: Final = 8


class Record(NamedTuple):
    """The ledger's record of the transfer."""

    state: str = NOT_THERE
    epoch: int = 0
    phase: str = SEND
    evidence: str = ""  #: what is known of the last attempt, while it is in doubt
    nonce: int = 0  #: of the last claim, while it may matter
    is_past_horizon: bool = False
    is_due: bool = False
    was_refused: bool = False  #: a bank's answer was refused while the transfer was unfinished: never allowed


class Place(NamedTuple):
    """What stands in the vault for a card, or a PaRes."""

    kind: str = NOTHING
    epoch: int = 0
    nonce: int = 0  #: a tombstone's: of the claim that taken
    is_foreign: bool = False  #: another run of the server wrote it
    is_wrong: bool = False  #: a PaRes that the bank will reject: a client may send two


class Vault(NamedTuple):
    """Both places, and how many scripts wrote since the copy of the vault was made (see `Copy`)."""

    card: Place = Place()
    pares: Place = Place()
    writes: int = 0


class Bank(NamedTuple):
    """The bank's books, and requests whose sender is gone: they may reach it at any later time, or never."""

    word: str = UNKNOWN
    executions: int = 0
    late_sends: int = 0
    late_confirms: int = 0
    late_wrong_confirms: int = 0


class Worker(NamedTuple):
    """A worker: the step that it takes next, and what it holds in its memory."""

    step: str = ""
    phase: str = SEND
    epoch: int = 0
    nonce: int = 0
    is_wrong: bool = False
    is_late: bool = False  #: its lease is over in truth, whatever its clock says
    writes: int = 0  #: the vault's count that it was told


class Other(NamedTuple):
    """A sweeper, a producer's call, a web tier's call, a canceller, an operator."""

    step: str = ""
    epoch: int = 0
    is_wrong: bool = False
    seen: str = ""  #: the state that it saw, where its move compares the version
    writes: int = 0  #: the vault's count that the ledger knew when this one read it


class Past(NamedTuple):
    """What may come back: a copy of the vault, a copy of the ledger's record, and what became of them."""

    vault: Vault | None = None
    vault_state: str = ""  #: `` no copy yet, `copied`, `back`
    ledger: Record | None = None
    ledger_state: str = ""
    known_writes: int = 0  #: the highest count of the vault's writes that the ledger was told
    burnt_at: int = 0  #: the vault's count at its last take: only a law and the window's guard look at it


class World(NamedTuple):
    """One transfer and all that can touch it."""

    record: Record
    vault: Vault
    bank: Bank
    workers: tuple[Worker, ...]
    sweepers: tuple[Other, ...]
    producers: tuple[Other, ...]
    web: tuple[Other, ...]
    canceller: Other
    operator: Other
    past: Past
    sent: int = 0  #: transfers that were handed to a socket, less those proved not to have been
    confirmed: int = 0


#: A label, the world after it, and whether it is a step that must come some day (a crash need not).
Step = tuple[str, World, bool]

GONE: Final = Other()
IDLE: Final = Worker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The protocol. Each rule can be switched off, to see why it is there."""

    # producers
    card_again_takes_generation: bool = True
    generation_is_no_try: bool = True
    put_is_said_once: bool = True
    # answers and results
    late_answers_count: bool = True
    later_answers_count: bool = True
    results_compare_epoch: bool = True  #: and the phase
    requeue_compares_epoch: bool = True
    # the vault
    take_compares_epoch: bool = True
    refence_may_repeat: bool = True
    foreign_blob_proves_nothing: bool = True
    writes_are_compared: bool = True
    writers_are_compared_too: bool = True
    unburn_compares: bool = True
    unburn_needs_tombstone: bool = True
    confirm_is_never_refenced: bool = True
    fenced_confirm_is_requeued: bool = True  #: its PaRes is kept for a later epoch: so it goes to the next one
    ending_closes_vault: bool = True
    revive_refences: bool = True
    # doubt
    inquiry_compares_epoch: bool = True
    expire_compares_epoch: bool = True
    open_challenge_never_parks: bool = True
    open_challenge_waits_for_horizon: bool = True
    open_challenge_looks_for_confirm: bool = True
    question_after_horizon: bool = True
    nothing_is_no_proof: bool = True
    silence_is_no_proof: bool = True
    die_compares_version: bool = True
    sweep_compares_version: bool = True
    proof_names_its_claim: bool = True
    burnt_by_me_is_not_sent: bool = True
    tombstones_name_their_claim: bool = True
    # 3-D Secure
    resume_raises_epoch: bool = True
    pares_before_resume: bool = True
    # the sweeper and time
    sweeper_peeks: bool = True
    deadline_from_lease: bool = True
    ledger_time_decides: bool = True
    # not in the protocol: what else may help
    late_not_sent_counts: bool = False
    own_claim_is_compared: bool = False  #: after each take, with the ledger's present sequence (not reached again yet)
    worker_says_it_was_fenced: bool = False
    close_hears_any_tombstone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which part of the space is explored, and which trouble there is in it."""

    tries: int = 3
    generations: int = 0
    workers: int = 2
    sweepers: int = 1
    producers: int = 1
    web: int = 0
    has_3ds: bool = False
    can_cancel: bool = False
    has_operator: bool = False
    can_crash: bool = True
    can_repeat: bool = True  #: a script's reply may be lost, so that it is said again
    can_time_out: bool = True
    card_times_out: bool = True
    vault_forgets: bool = True
    vault_goes_back: str = ""  #: `` never, `other_run`, `same_run`
    told_before_going_back: bool = True  #: with `same_run`: the ledger knows a count not lower than the last take's
    counts_are_fresh: bool = (
        True  #: with `same_run`: a caller reads the count that the ledger knows right before it passes it
    )
    others_write: int = 0  #: with `same_run`: so many writes of other transfers, after the vault went back
    ledger_goes_back: str = ""  #: `` never, `one_step`, `anywhere`, `before_create`
    in_hand: str = ""  #: with `ledger_goes_back`: `workers` or `all` processes may have the transfer in hand then
    leases_are_true: bool = False  #: a lease is thought over only when it is (L8, L9); else at any moment
    workers_are_prompt: bool = False  #: no lease ends while its worker lives
    clock_jumps: bool = False  #: one process thinks a horizon over at any moment


def start(scope: Scope) -> World:
    return World(
        record=Record(),
        vault=Vault(),
        bank=Bank(),
        workers=(IDLE,) * scope.workers,
        sweepers=(GONE,) * scope.sweepers,
        producers=(GONE,) * scope.producers,
        web=(GONE,) * scope.web,
        canceller=GONE,
        operator=GONE,
        past=Past(),
    )
