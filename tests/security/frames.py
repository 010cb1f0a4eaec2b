"""The look into the frames of a traceback: does anything that a local variable leads to hold a canary?"""

import re
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import FrameType, FunctionType, MethodType, ModuleType

#: Where an object is in memory: by chance it has the digits of a CVC.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")

#: Of canaries that are shorter: in a longer number, a time or a place in memory, they are found by chance.
_LONG = 8

_PLAIN = (str, bytes, bytearray)
_CLOSED = (type, FunctionType, MethodType, ModuleType, FrameType)


def links(error: BaseException) -> Iterator[BaseException]:
    """The error, and whatever it was raised from or while handling, shown or not."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or any(link is other for other in seen):
            continue
        seen.append(link)
        yield link
        waiting += [link.__cause__, link.__context__]


def held(error: BaseException, canaries: Mapping[str, str], own: Iterable[str]) -> dict[str, list[str]]:
    """Canary → where it is: in an error itself, or in a frame; but those of the files `own` are the caller's."""
    found: dict[str, list[str]] = {}
    for link in links(error):
        places = [("the error", [str(link), repr(link), link.args, vars(link)])]
        for frame, line in traceback.walk_tb(link.__traceback__):
            if frame.f_code.co_filename not in own:
                places.append((f"{frame.f_code.co_filename}:{line}", list(frame.f_locals.values())))
        for place, values in places:
            texts = list(_texts(values))
            for name, canary in canaries.items():
                if any(_is_in(canary, text) for text in texts):
                    found.setdefault(name, []).append(place)
    return found


def _is_in(canary: str, text: str) -> bool:
    if len(canary) >= _LONG or not canary.isdigit():
        return canary in text
    return re.search(f"(?<![0-9]){canary}(?![0-9])", text) is not None


def _texts(values: object) -> Iterator[str]:
    """Every text that can be reached from a value: in containers, attributes and slots, and its repr."""
    seen: set[int] = set()
    waiting: deque[object] = deque([values])
    kept: list[object] = []  # so that no id is used twice
    while waiting:
        value = waiting.popleft()
        if id(value) in seen or isinstance(value, _CLOSED):
            continue
        seen.add(id(value))
        kept.append(value)
        if isinstance(value, _PLAIN):
            yield value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
            continue
        with suppress(Exception):  # a repr may be broken
            yield _ADDRESS.sub("", repr(value))
        if isinstance(value, Mapping):
            waiting.extend([*value.keys(), *value.values()])
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            waiting.extend(value)
        else:
            waiting.extend(_attributes(value))


def _attributes(value: object) -> Iterator[object]:
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with suppress(AttributeError):
                yield getattr(value, name)
