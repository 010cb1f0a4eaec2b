"""Mutants of what functions do: a comparison turned round, a call or a statement dropped, a constant changed.

Each changes the code of one function, in all places where the function has been imported.
"""

import ast
import gc
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from types import CodeType, FunctionType

from tests.mutation.forked import Mutant
from tests.mutation.tables import Change, without

_FLIPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_LONGEST = 40  #: signs of what a mutant is called by


def mutants(file: str) -> Iterator[Mutant]:
    """One change each, in the body of a function or a method; what is inside a function belongs to it."""
    tree = ast.parse(Path(file).read_text())
    for name, function in _functions(tree.body):
        for node in _inside(function):
            for what, fields in (*_of_operators(node), *_of_constants(node), *_of_calls(node), *_of_statements(node)):
                kept = {field: getattr(node, field) for field in fields}
                vars(node).update(fields)
                code = compile(ast.fix_missing_locations(tree), file, "exec")
                vars(node).update(kept)
                line = getattr(node, "lineno", function.lineno)
                yield Mutant(f"{file}:{line}", f"{name}: {what}", partial(_exchange, file, name, code))


def _functions(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield f"{inside}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{inside}{node.name}.")


def _inside(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """All nodes of its body, but for docstrings, annotations, and the pieces of a text for people."""
    waiting: list[ast.AST] = [node for node in function.body if not _is_docstring(node)]
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.JoinedStr | ast.Raise):
            continue
        skipped = {id(getattr(node, "annotation", None)), id(getattr(node, "returns", None))}
        waiting += [each for each in ast.iter_child_nodes(node) if id(each) not in skipped and not _is_docstring(each)]


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _of_operators(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                other = _FLIPS[type(op)]
                yield f"{_text(node)} → {other.__name__}", {"ops": [*ops[:at], other(), *ops[at + 1 :]]}
        case ast.BoolOp(op=op):
            other_op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{_text(node)} → {type(other_op).__name__}", {"op": other_op}
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            yield f"{_text(node)} → {_OPERATORS[type(op)].__name__}", {"op": _OPERATORS[type(op)]()}
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare):
            yield f"if {_text(test)} → if not", {"test": ast.UnaryOp(ast.Not(), test)}


def _of_constants(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(value=bool(value)):
            yield f"{value} → {not value}", {"value": not value}
        case ast.Constant(value=int(value)):
            yield f"{value} → {value + 1}", {"value": value + 1}
        case ast.Constant(value=str(value)) if value:
            yield f"{value[:20]!r} → 'XX'", {"value": "XX"}


def _of_calls(node: ast.AST) -> Iterator[Change]:
    """An argument that is lost."""
    match node:
        case ast.Call(args=args, keywords=keywords):
            for at, arg in enumerate(args if len(args) > 1 else ()):
                none = ast.Constant(None)
                yield f"{_text(node)}: {_text(arg)} → None", {"args": [*args[:at], none, *args[at + 1 :]]}
            for at, keyword in enumerate(keywords):
                yield f"{_text(node)}: {keyword.arg} dropped", {"keywords": without(keywords, at)}


def _of_statements(node: ast.AST) -> Iterator[Change]:
    """A statement of a block dropped; a value that is returned, lost; a case of a match less."""
    match node:
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield f"return {_text(value)} → None", {"value": ast.Constant(None)}
        case ast.Expr(value=ast.Call() as call):
            yield f"{_text(call)} dropped", {"value": ast.Constant(None)}
        case ast.Assign(value=value) if not _is_none(value):
            yield f"{_text(node)} → None", {"value": ast.Constant(None)}
        case ast.Match(cases=cases):
            for at, case in enumerate(cases if len(cases) > 1 else ()):
                yield f"case {_text(case.pattern)} dropped", {"cases": without(cases, at)}


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _exchange(file: str, name: str, module: CodeType) -> None:
    """Every function that was made of this code, wherever it is held, runs the new one."""
    new = next(code for code in _codes(module) if code.co_qualname == name)
    place = Path(file).resolve()
    old = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType) and each.__code__.co_qualname == name and _real(each.__code__) == place
    ]
    if not old:
        raise LookupError(f"{file}: no test has imported {name}")
    for function in old:
        function.__code__ = new


def _codes(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _codes(inner)


@cache
def _path(file: str) -> Path:
    return Path(file).resolve()


def _real(code: CodeType) -> Path:
    return _path(code.co_filename)
