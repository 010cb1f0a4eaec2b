"""Which files are mutated, and by which tests each is held: the near ones first; what survives them meets the far ones.

All that money depends on: the scripts, the table of states, the worker's way to the bank and back.
"""

from pathlib import Path

_JOURNEY = ("tests/journey",)
_BANK = ("tests/unit/bank", "tests/http")
_WORKER = ("tests/unit/worker",)
_VAULT = ("tests/ledger/test_vault.py",)

#: What can reach a script.
_LUA_FAR = ("tests/ledger", "tests/journey", "tests/producers", "tests/unit/ledger/test_scripts.py")

#: A file, or all Python files of a folder → the tests near to it, and the far ones.
PYTHON: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ledger/states.py": (("tests/unit/ledger/test_states.py",), ("tests/unit/ledger", "tests/docs/test_generated.py")),
    "ledger/vault/vault.py": (_VAULT, _JOURNEY),
    "ledger/vault/sealed_card.py": (("tests/unit/ledger/test_cards.py", "tests/security/test_bound_orders.py"), ()),
    "worker/limits.py": (("tests/journey/test_limits.py", "tests/unit/worker/test_settings.py"), ()),
    "worker/journey.py": (_JOURNEY, ()),
    "worker/card_steps.py": (_JOURNEY, ()),
    "worker/card_custody.py": (_JOURNEY, ()),
    "worker/recorder.py": (("tests/journey/test_recorded.py",), _JOURNEY),
    "worker/preflight.py": (("tests/journey/test_gate.py", "tests/journey/test_breaker.py"), _JOURNEY),
    "worker/inquiry_rules.py": (_WORKER, _JOURNEY),
    "worker/backoff.py": (_WORKER, _JOURNEY),
    "worker/bank": (_BANK, _JOURNEY),
}

#: How a script's name begins → the files of `tests/ledger` near to it.
LUA = {
    "_events": ("event_numbers", "events", "broken"),
    "_time": ("time", "move", "create", "claim"),
    "_counters": ("broken", "move", "create", "batches", "lists", "events"),
    "_in_turn": ("operator_limits", "move"),
    "_lone_event": ("event_numbers", "pauses"),
    "_move": ("broken", "bank_ids", "move", "time", "create", "claim", "events", "pauses", "health"),
    "_vault": ("vault",),
    "claim": ("claim", "limits", "time", "pauses", "move", "broken"),
    "count_receiver": ("limits",),
    "count_operator": ("operator_limits",),
    "create": ("create", "batches", "pauses", "broken"),
    "due": ("move", "time"),
    "move": ("move",),
    "probe": ("claim", "time"),
    "remember_vault": ("holes", "health", "vault"),
    "queue_fetch": ("queue_fetch",),
    "queue_ack": ("queue_fetch",),
    "queue_send": ("queue_fetch",),
    "outcome": ("outcome_feed",),
    "set_aside": ("unreadable", "event_numbers"),
    "tell": ("event_numbers", "pauses", "claim"),
    "trim": ("event_numbers", "events"),
    "vault": ("vault",),
}


def all_files() -> list[str]:
    found = [path for name in PYTHON for path in ([Path(name)] if name.endswith(".py") else Path(name).glob("*.py"))]
    found += Path("ledger/lua").glob("*.lua")
    return sorted(str(path) for path in found if path.name != "__init__.py")


def tests_of(file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The near and the far ones."""
    path = Path(file)
    if path.suffix == ".lua":
        names = next(names for start, names in LUA.items() if path.name.startswith(start))
        return tuple(f"tests/ledger/test_{name}.py" for name in names), _LUA_FAR
    found = PYTHON.get(file) or PYTHON.get(str(path.parent))
    if found is None:
        raise SystemExit(f"{file}: name the tests that hold it in tests/mutation/targets.py")
    return found
