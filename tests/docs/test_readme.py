"""The README's code is run as it stands there, against the servers, a worker and the sandbox bank."""

import re
from pathlib import Path
from typing import Any

import pytest

from epay_transfers.producers import Transfers, Verdict
from tests.e2e.conftest import Platform, bank_url, platform

__all__ = ["bank_url", "platform"]  # fixtures, used here too

README = Path(__file__).parents[2] / "README.md"


def code_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_what_a_backend_and_a_web_tier_write_works(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The payout is paid; then the same code with 3-D Secure asked for leads to a challenge, and is confirmed."""
    for name, value in platform.env.items():
        monkeypatch.setenv(name, value)
    platform.start_worker()
    backend, web_tier = code_blocks()

    names: dict[str, Any] = {}
    exec(backend, names)  # noqa: S102 - the README's own code
    assert (names["transfer"].state, names["transfer"].money) == ("paid", "moved")

    secure = backend.replace("payout-42", "payout-43").replace("Payout 42", "Payout 43 [3ds]")
    exec(secure, names)  # noqa: S102 - the README's own code
    transfers: Transfers = names["transfers"]
    challenge = transfers.challenge(names["receipt"].handle)
    assert challenge is not None
    names["form"] = {"MD": challenge.md, "PaRes": platform.answer(challenge.md)}
    exec(web_tier, names)  # noqa: S102 - the README's own code

    assert names["verdict"] is Verdict.ACCEPTED
    assert transfers.wait(names["receipt"].key, timeout=30).state == "paid"
    transfers.close()
