"""The product's source, as text and as syntax trees, for the tests of its architecture."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "epay_transfers."
ROOMS = ("ledger", "ops", "producers", "runtime", "sandbox", "worker")


@cache
def files(suffix: str = "py") -> tuple[str, ...]:
    return tuple(
        sorted(
            str(path.relative_to(ROOT))
            for room in ROOMS
            for path in (ROOT / room).rglob(f"*.{suffix}")
            if "__pycache__" not in path.parts
        )
    )


def room_of(file: str) -> str:
    return file.partition("/")[0]


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text()


@cache
def tree_of(file: str) -> ast.Module:
    return ast.parse(text_of(file))


@cache
def nodes_of(file: str) -> tuple[ast.AST, ...]:
    """Every node of the file's tree."""
    return tuple(ast.walk(tree_of(file)))


@cache
def imports(file: str) -> tuple[tuple[int, str], ...]:
    """Every module that the file imports, wherever in it, with the line: of our own package by the room's name."""
    return tuple(_imports(file))


def _imports(file: str) -> Iterator[tuple[int, str]]:
    for node in nodes_of(file):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.removeprefix(PACKAGE)) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE.removesuffix("."):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, "." * node.level + node.module.removeprefix(PACKAGE)
