"""The torture's operator for pauses of the cause `failover`: it looks at what the runbook says, then ends them by id.

It stops no worker and no producer before, other than the runbook asks: what it compares stays true under the troubles,
for a transfer that the bank has executed was claimed in the ledger before.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import requests

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.pauses import Cause, Pauses
from tests.support.operator_at_work import CommandFailed, OperatorAtWork
from tests.support.servers import KillableServer
from tests.torture.verdict import say

_LOOK_EACH_S = 1.0
_SHOWN = 160


@dataclass
class Opener:
    operator: OperatorAtWork
    ledger: KillableServer
    tell: Callable[[str], None]
    ended: Counter[str] = field(default_factory=Counter)  #: id of a pause → 1
    reasons: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  #: why no pause was ended then

    def work(self, over: threading.Event) -> None:
        with connect(self.ledger.server.url) as client:
            pauses = Pauses(client)
            while not over.wait(_LOOK_EACH_S):
                with suppress(TransfersError):
                    if any(pause.cause is Cause.FAILOVER for pause in pauses.standing()):
                        self._look_and_end()

    def _look_and_end(self) -> None:
        """A command that could not be done now is typed again with the next look."""
        try:
            seen = self.operator.looks()
            if seen.lacks:
                self._refuse(f"NOT ENDED, as the ledger lacks what the bank has: {seen.lacks}")
                return
            for pause_id, reason in seen.pauses.items():
                self.operator.ends(pause_id, "compared with the bank's statement")
                self.ended[pause_id] += 1
                self.reasons[reason] += 1
            self.tell(f"a failover's pauses were ended: {', '.join(seen.pauses) or 'none'}")
        except (CommandFailed, requests.RequestException) as error:
            self._refuse(str(error).strip() or type(error).__name__)

    def _refuse(self, why: str) -> None:
        self.refused[re.sub(r"\d+", "N", why)] += 1
        self.tell(f"operator: {why[:_SHOWN]}")

    def say_reasons(self) -> None:
        say("\npauses of the cause failover that were ended, by their reasons")
        for reason, number in self.reasons.most_common():
            say(f"{number:>6}  {reason}")
        for why, number in self.refused.most_common():
            say(f"{number:>6}  not ended then: {why[:_SHOWN]}")
