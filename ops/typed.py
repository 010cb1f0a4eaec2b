"""How a person types this very command in a shell: what the output tells to type must work as it stands there."""

import shlex
import shutil
import sys
from pathlib import Path

_NAME = "transfers"


def command() -> str:
    """`transfers` where the shell finds it, else its path as it was called: `.venv/bin/transfers`."""
    found = shutil.which(_NAME)
    if not _is_script():
        return _by_module()
    return _NAME if found and Path(found).samefile(sys.argv[0]) else shlex.quote(sys.argv[0])


def named(text: str) -> str:
    """A sentence of any room with each command in it as this one was called."""
    return text.replace(f"`{_NAME} ", f"`{command()} ")


def command_anywhere() -> str:
    """The same for another shell, in another folder, with another path."""
    return shlex.quote(str(Path(sys.argv[0]).absolute())) if _is_script() else _by_module()


def _is_script() -> bool:
    path = Path(sys.argv[0])
    return path.name == _NAME and path.is_file()


def _by_module() -> str:
    return f"{shlex.quote(sys.executable)} -m epay_transfers"
