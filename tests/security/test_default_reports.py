"""A backend's own Sentry, with the library's defaults: local variables, bodies, addresses, and all integrations.

Our routes and our calls break inside, with a card or a PaRes open, and nothing of it is in a report, in an answer or on
Django's debug page. The same program does it by hand as the control, and there all of it is found.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.security import canaries
from tests.security.canaries import Search
from tests.security.conftest import Reports
from tests.security.reporting_backend import FRAMEWORKS

ROOT = Path(__file__).parents[2]
SEARCH = Search(
    {"PaRes": canaries.PA_RES[:60], "notify secret": canaries.NOTIFY_SECRET, "secret_hash": canaries.HASH},
)


def ran(reports: Reports, framework: str, mode: str) -> tuple[str, str]:
    """What the program's frameworks answered, and the handle of its transfer."""
    command = [sys.executable, "-m", "tests.security.reporting_backend", reports.dsn, framework, mode]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    answers, _, handle = done.stdout.rstrip().rpartition("\n")
    return answers, handle


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_nothing_of_a_card_or_an_answer_is_in_a_default_report(reports: Reports, framework: str) -> None:
    """Nor in an answer. The reports are there all the same, with the type and the place of what broke."""
    answers, handle = ran(reports, framework, "ours")

    assert SEARCH.hits(reports.text) == {}
    assert SEARCH.hits(answers) == {}
    assert handle.encode() not in reports.text
    assert "LedgerWentBack" in answers.splitlines()[0]
    assert [line.split()[:2] for line in answers.splitlines() if line.startswith(("GET ", "POST "))] == [
        ["POST", "200"],
        ["POST", "500"],
        ["POST", "500"],
        ["GET", "500"],
    ]
    assert answers.count("Do not pay again") == 2
    for word in (
        "web.broke",
        "ledger.went_back",
        "ValueError",
        "__main__:",
        " _break",
        "InternalError",
        "IntentRejected",
    ):
        assert word.encode() in reports.text, word


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_us_it_is_there(reports: Reports, framework: str) -> None:
    """The control: views of the backend's own, of which one breaks with the same PaRes, and one logs an error."""
    answers, _ = ran(reports, framework, "bare")

    adds_body_to_log = framework in {"flask", "django"}
    assert SEARCH.hits(reports.text).keys() >= {"PaRes"} | ({"sender's PAN", "CVC"} if adds_body_to_log else set())
    assert ("PaRes" in SEARCH.hits(answers)) == (framework == "django")
