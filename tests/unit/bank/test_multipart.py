"""The token request's form is written by our own code, since the library's takes longer than the sending."""

from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from epay_transfers.worker.bank.payloads import token_fields
from epay_transfers.worker.bank.transport import multipart
from tests.support.bank_examples import ORDER, TERMINAL

TEXTS = st.text(st.characters(codec="utf-8"))
BOUNDARY = "0123456789abcdef" * 2


@given(form=st.dictionaries(st.from_regex(r"[A-Za-z_]{1,20}", fullmatch=True), TEXTS))
def test_it_is_what_the_library_writes(form: dict[str, str]) -> None:
    assert multipart(form, BOUNDARY) == encode_multipart_formdata(form, BOUNDARY)


def test_the_fields_of_a_token_are_what_the_library_writes() -> None:
    form = token_fields(TERMINAL, ORDER, secret_hash="0" * 64)

    assert multipart(form, BOUNDARY) == encode_multipart_formdata(form, BOUNDARY)
