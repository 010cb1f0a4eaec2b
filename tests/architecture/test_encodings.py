"""Text files are UTF-8 whatever the locale says: in the C locale Python would read them as ASCII, and break."""

import ast

import pytest

from tests.architecture.source import files, nodes_of

_OPENS = frozenset({"open", "fdopen", "read_text", "write_text"})
_STARTS = frozenset({"run", "Popen", "check_output"})

#: These open no text.
_OTHERS = frozenset({"os.open", "self._opener.open", "self._open"})


def without_encoding(call: ast.Call) -> bool:
    """Does the call open text, and leave it to the locale how it is written?"""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    words = {word.arg: word.value for word in call.keywords}
    if name in _STARTS:
        return bool(words.keys() & {"text", "universal_newlines"}) and "encoding" not in words
    if name not in _OPENS or ast.unparse(call.func) in _OTHERS or "encoding" in words:
        return False
    modes = [each.value for each in (*call.args, *words.values()) if isinstance(each, ast.Constant)]
    return name.endswith("_text") or not any(mode in {"rb", "wb", "ab", "r+b"} for mode in modes)


def test_no_text_is_read_or_written_as_the_locale_has_it() -> None:
    wrong = [
        f"{file}:{node.lineno} {ast.unparse(node)}"
        for file in files()
        for node in nodes_of(file)
        if isinstance(node, ast.Call) and without_encoding(node)
    ]
    assert wrong == []


@pytest.mark.parametrize("text", ["open(x)", "p.open('w')", "p.read_text()", "p.write_text(t)", "run(c, text=True)"])
def test_it_would_be_found(text: str) -> None:
    (call,) = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert without_encoding(call)
