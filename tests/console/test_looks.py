"""One look at the servers serves every page of a second, and a stream waits for no look of another."""

import threading
from dataclasses import replace

import pytest

from epay_transfers.ledger.store.connection import connect
from epay_transfers.ops.console import looks
from epay_transfers.ops.console.looks import Looks
from epay_transfers.ops.context import Context
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.settings import OpsSettings
from tests.ops.test_judge import WELL
from tests.support.clocks import FakeClock

NOWHERE = "redis://127.0.0.1:1/0"


def test_a_look_is_shared_for_a_second_and_a_stream_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    under_way, go_on = threading.Event(), threading.Event()
    go_on.set()
    made: list[int] = []

    def gather(_: Context) -> Facts:
        made.append(len(made))
        under_way.set()
        assert go_on.wait(30)
        return replace(WELL, now_ms=WELL.now_ms + len(made))

    monkeypatch.setattr(looks, "gather", gather)
    shared = Looks(Context(OpsSettings(redis_url=NOWHERE, durability="relaxed"), clock, connect(NOWHERE)))

    first = shared.now()
    assert shared.now() is first
    clock.advance(1.5)
    under_way.clear()
    go_on.clear()
    page = threading.Thread(target=shared.now)
    page.start()
    assert under_way.wait(30)
    assert shared.newest() is first, "a page looks anew by now, and the stream is told what was seen before"
    go_on.set()
    page.join(30)

    assert shared.now() is not first
    assert made == [0, 1]
