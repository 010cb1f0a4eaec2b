"""The canaries: cards, names, tokens and keys go through everything that can happen, and then every sink is searched.

One run for all sinks: success, decline, 3-D Secure, the bank's faults, a worker that is killed, messages that are none,
commands, error reports, all logged at DEBUG. In each sink a marker that must be there shows that the search reads it.
"""

import logging
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import requests
from typer.testing import CliRunner

from ledger import embedded, logs, sealing
from ledger.doorbell import NAMESPACE, NOW
from ledger.secret import Secret
from ledger.servers import connect
from ledger.states import State
from ledger.webtier import secret_hash
from ops.cli import app
from producers import PanCard, Receipt, Receiver, SavedCard, TransferIntent, Transfers
from producers.web import redirect_page
from sandbox import PUBLIC_TEST, Options, RunningSandbox, running
from tests.producers.test_secrecy import everything
from tests.security import canaries
from tests.security.canaries import Search
from tests.security.conftest import Reports, receiving_reports

#: What the sandbox is asked to do, by its magic words.
FAULTS = [
    "[drop-before]", "[drop-after]", "[reset-after]", "[500-before]", "[502-after]", "[garbage]", "[html]", "[huge]",
    "[redirect]", "[close]", "[truncate]", "[code:100]", "[code:454]", "[wrong-amount]", "[wrong-currency]",
    "[wrong-invoice]", "[state:REFUND]", "[false-not-found:2]",
]  # fmt: skip

_LONGEST_S = 30.0


@dataclass
class Run:
    """What is left after it."""

    search: Search
    sinks: dict[str, bytes | str]
    marker: str  #: a transfer's key that every sink has seen
    states: dict[str, State]
    ledger: redis.Redis
    vault: redis.Redis


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(int(_LONGEST_S / 0.05)):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not become so within a minute")


def intent(reference: str, description: str = "Payout", **more: Any) -> TransferIntent:
    fields: dict[str, Any] = {
        "reference": reference,
        "amount": 150,
        "description": description,
        "sender": PanCard(
            number=canaries.PAN, expiry="01/25", cvc=canaries.CVC, name=canaries.HOLDER, address=canaries.ADDRESS
        ),
        "receiver": Receiver(
            number=canaries.RECEIVER_PAN,
            first_name=canaries.FIRST_NAME,
            last_name=canaries.LAST_NAME,
            country_code="KG",
        ),
        "foreign": True,
        "sender_email": canaries.EMAIL,
        "sender_ip": canaries.IP,
    }
    return TransferIntent(**fields | more)


class Town:
    """The processes and the people of one run."""

    def __init__(self, folder: Path, env: dict[str, str], bank: RunningSandbox) -> None:
        self.folder = folder
        self.env = env
        self.bank = bank
        self.pa_res: list[str] = []
        self.challenges: list[str] = []
        self.pages: list[str] = []
        self.worker: subprocess.Popen[bytes] | None = None
        self.proc = b""

    def start_worker(self) -> None:
        with (self.folder / "worker.log").open("ab") as log, (self.folder / "worker.out").open("ab") as out:
            command = [sys.executable, "-P", "-m", "worker"]
            self.worker = subprocess.Popen(command, env=self.env, stdout=out, stderr=log)  # noqa: S603 - our own
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                self.proc += Path(f"/proc/{self.worker.pid}/{name}").read_bytes()

    def end_worker(self, *, kill: bool = False) -> None:
        assert self.worker is not None
        self.worker.kill() if kill else self.worker.terminate()
        self.worker.wait(30)

    def close(self) -> None:
        """However it went."""
        if self.worker is not None and self.worker.poll() is None:
            self.end_worker(kill=True)

    def answer(self, transfers: Transfers, receipt: Receipt, password: str = "secret") -> None:
        """The client at the bank's page, and the web tier that takes its answer."""
        until(lambda: transfers.challenge(receipt.handle) is not None)
        challenge = transfers.challenge(receipt.handle)
        assert challenge is not None
        reply = redirect_page(challenge, term_url="https://shop.example/3ds")
        self.pages.append(reply.body.decode())
        self.challenges.append(challenge.pa_req)
        answer = requests.post(
            f"{self.bank.url}/acs/answer", json={"md": challenge.md, "password": password}, timeout=30
        ).json()["PaRes"]
        self.pa_res.append(answer)
        transfers.confirm(md=challenge.md, pa_res=answer, handle=receipt.handle)

    def play(self, transfers: Transfers, queue: redis.Redis) -> dict[str, Receipt]:
        """Everything that can happen. Returns who was accepted, by what was played."""
        self.start_worker()
        words = {"": "success", "[decline:484]": "decline", "[3ds]": "secure", "[3ds-nested]": "wrong password"}
        words |= {"[3ds] [confirm-drop-after]": "confirm in doubt", "[3ds-status]": "parked"}
        words |= {word: word for word in FAULTS}
        made = {
            name: transfers.enqueue(intent(f"c-{number}", f"Payout {word}"))
            for number, (word, name) in enumerate(words.items())
        }
        self.answer(transfers, made["secure"])
        self.answer(transfers, made["wrong password"], password="wrong")
        self.answer(transfers, made["confirm in doubt"])
        saved = SavedCard(card_id=canaries.CARD_ID)
        made["saved"] = transfers.enqueue(intent("c-saved", sender=saved, urgency="batch"))
        self._send_garbage(queue)
        made["killed"] = transfers.enqueue(intent("c-killed", "Payout [hang-after]"))
        until(lambda: transfers.get(made["killed"].key).state is State.SENDING)
        self.end_worker(kill=True)
        self.start_worker()
        waiting = {State.QUEUED, State.SENDING, State.RESUMED, State.CONFIRMING}
        for receipt in made.values():
            until(lambda key=receipt.key: transfers.get(key).state not in waiting)  # type: ignore[misc]  # a default binds it now
        self.end_worker()
        made["waiting"] = transfers.enqueue(intent("c-waiting"))
        return made

    def _send_garbage(self, queue: redis.Redis) -> None:
        """What is no message goes to the dead letters, and an error report says so."""
        queue.hset(f"{NAMESPACE}:{NOW}.msgs", "id-1", "no message")
        queue.rpush(f"{NAMESPACE}:{NOW}", "id-1")
        until(lambda: bool(queue.zcard(f"{NAMESPACE}:{NOW}.XQ")))


def commands(made: dict[str, Receipt]) -> str:
    """What an operator's screen shows of it."""
    words = [["list"], ["list", "--json"], ["events", "--limit", "1000"], ["queues"], ["parked"], ["doubt"]]
    words += [["dead", "list"], ["terminals"], ["audit"], *(["status", receipt.key] for receipt in made.values())]
    return "\n".join(CliRunner().invoke(app, command).output for command in words)


def files_of(client: redis.Redis) -> bytes:
    """The append-only file, and a snapshot without compression (which hid a card number from a search once)."""
    folder = Path(cast("dict[str, str]", client.config_get("dir"))["dir"])
    client.config_set("rdbcompression", "no")
    client.save()
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".log")


def log_here(stream: StringIO) -> logging.Handler:
    """The test is backend and web tier: all that these log, at DEBUG, as a backend has it: without our filter."""

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.partition(".")[0] in logs._ROOMS:
                stream.write(repr(vars(record)) + "\n")

    handler = Everything()
    logging.getLogger().addHandler(handler)
    logging.getLogger("producers").setLevel(logging.DEBUG)
    logging.getLogger("ledger").setLevel(logging.DEBUG)
    return handler


pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("canaries")
    with ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        servers = [
            stack.enter_context(embedded.running(options, folder / f"{name}-server"))
            for name, options in (("ledger", embedded.LEDGER_OPTIONS), ("vault", embedded.VAULT_OPTIONS))
        ]
        ledger, vault, queue = (
            stack.enter_context(connect(url))
            for url in (servers[0].url, servers[1].url, servers[0].url.removesuffix("/0") + "/1")
        )
        bank = stack.enter_context(running(Options()))
        reports = stack.enter_context(receiving_reports())
        env = _environment(servers, bank, reports)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        said = StringIO()
        handler = log_here(said)
        town = Town(folder, env, bank)
        stack.callback(town.close)
        with Transfers.from_env() as transfers:
            made = town.play(transfers, queue)
            states = {name: transfers.get(receipt.key).state for name, receipt in made.items()}
        screens = commands(made)
        logging.getLogger().removeHandler(handler)
        search = Search(_more(env, town, made))
        yield Run(
            search=search,
            sinks={
                "the ledger and the queue": everything(ledger),
                "the vault": everything(vault),
                "the ledger's files": files_of(ledger),
                "the vault's files": files_of(vault),
                "a worker's log": (folder / "worker.log").read_bytes(),
                "a producer's log": said.getvalue(),
                "a worker's standard output": (folder / "worker.out").read_bytes() + made["success"].key.encode(),
                "error reports": reports.text,
                "commands": screens,
                "a worker's arguments and environment": town.proc + made["success"].key.encode(),
                "what a web tier shows": "\n".join([*town.pages, made["success"].key]),
            },
            marker=made["success"].key,
            states=states,
            ledger=ledger,
            vault=vault,
        )


def _environment(servers: list[embedded.EmbeddedServer], bank: RunningSandbox, reports: Reports) -> dict[str, str]:
    keys, at = sealing.generate(), bank.addresses
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}} | {
        "REDIS_URL": servers[0].url,
        "VAULT_URL": servers[1].url,
        "VAULT_PUBLIC_KEY": keys.public,
        "VAULT_PRIVATE_KEYS": keys.private.reveal(),
        "FINGERPRINT_KEY": secrets.token_urlsafe(32),
        "EPAY_TOKEN_URL": at.token,
        "EPAY_TRANSFER_URL": at.transfer,
        "EPAY_CONFIRM_URL": at.confirm,
        "EPAY_STATUS_URL": at.status,
        "EPAY_TERMINAL_ID": PUBLIC_TEST.terminals[0],
        "EPAY_CLIENT_ID": PUBLIC_TEST.client_id,
        "EPAY_CLIENT_SECRET": PUBLIC_TEST.client_secret,
        "EPAY_SECRET_HASH_KEY": secrets.token_urlsafe(32),
        "HTTP_CONNECT_TIMEOUT": "1",
        "HTTP_READ_TIMEOUT": "2",
        "HTTP_DEADLINE": "2",
        "LEASE": "3",
        "LOG_LEVEL": "DEBUG",
        "SENTRY_DSN": reports.dsn,
        "OPERATOR": "aigul",
    }


def _more(env: dict[str, str], town: Town, made: dict[str, Receipt]) -> dict[str, str]:
    """The values that only this run knows."""
    values = {
        "client secret": env["EPAY_CLIENT_SECRET"],
        "private key": env["VAULT_PRIVATE_KEYS"],
        "fingerprint key": env["FINGERPRINT_KEY"],
        "hash key": env["EPAY_SECRET_HASH_KEY"],
    }
    values |= {f"token {number}": token for number, token in enumerate(town.bank.bank.desk.tokens._grants)}
    values |= {f"PaRes {number}": answer for number, answer in enumerate(town.pa_res)}
    values |= {f"PaReq {number}": asked for number, asked in enumerate(town.challenges)}
    key = Secret(env["EPAY_SECRET_HASH_KEY"])
    return values | {f"secret_hash {name}": secret_hash(key, receipt.invoice_id) for name, receipt in made.items()}


#: What the design's table allows, by place. A worker's own environment is where these keys come from in this run; a
#: client's browser takes the challenge to the bank; the ledger keeps that of a transfer which is not final (2: its
#: confirm is in doubt), and its file remembers the others until it is rewritten. A saved card's id is the bank's name
#: for it: the outcome tells it to the producer, as the bank told it to us.
ALLOWED = {
    "a worker's arguments and environment": {"client secret", "private key", "fingerprint key", "hash key"},
    "what a web tier shows": {"PaReq 0", "PaReq 1", "PaReq 2"},
    "the ledger and the queue": {"PaReq 2", "card id"},
    "the ledger's files": {"PaReq 0", "PaReq 1", "PaReq 2", "card id"},
    "commands": {"card id"},
}
SINKS = (
    "the ledger and the queue", "the vault", "the ledger's files", "the vault's files", "a worker's log",
    "a producer's log", "a worker's standard output", "error reports", "commands",
    "a worker's arguments and environment", "what a web tier shows",
)  # fmt: skip


@pytest.mark.parametrize("sink", SINKS)
def test_no_canary_is_in_any_sink(run: Run, sink: str) -> None:
    """But for what the design's table allows there."""
    hits = run.search.hits(run.sinks[sink])

    assert {name: count for name, count in hits.items() if name not in ALLOWED.get(sink, set())} == {}


@pytest.mark.parametrize("sink", [sink for sink in SINKS if sink != "error reports"])
def test_the_search_reads_the_sink(run: Run, sink: str) -> None:
    """The control: a transfer's key is there, which has been everywhere."""
    data = run.sinks[sink]
    text = data if isinstance(data, bytes) else data.encode()
    if sink in {"the vault", "the vault's files"}:
        assert b"sealed:card:" in text
    assert run.marker.encode() in text


def test_the_search_reads_what_a_worker_has_reported(run: Run) -> None:
    """What was no message was an error, so there is a report of it."""
    text = run.sinks["error reports"]

    assert isinstance(text, bytes)
    assert b"message.quarantined" in text


def test_the_run_met_what_it_was_to_meet(run: Run) -> None:
    """Else nothing was shown."""
    assert run.states["success"] is State.PAID
    assert run.states["decline"] is State.DECLINED
    assert run.states["secure"] is State.PAID
    assert run.states["wrong password"] is State.DECLINED
    assert run.states["parked"] is State.PARKED
    assert run.states["killed"] is State.IN_DOUBT
    assert run.states["waiting"] is State.QUEUED
    assert State.IN_DOUBT in {run.states[word] for word in FAULTS}
    assert {name.split()[0] for name in run.search.names} >= {"token", "PaRes", "PaReq", "secret_hash", "client"}


def test_a_canary_in_a_server_is_found_in_its_keys_and_in_its_files(run: Run) -> None:
    """The control for the servers: planted plain, spaced and dashed, in each kind of value, and found each time."""
    for client in (run.ledger, run.vault):
        plain, spaced, dashed = canaries.dresses(canaries.PAN)
        client.set("control:string", plain)
        client.hset("control:hash", "card", spaced)
        client.rpush("control:list", dashed, canaries.HOLDER)
        client.xadd("control:stream", {"cvc": canaries.CVC})
        wanted = {"sender's PAN", "holder", "CVC"}
        assert run.search.hits(everything(client)).keys() >= wanted
        assert run.search.hits(files_of(client)).keys() >= {"sender's PAN", "holder"}
        client.delete("control:string", "control:hash", "control:list", "control:stream")
