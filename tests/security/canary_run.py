"""The processes and the people of the canaries' run: a backend, a web tier, a client, a worker that is killed."""

import secrets
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import redis
import requests

from epay_transfers.ledger.queue.broker import NAMESPACE, NOW
from epay_transfers.ledger.states import State
from epay_transfers.producers import Challenge, PanCard, Receipt, Receiver, SavedCard, TransferIntent, Transfers
from epay_transfers.runtime import embedded_servers
from epay_transfers.sandbox import RunningSandbox
from tests.security import canaries
from tests.security.browser import Browser
from tests.security.conftest import Reports
from tests.support.environment import environment_of
from tests.support.waiting import until

#: What the sandbox is asked to do, by its magic words.
FAULTS = [
    "[drop-before]", "[drop-after]", "[reset-after]", "[500-before]", "[502-after]", "[garbage]", "[html]", "[huge]",
    "[redirect]", "[close]", "[truncate]", "[code:100]", "[code:454]", "[wrong-amount]", "[wrong-currency]",
    "[wrong-invoice]", "[state:REFUND]", "[false-not-found:2]",
]  # fmt: skip


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
        "metadata": {"user": canaries.USER},
    }
    return TransferIntent(**fields | more)


def _shows(place: Path) -> bool:
    """A moment after a process began, the kernel shows nothing of it yet."""
    return place.read_bytes() != b""


class CanaryRun:
    """The processes and the people of one run."""

    def __init__(self, folder: Path, env: dict[str, str], bank: RunningSandbox, browser: Browser) -> None:
        self.folder = folder
        self.env = env
        self.bank = bank
        self.browser = browser
        self.pa_res: list[str] = []
        self.challenges: dict[str, Challenge] = {}
        self.worker: subprocess.Popen[bytes] | None = None
        self.proc = b""

    def start_worker(
        self, command: Sequence[str] = ("-m", "epay_transfers.worker"), name: str = "worker", **more: str
    ) -> None:
        """Its log, its standard output, its arguments and its environment are kept: `log`, `out` and `proc`."""
        with (self.folder / f"{name}.log").open("ab") as log, (self.folder / f"{name}.out").open("ab") as out:
            self.worker = subprocess.Popen(  # noqa: S603 - our own
                [sys.executable, "-P", *command], env=self.env | more, stdout=out, stderr=log
            )
        for place in (Path(f"/proc/{self.worker.pid}/cmdline"), Path(f"/proc/{self.worker.pid}/environ")):
            until(partial(_shows, place))
            self.proc += place.read_bytes()

    def end_worker(self, *, kill: bool = False) -> None:
        assert self.worker is not None
        self.worker.kill() if kill else self.worker.terminate()
        self.worker.wait(30)

    def close(self) -> None:
        """However it went."""
        if self.worker is not None and self.worker.poll() is None:
            self.end_worker(kill=True)

    def park(self, transfers: Transfers, name: str, receipt: Receipt) -> Challenge:
        """Until the bank wants an answer of the client, who is shown the form."""
        until(lambda: transfers.challenge(receipt.handle) is not None)
        challenge = transfers.challenge(receipt.handle)
        assert challenge is not None
        self.challenges[name] = challenge
        self.browser.go("pay", receipt.handle)
        return challenge

    def answer(self, transfers: Transfers, name: str, receipt: Receipt, password: str = "secret") -> None:
        """The client at the bank's page, and the web tier that takes its answer."""
        challenge = self.park(transfers, name, receipt)
        answer = requests.post(
            f"{self.bank.url}/acs/answer", json={"md": challenge.md, "password": password}, timeout=30
        ).json()["PaRes"]
        self.pa_res.append(answer)
        assert self.browser.comes_back(receipt.handle, MD=challenge.md, PaRes=answer).status == 303

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
        self.answer(transfers, "secure", made["secure"])
        self.answer(transfers, "wrong password", made["wrong password"], password="wrong")
        self.answer(transfers, "confirm in doubt", made["confirm in doubt"])
        self.park(transfers, "parked", made["parked"])
        saved = SavedCard(card_id=canaries.CARD_ID)
        made["saved"] = transfers.enqueue(intent("c-saved", sender=saved, urgency="batch"))
        self._send_garbage(queue)
        for name in ("secure", "wrong password"):  # a worker that is killed while it confirms leaves it in doubt
            until(lambda key=made[name].key: transfers.get(key).final)  # type: ignore[misc]  # a default binds it now
        made["killed"] = transfers.enqueue(intent("c-killed", "Payout [hang-after]"))
        until(lambda: transfers.get(made["killed"].key).state is State.SENDING)
        self.end_worker(kill=True)
        self.start_worker()
        waiting = {State.QUEUED, State.SENDING, State.RESUMED, State.CONFIRMING}
        for receipt in made.values():
            until(lambda key=receipt.key: transfers.get(key).state not in waiting)  # type: ignore[misc]  # a default binds it now
        self.end_worker()
        for receipt in made.values():
            self.browser.go("pay", receipt.handle)
            self.browser.go("result", receipt.handle)
        made["waiting"] = transfers.enqueue(intent("c-waiting"))
        return made

    def _send_garbage(self, queue: redis.Redis) -> None:
        """What is no message goes to the dead letters, and an error report says so."""
        queue.hset(f"{NAMESPACE}:{NOW}.msgs", "id-1", "no message")
        queue.rpush(f"{NAMESPACE}:{NOW}", "id-1")
        until(lambda: bool(queue.zcard(f"{NAMESPACE}:{NOW}.XQ")))


def environment(
    servers: list[embedded_servers.EmbeddedServer], bank: RunningSandbox, reports: Reports
) -> dict[str, str]:
    return environment_of(
        bank.addresses,
        REDIS_URL=servers[0].url,
        VAULT_URL=servers[1].url,
        WEB_BASE_URL="http://127.0.0.1:1/transfers",
        NOTIFY_SECRET=secrets.token_urlsafe(32),
        EPAY_SECRET_HASH_KEY=secrets.token_urlsafe(32),
        HTTP_CONNECT_TIMEOUT="1",
        HTTP_READ_TIMEOUT="2",
        HTTP_DEADLINE="2",
        LEASE="3",
        LOG_LEVEL="DEBUG",
        SENTRY_DSN=reports.dsn,
        OPERATOR="aigul",
    )
