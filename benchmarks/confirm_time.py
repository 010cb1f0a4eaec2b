"""Figure 10: from a client's PaRes to the confirm at the bank, while 1,000 other transfers a minute run.

`python -m benchmarks.confirm_time`. The times are of the wall, for a client waits: the load of the machine is in them.
They are apart: the web tier's call, the inbox and the queue up to the token's request, and the confirm's own.
"""

import json
import sys
import time

from benchmarks import figures, ours, processes
from benchmarks.fast_bank import ASKS_3DS
from benchmarks.figures import Figure
from benchmarks.ours import payout
from epay_transfers.ledger.states import State
from epay_transfers.producers import Transfers
from epay_transfers.producers.confirm import Verdict

ANSWERS = 120
EVERY_S = 0.25
A_MINUTE = 1_000

#: It is base64, as long as one of a bank.
_PA_RES = "eJzVWFmTo8iS" * 200

_PARTS = ("web tier's call", "inbox and queue, up to the token's request", "token, and up to the confirm")


def answered() -> list[dict[str, float]]:
    """For each answer: its parts, in milliseconds."""
    with ours.running() as given, given.worker():
        told = json.loads(_with_others(given))
        processes.until(lambda: given.bank.counts()["confirmed"] >= ANSWERS, f"{ANSWERS} confirms")
        moments = given.bank.moments()
    parts = []
    for key, (begun, ended) in told.items():
        token, confirm = moments[key]["token"], moments[key]["confirm"]
        spans = (ended - begun, token - ended, confirm - token)
        parts.append({name: span * 1000 for name, span in zip(_PARTS, spans, strict=True)})
    return parts


def _with_others(given: ours.Ours) -> str:
    seconds = ANSWERS * EVERY_S + 20
    others = ["-m", "benchmarks.steady", "1000000", str(A_MINUTE / 60), str(seconds)]
    with processes.python(others, given.environment):
        given.enqueue(ANSWERS, description=ASKS_3DS)
        given.until(State.PARKED, ANSWERS)
        return processes.run(["-m", "benchmarks.confirm_time", "answer"], given.environment)


def _answer() -> None:
    """The web tier: it gives the answers, and prints when each call began and ended."""
    told = {}
    with Transfers.from_env() as transfers:
        for number in range(ANSWERS):
            receipt = transfers.enqueue(payout(number, ASKS_3DS))  # a replay: it answers with the handle
            challenge = transfers.challenge(receipt.handle)
            if challenge is None:
                raise RuntimeError(f"{receipt.key} has no challenge")
            time.sleep(EVERY_S)
            begun = time.monotonic()
            if transfers.confirm(md=challenge.md, pa_res=_PA_RES, handle=receipt.handle) is not Verdict.ACCEPTED:
                raise RuntimeError(f"the answer for {receipt.key} is not taken")
            told[receipt.invoice_id] = (begun, time.monotonic())
    print(json.dumps(told))


def measure() -> list[Figure]:
    parts = answered()
    whole = sorted(sum(each.values()) for each in parts)
    note = f"{len(whole)} answers, with {A_MINUTE:,} transfers a minute"
    found = [
        Figure(10, f"PaRes in → confirm at the bank, p{share}", _percentile(whole, share), "ms", note=note)
        for share in (50, 99)
    ]
    for name in _PARTS:
        spans = sorted(each[name] for each in parts)
        found.append(
            Figure(10, f"of it, {name}, p50", _percentile(spans, 50), "ms", note=f"p99 {_percentile(spans, 99):.0f} ms")
        )
    return found


def _percentile(ordered: list[float], share: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def main() -> None:
    if sys.argv[1:] == ["answer"]:
        _answer()
    else:
        print(figures.table(measure()))


if __name__ == "__main__":
    main()
