"""What a process of ours does before it reads a secret: it leaves no core dump and lets nobody read its memory.

Only processes that are ours (worker, command, console) are hardened: a producer's belongs to its backend. It is a
switch of the process and no setting, for settings are secrets and are read after it.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Mapping, Sequence

from epay_transfers.ledger import invoice
from epay_transfers.ledger.card_numbers import holds_card_number

#: In the process's environment, `1` leaves it open to debuggers and profilers. The worker says so in its log.
SWITCH = "ALLOW_DEBUGGER"

_PR_SET_DUMPABLE = 4


def harden() -> bool:
    """No core dump, and no reading of this process's memory but by root. False: the switch leaves it open."""
    if os.environ.get(SWITCH) == "1":
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a core that is piped to a program does not ask for the limit
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return True


def cards_in(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Where a card number stands that every process of this machine can read: names and places, never the text."""
    found = [
        f"argument {at}" for at, text in enumerate(arguments) if holds_card_number(text) and not invoice.is_key(text)
    ]
    return found + [name for name, value in environment.items() if holds_card_number(value)]
