"""What an import loads, and what a start costs. A backend pays for it at each start of a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SAYS = "import json, sys, epay_transfers.producers; print(json.dumps(list(sys.modules)))"

#: What a producer needs from its first line on, and what that loads where it is installed.
LIBRARIES = {
    "annotated_types", "cryptography", "dotenv", "epay_transfers", "hiredis", "opentelemetry", "pydantic",
    "pydantic_core", "pydantic_settings", "redis", "typing_extensions", "typing_inspection",
}  # fmt: skip


#: What checks a setting's value is built when a process makes its own settings: it imports those of others, too.
_BUILT = (
    "import epay_transfers.producers as it; all_ = [getattr(it, name) for name in it.__all__ if 'Settings' in name]\n"
    "print([each.__name__ for each in all_ if getattr(each, '__pydantic_complete__', False)])"
)


def test_an_import_builds_no_settings() -> None:
    done = subprocess.run([sys.executable, "-c", _BUILT], check=True, capture_output=True, text=True)  # noqa: S603 - this Python

    assert done.stdout == "[]\n"


def test_a_producer_loads_no_library_that_it_does_not_need_at_once() -> None:
    """The queue's comes with the first call, Sentry's with a report; HTTP, templates and screens are of others."""
    done = subprocess.run([sys.executable, "-c", _SAYS], check=True, capture_output=True)  # noqa: S603 - this Python

    first = {str(name).partition(".")[0] for name in json.loads(done.stdout)} - sys.stdlib_module_names
    first -= {"sitecustomize", "usercustomize"}  # of the machine's Python
    assert {name for name in first if not name.startswith("_")} <= LIBRARIES


_AT_THE_END = "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 0, file=sys.stderr))"


@pytest.mark.parametrize(
    "run",
    [
        "sys.argv = ['transfers', 'keygen']; runpy.run_module('epay_transfers', run_name='__main__')",
        "sys.argv = ['worker', '--check']; runpy.run_module('epay_transfers.worker', run_name='__main__')",
    ],
    ids=["a command", "a worker"],
)
def test_the_search_for_garbage_waits_for_the_start_and_not_longer(run: str, tmp_path: Path) -> None:
    """Nothing of what a start imports is garbage; a worker that never searched would grow for ever."""
    text = f"import atexit, gc, runpy, sys; {_AT_THE_END}; {run}"
    done = subprocess.run([sys.executable, "-c", text], check=False, capture_output=True, text=True, cwd=tmp_path)  # noqa: S603 - this Python

    assert done.stderr.splitlines()[-1] == "True True", done.stderr
