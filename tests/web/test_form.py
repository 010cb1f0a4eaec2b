"""Of a form the fields that we read are read, each once; nothing else in it matters, in whatever encoding it is."""

import base64
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger import posted_form as form
from epay_transfers.producers.pa_res import read_pa_res

PA_RESES = st.binary(min_size=30, max_size=900).map(lambda raw: base64.b64encode(raw).decode())
ANSWER = ("PaRes", "MD")


@given(PA_RESES)
def test_a_pa_res_that_a_browser_posts_comes_out_as_it_was(pa_res: str) -> None:
    """A browser encodes each plus."""
    assert form.read(urlencode({"PaRes": pa_res, "MD": "1"}).encode(), ANSWER) == {"PaRes": pa_res, "MD": "1"}


@given(PA_RESES, st.sampled_from(["\r\n", "\n", " "]), st.integers(20, 76))
def test_broken_into_lines_it_is_put_together_again(pa_res: str, broken: str, width: int) -> None:
    """The form and the reader of the answer together."""
    lines = broken.join(pa_res[at : at + width] for at in range(0, len(pa_res), width))
    posted = urlencode({"PaRes": lines, "MD": "1"})
    if broken == " " and "%2B" not in posted:
        return  # then a blank can't be told from a plus that was not encoded

    assert read_pa_res(form.read(posted.encode(), ANSWER)["PaRes"]) == pa_res


@given(PA_RESES.filter(lambda text: "+" in text))
def test_a_page_that_does_not_encode_its_plusses_loses_none(pa_res: str) -> None:
    """A raw plus is a blank in a form, and the reader of the answer knows what it was."""
    careless = quote(pa_res, safe="+=/")

    assert read_pa_res(form.read(f"PaRes={careless}&MD=1".encode(), ANSWER)["PaRes"]) == pa_res


def test_blanks_of_a_short_answer_without_a_plus_are_taken_out_where_no_plus_fits() -> None:
    """Nine letters are no base64."""
    assert read_pa_res(form.read(b"PaRes=YWJj+ZGVm", ANSWER)["PaRes"]) == "YWJjZGVm"


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=60))
def test_no_other_field_matters(others: list[tuple[bytes, bytes]]) -> None:
    """Unknown, doubled, of any bytes, before and after what is read."""
    strange = [name + b"=" + value for name, value in others if b"&" not in name + value]
    strange = [pair for pair in strange if not {b"PaRes", b"MD"} & set(form.read(pair, ANSWER, any_case=ANSWER))]
    body = b"&".join([*strange, b"PaRes=YWJj", *strange, b"MD=1", *strange])

    assert form.read(body, ANSWER, any_case=ANSWER) == {"PaRes": "YWJj", "MD": "1"}


@pytest.mark.parametrize("body", [b"PaRes=YQ==&PaRes=Yg==", b"PaRes=YQ==&%50aRes=Yg==", b"pares=YQ==&PARES=Yg=="])
def test_a_field_that_is_read_and_comes_with_two_values_is_none(body: bytes) -> None:
    """Nothing says which of the two is meant."""
    assert form.read(body + b"&MD=1", ANSWER, any_case=ANSWER) == {"MD": "1"}


@pytest.mark.parametrize(
    "body", [b"PaRes=YQ==&PaRes=YQ%3d%3D&MD=1", b"PaRes=YQ==&%50aRes=YQ==&MD=1&MD=%31", b"pares=YQ==&PARES=YQ==&md=1"]
)
def test_equal_values_are_one_value(body: bytes) -> None:
    """A page that posts its field twice says nothing else the second time."""
    assert form.read(body, ANSWER, any_case=ANSWER) == {"PaRes": "YQ==", "MD": "1"}


@pytest.mark.parametrize(
    "body", [b"PaRes=&pares=YQ==&MD=1", b"pares=YQ==&PaRes=&PARES=&MD=1", b"PaRes&PARES=YQ==&MD=&md=1"]
)
def test_an_empty_field_does_not_hide_the_one_in_other_letters(body: bytes) -> None:
    """The page's own empty input stands beside what its script has made."""
    assert form.read(body, ANSWER, any_case=ANSWER) == {"PaRes": "YQ==", "MD": "1"}


@pytest.mark.parametrize("body", [b"pares=YQ==&Md=1", b"PARes=YQ==&md=1", b"PaRes=YQ==&pares=Yg==&MD=1&md=2"])
def test_a_name_in_other_letters_counts_where_the_right_one_is_missing(body: bytes) -> None:
    """The bank's pages spell the two in several ways."""
    assert form.read(body, ANSWER, any_case=ANSWER) == {"PaRes": "YQ==", "MD": "1"}


@pytest.mark.parametrize(
    ("raw", "text"), [("Оплата".encode(), "Оплата"), ("Оплата".encode("cp1251"), "Оплата"), (b"\x98", "�")]
)
def test_a_value_is_utf_8_or_else_windows_1251(raw: bytes, text: str) -> None:
    """As raw bytes and percent-encoded alike; a byte that neither knows is a mark."""
    assert form.read(b"name=" + raw, ["name"]) == form.read(f"name={quote(raw)}".encode(), ["name"]) == {"name": text}


@pytest.mark.parametrize("body", [b"", b"&&", b"=", b"\xff\xfe", "MD".encode("utf-16"), b"PaRes", b"[1, 2]"])
def test_what_is_no_such_form_has_no_field(body: bytes) -> None:
    """Nor does it break anything."""
    assert form.read(body, ANSWER).get("MD") is None


@pytest.mark.parametrize(
    ("content_type", "is_form"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", True),
        ("application/x-www-form-urlencoded; charset=windows-1251", True),
        ("multipart/form-data; boundary=x", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_only_urlencoded_is_a_form(content_type: str, is_form: bool) -> None:  # noqa: FBT001 - a table's column
    """Whatever else the content type says."""
    assert form.is_form(content_type) is is_form
