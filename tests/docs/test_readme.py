"""The README's code is run as it stands there, against the servers, a worker and the sandbox bank."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.producers import Transfers, Verdict
from tests.support.platform import Platform, bank_url, platform

__all__ = ["bank_url", "platform"]  # fixtures, used here too

README = Path(__file__).parents[2] / "README.md"


def code_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_readme_has_three_snippets() -> None:
    """One for a backend that enqueues, one for its outcomes, one for a web tier; outcomes stand before `wait`."""
    enqueue, outcomes, web_tier = code_blocks()

    assert "transfers.enqueue(" in enqueue
    assert outcomes.index("transfers.outcomes(") < outcomes.index("transfers.wait(")
    assert "transfers.confirm(" in web_tier


def test_what_a_backend_and_a_web_tier_write_works(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The payout is paid and told. The same code with 3-D Secure asked for leads to a challenge, and is confirmed."""
    for name, value in platform.env.items():
        monkeypatch.setenv(name, value)
    platform.start_worker()
    enqueue, outcomes, web_tier = code_blocks()

    names: dict[str, Any] = {}
    exec(enqueue, names)  # noqa: S102 - the README's own code
    transfers: Transfers = names["transfers"]
    transfers.wait(names["receipt"].key, timeout=30)  # so that the outcomes below are all there
    exec(outcomes, names)  # noqa: S102 - the README's own code
    assert capsys.readouterr().out == "payout-42 is paid\n"
    assert (names["transfer"].state, names["transfer"].money) == ("paid", "moved")

    secure = enqueue.replace("payout-42", "payout-43").replace("Payout 42", "Payout 43 [3ds]")
    exec(secure, names)  # noqa: S102 - the README's own code
    on_this_machine = web_tier.replace("https://shop.example", "http://127.0.0.1:8000")  # as the sandbox's page is
    exec(on_this_machine, names)  # noqa: S102 - the README's own code
    handle = names["receipt"].handle
    assert transfers.wait(names["receipt"].key, timeout=30).state == "parked"
    page = names["pay"](transfers, handle)
    challenge = transfers.challenge(handle)
    assert challenge is not None
    assert challenge.action in page.body.decode()
    form = {"MD": challenge.md, "PaRes": platform.answer(challenge.md)}

    assert names["came_back"](transfers, handle, form) is Verdict.ACCEPTED
    assert transfers.wait(names["receipt"].key, timeout=30).state == "paid"
    transfers.close()
    names["transfers"].close()


def test_the_readme_names_the_version_that_a_wheel_of_it_has() -> None:
    version = tomllib.loads((README.parent / "pyproject.toml").read_text())["project"]["version"]

    assert f"epay_transfers-{version}-py3-none-any.whl" in README.read_text()
