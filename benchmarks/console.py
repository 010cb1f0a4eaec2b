"""What each page of the console costs with many transfers in the ledger: `python -m benchmarks.console [COUNT]`.

It makes that many transfers (100,000) in embedded servers, starts `transfers console` as an operator does, and asks for
every page that its navigation leads to, and for a transfer's, a list of each state and searches. Milliseconds are of
the processors: `own` of the console's process, `servers` of the ledger's and the vault's meanwhile; medians of
`--rounds`; `wall` is how long a person waits. A page that is asked for a second after the one before pays for a new
look at the servers as well: that is how it is measured. Before that the console has read the event log for operators'
acts, as it does once. At last transfers are cancelled, one after the other, and it says after how long an open page
shows that. `--kept FOLDER`: the ledger is kept there, and loaded from there the next time. It ends with 1 where a page
costs more than 100 ms.
"""

import argparse
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests

from benchmarks.large_ledger import Filled, filled
from benchmarks.processes import cpu_s, python, until
from benchmarks.reading import environment
from epay_transfers.ledger.queue.broker import NAMESPACE, NOW
from epay_transfers.ledger.queue.messages import Where
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.lists import Lists
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome
from epay_transfers.ops.console.live import _EACH_S
from epay_transfers.ops.console.visit import NAVIGATION
from tests.support.servers import queue_url

GOAL_MS = 100.0

#: What the page of acts says while it does not know all of them.
READING = "are being read now"

#: Longer than one look serves all.
_REST_S = 1.1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kept", type=Path)
    given = parser.parse_args()
    kept = given.kept.absolute() if given.kept else None
    with filled(given.count, kept) as made, console(made) as (url, pid):
        _add_what_waits_elsewhere(made)
        _acts_are_read(url)
        print(f"{given.count:,} transfers; medians of {given.rounds}, milliseconds of the processors")
        print(f"{'own':>8}  {'servers':>8}  {'wall':>8}  page")
        slow = [path for path in pages(url) if not _measured(made, url, pid, path, given.rounds)]
        seconds = [_seconds_until_shown(made, url) for _ in range(4 * given.rounds)]
        print(f"a change is shown after {statistics.median(seconds):.1f} s, at the latest after {max(seconds):.1f} s")
    sys.exit(1 if slow else 0)


def _add_what_waits_elsewhere(made: Filled) -> None:
    """Outcomes that a backend's handler failed at, and dead letters of a queue: more than a page has."""
    page = Lists(made.client).page([State.PAID], limit=5000)
    for number, key in enumerate(page.keys):
        aside = AsideOutcome(
            group="payouts", key=key, place=f"1795500000000-{number}", reference=f"payout-{number}", version=2,
            state="paid", deliveries=8, error="ValueError", is_behind=False, at_ms=1_795_500_000_000,
        )  # fmt: skip
        made.client.hset(redis_keys.OUTCOMES_ASIDE, aside.field, aside.to_json())
    queue = connect(queue_url(made.ledger_url))
    queue.hset(f"{NAMESPACE}:{NOW}.XQ.msgs", mapping={f"odd-{number}": "no wake-up" for number in range(500)})
    queue.zadd(f"{NAMESPACE}:{NOW}.XQ", {f"odd-{number}": number for number in range(500)})
    queue.close()


@contextmanager
def console(made: Filled) -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    settings = environment(made) | {"CONSOLE_ADDRESS": "127.0.0.1:0"}
    with python(["-m", "epay_transfers", "console"], settings, output=subprocess.PIPE) as process:
        yield _address(process.stdout), process.pid


def _address(output: IO[bytes] | None) -> str:
    said = output.readline().decode() if output else ""
    found = re.search(r"(http://\S+)/", said)
    if found is None:
        raise RuntimeError("the console did not start")
    return found[1]


def _acts_are_read(url: str) -> None:
    """The console reads the event log once, in the background, when operators' acts are first asked for."""
    until(lambda: READING not in requests.get(f"{url}/acts", timeout=60).text, "the log to be read", every_s=0.5)


def pages(url: str) -> Iterator[str]:
    yield from (address for address, _ in NAVIGATION)
    yield from (f"/transfers?state={state}" for state in State)
    listed = requests.get(f"{url}/transfers?state=paid", timeout=60).text
    (key, *_) = re.findall(r'href="(/transfer/[^"]+)"', listed)
    yield key
    yield from (f"/queues/{NOW}/{where}" for where in Where)
    yield "/outcomes/payouts"
    yield "/transfers?state=paid&younger=today"
    yield "/transfers?state=paid&amount=3.33"
    yield "/transfers?state=dead&why=token_401"


def _measured(made: Filled, url: str, pid: int, path: str, rounds: int) -> bool:
    """Prints its row. Is it within its goal?"""
    taken = [_asked(made, url, pid, path) for _ in range(rounds)]
    own, servers, wall = (statistics.median(each[at] for each in taken) * 1000 for at in range(3))
    is_quick = own + servers <= GOAL_MS
    print(f"{own:>8.1f}  {servers:>8.1f}  {wall:>8.1f}  {path}{'' if is_quick else '  SLOW'}", flush=True)
    return is_quick


def _asked(made: Filled, url: str, pid: int, path: str) -> tuple[float, float, float]:
    time.sleep(_REST_S)
    before = cpu_s(pid), _servers_s(made)
    began = time.perf_counter()
    answer = requests.get(url + path, timeout=60)
    wall = time.perf_counter() - began
    after = cpu_s(pid), _servers_s(made)
    if answer.status_code != requests.codes.ok:
        raise RuntimeError(f"{path}: {answer.status_code}")
    return after[0] - before[0], after[1] - before[1], wall


def _seconds_until_shown(made: Filled, url: str) -> float:
    """A page that is open is told that something changed, and fetches itself then: as `console.js` does."""
    time.sleep(random.random() * _EACH_S)  # noqa: S311 - at any moment between two looks
    ledger = Ledger(made.client)
    with requests.get(f"{url}/changes", stream=True, timeout=60) as changes:
        told = changes.iter_lines()
        next(line for line in told if line == b"event: changed")  # it says so at its beginning
        (listed,) = ledger.lists.page([State.QUEUED], limit=1).listed
        (record,) = ledger.get_many([listed.at.key])
        before = _queued_on(url)
        began = time.perf_counter()
        ledger.move(record, Verb.CANCEL, Change(fields={"reason": "cancelled"}), actor="a benchmark")
        for line in told:
            if line == b"event: changed" and _queued_on(url) != before:
                return time.perf_counter() - began
    raise RuntimeError("the change was not shown")


def _queued_on(url: str) -> str:
    """How many are queued, by the first page."""
    page = requests.get(url, timeout=60).text
    found = re.search(r'href="/transfers\?state=queued">([^<]*)</a>', page)
    return found[1] if found else ""


def _servers_s(made: Filled) -> float:
    told = [client.info("cpu") for client in (made.client, made.vault)]
    return float(sum(each["used_cpu_user"] + each["used_cpu_sys"] for each in told))


if __name__ == "__main__":
    main()
