"""The custody of the cards: the worker's only way to the vault.

A vault that is away, or in which something is missing, may have lost more than that: every call here remembers it, so
that no older transfer is claimed before this worker has looked whether its card is there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from epay_transfers.ledger.clock import APART_MS, Clock
from epay_transfers.ledger.errors import VaultUnavailable
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved, Run
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import FREE, Content, Fenced, Gone, PutBack, Taken, TakeUnanswered, Vault

#: Until it is told the ledger's time, a worker goes by its machine's, which may be so far off; and a second to spare.
_SKEW_MS = APART_MS + 1_000


class CardCustody:
    def __init__(self, *, vault: Vault, ledger: Ledger, clock: Clock, park_s: int) -> None:
        self.vault = vault
        self._ledger = ledger
        self._clock = clock
        self._park_ms = park_s * 1000
        self._forgot_at = clock.now_ms()  #: what the vault held then it may have forgotten

    def is_card_missing(self, record: Record) -> bool:
        """Is it known to be? A claimed transfer without its card is lost; a queued one can still receive a new card.

        A card that was put in since the vault was last seen to forget is not looked for: it would cost a round trip.
        """
        if not record.wakeups and record.created_at > self._forgot_at + _SKEW_MS:
            return False
        with self._heeded():
            there = self.vault.look(Purpose.CARD, record.key, record.epoch)
        if there in FREE:
            self.forgot()
        return there in FREE or there is Content.CLOSED

    def take(self, purpose: Purpose, record: Record, claim: Moved) -> Taken | Fenced | Gone | TakeUnanswered:
        """Take the card out, or the PaRes: once. `TakeUnanswered`: the vault may have given it out.

        A claim that is on too few replicas sends nothing, and raises no mark: a replica that lacks it has lost nothing.
        """
        asked_at = self._clock.monotonic()
        sequence = 0 if claim.too_few else claim.sequence
        try:
            with self._heeded():
                taken = self.vault.take(purpose, record.key, record.epoch, sequence, claim.claim_nonce)
        except VaultUnavailable:
            return TakeUnanswered()
        if isinstance(taken, Gone) and taken.there in FREE:
            self.forgot()
        return replace(taken, ends_at=asked_at + taken.left_ms / 1000) if isinstance(taken, Taken) else taken

    def put_back(self, record: Record, taken: Taken) -> PutBack:
        """With proof that nothing was sent: the card, or the PaRes, for the next epoch.

        It lives no longer than it had left when it was taken. One whose time is over is gone a millisecond later; its
        tombstone goes with it, so that the transfer expires, and is in no doubt.
        """
        is_card = record.phase is Phase.SEND
        purpose = Purpose.CARD if is_card else Purpose.PARES
        longest_ms = record.deadline_at - self._clock.now_ms() if is_card else self._park_ms
        left_ms = int((taken.ends_at - self._clock.monotonic()) * 1000)
        ttl_ms = max(min(left_ms, longest_ms), 1)
        with self._heeded():
            put_back = self.vault.put_back(purpose, record.key, record.epoch, taken, ttl_ms, record.pares_digest)
        if put_back is PutBack.NOTHING:
            self.forgot()
        return put_back

    def is_untouched(self, record: Record) -> bool:
        """Is the card still there under this epoch? Then nothing was sent, and nothing can be: it goes to the next.

        The vault is held to what the ledger was told of it last: read now, after the record.
        """
        with self._heeded():
            self._learn_what_is_told(self.vault.count())
            return self.vault.refence(Purpose.CARD, record.key, record.epoch)

    def close(self, record: Record) -> bool:
        """Before a transfer ends unsent. False: its card was taken out after all."""
        with self._heeded():
            return self.vault.close(Purpose.CARD, record.key, record.epoch)

    def drop(self, record: Record) -> None:
        with self._heeded():
            self.vault.drop(record.key)

    def was_taken(self, purpose: Purpose, record: Record) -> bool:
        """Does a tombstone say so, under whichever claim?"""
        with self._heeded():
            return self.vault.tombstone(purpose, record.key) is not None

    def was_taken_by_another(self, record: Record) -> bool:
        """Was the card taken out under another claim than the record's last one?"""
        with self._heeded():
            return self.vault.tombstone(Purpose.CARD, record.key) not in {None, record.claim_nonce}

    def was_taken_by_last_claim(self, record: Record) -> bool:
        with self._heeded():
            return self.vault.tombstone(Purpose.CARD, record.key) == record.claim_nonce

    def holds_pares(self, record: Record) -> bool:
        """Does a client's answer lie there for the next try, not taken out yet?"""
        with self._heeded():
            return self.vault.look(Purpose.PARES, record.key, record.epoch + 1) is Content.BLOB

    def answer_digest(self, record: Record) -> str:
        """The digest of the client's answer that lies there for the next try; empty where none does."""
        with self._heeded():
            return self.vault.tag(Purpose.PARES, record.key, record.epoch + 1)

    def high_water(self) -> int:
        """The highest sequence of the ledger that the vault was told of."""
        with self._heeded():
            return self.vault.high_water()

    def raise_mark(self, sequence: int) -> None:
        """An operator is told of the move with this sequence: a ledger that goes back to before it is noticed."""
        with self._heeded():
            self.vault.raise_mark(sequence)

    def observe(self) -> Run:
        """Which run of the vault's server this is, and how many writes it has seen. Often enough, it shows a copy.

        It is held to what the ledger was told of it: another worker may have seen that it went back.
        """
        with self._heeded():
            known = self.vault.seen or self.vault.count()
            self._learn_what_is_told(known)
            run = self.vault.count()
            if run.id != known.id:
                self._learn_what_is_told(run)
                run = self.vault.count()
            return run

    def tell(self) -> None:
        """The ledger keeps what this process was told of the vault's writes, and this process learns what it keeps."""
        with self._heeded():
            self._learn_what_is_told(self.vault.count())
        self.remember()

    def remember(self) -> None:
        """Tell the ledger what this process knows of the vault's writes; of a run that went back, that it did."""
        if self.vault.seen:
            self._ledger.remember_vault(self.vault.seen)

    def _learn_what_is_told(self, run: Run) -> None:
        self.vault.know(Run(run.id, self._ledger.vault_writes(run.id)))

    def holds_since(self, started_at: int) -> None:
        """The vault's server was started at this time (ms), and has lost nothing that it was given since.

        Said of the first run that is seen. So a worker that starts beside a long queue does not look for each card.
        """
        self._forgot_at = started_at

    def forgot(self) -> None:
        """The vault loses everything on restart, so one missing card means that others may be missing."""
        self._forgot_at = self._clock.now_ms()

    @contextmanager
    def _heeded(self) -> Iterator[None]:
        try:
            yield
        except VaultUnavailable:
            self.forgot()
            raise
