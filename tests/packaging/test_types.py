"""What callers write passes their type checkers, without our plugins: mypy (strict) and pyright.

The README's code, each example of the documents, and a sample that uses every field. And a mistake is seen by both.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from epay_transfers.producers import PanCard, Receiver, SavedCard, TransferIntent

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "typed_sample.py"

#: One mistake a line.
MISTAKES = """
from epay_transfers.producers import AsyncTransfers, PanCard, Receiver, SavedCard, TransferIntent, Transfers
card = SavedCard(card_id="a")
to = Receiver(card_id="b")
def check(transfers: Transfers) -> None:
    TransferIntent(reference="a", amount=1.5, description="b", sender=card, receiver=to)  # a float
    TransferIntent(reference="a", amount=1, description="b", sender=card)  # no receiver
    TransferIntent(reference="a", amount=1, description="b", sender=to, receiver=to)  # the wrong card
    TransferIntent(reference="a", ammount=1, amount=1, description="b", sender=card, receiver=to)  # an unknown field
    TransferIntent(reference="a", amount=1, description="b", sender=card, receiver=to, urgency="soon")  # no such word
    PanCard(number=4405639704015096, expiry="01/27", cvc="815", name="A B")  # a number that is no text
    SavedCard(id="a")  # another name
    Receiver("5522042705066736")  # by position
    transfers.enqueue({"reference": "a"})  # a dict
    transfers.enqueue_json(TransferIntent.model_validate({}))  # an intent for its text
    transfers.wait(transfers.enqueue(TransferIntent.model_validate({})))  # a receipt for its key
    transfers.confirm("md", "pa_res")  # by position
    transfers.get("1").amount + "KZT"  # a Decimal and a text
    transfers.outcomes("payouts").ack()  # of an iterator
async def check_async(transfers: AsyncTransfers) -> None:
    await transfers.enqueue({"reference": "a"})  # a dict
    (await transfers.get("1")).amount + "KZT"  # a Decimal and a text
    transfers.find("1").reference  # not awaited
    for outcome in transfers.outcomes("payouts"): ...  # not with async
"""

Complaints = dict[tuple[str, int], str]

#: Django has no types of its own, and pyright reads its `transaction.atomic()` as one of the two things that it gives.
ATOMIC = 'Object of type "(...) -> object" cannot be used with "with"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As in a caller's own project: the files, and the checker's settings."""
    made = tmp_path_factory.mktemp("caller")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (made / "readme.py").write_text("\n".join(blocks))
    (made / "mistakes.py").write_text(MISTAKES)
    for path in [SAMPLE, *(ROOT / "docs/examples").glob("*.py")]:
        (made / path.name).write_text(path.read_text())
    (made / "mypy.ini").write_text(
        "[mypy]\nstrict = true\n[mypy-django.*]\nignore_missing_imports = true\n"
        # Django has no types of its own.
        "[mypy-with_django]\ndisallow_untyped_decorators = false\n"
        "[mypy-outbox_with_django,on_commit_with_django]\ndisallow_subclassing_any = false\n"
    )
    (made / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "standard"}))
    return made


@pytest.fixture(scope="module")
def mypy(folder: Path) -> Complaints:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        "mypy.ini",
        "--cache-dir",
        str(ROOT / ".mypy_cache/caller"),
    ]
    done = run([*command, "--output", "json", "."], folder)
    found = [json.loads(line) for line in done.splitlines() if line.startswith("{")]
    return {(one["file"], one["line"]): one["message"] for one in found if one["severity"] == "error"}


@pytest.fixture(scope="module")
def pyright(folder: Path) -> Complaints:
    command = [str(Path(sys.executable).parent / "basedpyright"), "--pythonpath", sys.executable, "--outputjson"]
    found = json.loads(run([*command, "."], folder))["generalDiagnostics"]
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1): one["message"]
        for one in found
        if one["severity"] == "error" and not (one["file"].endswith("_with_django.py") and ATOMIC in one["message"])
    }


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603 - a tool of ours
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


@pytest.fixture(params=["mypy", "pyright"])
def complaints(request: pytest.FixtureRequest) -> Complaints:
    found: Complaints = request.getfixturevalue(request.param)
    return found


def test_what_the_documents_show_and_the_sample_pass(complaints: Complaints) -> None:
    """README, examples, and `typed_sample.py`."""
    assert {place: said for place, said in complaints.items() if place[0] != "mistakes.py"} == {}


def test_a_mistake_is_seen(complaints: Complaints) -> None:
    """So the types are none that take everything."""
    lines = MISTAKES.splitlines()
    wrong = [(number, line) for number, line in enumerate(lines, 1) if line.startswith("    ")]

    assert [line for number, line in wrong if ("mistakes.py", number) not in complaints] == []
    assert {number for file, number in complaints if file == "mistakes.py"} == {number for number, _ in wrong}


def test_the_sample_gives_every_field_of_every_constructor() -> None:
    """A new field of an intent or a card is a line there."""
    given = set(re.findall(r"\b([a-z_]+)=", SAMPLE.read_text()))

    for model in (PanCard, Receiver, SavedCard, TransferIntent):
        assert [name for name in model.model_fields if name not in given] == []
