"""Exit statuses, and the sentence for each error: the command never ends with a traceback.

With `--json` an error is an object on standard error: standard output has a command's whole answer, or nothing of it.
"""

import re
from enum import IntEnum
from typing import Any

from epay_transfers.ledger.errors import LedgerBroken, ServerUnavailable, TransfersError, VaultWentBack
from epay_transfers.ops import typed
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong

#: `EX_TEMPFAIL`: a server is away, or no worker did it in time; the same command may work later.
EX_TEMPFAIL = 75


class ExitStatus(IntEnum):
    """Every status that a command ends with; the table of docs/command-line.md is made from it."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    ATTENTION = 10
    ACT = 20
    NOT_WRITTEN = 74
    LATER = EX_TEMPFAIL
    SETTINGS = EX_CONFIG
    INTERRUPTED = 130
    READER_GONE = 141

    @property
    def means(self) -> str:
        return _MEANS[self]

    @property
    def next(self) -> str:
        """What to do, where the error's sentence names no command."""
        return _NEXT.get(self, "")


_MEANS = {
    ExitStatus.DONE: "done; of `overview` and `doctor`: all is well",
    ExitStatus.REFUSED: "refused, and the sentence says why; or `audit` or `scan` found something",
    ExitStatus.USAGE: "wrong usage: nothing was done",
    ExitStatus.ATTENTION: "`overview`, `reconcile`: something wants attention",
    ExitStatus.ACT: "`overview`: an operator has to act now; `reconcile`, `recover`: money moved at the bank "
    "that the ledger does not know of",
    ExitStatus.NOT_WRITTEN: "what it printed could not be written (a full disk), though what it was to do may be done",
    ExitStatus.LATER: "a server is away, no worker did it in time, or a second operator is needed; of `doctor`: all "
    "findings may end without a change of settings or servers",
    ExitStatus.SETTINGS: "settings, a server that no waiting brings back, or a finding of `doctor`",
    ExitStatus.INTERRUPTED: "Ctrl-C",
    ExitStatus.READER_GONE: "what read its output has ended (`| head`)",
}

_NEXT = {
    ExitStatus.REFUSED: "do what the sentence says; the same command is refused again",
    ExitStatus.LATER: "`transfers overview` says what is away; the same command may work later",
    ExitStatus.SETTINGS: "change what the sentence names; `transfers doctor` says whether all is well then",
    ExitStatus.INTERRUPTED: "what was asked for stays asked for: `transfers status KEY` says what came of it",
}

_COMMAND = re.compile(r"`([^`]+)`")


class Refusal(TransfersError):
    """The command can't do what it was asked to; the sentence says why, and what is possible."""


class NotYet(TransfersError):
    """The result has not come yet, but still may."""


class Misconfigured(TransfersError):
    """Settings or keys are at odds; no waiting mends that."""


def status_of(error: TransfersError) -> int:
    if isinstance(error, (SettingsWrong, Misconfigured)):
        return EX_CONFIG
    if isinstance(error, LedgerBroken):
        return 1
    if isinstance(error, ServerUnavailable):
        return EX_TEMPFAIL if error.is_passing else EX_CONFIG
    return EX_TEMPFAIL if isinstance(error, NotYet) else 1


def sentence_of(error: TransfersError) -> str:
    return typed.named(_sentence_of(error))


def as_dict(kind: str, sentence: str, status: int, next_step: str = "") -> dict[str, Any]:
    """An error for a machine. `next` is the first command that its sentence names, or what its status asks for."""
    named = _COMMAND.search(sentence)
    known = next((each for each in ExitStatus if each == status), ExitStatus.REFUSED)
    return {
        "error": kind,
        "what": sentence,
        "next": next_step or (named[1] if named else typed.named(known.next)),
        "exit_status": status,
    }


def _sentence_of(error: TransfersError) -> str:
    if isinstance(error, SettingsWrong):
        return f"{error}\n`transfers init` writes a .env to begin with; `transfers dev` brings its own."
    if isinstance(error, ServerUnavailable) and not isinstance(error, (LedgerBroken, VaultWentBack)):
        unknown = "" if error.is_reading else "; the change may be stored or not"
        return f"{error.why}{unknown}; `transfers doctor` says more"
    return str(error)
