"""What time alone makes of a transfer, on the fake and by a real sweeper, real inquiries and the sandbox bank."""

from dataclasses import replace
from datetime import datetime
from typing import cast

import pytest
import redis

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.transfer import Transfer, moment
from epay_transfers.ledger.vault.sealing import Sealer
from epay_transfers.producers import Cancel, Challenge, Money, NotFound, Notified, Outcome, Verdict
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.worker.bank import StatusWord
from epay_transfers.worker.inquiry_rules import InquiryRule
from tests.journey.scenes import says
from tests.support.intents import payout
from tests.support.stage import Stage, _bank, sandbox, stage
from tests.web.conftest import PA_RES
from tests.web.real import RealTransfers

__all__ = ["_bank", "sandbox", "stage"]  # fixtures, used here too

#: A queued transfer lives for so long here, and a challenge.
LASTS_S = PARKED_S = 900
HORIZON_S = 86_400
DAYS_3_S = 3 * 86_400


class StagedTransfers(RealTransfers):
    """The worker is a real one on the test's clock. It sends where the test says so, and time does all else."""

    def __init__(self, stage: Stage, queue: redis.Redis) -> None:
        super().__init__(stage.ledger, stage.vault, queue, stage.clock)
        self._stage = stage
        self._context = replace(self._context, sealer=Sealer(stage.keys.public))
        stage.with_rules(doubt=InquiryRule(), park_s=PARKED_S)

    def park(self, name: str) -> Challenge:
        self._stage.journey.execute(self.find(name).key)
        challenge = self.challenge(self._named(name).handle)
        assert challenge is not None
        return challenge

    def doubt(self, name: str) -> Transfer:
        self._stage.journey.execute(self.find(name).key)
        return self.find(name)

    def advance(self, seconds: float) -> None:
        clock, client = self._stage.clock, self._stage.ledger.client
        end_ms = clock.now_ms() + seconds * 1000
        while first := cast("list[tuple[str, float]]", client.zrange(redis_keys.DUE, 0, 0, withscores=True)):
            ((key, at_ms),) = first
            if at_ms > end_ms:
                break
            clock.advance(max(0, at_ms - clock.now_ms()) / 1000)
            self._stage.sweeper.run_once()
            self._stage.journey.inquire(key)
        clock.advance((end_ms - clock.now_ms()) / 1000)


@pytest.fixture(params=["real", "fake"])
def transfers(request: pytest.FixtureRequest) -> FakeTransfers:
    if request.param == "fake":
        return FakeTransfers()
    return StagedTransfers(request.getfixturevalue("stage"), request.getfixturevalue("queue"))


def begin(transfers: FakeTransfers, description: str = "Payout", then: str = "") -> datetime:
    """A payout, and what the test says of it; its outcomes until now are read. When that was."""
    deadline = moment(transfers._time.now_ms() + LASTS_S * 1000)
    transfers.enqueue(payout("payout-1", description, deadline=deadline))
    if then:
        getattr(transfers, then)("payout-1")
    return told(transfers)[-1].at


def told(transfers: FakeTransfers) -> list[Outcome]:
    """The outcomes that are new."""
    new = list(transfers.outcomes("payouts"))
    for outcome in new:
        outcome.ack()
    return new


def moves(transfers: FakeTransfers, since: datetime) -> list[tuple[State, str, float]]:
    """What each new outcome says, and after how many seconds it was."""
    return [(one.state, one.reason, (one.at - since).total_seconds()) for one in told(transfers)]


def next_look_s(transfers: FakeTransfers, since: datetime) -> float | None:
    at = transfers.get(reference="payout-1").next_at
    return (at - since).total_seconds() if at else None


def test_a_queued_transfer_expires_at_its_deadline(transfers: FakeTransfers) -> None:
    began = begin(transfers)

    transfers.advance(LASTS_S - 1)
    assert moves(transfers, began) == []
    transfers.advance(DAYS_3_S)

    assert moves(transfers, began) == [(State.EXPIRED, "deadline", LASTS_S)]
    assert transfers.get(reference="payout-1").money is Money.NONE
    assert transfers.cancel(transfers.find("payout-1").key, reason="a mistake") is Cancel.TOO_LATE


def test_a_parked_transfer_expires_with_its_challenge(transfers: FakeTransfers) -> None:
    began = begin(transfers, "[3ds]", "park")

    transfers.advance(PARKED_S - 1)
    assert (moves(transfers, began), next_look_s(transfers, began)) == ([], PARKED_S)
    transfers.advance(1)

    assert moves(transfers, began) == [(State.EXPIRED, "challenge_unanswered", PARKED_S)]
    assert transfers.visit(transfers._named("payout-1").handle).challenge is None


def test_a_cancel_that_was_asked_for_is_granted_since_its_client_has_not_answered(transfers: FakeTransfers) -> None:
    began = begin(transfers, "[3ds]", "park")
    assert transfers.cancel(transfers.find("payout-1").key, reason="the client has left") is Cancel.ASKED
    assert moves(transfers, began) == [(State.PARKED, "", 0)]

    transfers.advance(1)

    assert moves(transfers, began) == [(State.CANCELLED, "cancelled", 0)]


def test_one_that_is_asked_about_in_time_goes_on_to_the_end_of_its_challenge(transfers: FakeTransfers) -> None:
    """The bank's notification, which no worker here can prove, is a reason to ask the bank, and no more."""
    began = begin(transfers, "[3ds]", "park")
    transfers.advance(60)
    transfers.notify({"invoiceId": transfers.find("payout-1").invoice_id})
    told(transfers)

    transfers.advance(60)
    assert moves(transfers, began) == [(State.PARKED, "", 60)]
    transfers.advance(PARKED_S)

    assert moves(transfers, began) == [(State.EXPIRED, "challenge_unanswered", PARKED_S)]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_one_whose_client_brought_3d_secure_2_goes_on_for_a_day_since_it_may_be_answered(
    transfers: FakeTransfers, *, is_cancelled: bool
) -> None:
    began = begin(transfers, "[3ds]", "park")
    assert transfers.three_ds2_returned(transfers._named("payout-1").handle, {"cres": 10}) is Notified.ASKED
    if is_cancelled:
        transfers.cancel(transfers.find("payout-1").key, reason="the client has left")
    told(transfers)

    transfers.advance(PARKED_S + HORIZON_S - 1)
    assert transfers.get(reference="payout-1").state is State.PARKED
    assert moves(transfers, began) == [(State.PARKED, "", 0)]
    transfers.advance(3600)

    first_look_after_it_s = 88_560  # the bank is asked ever more rarely, and at last hourly
    end = (State.CANCELLED, "cancelled") if is_cancelled else (State.EXPIRED, "challenge_unanswered")
    assert moves(transfers, began) == [(*end, first_look_after_it_s)]


def test_an_answer_that_was_resumed_waits_for_its_worker(transfers: FakeTransfers) -> None:
    """Time alone does nothing to it: the test says what the bank answers to the confirm."""
    began = begin(transfers, "[3ds]", "park")
    handle = transfers._named("payout-1").handle
    challenge = transfers.challenge(handle)
    assert challenge is not None
    assert transfers.confirm(md=challenge.md, pa_res=PA_RES, handle=handle) is Verdict.ACCEPTED
    assert moves(transfers, began) == [(State.RESUMED, "", 0)]

    transfers.advance(PARKED_S - 1)

    assert moves(transfers, began) == []


def test_a_doubt_about_which_the_bank_says_nothing_is_asked_about_until_a_person_must(
    transfers: FakeTransfers, request: pytest.FixtureRequest
) -> None:
    began = begin(transfers, "[drop-after][status-500]", "doubt")
    assert next_look_s(transfers, began) == 5
    looks = []
    for _ in range(8):
        transfers.advance(60)
        looks.append(next_look_s(transfers, began))
    assert looks == [115.0, 235.0, 235.0, 535.0, 535.0, 535.0, 535.0, 535.0]
    assert moves(transfers, began) == [(State.IN_DOUBT, "", 5)]
    if isinstance(transfers, StagedTransfers):
        says(request.getfixturevalue("stage"), StatusWord.UNANSWERED)  # as the sandbox did, without its HTTP

    transfers.advance(DAYS_3_S)

    ((state, reason, after_s),) = moves(transfers, began)
    assert (state, reason, after_s) == (State.NEEDS_REVIEW, "bank_says_unanswered", 183_835)
    assert next_look_s(transfers, began) == 183_835 + 86_400
    transfers.advance(86_400)
    assert (moves(transfers, began), next_look_s(transfers, began)) == ([], 183_835 + 2 * 86_400)


@pytest.mark.parametrize("verb", ["send_to_review", "fail"])
def test_what_waits_for_a_person_is_looked_at_daily_and_stays_what_it_is(transfers: FakeTransfers, verb: str) -> None:
    began = begin(transfers, "[drop-after][status-500]", verb)
    state = transfers.get(reference="payout-1").state

    transfers.advance(DAYS_3_S)

    assert transfers.get(reference="payout-1").state is state
    assert {one for one, _, _ in moves(transfers, began)} <= {state}
    assert next_look_s(transfers, began) == 4 * 86_400


def test_a_handle_ends_a_day_after_what_time_has_ended() -> None:
    """On the server the day is the server's own: it is in the suite of all."""
    fake = FakeTransfers()
    handle = fake.enqueue(payout("payout-1")).handle  # without a CVC it lasts for a day

    fake.advance(86_400 + 86_399)
    assert fake.visit(handle).transfer.state is State.EXPIRED
    fake.advance(1)

    with pytest.raises(NotFound):
        fake.visit(handle)


def test_an_md_ends_after_a_week_and_until_then_its_answer_is_too_late() -> None:
    fake = FakeTransfers()
    fake.enqueue(payout("payout-1"))
    challenge = fake.park("payout-1")

    fake.advance(7 * 86_400 - 1)
    assert fake.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.TOO_LATE
    fake.advance(1)

    assert fake.confirm(md=challenge.md, pa_res=PA_RES) is Verdict.UNKNOWN


@pytest.mark.parametrize("away", ["ledger", "vault"])
def test_while_a_server_is_away_only_time_passes(away: str) -> None:
    fake = FakeTransfers()
    fake.enqueue(payout("payout-1"))
    fake.enqueue(payout("payout-2"))
    fake.park("payout-2")

    fake.set_away(**{away: True})
    fake.advance(DAYS_3_S)
    fake.set_away()
    assert [fake.find(f"payout-{at}").state for at in (1, 2)] == [State.QUEUED, State.PARKED]
    fake.advance(0)

    assert [fake.find(f"payout-{at}").state for at in (1, 2)] == [State.EXPIRED, State.EXPIRED]
