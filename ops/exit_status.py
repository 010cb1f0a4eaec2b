"""The border of the command: whatever goes wrong leaves as a sentence and an exit status, never as a traceback."""

from epay_transfers.ledger.errors import LedgerBroken, LedgerUnavailable, TransfersError, VaultUnavailable
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong

#: `EX_TEMPFAIL`: a server is away, or nobody did it in time; the same command may work later.
EX_TEMPFAIL = 75


class Refusal(TransfersError):
    """What a person asked for can't be done; the sentence says why, and what can be."""


class NotYet(TransfersError):
    """It may still come."""


def status_of(error: TransfersError) -> int:
    if isinstance(error, SettingsWrong):
        return EX_CONFIG
    if isinstance(error, LedgerBroken):
        return 1
    if isinstance(error, (LedgerUnavailable, VaultUnavailable, NotYet)):
        return EX_TEMPFAIL
    return 1


def sentence_of(error: TransfersError) -> str:
    if isinstance(error, SettingsWrong):
        return f"{error}\n`transfers init` writes a .env to begin with; `transfers demo` needs no settings."
    if isinstance(error, LedgerUnavailable) and not isinstance(error, LedgerBroken):
        return "the ledger did not answer, so what was to change may be changed or not; `transfers doctor` says more"
    return str(error)
