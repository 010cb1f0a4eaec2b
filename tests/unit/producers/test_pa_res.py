"""The client's answer is read as the bank made it, whatever a form, a page or a framework has done to it."""

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epay_transfers.ledger.pa_res import PA_RES_BYTES
from epay_transfers.producers import IntentRejected
from epay_transfers.producers.pa_res import read_pa_res

PA_RESES = st.binary(min_size=30, max_size=900).map(lambda raw: base64.b64encode(raw).decode())


@settings(deadline=None)  # a busy machine is no error
@given(PA_RESES)
def test_an_answer_comes_out_as_it_was(pa_res: str) -> None:
    """Nothing is changed where nothing was broken."""
    assert read_pa_res(pa_res) == pa_res


@settings(deadline=None)  # a busy machine is no error
@given(PA_RESES, st.sampled_from(["\r\n", "\n", " ", "\r\n ", " \n\t"]), st.integers(20, 76))
def test_broken_into_lines_it_is_put_together_again(pa_res: str, broken: str, width: int) -> None:
    """Line breaks, and the blanks beside them, are no part of it."""
    lines = broken.join(pa_res[at : at + width] for at in range(0, len(pa_res), width))
    if broken == " " and "+" not in pa_res:
        return  # then a blank can't be told from a plus that was not encoded, in so short an answer

    assert read_pa_res(lines) == pa_res


@settings(deadline=None)  # a busy machine is no error
@given(PA_RESES, st.sampled_from(["", "\r\n"]), st.integers(20, 76))
def test_blanks_become_the_plusses_that_they_were(pa_res: str, broken: str, width: int) -> None:
    """A framework makes blanks of plusses that a page did not encode: each of them comes back, the last one too."""
    lines = broken.join(pa_res[at : at + width] for at in range(0, len(pa_res), width))
    breaks = re.findall(r"\+*\r\n\+*", lines)
    if breaks and all("+" in each for each in breaks):
        return  # then the lines look indented

    assert read_pa_res(lines.replace("+", " ")) == pa_res


@pytest.mark.parametrize(("text", "read"), [("YWJj ZGVm", "YWJjZGVm"), ("YWJjZGVm ", "YWJjZGVm"), (" YWJj\n", "YWJj")])
def test_blanks_are_taken_out_where_no_plus_fits(text: str, read: str) -> None:
    """What would be no base64 with a plus is base64 without the blank."""
    assert read_pa_res(text) == read


@pytest.mark.parametrize("pa_res", ["YWJjZA", "YWJjZGU", "YW+jZA"])
def test_an_answer_without_its_padding_is_taken_as_it_came(pa_res: str) -> None:
    """The bank is given what its page made."""
    assert read_pa_res(pa_res) == pa_res


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+ +?", "<xml>", "YWJjZ", "YWJjZ===", "YWJjZGU==", "YWJjZA=", "=YWJ", "YW=Jj", "YWJj-_==", "жжжж"),
        *("A" * (PA_RES_BYTES + 4), "A" * PA_RES_BYTES * 3),
    ],
)
def test_what_cant_be_base64_is_refused_without_its_text(text: str) -> None:
    """The error names the field and never repeats the answer."""
    with pytest.raises(IntentRejected, match=r"^pa_res: must be base64") as refused:
        read_pa_res(text)

    assert refused.value.field == "pa_res"
    assert not re.search("YW|AAAA", str(refused.value))
