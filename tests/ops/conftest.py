"""What the tests of the commands share: a ledger by the true clock, and transfers in every state."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import Phase, State
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.ledger import Ledger
from tests.support import factories
from tests.support.command_line import _logging_as_it_was, environment, transfers

__all__ = ["_logging_as_it_was", "environment", "transfers"]

HOUR_MS = 3_600_000

_PHASES = {State.RESUMED: Phase.CONFIRM, State.CONFIRMING: Phase.CONFIRM}

Into = Callable[..., Record]


@pytest.fixture
def ledger(ledger_client: redis.Redis) -> Ledger:
    """By the true clock, as the commands have it."""
    return Ledger(ledger_client)


@pytest.fixture
def events(ledger_client: redis.Redis) -> Events:
    return Events(ledger_client)


@pytest.fixture
def into(ledger: Ledger) -> Into:
    """A transfer in that state."""

    def make(state: State, reference: str = "payout-1", **more: Any) -> Record:
        place = (state, _PHASES.get(state, Phase.SEND))
        return factories.into(
            ledger, place, reference, **({"lasts_ms": 0 if state is State.EXPIRED else HOUR_MS} | more)
        )

    return make
