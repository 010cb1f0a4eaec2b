"""The errors that a caller may have to handle: one base class, one sentence each. None holds a card or a secret.

TransfersError
 ├─ LedgerUnavailable      the ledger did not answer: the change may be stored or not
 │   └─ LedgerBroken       a part of it can't be written: nothing was changed
 ├─ LedgerWentBack         the ledger has forgotten what this process saw it write
 ├─ RecordUnreadable       a record is not one that this version can read
 ├─ TransferUnknown        a wake-up names a transfer that the ledger does not know
 ├─ TerminalUnknown        the worker has no credentials for a transfer's terminal
 │   └─ SpaceDiffers       the worker has that terminal in another space than the transfer
 ├─ VaultUnavailable       the vault did not answer: the transfer is in the ledger, its card may be missing
 │   └─ VaultWentBack      the vault is an older copy of itself: its content is not used
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


class LedgerUnavailable(TransfersError):
    """The ledger did not answer. The call may have been carried out or not."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger did not answer; the change may or may not be stored: call again with the same reference"
        )


class LedgerWentBack(TransfersError):
    """The ledger lost what it had confirmed to this process: a transfer that was sent may be queued there again."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger has lost data that it had confirmed; this process enqueues nothing more: let an operator "
            "follow the runbook, 'The ledger went back', and then restart this process"
        )


class LedgerBroken(LedgerUnavailable):
    """A part of the ledger has a wrong type, or a counter in it can't be raised. Nothing was changed."""

    def __init__(self, part: str) -> None:
        TransfersError.__init__(
            self,
            f"the ledger's {part} can't be written: they have a wrong type, or a number is missing or too high; "
            "nothing was changed: see the runbook, 'A part of the ledger is broken'",
        )
        self.part = part


class RecordUnreadable(TransfersError):
    """The record under this key can't be read: another version wrote it, or a person changed it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the record of {key} can't be read: {why}; {UNREADABLE_CURE}")
        self.key = key
        self.why = why


class VaultUnavailable(TransfersError):
    """The vault did not answer. `receipt`, if set, is that of the transfer whose card may be missing."""

    def __init__(self, receipt: object = None) -> None:
        super().__init__(
            "the vault did not answer; the transfer is accepted but its card may be missing: "
            "call again with the same reference before its deadline"
        )
        self.receipt = receipt


class VaultWentBack(VaultUnavailable):
    """The vault's machine was restored from an older copy. The vault counts as away until its server restarts."""

    def __init__(self, receipt: object = None) -> None:
        super().__init__(receipt)
        self.args = (
            "the vault has lost writes that it had confirmed: restart its server, which empties it; see the runbook",
        )
