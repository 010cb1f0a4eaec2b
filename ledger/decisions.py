"""What operators decided about a transfer: who, what, why, with what proof and when. Kept briefly, in its record.

Pure. A decision *stands* while the transfer is in the state that it was made in, and two operators' equal decisions are
needed where the bank's own word does not settle it, within `STANDS_MS`. The newest few are kept for ever, since events
are not.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields

#: So many are kept. Two of them can stand at a time.
_MOST = 6

#: So long the first of two waits for the other: over a weekend. What its operator knew then may be wrong after that.
STANDS_MS = 3 * 86_400_000

#: And so long where the two are needed for what one may not do alone that day (`OPERATOR_LIMITS`).
LIMITED_STANDS_MS = 86_400_000

#: As long as an operator's reason or evidence may be, and as an operator's name, a verb and an id are.
_LONGEST = {"why": 300, "proof": 300, "by": 32, "what": 32, "request": 24, "state": 32}


@dataclass(frozen=True, slots=True)
class Decision:
    """`what`: the verb that the operator wants, or a requested action that was an operator's (discard, requeue)."""

    what: str
    by: str  #: the name of the operator's server user, as proved by the inbox that it came through
    why: str
    proof: str = ""
    at: int = 0  #: ms since 1970
    request: str = ""  #: the id of the operator's entry
    state: str = ""  #: that it was decided in
    since: int = 0  #: and since when the transfer was in it


_NAMES = tuple(each.name for each in fields(Decision))


def read(text: str) -> tuple[Decision, ...]:
    """Oldest first. Raises `ValueError` for what is none. Names that a later version added are left alone."""
    raw = json.loads(text) if text else []
    if not isinstance(raw, list):
        raise ValueError(text)  # noqa: TRY004 - the record is wrong, and no caller
    return tuple(_read(each) for each in raw)


def write(decisions: Sequence[Decision]) -> str:
    """The newest few, as short as may be; "" for none."""
    kept = [{name: value for name, value in asdict(each).items() if value} for each in decisions[-_MOST:]]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else ""


def standing(text: str, state: str, since: int, whats: Collection[str], *, after: int = 0) -> tuple[Decision, ...]:
    """Those that stand, of these verbs, decided after this time (ms); each operator's once, oldest first."""
    there = {each.by: each for each in read(text) if (each.state, each.since) == (state, since) and each.what in whats}
    return tuple(sorted((each for each in there.values() if each.at > after), key=lambda each: each.at))


def with_one_more(text: str, decision: Decision) -> str:
    """An operator's newer decision about the same state takes the place of the older one."""
    return write([*without(text, decision), decision])


def without(text: str, decision: Decision) -> list[Decision]:
    """Without what the same operator decided about the same state."""
    return [each for each in read(text) if _place(each) != _place(decision)]


def _place(decision: Decision) -> tuple[str, str, int]:
    return decision.by, decision.state, decision.since


def _read(raw: object) -> Decision:
    if not isinstance(raw, dict):
        raise ValueError(raw)  # noqa: TRY004 - as above
    values = {name: raw[name] for name in _NAMES if name in raw}
    for name, value in values.items():
        longest = _LONGEST.get(name)
        is_right = isinstance(value, int) if longest is None else isinstance(value, str) and len(value) <= longest
        if not is_right:
            raise ValueError(name)
    return Decision(**{"what": "", "by": "", "why": ""} | values)
