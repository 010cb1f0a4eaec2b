"""The table of states as a diagram and as Markdown, for the documents. Pure."""

from epay_transfers.ledger.states import FINAL, UNFINISHED, State, Verb

#: Lists of states that have a name, the longest first.
_NAMED = (
    (", ".join(sorted(State)), "every state"),
    (", ".join(sorted(UNFINISHED)), "every unfinished state"),
    (", ".join(sorted(FINAL)), "every end"),
)


def diagram() -> str:
    """The table as a Mermaid state diagram, without moves that stay where they are and the wide net of late answers."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for verb in Verb:
        for start, end in verb.row.moves.items():
            late = verb in {Verb.PAY, Verb.DECLINE} and start not in {State.SENDING, State.CONFIRMING}
            if start is not end and not late:
                arrows.setdefault((start, end), []).append(verb)
    lines = ["stateDiagram-v2", "    [*] --> queued: create"]
    lines += [f"    {start} --> {end}: {', '.join(verbs)}" for (start, end), verbs in arrows.items()]
    lines += [f"    {state} --> [*]" for state in State if state.final]
    return "\n".join(lines)


def verbs() -> str:
    """The table as Markdown, for the documents."""
    lines = ["| verb | from → to | who makes it |", "|---|---|---|"]
    for verb in Verb:
        ends = dict.fromkeys(verb.row.moves.values())
        starts = {end: [start for start, to in verb.row.moves.items() if to is end] for end in ends}
        if all(start is end for start, end in verb.row.moves.items()):
            path = f"stays {', '.join(verb.row.moves)}" if verb.row.moves else "→ queued"
        else:
            path = "; ".join(f"{', '.join(starts[end])} → {end}" for end in ends)
        lines.append(f"| `{verb}` | {_in_short(path)} | {verb.row.by} |")
    return "\n".join(lines)


def _in_short(path: str) -> str:
    for states, name in _NAMED:
        path = path.replace(states, name)
    return path
