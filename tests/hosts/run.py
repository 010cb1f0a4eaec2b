"""Seven hosts on one machine, and their links cut and slowed under load. `make torture`, or, for one round,

    unshare --user --map-root-user --net .venv/bin/python -m tests.hosts.run --rounds 1

Three hosts each with a worker and a Sentinel, a ledger, its replica (`LEDGER_REPLICAS=1`), a vault, a bank behind TLS;
this process is the backend, the clients and the operator. A stream of payouts flows, every fifth with 3-D Secure. In
each round the ledger's host is cut off, a second after its replica's, which is mended at once; clients answer 3-D
Secure in that second, and come no more, so what says so is lost. Each link is slow for a while; a worker's host, the
replica's, the vault's and the bank's are cut off, one after the other. A ledger that Sentinels promoted is opened as
the runbook says, and the old one comes back as its replica.

At the end every payout is ordered once more under its reference, as a backend does it, and the bank's books stand
beside the ledger. The last line is the verdict, as JSON; before it a table says for how long the bank was sent nothing.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import redis
import requests

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.events import Events
from epay_transfers.ledger.store.heartbeats import Heartbeats
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.ledger_server import LedgerServer
from epay_transfers.ledger.store.pauses import Cause, Lane, Pauses
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Vault
from epay_transfers.producers import Receipt, TransferIntent, Transfers
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import addresses
from tests.hosts.network import Host, make_bridge, make_host, slows_by
from tests.support.books import BUSY, differences, ends
from tests.support.certificates import make_authority
from tests.support.environment import environment_of
from tests.support.forked_commands import ForkedCommands
from tests.support.intents import payout
from tests.support.operator_at_work import OperatorAtWork
from tests.support.tools import server_binary
from tests.support.waiting import until

WHY = "compared with the bank's statement"

_NUMBERS = {"worker-1": 11, "worker-2": 12, "worker-3": 13, "ledger-1": 21, "ledger-2": 22, "vault": 31, "bank": 41}
_WORKERS, _LEDGERS = ("worker-1", "worker-2", "worker-3"), ("ledger-1", "ledger-2")
_SERVER, _SENTINEL, _TLS = 6379, 26379, 8443

#: Of the ledger's servers: so that one that follows anew has caught up within a second.
_REPLICATION = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}

_SENTINELS = """
port {port}
bind {bind}
protected-mode no
dir {folder}
sentinel monitor ledger {primary} 6379 2
sentinel down-after-milliseconds ledger 2000
sentinel failover-timeout ledger 4000
"""

#: Short. The horizon comes from the length of a cut (`_horizon_s`).
_SETTINGS = {
    "HTTP_CONNECT_TIMEOUT": "1",
    "HTTP_READ_TIMEOUT": "3",
    "HTTP_DEADLINE": "3",
    "LEASE": "4",
    "DOUBT_READS": "1",
    "RETRY_MIN_BACKOFF": "0.1",
    "RETRY_MAX_BACKOFF": "0.5",
    "RETRY_ATTEMPTS": "100",
    "WORKER_THREADS": "6",
    "LEDGER_REPLICAS": "1",
}


def _horizon_s(cut_s: float) -> int:
    """A host's kernel goes on sending what its worker gave up, with gaps that double: so it comes to the bank so long
    after its first try at the most. Only an answer `not found` that is later proves that nothing was sent.
    """
    return round(3 * cut_s) + 4


_LANES = {Lane.SEND, Lane.CONFIRM}

#: So many sends show that sending goes on.
_SOME = 3

#: So many clients answer in the second that is lost.
_SOME_ANSWERS = 2


@dataclass
class Sent:
    """When the bank answered a call that can move money: it says so on its output, which crosses no link."""

    at: list[float] = field(default_factory=list)

    def read(self, output: IO[bytes]) -> None:
        for _ in output:
            self.at.append(time.monotonic())

    def silence(self, begin: float, end: float) -> float:
        """The longest time without one that falls into these, at least in part."""
        inside = [moment for moment in self.at if begin <= moment <= end]
        before = max((moment for moment in self.at if moment < begin), default=begin)
        moments = [before, *inside]
        return max(later - earlier for earlier, later in zip(moments, [*inside, end], strict=True))


class Orders:
    """The backend and the clients: a payout is ordered until there is a receipt, and each challenge is answered."""

    def __init__(
        self, bank_url: str, gap_s: float, is_held: threading.Event, are_clients_away: threading.Event
    ) -> None:
        self.intents: dict[str, TransferIntent] = {}
        self.receipts: dict[str, Receipt] = {}
        self.client_heard: dict[str, str] = {}  #: by reference: what the client of a challenge was told last
        self._bank_url, self._gap_s = bank_url, gap_s
        self._is_over, self._is_held, self._are_clients_away = threading.Event(), is_held, are_clients_away
        self._transfers = Transfers.from_env()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._order, self._answer)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end_of_stream(self) -> None:
        """Nothing new is ordered; what has no receipt yet, and challenges, go on."""
        self._is_over.set()
        self._threads[0].join()

    def repeat(self) -> None:
        """All references once more, as after a failover of the ledger."""
        for reference, answer in zip(
            self.intents, self._transfers.enqueue_many(list(self.intents.values())), strict=True
        ):
            assert isinstance(answer, Receipt), answer
            self.receipts[reference] = answer

    def _order(self) -> None:
        number, was_held = 0, False
        while not self._is_over.wait(self._gap_s):
            if self._is_held.is_set():
                was_held = True
                continue
            if was_held:  # a producer that saw the ledger behind is to be started anew, as the runbook says
                self._transfers, was_held = Transfers.from_env(), False
            kind = "[3ds]" if number % 5 == 0 else "[slow:0.1]"
            intent = payout(f"payout-{number}", f"Payout {kind}", urgency="now" if number % 2 else "batch")
            number += 1
            self.intents[intent.reference] = intent
            for reference in [each for each in self.intents if each not in self.receipts]:
                with suppress(TransfersError):
                    self.receipts[reference] = self._transfers.enqueue(self.intents[reference])

    def _answer(self) -> None:
        while True:
            for reference, receipt in [] if self._are_clients_away.is_set() else [*self.receipts.items()]:
                if "[3ds]" in self.intents[reference].description:
                    try:
                        heard = self._answer_one(receipt)
                    except (TransfersError, requests.RequestException) as error:
                        heard = f"{type(error).__name__}: {error}"
                    if heard:
                        self.client_heard[reference] = heard
            time.sleep(0.1)

    def _answer_one(self, receipt: Receipt) -> str:
        """What the client was told; empty where there is nothing to answer. An answer that is refused is not repeated:
        the client has closed the page.
        """
        challenge = self._transfers.challenge(receipt.handle)
        if challenge is None:
            return ""
        said = {"md": challenge.md, "password": "secret"}
        answer = requests.post(f"{self._bank_url}/acs/answer", json=said, timeout=5).json()
        if "PaRes" not in answer:
            return "the bank knows the challenge no more"
        return str(self._transfers.confirm(md=challenge.md, pa_res=str(answer["PaRes"]), handle=receipt.handle))


@dataclass
class Site:
    """All hosts and what runs on them."""

    folder: Path
    stack: ExitStack
    hosts: dict[str, Host]
    env: dict[str, str]
    bank_url: str
    log: IO[bytes]
    sent: Sent
    commands: ForkedCommands
    client: redis.Redis
    are_producers_held: threading.Event = field(default_factory=threading.Event)
    are_clients_away: threading.Event = field(default_factory=threading.Event)
    workers: list[Any] = field(default_factory=list)
    table: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def operator(self) -> OperatorAtWork:
        return OperatorAtWork(self.env, self.bank_url, self.folder, self.commands)

    def start_workers(self, *names: str) -> None:
        command = [sys.executable, "-m", "epay_transfers.worker"]
        self.workers += [self.hosts[name].start(command, env=self.env, stderr=self.log) for name in names]

    def kill_workers(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait(10)
        self.workers.clear()

    def primary(self) -> Host:
        """Which of the two the Sentinels call so."""
        found = _answers(self.hosts[_WORKERS[1]].address, _SENTINEL, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "ledger")
        return next(host for host in self.hosts.values() if host.address == found[0])

    def replica(self) -> Host:
        primary = self.primary()
        return next(self.hosts[name] for name in _LEDGERS if self.hosts[name] is not primary)

    def role(self, host: Host) -> str:
        if host.name not in _LEDGERS:
            return host.name
        return "the ledger" if host is self.primary() else "the replica"

    def is_closed(self) -> bool:
        """Has a failover paused both lanes? Until Sentinels have promoted one no server answers."""
        with suppress(TransfersError, redis.RedisError):
            return {pause.lane for pause in Pauses(self.client).standing() if pause.cause == Cause.FAILOVER} == _LANES
        return False

    def is_followed(self) -> bool:
        return _is_followed(self.primary())

    def is_sent_since(self, moment: float) -> bool:
        return sum(at > moment for at in self.sent.at) >= _SOME

    def goes_on(self, since: float) -> None:
        """The bank is sent transfers again."""
        until(lambda: self.is_sent_since(since))

    @contextmanager
    def trouble(self, name: str) -> Iterator[None]:
        """A row of the table: how long it lasted, until transfers went on, and how long none was sent meanwhile."""
        self.goes_on(time.monotonic())
        begin = time.monotonic()
        yield
        mended = time.monotonic()
        until(lambda: self.is_sent_since(mended) or self.is_closed())
        end = time.monotonic()
        if self.is_closed():
            name += " (a replica was promoted)"
            until(self.is_followed)
            self.opens()
            mended = time.monotonic()
            self.goes_on(mended)
            end = time.monotonic()
            # What came while the lanes were paused would be looked at half a minute later.
            self.operator.types("queue", "rebuild", "--apply", "--reason", WHY)
        self.table.append((name, end - begin, self.sent.silence(begin, end)))

    def opens(self) -> None:
        """The runbook, "The ledger went back": nothing that was sent is lacking, and a person ends the pauses."""
        self.are_producers_held.set()
        self.kill_workers()
        operator = self.operator
        found = operator.looks()
        lacking = {name: found.recovery[name] for name in ("absent", "unsent_here") if found.recovery[name]}
        assert not lacking, f"transfers were sent whose claim the promoted ledger lacks: {lacking}"
        sequence = max(found.sequence, found.mark) + 1000
        self.client.hset(redis_keys.COUNTERS, "sequence", str(sequence))
        self.start_workers(*_WORKERS[:1])
        server = LedgerServer(self.client, "test")
        until(lambda: server.look().is_compared)
        for pause in Pauses(self.client).standing():
            operator.ends(pause.id, WHY)
        self.start_workers(*_WORKERS[1:])
        self.are_producers_held.clear()


def _is_followed(primary: Host) -> bool:
    found = _answers(primary.address, _SERVER, "INFO", "replication") or {}
    return dict(found.get("slave0", {})).get("state") == "online"


def _serve(host: Host, folder: Path, options: dict[str, str]) -> None:
    folder.mkdir()
    words = [server_binary("valkey"), "--bind", host.address, "--port", str(_SERVER), "--dir", str(folder)]
    words += [word for name, value in options.items() for word in (f"--{name}", value)]
    host.start([*words, "--protected-mode", "no", "--daemonize", "no", "--logfile", str(folder / "server.log")])
    until(lambda: _answers(host.address, _SERVER))


def _answers(address: str, port: int, *words: str) -> Any:
    with suppress(redis.RedisError), redis.Redis(address, port, socket_timeout=1, decode_responses=True) as client:
        return client.execute_command(*(words or ("PING",)))
    return None


def _watch(host: Host, folder: Path, primary: Host) -> None:
    file = folder / "sentinel.conf"
    folder.mkdir()
    file.write_text(
        _SENTINELS.format(port=_SENTINEL, bind=host.address, folder=folder, primary=primary.address), encoding="utf-8"
    )
    host.start([server_binary("valkey"), str(file), "--sentinel", "--logfile", str(folder / "sentinel.log")])


def _sees_all(host: Host) -> bool:
    replicas = _answers(host.address, _SENTINEL, "SENTINEL", "REPLICAS", "ledger")
    others = _answers(host.address, _SENTINEL, "SENTINEL", "SENTINELS", "ledger")
    return bool(replicas and others) and len(replicas) == 1 and len(others) == 2


@contextmanager
def running_site(folder: Path, cut_s: float) -> Iterator[Site]:
    with ExitStack() as stack:
        make_bridge()
        hosts = {name: make_host(name, number) for name, number in _NUMBERS.items()}
        ledger = embedded_servers.LEDGER_OPTIONS | _REPLICATION
        first, second = (hosts[name] for name in _LEDGERS)
        _serve(first, folder / first.name, ledger)
        _serve(second, folder / second.name, ledger | {"replicaof": f"{first.address} {_SERVER}"})
        _serve(hosts["vault"], folder / "vault", embedded_servers.VAULT_OPTIONS)
        bank = hosts["bank"]
        authority = make_authority(folder, bank.address)
        sent, url = Sent(), f"https://{bank.address}:{_TLS}"
        words = [sys.executable, "-m", "tests.hosts.bank", bank.address, str(_TLS), f"{folder}/{bank.address}.pem"]
        running = bank.start(words, stdout=-1)
        assert running.stdout is not None
        threading.Thread(target=sent.read, args=(running.stdout,), daemon=True).start()
        sentinels = ",".join(f"{hosts[name].address}:{_SENTINEL}" for name in _WORKERS)
        env = environment_of(
            addresses(url),
            REDIS_URL=f"redis://ledger/0?sentinels={sentinels}",
            VAULT_URL=f"redis://{hosts['vault'].address}:{_SERVER}/0",
            BANK_CA_FILE=authority.ca_file,
            DOUBT_HORIZON=str(_horizon_s(cut_s)),
            **_SETTINGS,
        )
        os.environ.update(env | {"REQUESTS_CA_BUNDLE": authority.ca_file})
        until(lambda: _is_followed(first))
        for name in _WORKERS:
            _watch(hosts[name], folder / f"sentinel-{name}", first)
        until(lambda: all(_sees_all(hosts[name]) for name in _WORKERS))
        log = stack.enter_context((folder / "worker.log").open("wb"))
        commands = stack.enter_context(ForkedCommands(folder))
        client = stack.enter_context(connect(env["REDIS_URL"]))
        site = Site(folder, stack, hosts, env, url, log, sent, commands, client)
        stack.callback(site.kill_workers)
        site.start_workers(*_WORKERS)
        until(lambda: len(Heartbeats(client).alive()) == len(_WORKERS))
        yield site


def round_of_troubles(site: Site, *, slow_s: float, cut_s: float, is_short: bool) -> None:
    with site.trouble("cut off: the ledger"):
        before, behind = site.primary(), site.replica()
        site.are_clients_away.set()
        until(lambda: Ledger(site.client).totals().of(State.PARKED).count >= _SOME_ANSWERS)
        behind.cut()  # it lacks this second, in which the ledger would send if it did not wait for it
        site.are_clients_away.clear()  # and in which clients answer: their entries are lost with it
        time.sleep(1)
        before.cut()
        behind.mend()
        until(site.is_closed)
        before.mend()
    slowed = (
        {"all links": [*site.hosts.values()]} if is_short else {site.role(host): [host] for host in site.hosts.values()}
    )
    for name, hosts in slowed.items():
        with site.trouble(f"slow: {name}"):
            for host in hosts:
                host.slow()
            time.sleep(slow_s)
            for host in hosts:
                host.quicken()
    others = [site.hosts["worker-1"], site.replica(), *([] if is_short else [site.hosts["vault"], site.hosts["bank"]])]
    for host in others:
        with site.trouble(f"cut off: {site.role(host)}"):
            host.cut()
            time.sleep(cut_s)
            host.mend()


def settled(site: Site) -> bool:
    waiting = {*BUSY, State.PARKED}
    return not any(state in waiting for state, _ in ends(site.client).values())


def verdict(site: Site, orders: Orders) -> dict[str, object]:
    """`lost`: ordered and not in the ledger, or where the two books do not say the same."""
    found = ends(site.client)
    books = requests.get(f"{site.bank_url}/books", timeout=30).json()
    unknown = [reference for reference, receipt in orders.receipts.items() if receipt.key not in found]
    unknown += [reference for reference in orders.intents if reference not in orders.receipts]
    return {
        "ordered": len(orders.intents),
        "paid_twice": books["totals"]["executed_twice"],
        "lost": unknown + differences(found, books),
        "under_way": [_story(site, orders, key) for key, (state, _) in found.items() if state in {*BUSY, State.PARKED}],
        "ends": dict(Counter(f"{state} {reason}".strip() for state, reason in found.values())),
        "troubles": [(name, round(lasted, 1), round(silent, 1)) for name, lasted, silent in site.table],
    }


def _story(site: Site, orders: Orders, key: str) -> dict[str, object]:
    """Of a transfer that is under way at the end: all that tells why."""
    ledger = Ledger(site.client)
    record = ledger.get(key)
    assert record is not None
    events = Events(site.client).of(record).events
    moves = [f"{each.fields['at']} {each.fields['verb']} {each.fields.get('state', '')}" for each in events]
    vault = Vault(connect(site.env["VAULT_URL"]))
    return {
        "key": key,
        "state": record.state,
        "reason": record.reason,
        "due_in_s": ((site.client.zscore(redis_keys.DUE, key) or 0) - ledger.now_ms()) // 1000,
        "moves": moves,
        "pares": vault.look(Purpose.PARES, key),
        "client_heard": orders.client_heard.get(record.reference, ""),
    }


def table(rows: list[tuple[str, float, float]]) -> str:
    lines = ["| trouble | until transfers went on | nothing was sent for |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {lasted:.1f} s | {silent:.1f} s |" for name, lasted, silent in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Hosts whose links are cut and slowed, under load.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow", type=float, default=8, metavar="SECONDS", help="for how long each link is slow")
    parser.add_argument("--cut", type=float, default=8, metavar="SECONDS", help="for how long a link is cut")
    parser.add_argument("--gap", type=float, default=0.15, metavar="SECONDS", help="between two orders")
    parser.add_argument(
        "--short", action="store_true", help="all links are slow at once, and vault and bank are not cut off"
    )
    given = parser.parse_args()
    with TemporaryDirectory(prefix="transfers-hosts-") as name, running_site(Path(name), given.cut) as site:
        orders = Orders(site.bank_url, given.gap, site.are_producers_held, site.are_clients_away)
        orders.start()
        for _ in range(given.rounds):
            round_of_troubles(site, slow_s=given.slow, cut_s=given.cut, is_short=given.short)
        orders.end_of_stream()
        orders.repeat()
        with suppress(AssertionError):  # the verdict says what is under way
            until(lambda: settled(site))
        print(f"A slow link: {slows_by()}.\n\n{table(site.table)}\n")  # noqa: T201 - what it is for
        found = verdict(site, orders)
        print(json.dumps(found))  # noqa: T201 - as above
    if found["paid_twice"] or found["lost"] or found["under_way"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
