"""A secret never shows itself, whatever is done to it."""

import copy
import dataclasses
import json
import logging
import pickle
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ValidationError

from epay_transfers.ledger.secret import Secret

PAN = "4405639704015096"
SECRET = Secret(PAN)


def _refuse(_secret: Secret) -> Secret:
    raise ValueError("is not good")


class Model(BaseModel):
    secret: Secret


class Picky(BaseModel):
    secret: Annotated[Secret, AfterValidator(_refuse)]


@dataclasses.dataclass
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r}",
        f"{SECRET!s:>10}",
        f"{SECRET:>10}",
        format(SECRET, "<4"),
        "%s %r" % (SECRET, SECRET),  # noqa: UP031 - the old way must not show it either
        "{}".format(SECRET),  # noqa: UP032 - nor this one
        repr([SECRET, {"a": SECRET}]),
        repr(Holder(SECRET)),
        repr(Model(secret=SECRET)),
        Model(secret=SECRET).model_dump_json(),
        json.dumps(Model(secret=SECRET).model_dump()),
        json.dumps([SECRET], default=str),
        logging.makeLogRecord({"msg": "card %s", "args": (SECRET,)}).getMessage(),
        str(TypeError(SECRET)),
    ],
)
def test_no_way_of_printing_shows_it(shown: str) -> None:
    assert PAN not in shown
    assert "***" in shown


@given(st.text(min_size=1))
def test_all_secrets_look_alike(text: str) -> None:
    assert (repr(Secret(text)), str(Secret(text))) == ("Secret(***)", "***")


def test_one_that_is_empty_says_so() -> None:
    assert (repr(Secret("")), str(Secret("")), bool(Secret("")), bool(SECRET)) == ("Secret()", "", False, True)


def test_json_refuses_it() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(SECRET)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled and not copied"):
        pickle.dumps(Holder(SECRET), protocol)


def test_it_is_not_copied() -> None:
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled and not copied"):
            copied(SECRET)
    with pytest.raises(TypeError, match="not pickled and not copied"):
        dataclasses.asdict(Holder(SECRET))


def test_it_is_not_hashed() -> None:
    """A card number's hash is reversed in a tenth of a second; nor may one be the key of a dict."""
    with pytest.raises(TypeError, match="not hashed"):
        hash(SECRET)
    with pytest.raises(TypeError, match="not hashed"):
        {SECRET: 1}  # noqa: B018 - the making of it is what is tested


def test_it_equals_only_a_secret_of_the_same_value() -> None:
    assert Secret(PAN) == SECRET
    assert Secret("4405639704015097") != SECRET
    assert SECRET != PAN
    assert Secret("кириллица") == Secret("кириллица")


def test_its_state_is_not_given_out() -> None:
    """Python's own `__getstate__` gives the slots, and what copies by it is not asked about `__reduce__`."""
    with pytest.raises(TypeError, match="not pickled and not copied"):
        SECRET.__getstate__()


def test_half_a_character_can_be_compared() -> None:
    """JSON may hold it, and UTF-8 can't: the encoder's own error would keep the secret."""
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != SECRET


def test_it_takes_no_further_attributes() -> None:
    with pytest.raises(AttributeError):
        SECRET.note = PAN  # type: ignore[attr-defined]  # that is what is tested


def test_a_model_takes_text_or_a_secret_and_gives_a_secret() -> None:
    assert Model.model_validate({"secret": PAN}).secret == SECRET
    assert Model(secret=SECRET).secret is SECRET
    assert Model.model_validate_json(f'{{"secret": "{PAN}"}}').secret == SECRET


def test_a_models_error_shows_only_stars() -> None:
    with pytest.raises(ValidationError) as caught:
        Picky(secret=SECRET)

    assert PAN not in str(caught.value)
    assert PAN not in repr(caught.value.errors())


def test_a_number_is_no_secret() -> None:
    with pytest.raises(ValidationError, match="must be a string"):
        Model.model_validate({"secret": 1})


def test_a_schema_calls_it_a_string() -> None:
    assert Model.model_json_schema()["properties"]["secret"]["type"] == "string"
