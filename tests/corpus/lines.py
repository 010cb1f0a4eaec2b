"""The corpus: what versions of this project have written, one JSON line for each shape. Here it is kept and compared.

A line says what wrote it (`version`), what it is (`kind`, `name`), what it holds (`content`) and what it means
(`means`). A generation is a folder: a later one holds the shapes that none before it has, and none is ever changed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

KINDS = ("record", "event", "message", "entry", "sealed", "place", "challenge", "pause", "intent", "standing")

#: Names under which a producer, and not this project, chooses the names.
_NAMED_BY_OTHERS = frozenset({"metadata"})

#: As long as a number of the scripts: a longer one is an id that happens to have no letter.
_NUMBER = re.compile(r"-?[0-9]{1,15}")


class AlreadyThere(Exception):
    """A generation is written once."""


@dataclass(frozen=True, slots=True)
class Line:
    kind: str
    name: str  #: what of its kind it is (a state, a verb, a queue), and after a comma where it comes from
    content: Any
    means: Mapping[str, Any]
    version: str = ""

    @property
    def is_a(self) -> str:
        return self.name.partition(",")[0]

    @property
    def shape(self) -> str:
        """Names and types, without values: two lines of one shape need to be kept once."""
        content = shape_of_standing(self.content) if self.kind == "standing" else shape_of(self.content)
        return json.dumps([self.kind, self.is_a, content], sort_keys=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def shape_of(content: Any, name: str = "") -> Any:
    if isinstance(content, str):
        return _shape_of_text(content, name)
    if isinstance(content, dict):
        if name in _NAMED_BY_OTHERS:
            return {"*": "text"}
        return {inner: shape_of(value, inner) for inner, value in sorted(content.items())}
    if isinstance(content, list):
        return sorted({json.dumps(shape_of(value), sort_keys=True) for value in content})
    return type(content).__name__


def shape_of_standing(content: Any) -> Any:
    """Of whole servers: which keys there are, and how each is kept. What stands in them has lines of its own."""
    return [
        sorted({(":".join(place.split(":")[:3]), kind) for place, kind, _, _ in content[server]})
        for server in ("ledger", "vault")
    ]


def _shape_of_text(text: str, name: str) -> Any:
    if text[:1] in {"{", "["}:
        try:
            return ["as text", shape_of(json.loads(text), name)]
        except ValueError:
            return "text"
    return "number" if _NUMBER.fullmatch(text) else "text"


def kept(folder: Path = FOLDER) -> list[Line]:
    """Every line of every generation."""
    return [
        Line(file.stem, each["name"], each["content"], each["means"], each["version"])
        for file in sorted(folder.glob("generation_*/*.jsonl"))
        for each in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


def generations(folder: Path = FOLDER) -> list[Path]:
    return sorted(folder.glob("generation_*"), key=lambda path: int(path.name.partition("_")[2]))


def new(written: Iterable[Line], known: Iterable[Line]) -> list[Line]:
    """Of each shape that is not known, the first line."""
    shapes = {line.shape for line in known}
    found: dict[str, Line] = {}
    for line in written:
        if line.shape not in shapes:
            found.setdefault(line.shape, line)
    return list(found.values())


def add_generation(lines: Iterable[Line], version: str, folder: Path = FOLDER) -> Path | None:
    """Beside those that are there; None where no shape is new. Raises `AlreadyThere`."""
    fresh = new(lines, kept(folder))
    if not fresh:
        return None
    before = generations(folder)
    number = int(before[-1].name.partition("_")[2]) + 1 if before else 1
    return write(fresh, version, folder / f"generation_{number}")


def write(lines: Iterable[Line], version: str, into: Path) -> Path:
    """A generation. Raises `AlreadyThere`: what an older version wrote is never written again."""
    try:
        into.mkdir()
    except FileExistsError:
        raise AlreadyThere(f"{into.name} is there already: what a version wrote is never changed") from None
    for kind, texts in _by_kind(lines, version).items():
        (into / f"{kind}.jsonl").write_text("".join(texts), encoding="utf-8")
    return into


def _by_kind(lines: Iterable[Line], version: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in sorted(lines, key=lambda line: (KINDS.index(line.kind), line.name, line.shape)):
        said = {"version": version, "name": line.name, "means": line.means, "content": line.content}
        found.setdefault(line.kind, []).append(json.dumps(said, ensure_ascii=True) + "\n")
    return found


def of_kind(lines: Iterable[Line], kind: str) -> Iterator[Line]:
    return (line for line in lines if line.kind == kind)
