"""What runs in a backend's process logs sentences with their ids: never a bare dotted word, never past `log_line`."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import files, nodes_of, room_of, text_of

#: The rooms whose code runs inside a backend's process. `runtime/logs.py` is the log of our own processes.
ROOMS = ("ledger", "producers", "runtime")
FILES = [file for file in files() if room_of(file) in ROOMS and file not in {"ledger/log_lines.py", "runtime/logs.py"}]

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}

#: Fields for a machine alone: a switch for a search, and no id.
UNSAID = {"security"}


def calls(file: str) -> Iterator[ast.Call]:
    return (node for node in nodes_of(file) if isinstance(node, ast.Call))


def lines(file: str) -> Iterator[ast.Call]:
    return (call for call in calls(file) if isinstance(call.func, ast.Name) and call.func.id == "log_line")


def test_nothing_is_logged_past_the_one_function() -> None:
    past = [
        f"{file}:{call.lineno}"
        for file in FILES
        for call in calls(file)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in LEVELS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"_LOG", "logging"}
    ]

    assert past == []


@pytest.mark.parametrize("file", [file for file in FILES if "log_line(" in text_of(file)])
def test_every_message_is_a_sentence_that_shows_each_field(file: str) -> None:
    """A plain formatter shows nothing else: an id that is only an extra is not in a backend's log."""
    for call in lines(file):
        event, sentence = [text for part in call.args[1:] if isinstance(text := ast.literal_eval(part), str)]
        assert re.fullmatch(r"[a-z_0-9]+\.[a-z_0-9]+", event), f"{file}:{call.lineno}"
        assert " " in sentence, f"{file}:{call.lineno}: {sentence}"
        fields = {str(keyword.arg) for keyword in call.keywords} - UNSAID
        assert set(re.findall(r"%\((\w+)\)s", sentence)) == fields, f"{file}:{call.lineno}"


def test_there_are_some() -> None:
    assert sum(1 for file in FILES for _ in lines(file)) > 15
