"""The wall of the producers' models: whatever pydantic has to say leaves as `IntentRejected`.

Its own errors keep the input, card and all, in `errors()` and on the exception itself. So none gets out: not by the
constructor, not by `model_validate` or `model_validate_json`, and not as the `__context__` of ours.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from epay_transfers.producers.errors import IntentRejected

_FIELD_NAME = re.compile(r"[a-z_]{1,40}")


class StrictModel(BaseModel):
    """Frozen, and valid as long as it lives."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,  # for the JSON schema
    )

    def whole(self) -> None:
        """What no field can check alone. Raises `IntentRejected`."""

    @model_validator(mode="wrap")
    @classmethod
    def _strict(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            made = handler(data)
            made.whole()
        except ValidationError as error:
            rejected = _rejected(error)
        except IntentRejected as error:  # of a part, or of the whole: it goes on from below, as the other does
            rejected = error
        else:
            return made
        del data  # a traceback with locals would show it
        raise rejected  # out here, where the error of pydantic is not its context

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """From a JSON text. Raises `IntentRejected`, for a text that is no JSON too."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError:
            del json_data
        raise IntentRejected("json", "is not JSON")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Pydantic refuses as well, in an error that keeps the value."""
        raise AttributeError(f"{name}: this is frozen; take `model_copy(update=...)`")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:  # noqa: ARG002 - pydantic's signature; all context are frozen
        """A copy is checked as the first was: pydantic's own would take any value in `update`."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | dict(update or {}))


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
