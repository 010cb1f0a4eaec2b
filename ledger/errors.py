"""The errors that a caller may have to handle: one base, a sentence each. None holds a card, a secret or an address.

TransfersError
 ├─ LedgerUnavailable      the ledger could not be asked: what was said may be stored
 │   └─ LedgerBroken       a part of it can't be written: nothing was changed
 ├─ LedgerWentBack         the ledger has forgotten what this process saw it write
 ├─ RecordUnreadable       a record is not one that this version can read
 ├─ TransferUnknown        a message rings for what the ledger does not know
 ├─ TerminalUnknown        the worker holds no credentials of a transfer's terminal
 │   └─ SpaceDiffers       the worker has that terminal in another space than the transfer
 ├─ VaultUnavailable       the vault could not be asked: the transfer is in the ledger, its card may be missing
 │   └─ VaultWentBack      the vault is an older copy of itself: nothing that stands there is believed
 └─ (producers.errors)     what a producer's intent can be refused for
"""

#: What to do about a record that can't be read.
UNREADABLE_CURE = "run the version that wrote it"


class TransfersError(Exception):
    """The base of every error that this project raises on purpose."""


class TransferUnknown(TransfersError):
    """A message rings for a transfer that the ledger does not know: somebody else's message, or the ledger forgot."""

    def __init__(self) -> None:
        super().__init__("the ledger does not know the transfer that this message rings for")


class TerminalUnknown(TransfersError):
    """A transfer is of a terminal that this worker holds no credentials of."""

    def __init__(self, name: str) -> None:
        super().__init__(f"EPAY_CREDENTIALS: lacks the terminal {name}, of which transfers wait; put it back")


class SpaceDiffers(TerminalUnknown):
    """A transfer is in another space than the one in which this worker has its terminal: nothing is sent of it."""

    def __init__(self, name: str, space: str) -> None:
        TransfersError.__init__(
            self,
            f"EPAY_TERMINALS: a transfer of the terminal {name} is in the space {space}, and here that terminal is in "
            "another one; give producers and workers the same",
        )


class LedgerUnavailable(TransfersError):
    """The ledger did not answer. Whether the call was carried out is not known."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger did not answer; what was asked may or may not be stored: call again with the same reference"
        )


class LedgerWentBack(TransfersError):
    """The ledger has forgotten what this process saw it write: a transfer that was sent may be queued there again."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger has forgotten what it confirmed before; this process enqueues nothing more: "
            "let an operator follow the runbook, 'The ledger went back', and restart this process then"
        )


class LedgerBroken(LedgerUnavailable):
    """A part of the ledger is of a wrong type, or a number in it can't be raised. Nothing was changed."""

    def __init__(self, part: str) -> None:
        TransfersError.__init__(
            self,
            f"the ledger's {part} can't be written: they are of a wrong type, or a number is none or too high; "
            "nothing was changed: see the runbook, 'A part of the ledger is broken'",
        )


class RecordUnreadable(TransfersError):
    """The ledger has a record under this key, and this version can't read it: another version wrote it, or a person."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the record of {key} can't be read: {why}; {UNREADABLE_CURE}")
        self.key = key
        self.why = why


class VaultUnavailable(TransfersError):
    """The vault did not answer. `receipt`, where there is one, is of the transfer that waits for its card."""

    def __init__(self, receipt: object = None) -> None:
        super().__init__(
            "the vault did not answer; the transfer is accepted but its card may be missing: "
            "call again with the same reference before its deadline"
        )
        self.receipt = receipt


class VaultWentBack(VaultUnavailable):
    """The vault's machine was put back to an older copy of its memory. It is as if it were away, until a restart."""

    def __init__(self, receipt: object = None) -> None:
        super().__init__(receipt)
        self.args = ("the vault knows less than it knew before: restart its server, which empties it; see the runbook",)
