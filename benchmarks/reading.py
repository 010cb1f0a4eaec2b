"""What operators' read commands cost with many transfers in the ledger, and whether their counts are true.

`python -m benchmarks.reading [COUNT]` makes that many transfers (100,000) in embedded servers, runs each command in
this process as it is typed, and prints what it took: medians of `--rounds`, without the start of Python. Then it reads
every record, and ends with 1 where a command counts otherwise. With `--whole` it also runs what reads the whole ledger,
audit and scan, which must find nothing: minutes with a million. `--kept FOLDER`: the ledger is kept there, and loaded
from there the next time.

Beside the seconds on the clock stand those of the processors, of this process with what it starts, and of the servers:
on a machine that does other work the clock tells of that, too. SLOW is more than a second of the processors.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from benchmarks.large_ledger import TERMINALS, Filled, amount_of, filled
from epay_transfers.ledger.record import kept_as
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ops.cli import app
from epay_transfers.ops.exit_status import ExitStatus
from epay_transfers.runtime.embedded_servers import VAULT_OPTIONS, running

#: An operator waits so long for an answer without a word.
SLOW_S = 1.0

#: Commands that read everything, and what they say where all is well.
_WHOLE = {"audit": "No discrepancy.", "scan": "No card number found in all of it."}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds: on the clock, of this process's processor time and its children's, of the servers'."""

    clock: float
    own: float
    servers: float

    def __str__(self) -> str:
        slow = "  SLOW" if self.own + self.servers > SLOW_S else ""
        return f"{self.clock:>9.3f}  {self.own:>9.3f}  {self.servers:>9.3f}  {{}}{slow}"

    @classmethod
    def median(cls, all_: Sequence["Took"]) -> "Took":
        return cls(*(statistics.median(getattr(each, part) for each in all_) for part in cls.__slots__))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--kept", type=Path)
    given = parser.parse_args()
    kept = given.kept.absolute() if given.kept else None
    with filled(given.count, kept) as made:
        sys.exit(1 if measure(made, given.count, rounds=given.rounds, is_whole=given.whole) else 0)


def measure(made: Filled, count: int, *, rounds: int, is_whole: bool) -> list[str]:
    """Print the table; what counts otherwise than the records do."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as home, running(VAULT_OPTIONS, Path(home) / "empty") as empty:
        os.chdir(home)
        os.environ.update(environment(made))
        sample = _sample(made)
        bytes_ = made.client.info("memory")["used_memory"] // count
        print(f"{count:,} transfers, {bytes_:,} bytes each; medians of {rounds}, seconds; load {_load()}")
        print(f"{'clock':>9}  {'own':>9}  {'servers':>9}")
        for words in commands(sample):
            print(str(Took.median([_run(made, words)[0] for _ in range(rounds)])).format(" ".join(words)), flush=True)
        with _lost_queue(empty.url):
            took = Took.median([_run(made, ["queue", "rebuild"])[0] for _ in range(rounds)])
            print(str(took).format("queue rebuild, of a queue that was lost"), flush=True)
        wrong += differences(made)
        print("Counts agree with a scan of every record." if not wrong else "\n".join(wrong), flush=True)
        for word, well in _WHOLE.items() if is_whole else ():
            took, told = _run(made, [word])
            print(str(took).format(word), flush=True)
            wrong += [] if well in told else [f"{word}: {told}"]
            print(wrong[-1] if wrong else f"{word}: {well}", flush=True)
        print(f"Load at the end: {_load()}.")
    return wrong


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


@contextmanager
def _lost_queue(url: str) -> Iterator[None]:
    os.environ["BROKER_URL"] = url
    try:
        yield
    finally:
        del os.environ["BROKER_URL"]


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


def _run(made: Filled, words: list[str]) -> tuple[Took, str]:
    began = _spent(made)
    result = CliRunner().invoke(app, words, prog_name="transfers")
    took = Took(*(after - before for before, after in zip(began, _spent(made), strict=True)))
    if result.exit_code == ExitStatus.USAGE or not isinstance(result.exception, SystemExit | None):
        raise RuntimeError(f"{words[0]} ended with {result.exit_code}: {result.output}")
    return took, result.stdout


def _spent(made: Filled) -> tuple[float, float, float]:
    """By now; see `Took`."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time() + children.ru_utime + children.ru_stime
    servers = 0.0
    for client in (made.client, made.vault):
        told = client.info("cpu")
        servers += told["used_cpu_user"] + told["used_cpu_sys"]
    return time.perf_counter(), own, servers


def _json(made: Filled, *words: str) -> Any:
    return json.loads(_run(made, [*words, "--json"])[1])


def _sample(made: Filled) -> dict[str, str]:
    middle = _json(made, "list", "paid", "--limit", "10000")
    shown = middle["transfers"][-1]
    return {
        "cursor": middle["cursor"] or "0.x",
        "key": shown["key"],
        "reference": shown["reference"],
        "bank_reference": str(made.client.hget(redis_keys.record(shown["key"]), kept_as("bank_reference"))),
        "dead": _json(made, "dead", "list", "--limit", "1")["transfers"][0]["key"],
    }


def differences(made: Filled) -> Iterator[str]:
    """Every record is read, past the lists and the counters, and each answer is compared with them."""
    counted, money, listed, rare = _scanned(made)
    for state in State:
        told = _json(made, "list", state, "--limit", "1")
        said = sum(line["count"] for line in told["total"])
        if (said, told["of"]) != (counted[state], counted[state]):
            yield f"list {state}: {said} and {told['of']}, but {counted[state]} records"
        amount = sum(round(float(line["amount"]) * 100) for line in told["total"])
        if amount != money[state]:
            yield f"list {state}: {amount} of money, but the records have {money[state]}"
    if (counted, money) != (made.states, made.amounts):
        yield "the records are not those that were made"
    for state, keys in listed.items():
        if sorted(_walked(made, "list", state)) != sorted(keys):
            yield f"list {state}: its pages together are not the records of that state"
    found = len(_walked(made, "list", State.DECLINED, "--amount", str(amount_of(0) / 100)))
    if found != rare:
        yield f"list declined --amount: {found}, but {rare} records"
    for words, place in (("doctor", "transfers"), ("overview", "money")):
        seen = {state: _count(told) for state, told in _json(made, words)[place].items()}
        if any(seen.get(state, 0) != counted[state] for state in State):
            yield f"{words} counts otherwise"


def _count(told: Any) -> int:
    return sum(line["count"] for line in (told["sums"] if isinstance(told, dict) else told))


def _walked(made: Filled, *words: str) -> list[str]:
    keys: list[str] = []
    cursor: list[str] = []
    while True:
        told = _json(made, *words, "--limit", "10000", *cursor)
        keys += [each["key"] for each in told["transfers"]]
        if told["cursor"] is None:
            return keys
        cursor = ["--cursor", told["cursor"]]


#: Lists that are walked from their first page to their last.
_WALKED = (State.DEAD, State.IN_DOUBT, State.QUEUED)


def _scanned(made: Filled) -> tuple[Counter[State], Counter[State], dict[State, list[str]], int]:
    """How many and how much by state; the keys of those whose lists are walked; how many declined have one amount."""
    counted: Counter[State] = Counter()
    money: Counter[State] = Counter()
    listed: dict[State, list[str]] = {state: [] for state in _WALKED}
    rare = 0
    for key, name, amount in _records(made):
        state = State(name)
        counted[state] += 1
        money[state] += amount
        rare += state is State.DECLINED and amount == amount_of(0)
        if state in listed:
            listed[state].append(key)
    return counted, money, listed, rare


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
