"""What a browser brings back is read as the bank made it: each `+` is kept, line breaks are taken out."""

import base64
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.producers.web import form

PA_RESES = st.binary(min_size=30, max_size=900).map(lambda raw: base64.b64encode(raw).decode())


@given(PA_RESES)
def test_a_pa_res_that_a_browser_posts_comes_out_as_it_was(pa_res: str) -> None:
    assert form.parse(urlencode({"PaRes": pa_res, "MD": "1"}).encode()) == {"PaRes": pa_res, "MD": "1"}


@given(PA_RESES, st.sampled_from(["\r\n", "\n", " "]), st.integers(20, 76))
def test_broken_into_lines_it_is_put_together_again(pa_res: str, broken: str, width: int) -> None:
    lines = broken.join(pa_res[at : at + width] for at in range(0, len(pa_res), width))
    posted = urlencode({"PaRes": lines, "MD": "1"})
    if broken == " " and "%2B" not in posted:
        return  # then a blank can't be told from a plus that was not encoded; see below

    assert (form.parse(posted.encode()) or {})["PaRes"] == pa_res


@given(PA_RESES.filter(lambda text: "+" in text))
def test_a_page_that_does_not_encode_its_plusses_loses_none(pa_res: str) -> None:
    careless = quote(pa_res, safe="+=/")

    assert (form.parse(f"PaRes={careless}&MD=1".encode()) or {})["PaRes"] == pa_res


def test_blanks_of_a_short_answer_without_a_plus_are_taken_out_where_no_plus_fits() -> None:
    assert form.pa_res("YWJj+ZGVm") == "YWJjZGVm"


@pytest.mark.parametrize(
    "body",
    [
        b"PaRes=YQ==&PaRes=Yg==&MD=1",
        b"&".join(b"f%d=1" % number for number in range(21)),
        b"PaRes=%FF%FE",
        b"\xff\xfe",
        "MD=ж".encode(),
    ],
)
def test_what_is_no_such_form_is_none(body: bytes) -> None:
    assert form.parse(body) is None


@pytest.mark.parametrize(
    ("content_type", "is_form"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", True),
        ("multipart/form-data; boundary=x", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_only_urlencoded_is_a_form(content_type: str, is_form: bool) -> None:  # noqa: FBT001 - a table's column
    assert form.is_form(content_type) is is_form
