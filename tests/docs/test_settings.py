"""The settings in the documents: each one that is named exists, and each one that exists is named."""

import re
from pathlib import Path

from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.producers.settings import ProducerSettings
from epay_transfers.runtime.setting_sources import PREFIX
from epay_transfers.runtime.settings import ServerSettings
from epay_transfers.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs/settings.md"  # generated: it names each setting, and explains none
DOCUMENTS = [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("deploy/*.conf")
]  # fmt: skip
ROOMS = (ServerSettings, ProducerSettings, WorkerSettings, ConsoleSettings)

SETTINGS = {name.upper() for room in ROOMS for name in room.model_fields}

#: In capitals as well, and no settings: where settings may be read from, a switch of the process, the bank's words,
#: ours for evidence, the settings of Django REST framework, of Django, and of our app in it.
OTHERS = {
    "TRANSFERS_NAME", "SECRETS_DIR", "CREDENTIALS_DIRECTORY",
    "REDISCLI_AUTH", "ALLOW_DEBUGGER", "CANCEL_OLD", "NOT_SENT", "MAYBE_SENT",
    "OTHER_SERVER",
    "MALLOC_ARENA_MAX",
    "REST_FRAMEWORK", "EXCEPTION_HANDLER",
    "INSTALLED_APPS", "BASE_DIR", "ATOMIC_REQUESTS", "SILENCED_SYSTEM_CHECKS", "TOO_LATE",
    "ENV_FILE", "ACS_HOSTS", "OUTCOMES_HANDLER", "OUTCOMES_GROUP",
}  # fmt: skip

#: What the tests and the benchmarks read from the environment, as CONTRIBUTING.md names it.
_READ = re.compile(r"environ(?:\.get\(|\.setdefault\(|\[)\"((?:TRANSFERS|BENCH)_[A-Z_]+)\"")
SWITCHES = {
    name
    for folder in ("tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    for name in _READ.findall(path.read_text())
}

_NAME = re.compile(r"(?<![\w`-])`?\$?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")


def named() -> dict[str, set[str]]:
    """Every name in capitals with an underscore, and where it stands."""
    found: dict[str, set[str]] = {}
    for path in DOCUMENTS:
        for name in _NAME.findall(path.read_text()):
            found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_setting_that_is_named_exists() -> None:
    known = SETTINGS | OTHERS | SWITCHES
    strangers = {name: places for name, places in named().items() if not {name, name.removeprefix(PREFIX)} & known}

    assert strangers == {}


def test_every_setting_that_exists_is_named() -> None:
    """In a sentence, and not in the generated table alone."""
    said = " ".join(path.read_text() for path in DOCUMENTS if path != TABLE)

    assert {name for name in SETTINGS if not re.search(rf"\b{name}\b", said)} == set()
