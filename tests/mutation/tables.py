"""Mutants of what is data: the table of states, the bank's codes, enumerations of words, the constants.

Each changes what a module assigns at import: an entry dropped, a member swapped for the next, a number raised.
"""

import ast
import importlib
import sys
from collections.abc import Iterator, Mapping
from enum import EnumType
from functools import partial
from pathlib import Path
from types import CodeType
from typing import TypeVar

from tests.mutation.forked import Mutant

T = TypeVar("T")

Change = tuple[str, dict[str, object]]  #: what, and the node's fields with their new values


def mutants(file: str) -> Iterator[Mutant]:
    """One change each of what an import of the module assigns, the bodies of functions and classes left alone."""
    names = vars(importlib.import_module(module_of(file)))
    tree = ast.parse(Path(file).read_text())
    assigned: list[ast.stmt] = [one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign)]
    for statement in assigned:
        for node in ast.walk(getattr(statement, "value", None) or statement):
            for what, fields in (*_of_literals(node, names), *_of_entries(node)):
                kept = {name: getattr(node, name) for name in fields}
                vars(node).update(fields)
                code = compile(ast.Module(assigned, []), file, "exec")
                vars(node).update(kept)
                line = getattr(node, "lineno", statement.lineno)
                yield Mutant(f"{file}:{line}", what, partial(_assign, file, code))


def _of_literals(node: ast.AST, names: Mapping[str, object]) -> Iterator[Change]:
    match node:
        case ast.Constant(value=bool(value)):
            yield f"{value} → {not value}", {"value": not value}
        case ast.Constant(value=int(value)):
            yield f"{value} → {value + 1}", {"value": value + 1}
        case ast.Constant(value=str(value)) if value:
            yield f"{value[:20]!r} loses its end", {"value": value[:-1]}
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            members = _members(names.get(name))
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
                yield f"{ast.unparse(arg)[:30]} dropped", {"args": without(args, at)}
            for at, keyword in enumerate(keywords):
                yield f"{keyword.arg} dropped", {"keywords": without(keywords, at)}
        case ast.Set(elts=elements) | ast.Tuple(elts=elements, ctx=ast.Load()):
            for at, element in enumerate(elements if len(elements) > 1 else ()):
                yield f"{ast.unparse(element)[:30]} dropped", {"elts": without(elements, at)}
        case ast.Dict(keys=keys, values=values):
            for at, key in enumerate(keys):
                rest = {"keys": without(keys, at), "values": without(values, at)}
                yield f"{ast.unparse(key) if key else '**'} dropped", rest


def module_of(file: str) -> str:
    return "epay_transfers." + file.removesuffix(".py").replace("/", ".")


def _members(value: object) -> list[str]:
    """An enumeration's members, by name; of all else none."""
    return list(value.__members__) if isinstance(value, EnumType) else []


def without(many: list[T], at: int) -> list[T]:
    return many[:at] + many[at + 1 :]


def _assign(file: str, code: CodeType) -> None:
    """Assign it all again in the module, and wherever else the old value was imported."""
    names = vars(importlib.import_module(module_of(file)))
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
