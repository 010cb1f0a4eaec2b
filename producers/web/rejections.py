"""What a backend's own route answers for an intent that is refused: the field and the reason, and never a value.

The adapters are `answer_rejections` in `producers.web.fastapi` and `producers.web.flask`, and the exception handler of
`producers.web.rest_framework`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from epay_transfers.producers.errors import IntentRejected

UNPROCESSABLE = 422

_NAME = re.compile(r"[A-Za-z_][A-Za-z_]{0,39}")

#: Of a complaint about a model of the backend's own only its kind is told: its words may repeat the input.
_REASONS = {"missing": "is missing", "extra_forbidden": "is not known here", "json_invalid": "is not JSON"}
_OTHER = "is not what it must be"


class ValidationErrors(Protocol):
    """FastAPI's `RequestValidationError`, or pydantic's `ValidationError`. Both keep the input that they refuse."""

    def errors(self) -> Sequence[Mapping[str, object]]: ...


def rejection(error: IntentRejected | ValidationErrors) -> tuple[int, dict[str, str]]:
    """The HTTP status, and a body with `field` and `reason`: what was refused first."""
    if isinstance(error, IntentRejected):
        return UNPROCESSABLE, {"field": error.field, "reason": error.why}
    first = error.errors()[0]
    place = first["loc"]
    steps = list(place) if isinstance(place, Sequence) else []
    if first["type"] == "json_invalid":
        steps = []  # what stands there is where the text breaks off
    field = ".".join(_step(step) for step in steps if step != "body")
    return UNPROCESSABLE, {"field": field or "(all)", "reason": _REASONS.get(str(first["type"]), _OTHER)}


def _step(step: object) -> str:
    """A place in a list, or a field's name; but what stands in a name's place may be anything, a card too."""
    if isinstance(step, int):
        return str(step) if step < 10_000 else "(a place)"
    return step if isinstance(step, str) and _NAME.fullmatch(step) else "(a field)"
