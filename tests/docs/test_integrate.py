"""The code of `docs/integrate.md` is run as it stands there, against the servers, a worker and the sandbox bank."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk

from epay_transfers.producers.testing import FakeTransfers
from tests.support.intents import payout
from tests.support.platform import Platform, bank_url, platform
from tests.support.waiting import until
from tests.web.calling import call_asgi

__all__ = ["bank_url", "platform"]  # fixtures, used here too

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/integrate.md"
SAVED = ("88481433-595e-4c01-941f-34569db2426e", "86496cb0-bb5d-4791-bb49-cc27a0f660ce")


def code_below(heading: str) -> str:
    chapter = DOCUMENT.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", chapter, re.DOTALL)
    return str(block)


def run(heading: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    names = {} if names is None else names
    exec(code_below(heading), names)  # noqa: S102 - the document's own code
    return names


@pytest.fixture
def settings(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # the file that the code names is not here
    for name, value in platform.env.items():
        monkeypatch.setenv(name, value)


def test_every_block_is_run_here() -> None:
    """A new one needs its test; those of the shell are `transfers dev` and what pip does."""
    headings = re.findall(r"^## (.*)\n(?:(?!^## ).*\n)*?```python\n", DOCUMENT.read_text(), re.MULTILINE)

    assert headings == [
        "Enqueue", "Outcomes first", "Wait, in a script", "The web tier", "Logging", "Error reports"
    ]  # fmt: skip


@pytest.mark.usefixtures("settings")
def test_a_payout_is_enqueued_waited_for_and_told(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    """A second call with the same reference is the same transfer, as the document promises."""
    platform.start_worker()
    names = run("Enqueue")
    names["key"] = names["pay_out"](42, "15000", *SAVED)
    assert names["pay_out"](42, "15000", *SAVED) == names["key"]

    run("Wait, in a script", names)
    assert capsys.readouterr().out == "payout-42 is paid, final: True, money: moved\n"
    run("Outcomes first", names)
    names["listen"](threading.Event(), idle=3)
    assert capsys.readouterr().out == "payout-42 is paid\n"
    names["transfers"].close()


def test_the_listener_says_what_may_be_paid_another_way(capsys: pytest.CaptureFixture[str]) -> None:
    """And of what is in doubt nothing."""
    fake = FakeTransfers()
    names = run("Outcomes first")
    for reference in ("payout-42", "payout-43"):
        fake.enqueue(payout(reference))
    fake.decline("payout-42", code="484")
    fake.doubt("payout-43")
    fake.run_outcomes(names["deal_with"], group="payouts")

    said = "payout-42 is declined: it may be paid another way, under a new reference\n"
    assert capsys.readouterr().out == said


@pytest.mark.usefixtures("settings")
def test_a_client_of_the_web_tier_comes_to_the_banks_page(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_BASE_URL", "http://127.0.0.1:8000/transfers")
    platform.start_worker()
    names = run("The web tier")
    client = call_asgi(names["app"])
    bought = client("POST", "/buy/7")
    assert (bought.status, bought.headers["location"][:15]) == (303, "/transfers/pay/")
    page = bought

    def is_at_the_bank() -> bool:
        nonlocal page
        page = client("GET", bought.headers["location"])
        return page.headers["transfer-page"] == "challenge"

    until(is_at_the_bank)
    names["web"].transfers.close()

    assert f'action="{platform.bank_url}/acs"' in page.body.decode()


def test_a_plain_formatter_shows_a_sentence() -> None:
    """In a process of its own, since this one's log is pytest's."""
    script = (
        f"{code_below('Logging')}\nfrom epay_transfers.producers.testing import FakeTransfers\n"
        "from tests.support.intents import payout\nFakeTransfers().enqueue(payout('payout-42'))"
    )
    done = subprocess.run(  # noqa: S603 - the document's own code
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    time_and_logger, _, sentence = done.stderr.strip().partition(": ")

    assert re.fullmatch(r"[\d-]+ [\d:,]+ INFO epay_transfers\.[\w.]+", time_and_logger), done.stderr
    assert re.fullmatch(r"The transfer \d+ is queued, for the reference payout-42", sentence)


def test_a_report_of_a_backend_has_neither_variables_nor_the_body() -> None:
    before = sentry_sdk.get_global_scope().client
    try:
        run("Error reports", {"dsn": None})
        options = sentry_sdk.get_client().options
    finally:
        sentry_sdk.get_global_scope().set_client(before)

    assert (options["max_request_body_size"], options["include_local_variables"]) == ("never", False)
