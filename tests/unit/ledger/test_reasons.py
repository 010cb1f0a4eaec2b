"""Reasons: each has a sentence, and none is spelled as a string where the code gives or compares it."""

import ast

import pytest

from epay_transfers.ledger.reasons import TOKENS, Reason, sentence_of
from epay_transfers.worker.bank.parse_response import _OAUTH_ERRORS
from tests.architecture.source import files, nodes_of

#: Words that are names of other things too: a state, a field of the intent.
AMBIGUOUS = {Reason.CANCELLED, Reason.DEADLINE}
PLACES = ("worker/", "producers/", "ops/commands/", "ops/descriptions.py", "ledger/withdraw.py")


@pytest.mark.parametrize("file", [file for file in files() if file.startswith(PLACES) and "testing" not in file])
def test_a_reason_is_spelled_in_one_place(file: str) -> None:
    spelled = {
        node.value
        for node in nodes_of(file)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in set(Reason)
    }

    assert spelled <= AMBIGUOUS


def test_each_reason_has_a_sentence_and_another_word_is_told_as_it_is() -> None:
    assert all(reason.sentence and not reason.sentence.endswith(".") for reason in Reason)
    assert sentence_of("card_lost") == "its card is gone (card_lost)"
    assert (sentence_of("http_500"), sentence_of("")) == ("http_500", "")


@pytest.mark.parametrize("why", sorted(_OAUTH_ERRORS | {"refused", "dns", "tls", "timeout", "connect_timeout"}))
def test_why_no_token_came_is_told_in_a_sentence(why: str) -> None:
    """It is what a newcomer meets first; the word stays beside it."""
    assert sentence_of(f"token_{why}").endswith(f" (token_{why})")
    assert "token" in TOKENS[why] or "client" in TOKENS[why]
    assert sentence_of(f"a_token_{why}") == f"a_token_{why}"
