"""The sandbox bank with every fault at once, by the dice of a seed: `python -m tests.torture.bank SEED PROBABILITY`."""

import sys

from epay_transfers.sandbox import Options, Rule, serve
from epay_transfers.sandbox.faults import Call, Kind, When

_FAULTS: tuple[tuple[Kind, When], ...] = (
    ("drop", "before"),
    ("drop", "after"),
    ("reset", "after"),
    ("status", "before"),
    ("status", "after"),
    ("hang", "after"),
    ("garbage", "after"),
    ("html", "before"),
    ("truncate", "after"),
    ("wrong_amount", "after"),
    ("wrong_invoice", "after"),
    ("code", "after"),
)
_HANG_S = 5.0
#: A token's answer has no amount and no order number: on that call they would be no fault at all.
_OF_ORDERS: frozenset[Kind] = frozenset({"wrong_amount", "wrong_invoice"})


def rules(probability: float) -> tuple[Rule, ...]:
    """Every fault on every call, each with the whole probability."""
    calls: tuple[Call, ...] = ("transfer", "confirm", "token", "status")
    return tuple(
        Rule(call, kind, when, probability=probability, seconds=_HANG_S if kind == "hang" else 0.0)
        for call in calls
        for kind, when in _FAULTS
        if call != "token" or kind not in _OF_ORDERS
    )


def main() -> None:
    seed, probability = int(sys.argv[1]), float(sys.argv[2])
    serve(options=Options(faults=rules(probability), seed=seed), on_ready=lambda url: print(url, flush=True))  # noqa: T201 - its address


if __name__ == "__main__":
    main()
