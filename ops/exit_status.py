"""Exit statuses, and the sentence for each error: the command never ends with a traceback."""

from epay_transfers.ledger.errors import LedgerBroken, ServerUnavailable, TransfersError, VaultWentBack
from epay_transfers.ops import typed
from epay_transfers.runtime.settings import EX_CONFIG, SettingsWrong

#: `EX_TEMPFAIL`: a server is away, or no worker did it in time; the same command may work later.
EX_TEMPFAIL = 75


class Refusal(TransfersError):
    """The command can't do what it was asked to; the sentence says why, and what is possible."""


class NotYet(TransfersError):
    """The result has not come yet, but still may."""


def status_of(error: TransfersError) -> int:
    if isinstance(error, SettingsWrong):
        return EX_CONFIG
    if isinstance(error, LedgerBroken):
        return 1
    if isinstance(error, ServerUnavailable):
        return EX_TEMPFAIL if error.is_passing else EX_CONFIG
    return EX_TEMPFAIL if isinstance(error, NotYet) else 1


def sentence_of(error: TransfersError) -> str:
    return typed.named(_sentence_of(error))


def _sentence_of(error: TransfersError) -> str:
    if isinstance(error, SettingsWrong):
        return f"{error}\n`transfers init` writes a .env to begin with; `transfers demo` needs no settings."
    if isinstance(error, ServerUnavailable) and not isinstance(error, (LedgerBroken, VaultWentBack)):
        unknown = "" if error.is_reading else "; the change may be stored or not"
        return f"{error.why}{unknown}; `transfers doctor` says more"
    return str(error)
