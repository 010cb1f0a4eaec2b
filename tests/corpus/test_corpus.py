"""What each version has written is read, and means what it meant; and what this version writes is in the corpus."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from epay_transfers.ledger.alarms import Alarm
from epay_transfers.ledger.record import FIELDS
from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.inboxes import Kind
from epay_transfers.ops import descriptions
from tests.corpus import lines, meaning
from tests.corpus.lines import KINDS, AlreadyThere, Line

#: What to do where a test of this file is red for a reason.
_ADD = "`python -m tests.corpus.generate` adds what is new beside what is there; read it before you commit it"

_KEPT = lines.kept()
_READABLE = [kind for kind in KINDS if kind != "standing"]


@pytest.mark.parametrize("kind", _READABLE)
def test_each_line_means_what_it_meant_when_it_was_written(kind: str) -> None:
    """A value that a later version adds to what it says is no difference; one that it lacks or reads otherwise is."""
    of_kind = list(lines.of_kind(_KEPT, kind))

    now = {str(line): json.loads(json.dumps(meaning.of(kind, line.content))) for line in of_kind}

    assert of_kind != []
    for line in of_kind:
        read = now[str(line)] if Counter(map(str, of_kind))[str(line)] == 1 else meaning.of(kind, line.content)
        assert json.loads(json.dumps(read)) | line.means == json.loads(json.dumps(read)), str(line)


def test_every_event_is_a_sentence() -> None:
    """Whatever version wrote it: an operator reads it in a year."""
    for line in lines.of_kind(_KEPT, "event"):
        said = descriptions.happened(Event("1795500000000-0", line.content))

        assert said != line.is_a, str(line)
        assert "{" not in said, str(line)


def test_what_this_version_writes_is_in_the_corpus(written: list[Line]) -> None:
    """Names and types, and not the values: a field that is new, gone, or of another type is a new shape."""
    new = [str(line) for line in lines.new(written, _KEPT)]

    assert new == [], _ADD


def test_the_corpus_has_all_that_there_is() -> None:
    """A new state, verb, alarm, kind of entry or field of a record needs a run that writes it (`writers.py`)."""
    by_kind = {kind: {line.is_a for line in lines.of_kind(_KEPT, kind)} for kind in KINDS}
    fields = {name for line in lines.of_kind(_KEPT, "record") for name in line.content}

    assert set(map(str, State)) - by_kind["record"] == set()
    assert ({*map(str, Verb), *map(str, Alarm)}) - by_kind["event"] == set()
    assert set(map(str, Kind)) - {Kind.UNKNOWN} - by_kind["entry"] == set()
    assert set(FIELDS) - fields == set()


def test_a_generation_is_added_and_never_written_again(tmp_path: Path) -> None:
    """Only shapes that no generation has are added; what stands in an older one stays as it is."""
    line = Line("message", "confirms", {"args": ["1"]}, {})
    same, other = replace(line, content={"args": ["2"]}), replace(line, content={"args": ["2"], "more": 1})

    first = lines.add_generation([line], "1", tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.jsonl")}
    assert lines.add_generation([same], "2", tmp_path) is None
    second = lines.add_generation([same, other], "2", tmp_path)

    assert (first, second) == (tmp_path / "generation_1", tmp_path / "generation_2")
    assert [(kept.version, kept.content) for kept in lines.kept(tmp_path)] == [
        ("1", line.content),
        ("2", other.content),
    ]
    assert {file: file.read_bytes() for file in before} == before
    with pytest.raises(AlreadyThere):
        lines.write([other], "2", tmp_path / "generation_1")
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1"}, {"a": "1", "b": "2"}),
        ({"a": "1"}, {"b": "1"}),
        ({"a": "1"}, {"a": "x"}),
        ({"a": 1}, {"a": "1"}),
        ({"a": '{"b":1}'}, {"a": '{"c":1}'}),
        ({"a": '[{"b":1}]'}, {"a": '[{"b":"x"}]'}),
    ],
)
def test_a_name_or_a_type_is_a_shape_of_its_own(one: object, other: object) -> None:
    a, b = (Line("record", "paid", content, {}) for content in (one, other))

    assert a.shape != b.shape
    assert replace(a, name="paid, of another run").shape == a.shape
    assert replace(a, name="declined").shape != a.shape


def test_a_value_is_none() -> None:
    one, other = {"a": "1", "metadata": '{"x":"1"}'}, {"a": "2", "metadata": '{"y":"z"}'}

    assert Line("record", "paid", one, {}).shape == Line("record", "paid", other, {}).shape
