"""The verdict of a torture: the bank's books beside the ledger's, in a small table; and who waits, and why."""

from collections import Counter

import redis
import requests

from ledger.ledger import Ledger
from ledger.states import State
from tests.crash.books import BUSY, busy, differences, ends

_SHOWN = 20


def judge(client: redis.Redis, bank_url: str, count: int, done: dict[str, int]) -> int:
    """The exit status: 0 if nobody was paid twice, nobody is lost, the books agree and nobody is under way."""
    found = ends(client)
    books = requests.get(f"{bank_url}/books", timeout=300).json()
    ledger = Ledger(client)
    counters = ledger.counters()
    wrong = differences(found, books)
    bad = {
        "paid twice": len(books["totals"]["executed_twice"]),
        "lost": count - len(found),
        "books disagree": sum("twice" not in line for line in wrong),
        "under way": busy(client),
    }
    for name, number in ({"transfers": count, "paid": counters.get("n:paid:KZT", 0)} | bad | done).items():
        say(f"{name:<20} {number:>8}")
    say(f"\n{'how they stand':<20} {'number':>8} {'KZT':>14}  reasons")
    for state in State:
        reasons = Counter(reason for each, reason in found.values() if each is state)
        if reasons:
            much = counters.get(f"sum:{state}:KZT", 0) / 100
            said = "" if state is State.PAID else ", ".join(f"{why} {number}" for why, number in reasons.most_common())
            say(f"{state:<20} {reasons.total():>8} {much:>14.2f}  {said}")
    late = [record for state in BUSY for record in ledger.all_in_state(state, _SHOWN)]
    for record in late[:_SHOWN]:
        say(f"under way: {record.key} {record.state} rings {record.rings} asks {record.asks} reads {record.reads}")
    for line in wrong[:_SHOWN]:
        say(line)
    return 1 if any(bad.values()) else 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's screen
