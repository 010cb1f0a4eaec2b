"""The verdict of a torture: the bank's books beside the ledger's, in a small table; and who waits, and why."""

from collections import Counter
from typing import Any

import redis
import requests

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.ledger import Ledger
from tests.support.books import BUSY, busy, differences, ends
from tests.torture.flight import Flights, Log

_SHOWN = 20

#: What the bank's books say of an order: its final word, what its own faults made of a request, or neither.
_FINAL = ("executed", "refused")
_SWALLOWED = ("transfer received, and dropped before acting", "confirm received, and dropped before acting")
_OPEN = "3-D Secure open"
_NEVER_HEARD = "never heard of"
_SAID = {"REJECT": "refused", "FAILED": "refused", "3D": _OPEN}


def judge(client: redis.Redis, bank_url: str, count: int, done: dict[str, int], log: Log, asked: dict[str, Any]) -> int:
    """The exit status: 0 if all holds. Nobody was paid twice, nobody is lost, the books agree, nobody is under way.

    No transfer is held of which the bank's books have a final word (`asked`: the books as they were when the bank was
    asked about the held ones). All others that are held were in flight when a server was restarted or their worker was
    killed; or the bank's own faults swallowed what it was sent, or garbled what it answered.
    """
    found = ends(client)
    books = requests.get(f"{bank_url}/books", timeout=300).json()
    ledger = Ledger(client)
    totals = ledger.totals()
    wrong = differences(found, books)
    flights = Flights.of(client, log)
    said = {key: _of_the_books(asked["orders"].get(key)) for key in found}
    held = [key for key, (state, _) in found.items() if state is State.NEEDS_REVIEW]
    rest = [key for key in held if said[key] not in {*_FINAL, *_SWALLOWED}]
    unheard = [key for key in rest if said[key] == _OPEN and flights.is_of_the_bank(key)]
    met = flights.met()
    bad = {
        "paid twice": len(books["totals"]["executed_twice"]),
        "lost": count - len(found),
        "books disagree": sum("twice" not in line for line in wrong),
        "under way": busy(client),
        "held, and the bank has a final word": sum(said[key] in _FINAL for key in held),
        "held, and in flight of no trouble": sum(not flights.trouble_of(key) for key in {*rest} - {*unheard}),
    }
    of_the_bank = {
        "held: the bank swallowed a request": sum(said[key] in _SWALLOWED for key in held),
        "held: the bank garbled a challenge": len(unheard),
        "held: in flight of a trouble": len({*rest} - {*unheard}),
    }
    paid = totals.of(State.PAID).count
    for name, number in ({"transfers": count, "paid": paid} | bad | of_the_bank | done).items():
        say(f"{name:<36} {number:>8}")
    say(f"\n{'how they stand':<36} {'number':>8} {'KZT':>14}  reasons")
    for state in State:
        reasons = Counter(reason for each, reason in found.values() if each is state)
        if reasons:
            much = totals.of(state).amounts.get("KZT", 0) / 100
            why = "" if state is State.PAID else ", ".join(f"{why} {number}" for why, number in reasons.most_common())
            say(f"{state:<36} {reasons.total():>8} {much:>14.2f}  {why}")
    _say_causes(found, said, flights)
    say(f"\n{'in flight of each trouble':<36} {'number':>8}")
    for what, number in sorted(met.items()):
        say(f"{what:<36} {number:>8}")
    late = [record for state in BUSY for record in ledger.all_in_state(state, _SHOWN)]
    for record in late[:_SHOWN]:
        counts = f"wakeups {record.wakeups} inquiries {record.inquiries} agreeing_reads {record.agreeing_reads}"
        say(f"under way: {record.key} {record.state} {counts}")
    for line in wrong[:_SHOWN]:
        say(line)
    return 1 if any(bad.values()) else 0


def _say_causes(found: dict[str, tuple[State, str]], said: dict[str, str], flights: Flights) -> None:
    """Each one that is held or dead, by what the bank's books say of it and by the trouble that it was in flight of."""
    causes = Counter(
        (str(state), said[key], flights.trouble_of(key) or f"no trouble of ours ({flights.said_of(key)})")
        for key, (state, _) in found.items()
        if state in {State.NEEDS_REVIEW, State.DEAD}
    )
    say(f"\n{'held or dead, by cause':<8}")
    for (state, word, trouble), number in sorted(causes.items()):
        say(f"{state:<6} {number:>6}  the bank's books: {word:<44} in flight of: {trouble}")


def _of_the_books(order: dict[str, Any] | None) -> str:
    if order is None or not order["transfers_received"]:
        return _NEVER_HEARD
    if order["executions"]:
        return "executed"
    if order["state"] == "3D" and order["confirms_received"]:
        return _SWALLOWED[1]
    return _SAID.get(str(order["state"]), _SWALLOWED[0])


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's screen
