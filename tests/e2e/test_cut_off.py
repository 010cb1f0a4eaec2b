"""The vault is cut off from backend and web tier, while the worker reaches it: nothing is lost, nothing is sent."""

import pytest

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.record import Record
from epay_transfers.ledger.states import State
from epay_transfers.producers import Receipt, VaultUnavailable, Verdict
from tests.e2e.link import Link
from tests.support.intents import payout
from tests.support.platform import Platform, ledger_of, messages
from tests.support.waiting import until


def test_who_is_cut_off_from_the_vault_calls_again_and_is_served_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An intent is queued without its card, a client's answer is not taken; the worker leaves both alone until then."""
    ledger = ledger_of(platform, SystemClock())

    def record(key: str) -> Record:
        found = ledger.get(key)
        assert found is not None
        return found

    platform.start_worker()
    with Link(platform.env["VAULT_URL"]) as link:
        platform.env |= {"VAULT_URL": link.url}
        transfers = platform.transfers(monkeypatch)
        secure = transfers.enqueue(payout("secure", "[3ds]"))
        until(lambda: transfers.challenge(secure.handle) is not None)
        challenge = transfers.challenge(secure.handle)
        assert challenge is not None
        pa_res = platform.answer(challenge.md)

        link.cut()
        with pytest.raises(VaultUnavailable) as caught:
            transfers.enqueue(payout("payout"))
        with pytest.raises(VaultUnavailable):
            transfers.confirm(md=challenge.md, pa_res=pa_res, handle=secure.handle)
        receipt = caught.value.receipt
        assert isinstance(receipt, Receipt)
        until(lambda: record(receipt.key).wakeups > 0 and messages(platform) == [])
        assert (record(receipt.key).state, record(secure.key).state) == (State.QUEUED, State.PARKED)
        with pytest.raises(VaultUnavailable):
            transfers.enqueue(payout("payout"))

        link.mend()
        again = transfers.enqueue(payout("payout"))
        assert (again.key, again.replayed) == (receipt.key, True)
        assert transfers.confirm(md=challenge.md, pa_res=pa_res, handle=secure.handle) is Verdict.ACCEPTED
        for key in (receipt.key, secure.key):
            assert transfers.wait(key, timeout=60).state is State.PAID
            assert platform.books()["orders"][key]["executions"] == 1
        transfers.close()
