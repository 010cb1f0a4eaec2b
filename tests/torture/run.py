"""The torture: thousands of transfers under all troubles together, and then the books. `make torture`, or

    python -m tests.torture.run --count 10000 --seed 1

Every fault of the bank at 5 %, a worker killed every second, the queue deleted, the ledger killed and restarted, the
vault killed, which then comes up empty or from a copy of itself that is seconds old; or both at once, the vault empty.
After each loss of the vault the producers bring their cards again, under the same references. Where nothing shows
whether the ledger lost moves, workers pause `send` and `confirm` (`failover`): an operator compares the ledger with the
bank's statement, as the runbook says, and ends these pauses by their ids, while the troubles go on. When nearly all
transfers have been at the bank the troubles end, and an operator rings for all that wait, as the runbook says for a
queue that was lost; 120 s later no transfer may be under way. Then the operator has the bank asked once more about all
that are held, and the books must agree.
"""

import argparse
import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import requests

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.heartbeats import Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.producers import Receipt, TransferIntent, Transfers
from tests.support.books import BUSY
from tests.support.intents import payout
from tests.support.operator_at_work import OperatorAtWork
from tests.support.servers import queue_url
from tests.torture.flight import Log
from tests.torture.opener import Opener
from tests.torture.testbed import Testbed, testbed
from tests.torture.verdict import judge, say

_QUIET_S = 120
_BATCH = 200
_LONGEST_S = 3600
_KILL_EACH_S = 1.0
_WORKERS = 4  #: so that some live for the three seconds that it takes to compare another ledger's server
_START_S = 30  #: so long, at the most, for all workers but one to be at work
_QUEUE_EACH = 13  #: kills
_LEDGER_EACH = 29
_VAULT_EACH = 19  #: by turns: it comes up from a copy, and empty
_BOTH_EACH = 41  #: ledger and vault, at once
_COPY_BEFORE = 5  #: kills before it is put back, at the most, the copy is made
_MOST_QUEUED = 1_000  #: so many cards may wait in the vault: they are lost with it, and brought again
_INQUIRY_S = 120  #: for so long, at the most, the bank is asked about the held ones
_LAST_WORDS_S = 0.05  #: what a killed worker has sent arrives: its last claim is of before its end
_FEW = 0.02  #: of all may be queued still when the troubles end


@dataclass
class Torture:
    on: Testbed
    count: int
    seed: int
    workers: int
    both_each: int = _BOTH_EACH
    begun: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    answers: dict[str, str] = field(default_factory=dict)  #: a browser that is not answered sends the same again
    enqueued: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)  #: the vault's cards, and nobody has brought them
    copy_before: int = 2
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - the same seed is to be the same torture
        self.client = connect(self.on.ledger.server.url)
        self.books = requests.Session()
        self.opener = Opener(
            OperatorAtWork(self.on.operator_env, self.on.bank_url, self.on.folder, self.on.commands),
            self.on.ledger,
            self._say,
        )

    # The troubles.

    def run(self) -> int:
        """The exit status: 0 if nobody was paid twice, nobody lost, and nobody is under way any more."""
        os.environ.update(self.on.env)
        logging.disable(logging.WARNING)  # of this process, which is the clients'
        with Transfers.from_env() as transfers:
            people = [
                threading.Thread(target=person, args=(transfers,), daemon=True)
                for person in (self._enqueue, self._answer_challenges)
            ]
            people.append(threading.Thread(target=self.opener.work, args=(self.over,), daemon=True))
            for person in people:
                person.start()
            self._trouble()
            requests.delete(f"{self.on.bank_url}/faults", timeout=30)
            self._say(f"troubles are over: {dict(self.done)}")
            self._bring_again(transfers)
            self._ring_for_all()
            self._wait(_QUIET_S, lambda: False)
            asked = self._ask_about_all_held()
            self.over.set()
            for person in people:
                person.join(60)
        self.done["pauses of the cause failover, ended"] = len(self.opener.ended)
        verdict = judge(self.client, self.on.bank_url, self.count, dict(self.done), self.log, asked)
        self.opener.say_reasons()
        refused = self._refused()
        say(f"refused to a server user: {', '.join(sorted(refused)) or 'nothing'}")
        say(f"\nseed {self.seed}, {time.monotonic() - self.begun:.0f} s")
        return verdict or bool(refused)

    def _refused(self) -> set[str]:
        """What the servers refused to their users since they were started last."""
        found = set()
        for server in (self.on.ledger, self.on.vault):
            with connect(server.server.url) as client:
                log = cast("list[dict[str, Any]]", client.acl_log())
                found |= {f"{entry['username']} {entry['object']}" for entry in log}
        return found

    def _enqueue(self, transfers: Transfers) -> None:
        """A backend that repeats what was not answered, under the same references, until it is."""
        waiting = [_intent(number) for number in range(self.count)]
        while waiting:
            if self.lost.is_set():
                self.lost.clear()
                self._bring_again(transfers)
            if self._counts().get("queued", 0) >= _MOST_QUEUED:
                self.over.wait(0.5)
                continue
            batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
            answers = transfers.enqueue_many(batch)
            again = [intent for intent, answer in zip(batch, answers, strict=True) if not isinstance(answer, Receipt)]
            self.done["enqueued again"] += len(again)
            waiting = again + waiting
            self.over.wait(0.2 if again else 0)
        self.enqueued.set()
        self._say(f"{self.count} enqueued")
        while not self.over.wait(0.5):
            if self.lost.is_set():
                self.lost.clear()
                self._bring_again(transfers)

    def _bring_again(self, transfers: Transfers) -> None:
        """As the runbook says of a vault that was lost: who is queued has its card brought under the same reference."""
        ledger = Ledger(connect(self.on.ledger.server.url))
        with contextlib.suppress(TransfersError):
            queued = [int(record.reference.partition("-")[2]) for record in ledger.all_in_state(State.QUEUED, _BATCH)]
            transfers.enqueue_many([_intent(number) for number in queued])
            self.done["cards brought again, if missing"] += len(queued)
        ledger.client.close()

    def _trouble(self) -> None:
        """Until nearly all have been at the bank."""
        for number in range(1, int(_LONGEST_S / _KILL_EACH_S)):
            time.sleep(_KILL_EACH_S)
            self._keep_workers()
            self._await_workers()
            self._kill_one()
            if number % _QUEUE_EACH == 0:
                self._delete_queue()
            if number % _LEDGER_EACH == 0:
                with self.log.during("ledger restarted"):
                    self.on.ledger.kill()
                    self.on.ledger.restart()
                self.done["ledger restarts"] += 1
            self._trouble_the_vault(number)
            if number % self.both_each == 0:
                self._restart_both()
            if number % 10 == 0:
                self._say(f"{self._counts()}")
            if self.enqueued.is_set() and self._waiting() <= self.count * _FEW:
                return

    def _await_workers(self) -> None:
        """On a slow machine a worker takes seconds to start: killed each second, none would be at work for long."""
        for _ in range(_START_S * 10):
            with contextlib.suppress(TransfersError):
                at_work = {heartbeat.pid for heartbeat in Heartbeats(self.client).told()} & {*self.on.pids}
                if len(at_work) >= self.workers - 1:
                    return
            time.sleep(0.1)

    def _kill_one(self) -> None:
        pid = self.on.pids.pop(self.dice.randrange(len(self.on.pids)))
        with contextlib.suppress(ProcessLookupError), self.log.during("worker killed", pid):
            os.kill(pid, signal.SIGKILL)
            time.sleep(_LAST_WORDS_S)
            self.done["kills"] += 1

    def _trouble_the_vault(self, number: int) -> None:
        """SAVE, and some kills later it is put back from that; the next time it comes up empty."""
        turn, past = divmod(number, _VAULT_EACH)
        is_put_back = turn % 2 == 0
        dump = self.on.vault.folder / "dump.rdb"
        if past == 0 and turn > 0:
            is_put_back = dump.exists()
            with self.log.during("vault put back" if is_put_back else "vault restarted empty"):
                self.on.vault.kill()
                self.on.vault.restart()
            self.done["vault put back from a copy" if is_put_back else "vault restarts, empty"] += 1
            dump.unlink(missing_ok=True)
            self.lost.set()
        elif is_put_back and past == _VAULT_EACH - self.copy_before:
            self.copy_before = self.dice.randint(1, _COPY_BEFORE)
            vault = connect(self.on.vault.server.url)
            vault.save()
            vault.close()

    def _restart_both(self) -> None:
        """Of the vault nothing is left, so that nothing shows whether the ledger has lost moves."""
        with self.log.during("ledger restarted"), self.log.during("vault restarted empty"):
            self.on.ledger.kill()
            self.on.vault.kill()
            (self.on.vault.folder / "dump.rdb").unlink(missing_ok=True)
            self.on.vault.restart()
            self.on.ledger.restart()
        self.done["ledger and vault restarts at once"] += 1
        self.lost.set()

    def _delete_queue(self) -> None:
        queue = connect(queue_url(self.on.ledger.server.url))
        queue.flushdb()
        queue.close()
        self.done["queue deletions"] += 1

    def _keep_workers(self) -> None:
        """One that has ended, because a server was away, is started again; like a supervisor does."""
        self.on.pids = [pid for pid in self.on.pids if Path(f"/proc/{pid}").exists()]
        assert self.on.fork_server.stdin is not None
        assert self.on.fork_server.stdout is not None
        while len(self.on.pids) < self.workers:
            self.on.fork_server.stdin.write("\n")
            self.on.fork_server.stdin.flush()
            self.on.pids.append(int(self.on.fork_server.stdout.readline()))

    def _wait(self, seconds: int, is_enough: Callable[[], bool]) -> None:
        for _ in range(seconds):
            self._keep_workers()
            if is_enough():
                return
            time.sleep(1)

    def _ask_about_all_held(self) -> Any:
        """An operator does not wait for tomorrow's inquiry: a worker asks the bank once more.

        Returns the bank's books as they were then: a challenge that is still open may run out later.
        """
        books = requests.get(f"{self.on.bank_url}/books", timeout=300).json()
        ledger = Ledger(self.client)
        held = list(ledger.all_in_state(State.NEEDS_REVIEW, _BATCH))
        ask = Change(due_in=0, fields={"requested_action": RequestedAction.INQUIRE, "wakeups": 0})
        ledger.move_many([(record, Verb.REQUEST, ask) for record in held], actor="operator")
        self._wait(
            _INQUIRY_S,
            lambda: not any(record.requested_action for record in ledger.all_in_state(State.NEEDS_REVIEW, _BATCH)),
        )
        still = sum(1 for _ in ledger.all_in_state(State.NEEDS_REVIEW, _BATCH))
        self._say(f"the bank was asked once more about {len(held)} held ones: {len(held) - still} are settled")
        return books

    def _ring_for_all(self) -> None:
        """Whoever was rung for in vain again and again would else be looked at only after these two minutes."""
        ledger = Ledger(self.client)
        rings = Counter(record.wakeups for state in BUSY for record in ledger.all_in_state(state, _BATCH))
        self._say(f"rung for in vain, and how often: {dict(sorted(rings.items()))}")
        words = ["queue", "rebuild", "--apply", "--reason", "the queue was lost"]
        command = [sys.executable, "-c", "from epay_transfers.ops.cli import main; main()", *words]
        subprocess.run(command, env=self.on.operator_env, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - this very program

    def _answer_challenges(self, transfers: Transfers) -> None:
        """The clients at the bank's page, and the web tier: whoever is parked is answered, again if need be."""
        ledger = Ledger(connect(self.on.ledger.server.url))
        while not self.over.is_set():
            with contextlib.suppress(TransfersError, requests.RequestException):
                for record in ledger.in_state(State.PARKED, 50):
                    self._answer(transfers, record)
            self.over.wait(0.1)

    def _answer(self, transfers: Transfers, record: Record) -> None:
        challenge = transfers.challenge(record.handle)
        if challenge is None:
            return
        if challenge.md not in self.answers:
            said = {"md": challenge.md, "password": "secret"}
            answer = self.books.post(f"{self.on.bank_url}/acs/answer", json=said, timeout=30).json()
            self.answers[challenge.md] = answer["PaRes"]
        transfers.confirm(md=challenge.md, pa_res=self.answers[challenge.md])

    def _counts(self) -> dict[str, int]:
        try:
            totals = Ledger(self.client).totals()
        except TransfersError:
            return {}
        return {state: totals.of(state).count for state in State}

    def _waiting(self) -> int:
        return self._counts().get("queued", self.count if not self._counts() else 0)

    def _say(self, text: str) -> None:
        say(f"{time.monotonic() - self.begun:>6.0f} s  {text}")


def _intent(number: int) -> TransferIntent:
    """One in five wants 3-D Secure."""
    is_secure = number % 5 == 0
    return payout(
        f"payout-{number}",
        f"Payout {number}{' [3ds]' if is_secure else ''}",
        amount=100 + number,
        urgency="now" if is_secure else "batch",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.run", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--faults", type=float, default=0.05, help="the probability of each fault of the bank")
    parser.add_argument("--workers", type=int, default=_WORKERS)
    parser.add_argument("--both-each", type=int, default=_BOTH_EACH, help="kills until both servers are restarted")
    parser.add_argument("--log", default="", help="where the workers' warnings go")
    args = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends it, in the background too, leaves nobody behind
        signal.signal(number, signal.default_int_handler)
    with testbed(args.seed, args.faults, args.log) as on:
        return Torture(on, args.count, args.seed, args.workers, args.both_each).run()


if __name__ == "__main__":
    sys.exit(main())
