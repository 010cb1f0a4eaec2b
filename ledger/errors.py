"""The errors that a caller may have to handle: one base class, one sentence each. None holds a card or a secret.

TransfersError
 ├─ ServerUnavailable      a server could not be used: its sentence names the setting, the host and why
 │   ├─ LedgerUnavailable  the ledger's: a change may be stored or not
 │   │   └─ LedgerBroken   a part of it can't be written: nothing was changed
 │   │       └─ LedgerFormat  it is in the format of another version: nothing was changed
 │   ├─ VaultUnavailable   the vault's: the transfer is in the ledger, its card may be missing
 │   │   └─ VaultWentBack  the vault is an older copy of itself: its content is not used
 │   └─ QueueUnavailable   the queue's: no transfer depends on it
 ├─ ServerProblem          why a server could not be used, in our own words: the cause of a `ServerUnavailable`
 ├─ LedgerWentBack         the ledger has forgotten what this process saw it write
 ├─ RecordUnreadable       a record is not one that this version can read
 ├─ TransferUnknown        a wake-up names a transfer that the ledger does not know
 ├─ TerminalUnknown        the worker has no credentials for a transfer's terminal
 │   └─ SpaceDiffers       the worker has that terminal in another space than the transfer
 └─ (producers.errors)     what a producer's intent can be refused for

Two are no `TransfersError`: `WrongCall`, a `TypeError` of the caller's, and `InternalError`, a bug.
"""

from collections.abc import Sequence

#: What to do about a record that can't be read.
UNREADABLE_CURE = "run the version that wrote it"


class TransfersError(Exception):
    """The base of every error that this project raises on purpose."""


class WrongCall(TypeError):
    """A public call was given what it does not take. The sentence names types and fields, never a value."""


class InternalError(RuntimeError):
    """A bug of ours, or of a library. What it said is left out, since it may hold the value that it broke on.

    `kind` is the type of the error, `places` are where it was raised, outermost first. Unknown is never failure: a
    transfer may be stored.
    """

    def __init__(self, kind: str, places: Sequence[str]) -> None:
        where = f" at {places[-1]}" if places else ""
        super().__init__(
            f"an unexpected {kind}{where}; its text is left out, since it may hold card data; what was asked may or "
            "may not be done: call again with the same reference, and report this"
        )
        self.kind = kind
        self.places = tuple(places)


class TransferUnknown(TransfersError):
    """A wake-up names a transfer that the ledger does not know: a foreign message, or the ledger lost its data."""

    def __init__(self) -> None:
        super().__init__("the ledger does not know the transfer that this wake-up names")


class TerminalUnknown(TransfersError):
    """The worker has no credentials for the terminal of a transfer."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no credentials for terminal {name}, but transfers are waiting for it: add them to EPAY_CREDENTIALS"
        )


class SpaceDiffers(TerminalUnknown):
    """A transfer and this worker's settings name different spaces for its terminal: the worker does not send it."""

    def __init__(self, name: str, space: str) -> None:
        TransfersError.__init__(
            self,
            f"EPAY_TERMINALS: a transfer of terminal {name} is in space {space}, but this worker has that terminal in "
            "another space; give producers and workers the same setting",
        )


class ServerProblem(TransfersError):
    """Why a server could not be used. All words are ours: what the server said may repeat what it was sent.

    It is for people and for exit statuses. It never proves that nothing was stored.
    """

    def __init__(self, setting: str, problem: str, cure: str, *, reason: str = "", is_passing: bool) -> None:
        """`setting` holds the server's address, and may be unknown (""). `is_passing`: to wait may help."""
        super().__init__(": ".join(part for part in (setting, f"{problem}; {cure}") if part))
        self.setting = setting
        self.problem = problem
        self.cure = cure
        self.reason = reason
        self.is_passing = is_passing


class ServerUnavailable(TransfersError):
    """A server could not be used. `problem`, if known, says why, and is also the `__cause__`.

    What was asked may be done or not, whatever the problem is. `reading`: nothing was to be changed.
    """

    server = "a server"

    def __init__(self, problem: ServerProblem | None = None, *, reading: bool = False) -> None:
        self.why = str(problem) if problem else f"{self.server} did not answer"
        super().__init__(self.why if reading else f"{self.why}; {self._after()}")
        self.problem = problem
        self.is_reading = reading
        self.__cause__ = problem

    def _after(self) -> str:
        """What is unknown after it, and what to do."""
        return "what was asked may or may not be done: call again"

    @property
    def is_passing(self) -> bool:
        """May it end by itself? Then the same call may work later."""
        return self.problem is None or self.problem.is_passing


class LedgerUnavailable(ServerUnavailable):
    """The ledger could not be used. The call may have been carried out or not."""

    server = "the ledger"

    def _after(self) -> str:
        return "the change may or may not be stored: call again with the same reference"


class QueueUnavailable(ServerUnavailable):
    """The queue could not be used. Every transfer is in the ledger, and the sweeper sends its wake-up again."""

    server = "the queue"


class LedgerWentBack(TransfersError):
    """The ledger lost what it had confirmed to this process: a transfer that was sent may be queued there again."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger has lost data that it had confirmed; this process enqueues nothing more: let an operator "
            "follow the runbook, 'The ledger went back', and then restart this process"
        )


class ReferenceLost(LedgerWentBack):
    """The ledger lost a transfer that the bank executed, and this reference may be its. Nothing was stored."""

    def __init__(self, invoice_id: str) -> None:
        Exception.__init__(
            self,
            f"the bank executed the transfer {invoice_id}, whose record the ledger lost, and this may be its "
            "reference: do not pay it again, under no reference; let an operator find out what it was",
        )


class LedgerBroken(LedgerUnavailable):
    """A part of the ledger has a wrong type, or a counter in it can't be raised. Nothing was changed."""

    def __init__(self, part: str) -> None:
        super().__init__(reading=True)
        sentence = (
            f"the ledger's {part} can't be written: they have a wrong type, or a number is missing or too high; "
            "nothing was changed: see the runbook, 'A part of the ledger is broken'"
        )
        self.args, self.why = (sentence,), sentence
        self.part = part

    @property
    def is_passing(self) -> bool:
        """A person has to mend it."""
        return False


class LedgerFormat(LedgerBroken):
    """The ledger is in the format of another version, which keeps its pauses elsewhere. Nothing was changed."""

    def __init__(self, found: str, own: str) -> None:
        super().__init__("format")
        if (len(found), found) < (len(own), own):
            self.what = (
                f"the ledger is in format {found}, of an older version, and this version uses format {own}: it would "
                "not see the pauses that stand there, so it sends and stores nothing"
            )
            self.cure = (
                "stop every worker, producer and web tier, and run `transfers upgrade` once: see UPGRADING.md, 'The "
                "format of a ledger'"
            )
        else:
            self.what = (
                f"the ledger is in another format than {own}, which this version uses: it sends and stores nothing"
            )
            self.cure = "run the newer version that wrote it"
        self.why = f"{self.what}; {self.cure}"
        self.args = (self.why,)


class RecordUnreadable(TransfersError):
    """The record under this key can't be read: another version wrote it, or a person changed it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the record of {key} can't be read: {why}; {UNREADABLE_CURE}")
        self.key = key
        self.why = why


class VaultUnavailable(ServerUnavailable):
    """The vault could not be used. `receipt`, if set, is that of the transfer whose card may be missing."""

    server = "the vault"

    def __init__(self, receipt: object = None, *, problem: ServerProblem | None = None, reading: bool = False) -> None:
        self.receipt = receipt
        super().__init__(problem, reading=reading)

    def _after(self) -> str:
        if self.receipt is None:
            return super()._after()
        return (
            "the transfer is accepted but its card may be missing: call again with the same reference before its "
            "deadline"
        )


class VaultWentBack(VaultUnavailable):
    """The vault's machine was restored from an older copy. The vault counts as away until its server restarts."""

    def __init__(
        self,
        receipt: object = None,
        *,
        problem: ServerProblem | None = None,
        reading: bool = False,  # noqa: ARG002 - as its base; it says the same after either
    ) -> None:
        super().__init__(receipt, problem=problem)
        self.args = (
            "the vault has lost writes that it had confirmed: restart its server, which empties it; see the runbook",
        )
