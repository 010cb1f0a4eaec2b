"""What operators' read commands cost with many transfers in the ledger, and whether their counts are true.

`python -m benchmarks.reading [COUNT]` makes that many transfers (100,000) in embedded servers, runs each command in
this process as it is typed, and prints how long it took: the median of three, without the start of Python. Then it
reads every record, and ends with 1 where a command counts otherwise. With `--whole` it also runs what reads the whole
ledger, and takes minutes with a million: audit and scan.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from typer.testing import CliRunner

from benchmarks.large_ledger import TERMINALS, Filled, amount_of, filled
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ops.cli import app
from epay_transfers.ops.exit_status import ExitStatus

ROUNDS = 3

#: An operator waits so long for an answer without a word.
SLOW_S = 1.0

_WHOLE = ("audit", "scan")


def main() -> None:
    counts = [int(word) for word in sys.argv[1:] if word.isdigit()]
    count = counts[0] if counts else 100_000
    with filled(count) as made:
        sys.exit(1 if measure(made, count, is_whole="--whole" in sys.argv) else 0)


def measure(made: Filled, count: int, *, is_whole: bool) -> list[str]:
    """Print the table; what counts otherwise than the records do."""
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)
        os.environ.update(environment(made))
        sample = _sample(made)
        print(f"{count:,} transfers; seconds, median of {ROUNDS}, without the start of Python")
        for words in commands(sample):
            _say(words, [_run(words)[0] for _ in range(ROUNDS)])
        for word in _WHOLE if is_whole else ():
            _say([word], [_run([word])[0]])
        wrong = list(differences(made))
    print("Counts agree with a scan of every record." if not wrong else "\n".join(wrong))
    return wrong


def environment(made: Filled) -> dict[str, str]:
    terminals = {name: {"space": name} for name in TERMINALS[1:]}
    return {
        "REDIS_URL": made.ledger_url,
        "VAULT_URL": made.vault_url,
        "DURABILITY": "relaxed",
        "EPAY_TERMINALS": json.dumps(terminals),
        "LOG_LEVEL": "ERROR",
        "OPERATOR": "aigul",
    }


def commands(sample: dict[str, str]) -> Iterator[list[str]]:
    """Each read command, and `list` in its variants: found at once, in the middle, and nowhere."""
    one = str(amount_of(0) / 100)
    for line in (
        "overview", "doctor",
        "list", "list paid", "list paid --newest", "list paid --limit 1000", f"list paid --cursor {sample['cursor']}",
        "list paid --terminal kiosk", "list paid --older 1h", "list paid --younger 1h", f"list paid --amount {one}",
        "list paid --amount 3.33", "list paid --last-four 0042", "list paid --code 999", "list paid --why code_999",
        "list paid --operator bolat", "list paid --verb cancel", "list dead --why token_401",
        f"status {sample['key']}", f"status {sample['reference']}", f"status {sample['bank_reference']}",
        f"explain {sample['key']}", "dead list", f"dead show {sample['dead']}", "parked", "doubt", "pauses",
        "terminals", "events", "events --limit 10000", f"events {sample['key']}", "queues", "queue rebuild",
    ):  # fmt: skip
        yield line.split()


def _run(words: list[str]) -> tuple[float, str]:
    began = time.perf_counter()
    result = CliRunner().invoke(app, words, prog_name="transfers")
    took = time.perf_counter() - began
    if result.exit_code == ExitStatus.USAGE or not isinstance(result.exception, SystemExit | None):
        raise RuntimeError(f"{words[0]} ended with {result.exit_code}: {result.output}")
    return took, result.stdout


def _json(*words: str) -> Any:
    return json.loads(_run([*words, "--json"])[1])


def _say(words: list[str], times: list[float]) -> None:
    median = statistics.median(times)
    print(f"{median:>9.3f}  {' '.join(words)}{'  SLOW' if median > SLOW_S else ''}", flush=True)


def _sample(made: Filled) -> dict[str, str]:
    middle = _json("list", "paid", "--limit", "10000")
    shown = middle["transfers"][-1]
    return {
        "cursor": middle["cursor"] or "0.x",
        "key": shown["key"],
        "reference": shown["reference"],
        "bank_reference": str(made.client.hget(redis_keys.record(shown["key"]), "bank_reference")),
        "dead": _json("dead", "list", "--limit", "1")["transfers"][0]["key"],
    }


def differences(made: Filled) -> Iterator[str]:
    """Every record is read, past the lists and the counters, and each answer is compared with them."""
    counted, money, listed = _scanned(made)
    for state in State:
        told = _json("list", state, "--limit", "1")
        said = sum(line["count"] for line in told["total"])
        if (said, told["of"]) != (counted[state], counted[state]):
            yield f"list {state}: {said} and {told['of']}, but {counted[state]} records"
        amount = sum(round(float(line["amount"]) * 100) for line in told["total"])
        if amount != money[state]:
            yield f"list {state}: {amount} of money, but the records have {money[state]}"
    if (counted, money) != (made.states, made.amounts):
        yield "the records are not those that were made"
    for state in (State.DEAD, State.IN_DOUBT, State.QUEUED):
        if sorted(_walked("list", state)) != sorted(listed[state]):
            yield f"list {state}: its pages together are not the records of that state"
    rare = sum(amount == amount_of(0) for amount in listed_amounts(made, State.DECLINED))
    found = len(_walked("list", State.DECLINED, "--amount", str(amount_of(0) / 100)))
    if found != rare:
        yield f"list declined --amount: {found}, but {rare} records"
    seen = {state: sum(line["count"] for line in lines) for state, lines in _json("doctor")["transfers"].items()}
    if any(seen.get(state, 0) != counted[state] for state in State):
        yield "doctor counts otherwise"


def _walked(*words: str) -> list[str]:
    keys: list[str] = []
    cursor: list[str] = []
    while True:
        told = _json(*words, "--limit", "10000", *cursor)
        keys += [each["key"] for each in told["transfers"]]
        if told["cursor"] is None:
            return keys
        cursor = ["--cursor", told["cursor"]]


def _scanned(made: Filled) -> tuple[Counter[State], Counter[State], dict[State, list[str]]]:
    counted: Counter[State] = Counter()
    money: Counter[State] = Counter()
    listed: dict[State, list[str]] = {state: [] for state in State}
    for key, name, amount in _records(made):
        state = State(name)
        counted[state] += 1
        money[state] += amount
        listed[state].append(key)
    return counted, money, listed


def listed_amounts(made: Filled, state: State) -> list[int]:
    return [amount for _, name, amount in _records(made) if name == state]


def _records(made: Filled) -> Iterator[tuple[str, str, int]]:
    names = list(dict.fromkeys(map(str, made.client.scan_iter(redis_keys.every("r:"), count=10_000))))
    for first in range(0, len(names), 5000):
        pipeline = made.client.pipeline(transaction=False)
        for name in names[first : first + 5000]:
            pipeline.hmget(name, "key", "state", "amount")
        for key, state, amount in pipeline.execute():
            yield key, state, int(amount)


if __name__ == "__main__":
    main()
