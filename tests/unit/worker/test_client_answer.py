"""A first contact reads the client's answer as the web tier does, and takes no other."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote

import pytest
import requests

from epay_transfers.ledger.clock import SystemClock
from epay_transfers.ledger.secret import Secret
from epay_transfers.worker.bank import ChallengeRequired
from epay_transfers.worker.client_answer import wait_for

PA_RES = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYn+++++g=="
ENCODED = quote(PA_RES, safe="")
IN_LINES = quote(PA_RES[:20] + "\r\n " + PA_RES[20:], safe="")
MD = "270469967+9CA5"


@dataclass
class Waiting:
    """A first contact that waits for a person, in its own thread."""

    came: list[Secret | None] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    is_said: threading.Event = field(default_factory=threading.Event)
    is_answered: bool = False

    def wait(self, wait_s: float) -> None:
        challenge = ChallengeRequired("cGFSZXE=", MD, "https://acs.example/pareq?a=1&b=2", "b-1")
        self.came.append(wait_for(challenge, self._say, SystemClock(), wait_s))

    def _say(self, line: str) -> None:
        self.said.append(line)
        self.is_said.set()

    @property
    def page(self) -> requests.Response:
        """What a person's browser is shown."""
        assert self.is_said.wait(30)
        (address,) = re.findall(r"http://127\.0\.0\.1:\S+", self.said[0])
        return requests.get(address, timeout=30)

    @property
    def term_url(self) -> str:
        (address,) = re.findall(r'name="TermUrl" value="([^"]+)"', self.page.text)
        return unescape(address)

    def post(self, body: str, at: str = "") -> int:
        status = requests.post(at or self.term_url, data=body.encode(), timeout=30).status_code
        self.is_answered |= status == 200
        return status


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    thread = threading.Thread(target=waiting.wait, args=(60,))
    thread.start()
    yield waiting
    if not waiting.is_answered:
        waiting.post(f"PaRes={ENCODED}&MD={quote(MD)}")
    thread.join()
    assert [answer and answer.reveal() for answer in waiting.came] == [PA_RES]


@pytest.mark.parametrize(
    "body",
    [
        f"PaRes={ENCODED}&MD={quote(MD)}",
        f"PaRes={PA_RES}&MD={MD}",
        f"PaRes={IN_LINES}&MD={quote(MD)}",
        f"pares={ENCODED}&md={quote(MD)}",
        f"PaRes={ENCODED}&PaRes={ENCODED}&MD={quote(MD)}%0D%0A",
        f"%CE%EA=%CF&PaRes={ENCODED}&MD={quote(MD)}",
    ],
)
def test_an_answer_is_read_as_the_bank_made_it(waiting: Waiting, body: str) -> None:
    """Whatever the page has done to it."""
    assert waiting.post(body) == 200


@pytest.mark.parametrize(
    "body",
    ["", "PaRes=***&MD=270469967%2B9CA5", f"PaRes={ENCODED}&MD=another", f"PaRes={ENCODED}", "MD=270469967%2B9CA5"],
)
def test_another_answer_is_refused_and_the_right_one_is_waited_for(waiting: Waiting, body: str) -> None:
    """What can't be base64, or has another MD, is none."""
    assert waiting.post(body) == 400
    assert waiting.came == []


def test_only_the_two_addresses_that_can_not_be_guessed_are_answered(waiting: Waiting) -> None:
    """The page is at one of them, and the answer is taken at the other."""
    page, term_url = waiting.page, waiting.term_url

    assert page.url != term_url
    assert requests.get(term_url, timeout=30).status_code == 404
    assert requests.get(page.url + "x", timeout=30).status_code == 404
    assert waiting.post(f"PaRes={ENCODED}&MD={quote(MD)}", page.url) == 400
    assert 'action="https://acs.example/pareq?a=1&amp;b=2"' in page.text
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert page.headers["Cache-Control"] == "no-store"


def test_without_an_answer_it_ends() -> None:
    """A person may have closed the page."""
    waiting = Waiting()

    waiting.wait(0)

    assert waiting.came == [None]
