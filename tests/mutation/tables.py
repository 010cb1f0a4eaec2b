"""A small mutator for what is data: the table of states, the catalogue of codes, the bank's words, the constants.

`python -m tests.mutation.tables [FILE ...]`. The mutator of functions, which `tests/README.md` names, passes by what
stands outside of them; and there stands which state follows which. It is not a part of `make test`.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType
from typing import TypeVar

from tests.mutation.forked import Mutant, copy_of_the_tree, summary, survivors

T = TypeVar("T")

_BANK = ("tests/unit/bank/test_catalogue.py", "tests/unit/bank")

#: Module → the tests that hold it.
TARGETS = {
    "ledger/states.py": ("tests/unit/ledger/test_states.py",),
    "ledger/vault/vault.py": ("tests/ledger/test_vault.py",),
    "worker/backoff.py": ("tests/unit/worker",),
    "worker/inquiry_rules.py": ("tests/unit/worker",),
    "worker/bank/parse_response.py": _BANK,
    "worker/bank/json_fields.py": _BANK,
    "worker/bank/parse_status.py": _BANK,
    "worker/bank/codes.py": _BANK,
    "worker/card_steps.py": ("tests/journey",),
}

#: An enumeration's member is swapped for the next one.
_MEMBERS = {
    "State": (
        "QUEUED SENDING PARKED RESUMED CONFIRMING IN_DOUBT NEEDS_REVIEW DEAD PAID REVERSED DECLINED EXPIRED CANCELLED"
    ),
    "Verb": "INQUIRY_PAID INQUIRY_DECLINED INQUIRY_REVERSED REQUEUE REQUEUE_CONFIRM",
    "Phase": "SEND CONFIRM",
    "Money": "NONE MOVED UNKNOWN",
    "Advance": "KEEP TRY GENERATION GIVEN",
    "Purpose": "CARD PARES",
    "StatusWord": "PAID NOT_PAID GIVEN_BACK CHALLENGE_OPEN NOT_FOUND NOT_YET UNANSWERED",
    "CodeClass": "PAID DECLINED DECLINED_CONSEQUENCE SETUP QUESTION",
    "Consequence": "WAIT_30_MIN RECEIVER_LIMIT PAUSE_TERMINAL LEAVE_CARD",
}


Change = tuple[str, dict[str, object]]  #: what, and the node's fields with their new values


def mutants(file: str) -> Iterator[Mutant]:
    """One change each of what an import of the module assigns, the bodies of functions and classes left alone."""
    tree = ast.parse(Path(file).read_text())
    assigned: list[ast.stmt] = [one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign)]
    for statement in assigned:
        for node in ast.walk(getattr(statement, "value", None) or statement):
            for what, fields in (*_of_literals(node), *_of_entries(node)):
                kept = {name: getattr(node, name) for name in fields}
                vars(node).update(fields)
                code = compile(ast.Module(assigned, []), file, "exec")
                vars(node).update(kept)
                line = getattr(node, "lineno", statement.lineno)
                yield Mutant(f"{file}:{line}", what, partial(_assign, file, code))


def _of_literals(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(value=bool(value)):
            yield f"{value} → {not value}", {"value": not value}
        case ast.Constant(value=int(value)):
            yield f"{value} → {value + 1}", {"value": value + 1}
        case ast.Constant(value=str(value)) if value:
            yield f"{value[:20]!r} loses its end", {"value": value[:-1]}
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            members = _MEMBERS.get({"_S": "State"}.get(name, name), "").split()
            if attr in members:
                other = members[(members.index(attr) + 1) % len(members)]
                yield f"{attr} → {other}", {"attr": other}
        case ast.Name(id="_D" | "_PLUS" | "_C" | "_Q" as name, ctx=ast.Load()):
            other = "_D" if name == "_Q" else "_Q"
            yield f"{name} → {other}", {"id": other}


def _of_entries(node: ast.AST) -> Iterator[Change]:
    """One argument, or one entry, less."""
    match node:
        case ast.Call(args=args, keywords=keywords):
            for at, arg in enumerate(args if len(args) > 1 else ()):
                yield f"{ast.unparse(arg)[:30]} dropped", {"args": _without(args, at)}
            for at, keyword in enumerate(keywords):
                yield f"{keyword.arg} dropped", {"keywords": _without(keywords, at)}
        case ast.Set(elts=elements) | ast.Tuple(elts=elements, ctx=ast.Load()):
            for at, element in enumerate(elements if len(elements) > 1 else ()):
                yield f"{ast.unparse(element)[:30]} dropped", {"elts": _without(elements, at)}
        case ast.Dict(keys=keys, values=values):
            for at, key in enumerate(keys):
                rest = {"keys": _without(keys, at), "values": _without(values, at)}
                yield f"{ast.unparse(key) if key else '**'} dropped", rest


def _without(many: list[T], at: int) -> list[T]:
    return many[:at] + many[at + 1 :]


def _assign(file: str, code: CodeType) -> None:
    """Assign it all again in the module, and wherever else the old value was imported."""
    names = vars(importlib.import_module(file.removesuffix(".py").replace("/", ".")))
    before = dict(names)
    exec(code, names)  # noqa: S102 - our own module's own lines, but one
    new = {id(old): names[name] for name, old in before.items() if names[name] is not old and not _is_small(old)}
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if getattr(module, "__file__", None) else ():
            if id(value) in new:
                setattr(module, name, new[id(value)])


def _is_small(value: object) -> bool:
    """What an interpreter keeps one of, whoever names it."""
    return value is None or isinstance(value, int | float | str)


def main() -> int:
    survived = 0
    with copy_of_the_tree():
        for file in sys.argv[1:] or TARGETS:
            found = list(mutants(file))
            left = survivors(TARGETS[file], found)
            summary(file, len(found), len(left))
            survived += len(left)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
