"""Hardening of a process before it reads a secret: no core dump, and no other process can read its memory.

Worker, command and console do it; a producer's process belongs to its backend. The switch is an environment variable
and not a setting, since settings hold secrets and are read later.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Mapping, Sequence

from epay_transfers.ledger import invoice
from epay_transfers.ledger.card_numbers import holds_card_number

#: `1` in the environment leaves the process open to debuggers and profilers. The worker's log says so.
SWITCH = "ALLOW_DEBUGGER"

_PR_SET_DUMPABLE = 4


def harden() -> bool:
    """Forbid core dumps, and reading this process's memory except by root. False: the switch leaves it open.

    In every case no connection's secrets are written to the file that SSLKEYLOGFILE names.
    """
    os.environ.pop("SSLKEYLOGFILE", None)
    if os.environ.get(SWITCH) == "1":
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a core dump that is piped to a program ignores the limit
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return True


def cards_in(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Places with a card number that other processes of this machine can read: names and positions, never the text."""
    found = [
        f"argument {at}" for at, text in enumerate(arguments) if holds_card_number(text) and not invoice.is_key(text)
    ]
    return found + [name for name, value in environment.items() if holds_card_number(value)]
