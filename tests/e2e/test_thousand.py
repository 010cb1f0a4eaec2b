"""A thousand transfers through real processes: every one final, the books equal, none twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from epay_transfers.ledger.states import UNFINISHED, State
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.producers import PanCard, Receipt, Receiver, SavedCard, TransferIntent, Transfers, Verdict
from tests.support.platform import Platform

COUNT = 1000
PAN = "4405639704015096"


def intent(number: int) -> TransferIntent:
    """One in five wants 3-D Secure, from a card by its number; the others are payouts from a saved card."""
    is_secure = number % 5 == 0
    card = PanCard(number=PAN, expiry="01/25", cvc="815", name="Sergey Frolov")
    saved = SavedCard(card_id="88481433-595e-4c01-941f-34569db2426e")
    return TransferIntent(
        reference=f"payout-{number}",
        amount=100 + number,
        description=f"Payout {number}{' [3ds]' if is_secure else ''}",
        sender=card if is_secure else saved,
        receiver=Receiver(number="5522042705066736"),
        urgency="now" if is_secure else "batch",
    )


def confirm(platform: Platform, transfers: Transfers, receipt: Receipt) -> Verdict | None:
    """The client and the web tier: wait for the challenge, answer it, publish the confirm message."""
    transfer = transfers.wait(receipt.key, timeout=120)
    challenge = transfers.challenge(receipt.handle)
    if challenge is None:
        assert transfer.state is not State.PARKED
        return None
    return transfers.confirm(md=challenge.md, pa_res=platform.answer(challenge.md), handle=receipt.handle)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_transfers_are_final_and_equal_to_the_books(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker process, a fifth confirmed by the test: all paid, the bank's books equal the ledger's, none twice."""
    transfers = platform.transfers(monkeypatch)
    platform.start_worker()

    answers = transfers.enqueue_many([intent(number) for number in range(COUNT)])
    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    with ThreadPoolExecutor(16) as clients:
        verdicts = list(clients.map(lambda receipt: confirm(platform, transfers, receipt), receipts[::5]))
    ends = [transfers.wait(receipt.key, timeout=120) for receipt in receipts]

    totals = platform.books()["totals"]
    ledger = Ledger(platform.ledger_client)
    kept = ledger.totals()
    assert len(receipts) == COUNT
    assert verdicts == [Verdict.ACCEPTED] * (COUNT // 5)
    assert {end.state for end in ends} == {State.PAID}
    assert totals["executed_twice"] == []
    assert (totals["executions"], totals["executed"]) == (COUNT, COUNT)
    assert kept.of(State.PAID).count == COUNT
    assert kept.of(State.PAID).amounts == {"KZT": sum((100 + number) * 100 for number in range(COUNT))}
    assert float(totals["money"]["KZT"]) * 100 == kept.of(State.PAID).amounts["KZT"]
    assert kept.of(*UNFINISHED).count == 0
    assert platform.ledger_client.zcard("transfers:{t}:due") == 0
    transfers.close()
