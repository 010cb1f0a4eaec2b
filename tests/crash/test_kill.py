"""Real processes, killed with SIGKILL at every named point; then a healthy worker, and the bank's books.

`TRANSFERS_KILLS` says how many transfers shall have stood at each point (default 4: one worker dies there, with four).
The points are tried in parts that run on several cores, each on servers of its own.
"""

import os

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.runtime.audit import Audit
from tests.crash.conftest import ForkServer
from tests.crash.kill_run import KillRun
from tests.crash.points import WAYS, Way
from tests.crash.situations import prepare
from tests.support import parallel
from tests.support.books import busy, differences, ends
from tests.support.platform import Platform
from tests.support.waiting import until

KILLS = int(os.environ.get("TRANSFERS_KILLS", "4"))
_KILLED = 9
_SPARE = 20
#: The works that start from transfers whose client stands at the bank's page.
_PARKED = {"answered", "parked", "unanswered", "answered-forgotten"}


@pytest.mark.slow
@pytest.mark.timeout(0)
@parallel.parts()
def test_who_is_killed_at_any_point_pays_nobody_twice_and_loses_nobody(
    platform: Platform,
    fork_server: ForkServer,
    monkeypatch: pytest.MonkeyPatch,
    part: parallel.Part,
) -> None:
    """At each step: paid is what the bank executed, once; all others are final, or held or dead with a reason.

    What was asked for is done. What the ledger forgot of a transfer, the vault and the bank have told it again. The
    ledger's lists and counters agree with its records.
    """
    points = [(way, step) for way in WAYS for step in way.steps][part.number :: part.of]
    run = KillRun(platform, fork_server, platform.transfers(monkeypatch))
    run.park(sum(_needs(way) for way, _ in points if way.work in _PARKED) + _SPARE)
    stood: dict[str, int] = {}
    references: list[str] = []

    for way, step in points:
        for when in ("before", "after"):
            point = f"{when} {step.name} ({way.role}, {way.work})"
            while stood.get(point, 0) < KILLS:
                run.resume_sending()
                said = prepare(run, way)
                references += said.get("references", [])
                env = platform.env | way.env
                told = {"work": way.work, "role": way.role, "step": step.name, "when": when} | said
                count, died = fork_server.fork(**told, together=way.together, env=env)
                assert died == _KILLED, f"{point}: nobody came there, exit status {died}"
                stood[point] = stood.get(point, 0) + count * way.batch
    run.come_again(references)
    run.follow_the_runbook()
    run.ring_for_all()
    platform.start_worker()
    until(lambda: not run.is_unread() and not run.overdue() and not run.unheard() and not busy(run.ledger.client))
    platform.stop()

    found = ends(platform.ledger_client)
    assert differences(found, platform.books()) == []
    assert all(reason for state, reason in found.values() if state in {State.NEEDS_REVIEW, State.DEAD})
    assert [(key, found[key]) for key, states in run.wanted.items() if found[key][0] not in states] == []
    found_off = {(each.where, each.key) for each in Audit(run.ledger, run.queue, None).run()}
    assert found_off <= {("events, ledger", key) for key in run.forgotten}  # their events are those of two lives
    assert min(stood.values()) >= KILLS
    run.transfers.close()


def _needs(way: Way) -> int:
    """How many parked transfers a step of this way uses up."""
    return 2 * (KILLS + way.together)
