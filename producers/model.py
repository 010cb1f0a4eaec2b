"""The boundary of the producers' models: whatever pydantic has to say leaves as `IntentRejected`.

Its own errors keep the input, card and all, in `errors()` and on the exception itself. So none gets out: not by the
constructor, not by `model_validate` or `model_validate_json`, and not as the `__context__` of ours. Its frames keep the
input too, so none of them stays in a traceback. What would make a model unchecked is refused.
"""

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.strict_json import read_json
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.producers.errors import IntentRejected

_FIELD_NAME = re.compile(r"[a-z_]{1,40}")


class StrictModel(BaseModel):
    """Frozen, and valid as long as it lives."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """With what is written under each field. Pydantic would read the source of each model when it is imported."""
        schema = handler(core_schema)
        fields = handler.resolve_ref_schema(schema)["properties"]
        for model in cls.__mro__[::-1]:
            for name, text in _docstrings(model).items():
                if name in fields:
                    fields[name]["description"] = text
        return schema

    def whole(self) -> None:
        """What no field can check alone. Raises `IntentRejected`."""

    @clear_frames_on_error
    def __init__(self, /, **data: Any) -> None:
        super().__init__(**data)

    #: For pydantic this is its own: else it would call it again for each model that it makes of a dict.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="wrap")
    @classmethod
    @clear_frames_on_error
    def _strict(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            made = handler(data)
            made.whole()
        except ValidationError as error:
            rejected = _rejected(error)
        else:
            return made
        raise rejected  # out here, where the error of pydantic is not its context

    @classmethod
    @clear_frames_on_error
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """From a dict. Raises `IntentRejected`."""
        return super().model_validate(obj, **options)

    @classmethod
    @clear_frames_on_error
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """From a JSON text. Raises `IntentRejected`: also for a text that is no JSON, or gives a name twice."""
        _refuse_name_twice(json_data)
        with suppress(ValidationError):
            return super().model_validate_json(json_data, **options)
        raise IntentRejected("json", "is not JSON")

    @classmethod
    @clear_frames_on_error
    def model_validate_strings(cls, obj: Any, **options: Any) -> Self:
        """From a dict of texts. Raises `IntentRejected`."""
        return super().model_validate_strings(obj, **options)

    @classmethod
    @clear_frames_on_error
    def _refuse(cls, *_: Any, **__: Any) -> NoReturn:
        """What makes a model unchecked, and keeps a card as a plain text; and pydantic's names of old, for both."""
        raise WrongCall(f"{cls.__name__}: give {cls.__name__}(...), model_validate(...) or model_copy(update=...)")

    if not TYPE_CHECKING:
        model_construct = construct = copy = from_orm = parse_file = parse_obj = parse_raw = validate = _refuse

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Pydantic refuses as well, in an error that keeps the value."""
        del self, value  # a traceback with locals would show it
        raise AttributeError(f"{name}: this is frozen; take `model_copy(update=...)`")

    @clear_frames_on_error
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:  # noqa: ARG002 - pydantic's signature; all context are frozen
        """A copy is checked as the first was: pydantic's own would take any value in `update`."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | dict(update or {}))


def _docstrings(model: type) -> dict[str, str]:
    """The docstrings of a model's own fields; none where its source is not there."""
    if not issubclass(model, StrictModel):
        return {}
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, TypeError):
        return {}
    pairs = itertools.pairwise(cast("ast.ClassDef", tree).body)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _refuse_name_twice(json_data: str | bytes | bytearray) -> None:
    """Pydantic would take the last of the two."""
    why = ""
    try:
        read_json(bytes(json_data) if isinstance(json_data, bytearray) else json_data)
    except ValueError as error:
        why = str(error)
    if why:
        raise IntentRejected("json", why)


def _rejected(error: ValidationError) -> IntentRejected:
    """The first of its complaints, without what was complained about."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    complaint = str(first["msg"]).removeprefix("Value error, ")
    place = [str(step) for step in first["loc"]]
    if first["type"] == "missing":
        complaint = "is missing"
    if first["type"] == "extra_forbidden":
        complaint = "is not a field that is known here"
        if not _FIELD_NAME.fullmatch(place[-1]):  # what stands in the name's place may be anything, a card too
            place[-1] = "(a field)"
    complaint = re.sub(r"^Input should", "should", complaint)
    return IntentRejected(".".join(place) or "(all)", complaint[0].lower() + complaint[1:])
