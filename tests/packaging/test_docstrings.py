"""Every public name of `producers` says what it is: classes, their methods and properties, each field, each word."""

import ast
import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, cast

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from epay_transfers import producers
from epay_transfers.producers import web
from epay_transfers.producers.model import StrictModel

PUBLIC = {f"{module.__name__}.{name}": getattr(module, name) for module in (producers, web) for name in module.__all__}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}

#: What a caller may have to handle is named in the docstring of the call.
RAISES = {
    "enqueue": {
        "Conflict",
        "IntentRejected",
        "InvoicesExhausted",
        "LedgerUnavailable",
        "QueueFull",
        "SuffixTaken",
        "TerminalPaused",
        "TypeError",
        "VaultUnavailable",
    },
    "enqueue_json": {"IntentRejected", "TypeError"},
    "enqueue_many": {"TypeError"},
    "from_env": {"SettingsWrong"},
    "check": {"SettingsWrong", "LedgerUnavailable", "VaultUnavailable"},
    "get": {"NotFound", "TypeError"},
    "find": {"NotFound", "Ambiguous"},
    "list": {"TypeError", "IntentRejected", "CursorUnreadable", "SettingsWrong"},
    "wait": {"NotFound"},
    "cancel": {"NotFound", "IntentRejected", "VaultUnavailable"},
    "challenge": {"NotFound"},
    "visit": {"NotFound"},
    "confirm": {"IntentRejected", "VaultUnavailable"},
    "three_ds2_returned": {"NotFound"},
    "outcomes": {"LedgerUnavailable", "IntentRejected"},
    "run_outcomes": {"LedgerUnavailable", "IntentRejected", "WrongCall"},
}


def own_members(cls: type) -> Iterator[tuple[str, object]]:
    """Methods and properties that this project wrote: of the class, and of those of ours that it is made of."""
    for part in cls.__mro__:
        if part.__module__.startswith("epay_transfers."):
            for name, member in vars(part).items():
                if not name.startswith("_") and (callable(member) or isinstance(member, (property, classmethod))):
                    yield name, member


def said_of_fields(cls: type) -> dict[str, bool]:
    """The names that the class's body assigns: whether a `#:` comment or a docstring stands beside each."""
    source = inspect.getsource(cls)
    lines = source.splitlines()
    [body] = [node.body for node in ast.parse(inspect.cleandoc("\n" + source)).body if isinstance(node, ast.ClassDef)]
    found = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and not target.id.startswith("_"):
            has_docstring = (
                isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            )
            has_comment = "#:" in "\n".join(lines[node.lineno - 1 : node.end_lineno])
            found[target.id] = has_docstring or has_comment
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_says_what_it_is(name: str) -> None:
    """In words of its own, and not of the class that it is made of."""
    assert vars(CLASSES[name]).get("__doc__"), name
    assert not str(CLASSES[name].__doc__).startswith(f"{CLASSES[name].__name__}("), "that one is dataclass's"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_does(name: str) -> None:
    assert FUNCTIONS[name].__doc__


@pytest.mark.parametrize("name", CLASSES)
def test_each_method_and_property_says_what_it_does(name: str) -> None:
    members = own_members(CLASSES[name])

    assert [member for member, value in members if not getattr(value, "__doc__", None)] == []


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if dataclasses.is_dataclass(cls)])
def test_each_field_of_a_value_says_what_it_is(name: str) -> None:
    parts = [part for part in CLASSES[name].__mro__ if dataclasses.is_dataclass(part)]
    said = {field: is_said for part in parts for field, is_said in said_of_fields(part).items()}

    assert set(said) == {
        field.name for field in dataclasses.fields(cast("Any", CLASSES[name])) if not field.name.startswith("_")
    }
    assert [field for field, is_said in said.items() if not is_said] == []


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if issubclass(cls, Enum)])
def test_each_word_says_what_it_means(name: str) -> None:
    said = said_of_fields(CLASSES[name])

    assert set(said) == set(cast("Any", CLASSES[name]).__members__)
    assert [word for word, is_said in said.items() if not is_said] == []


@pytest.mark.parametrize(
    "name", [name for name, cls in CLASSES.items() if issubclass(cls, (StrictModel, BaseSettings))]
)
def test_each_field_of_a_model_is_described_in_its_schema_too(name: str) -> None:
    """A model's schema says it; of settings it is what their errors say."""
    model = cast("type[BaseModel]", CLASSES[name])
    described = {field: info.description for field, info in model.model_fields.items()}
    if issubclass(model, StrictModel):
        described = {field: its.get("description") for field, its in model.model_json_schema()["properties"].items()}

    assert described.keys() == model.model_fields.keys()
    assert [field for field, said in described.items() if not said] == []


@pytest.mark.parametrize("method", RAISES)
def test_a_call_names_what_it_raises(method: str) -> None:
    said = str(getattr(producers.Transfers, method).__doc__)

    assert [error for error in RAISES[method] if f"`{error}`" not in said] == []


@pytest.mark.parametrize("method", RAISES)
def test_the_async_one_begins_with_the_same_sentence(method: str) -> None:
    """So what a call does is said in one way."""
    first = [str(getattr(of, method).__doc__).split(". ")[0] for of in (producers.Transfers, producers.AsyncTransfers)]

    assert method == "from_env" or first[0].split("\n")[0] == first[1].split("\n")[0]


@pytest.mark.parametrize(
    "model", [producers.PanCard, producers.Receiver, producers.SavedCard, producers.TransferIntent]
)
def test_the_constructor_that_type_checkers_see_is_the_one_that_there_is(model: type[StrictModel]) -> None:
    """The same names; and those without a default are those that are needed."""
    module = importlib.import_module(model.__module__)
    [cls] = [node for node in ast.parse(inspect.getsource(module)).body if getattr(node, "name", "") == model.__name__]
    [seen] = [node for node in ast.walk(cls) if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    given = zip(seen.args.kwonlyargs, seen.args.kw_defaults, strict=True)
    names = {argument.arg: default is None for argument, default in given}

    assert names == {name: field.is_required() for name, field in model.model_fields.items()}
