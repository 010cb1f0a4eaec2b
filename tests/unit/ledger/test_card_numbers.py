"""The search for card numbers: found in every dress, honest texts let through, stars where the digits stood."""

import itertools
import random
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epay_transfers.ledger import card_numbers, readings
from epay_transfers.ledger.card_numbers import holds_card_number, star_card_numbers
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import checked
from epay_transfers.producers import validators
from epay_transfers.sandbox.cards import luhn
from tests.support.bank_examples import FUZZ
from tests.support.card_texts import (
    ALIKE,
    DRESSES,
    GROUPED,
    HONEST,
    MOMENT,
    NETWORKS,
    PARTS,
    SCRIPTS,
    as_on_a_card,
    cases,
    in_groups,
    in_script,
    pan,
)
from tests.support.hostile_texts import HOSTILE

if TYPE_CHECKING:
    from _typeshed import TraceFunction

PAN = "4405639704015096"
AMEX = "377514500004820"
MASTERCARD = "5522042705066736"

#: What the sample of the corpus is made of. `make detector` counts over a million.
SEED = 20261128
SAMPLE = 10_000


# In every dress.


@pytest.mark.parametrize(
    "text",
    [
        f"VISA{PAN}",
        f"Card{MASTERCARD}",
        f"cc{PAN}",
        f"{PAN}KZT",
        f"{PAN}exp0129",
        f"{PAN}D29012010000",
        "44 05 63 97 04 01 50 96",
        "44.05.63.97.04.01.50.96",
        "44056397 04015096",
        "4 4 0 5 6 3 9 7 0 4 0 1 5 0 9 6",
        "440563 9704015096",
        "440563-970401-5096",
        "4405 6397-0401.5096",
        "4405%206397%200401%205096",
        "to=4405%2D6397%2D0401%2D5096",
        "%34%34%30%35%36%33%39%37%30%34%30%31%35%30%39%36",
        "%2534405639704015096",
        "4405\\xa06397\\xa00401\\xa05096",
        "4405\\t6397\\t0401\\t5096",
        "4405\\xc2\\xa06397\\xc2\\xa00401\\xc2\\xa05096",
        "4405\\u200b6397\\u200b0401\\u200b5096",
        "\\uff14\\uff14\\uff10\\uff15639704015096",
        "4405&nbsp;6397&#160;0401&#xa0;5096",
        "\u2463\u2463\u24ea\u2464639704015096",
        "\u2074\u2074\u2070\u2075639704015096",
        "44\u3164056397\u306404015096".replace("\u3064", ""),
        "4405 6397 0401 5096 01/29 815",
        "1234 4405 6397 0401 5096",
        "KZ86125004405639704015096 4405639704015096",
    ],
)
def test_a_card_number_is_found_in_a_text_to_keep_and_starred_in_one_that_leaves(text: str) -> None:
    assert holds_card_number(text)
    assert not _shows(star_card_numbers(text))


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("number", [PAN, AMEX, MASTERCARD])
def test_nothing_between_the_groups_hides_a_card_number(number: str, part: str) -> None:
    text = f"card {part.join(as_on_a_card(number))}"

    assert holds_card_number(text)
    assert star_card_numbers(text) == "card " + part.join("*" * len(group) for group in as_on_a_card(number))


@pytest.mark.parametrize("length", [17, 18, 19])
def test_the_last_group_of_a_long_number_may_have_the_rest(length: int) -> None:
    number = next(f"62{'7' * (length - 3)}{check}" for check in "0123456789" if luhn(f"62{'7' * (length - 3)}{check}"))

    for text in (f"{number[:4]} {number[4:8]} {number[8:12]} {number[12:]}", " ".join(in_groups(number, 4))):
        assert holds_card_number(text)
        assert "7" not in star_card_numbers(text)


@pytest.mark.parametrize("script", SCRIPTS)
def test_digits_of_other_scripts_are_digits(script: str) -> None:
    text = f"card {in_script(PAN, script)}"

    assert holds_card_number(text)
    assert star_card_numbers(text) == "card " + "*" * 16


@pytest.mark.parametrize(("prefix", "length"), sorted(set(NETWORKS)))
def test_each_network_and_length_is_known(prefix: str, length: int) -> None:
    rng = random.Random(length)  # noqa: S311 - an example
    body = prefix + "".join(rng.choices("0123456789", k=length - len(prefix) - 1))
    number = next(body + check for check in "0123456789" if luhn(body + check))

    assert holds_card_number(f"card {number}")
    assert star_card_numbers(number) == "*" * length


@pytest.mark.parametrize("number", ["4405639704015097", "7705639704015093", "44056397040158", "52220427050660"])
def test_another_check_digit_prefix_or_length_is_none(number: str) -> None:
    """The last two pass the check, with a length that their network does not issue."""
    assert not holds_card_number(number)


def test_a_text_that_leaves_is_starred_rather_too_much() -> None:
    """Digits hang on to it, it is part of an identifier, its network is unknown, its groups are odd, it is a moment."""
    unknown = next(f"990563970401509{check}" for check in "0123456789" if luhn(f"990563970401509{check}"))
    moment = next(f"251128104845000{check}" for check in "0123456789" if luhn(f"251128104845000{check}"))
    texts = [f"1{PAN}", f"{PAN}1", f"a{PAN}b", f"{PAN}deadbeef", unknown, "44 0563\u20139704 015096", moment]

    assert [holds_card_number(text) for text in texts] == [False] * len(texts)
    assert [star_card_numbers(text) for text in texts] == [
        "*" * 17,
        "*" * 17,
        f"a{'*' * 16}b",
        f"{'*' * 16}deadbeef",
        "*" * 16,
        "** ****\u2013**** ******",
        "*" * 16,
    ]


@pytest.mark.parametrize("text", ["14405/6397/0401/5096", "4405, 6397, 0401, 50961", "93775/145000/048201"])
def test_digits_that_hang_on_to_a_group_hide_no_card_number_in_a_log(text: str) -> None:
    assert star_card_numbers(text) == re.sub("[0-9]", "*", text)


@pytest.mark.parametrize(
    "char", ["\u200b", "\u200d", "\u2066", "\ufeff", "\u00ad", "\u0301", "\ufe0f", "\x00", "\u115f"]
)
def test_nothing_is_hidden_by_what_is_drawn_as_nothing(char: str) -> None:
    """However much of it stands there; it stays where it was."""
    text = (char * 9).join(PAN)

    assert holds_card_number(text)
    assert star_card_numbers(text) == (char * 9).join("*" * 16)


def test_a_number_that_is_read_in_two_ways_is_starred_for_both() -> None:
    """`%34` is the digit 4, and a percent sign with the digits 3 and 4."""
    assert star_card_numbers(f"%34{PAN[1:]}") == "*" * 16
    assert star_card_numbers(f"100%{PAN}") == f"100%{'*' * 16}"
    assert star_card_numbers(f"%{AMEX}") == f"%{'*' * 15}"


# What is none.


@pytest.mark.parametrize(
    "text",
    [
        "payout-20251128104845017",
        "2026-11-28 10:48:45.123456 42",
        "28.11.2026 10:48 - 30.11.2026 12:15",
        "1795500000007 1795500060007",
        "+7 701 123 45 67, +7 702 765 43 21",
        "8 (701) 123-45-67 8 (702) 765-43-21",
        "IIN 560101300123",
        "order 2026/004405-63 of 28.11.2026",
        "10.250.0.1:44056 200 10.250.0.2:63970 200",
        "525 600 + 350 200 = 875 800 KZT",
        "di=01;34:ln=01;36:pi=40;33:so=01;35:do=01;35:bd=40;33;01:cd=40;33;01:or=40;31;01:su=37;41:sg=30;43",
    ],
)
def test_honest_texts_are_let_through(text: str) -> None:
    assert not holds_card_number(text)


def _iban(account: str) -> str:
    number = int("".join(str(int(char, 36)) for char in account + "KZ00"))
    return f"KZ{98 - number % 97:02}{account}"


@given(st.from_regex(r"[0-9]{3}[0-9A-Z]{13}", fullmatch=True))
def test_an_iban_is_no_card_number(account: str) -> None:
    """In one piece, in fours, in small letters; with a card number in it."""
    iban = _iban(account)

    for text in (iban, " ".join(in_groups(iban, 4)), f"salary-{iban.lower()}-17"):
        assert not holds_card_number(text)
        assert star_card_numbers(text) == text


def test_what_only_looks_like_an_iban_or_a_hash_is_looked_into() -> None:
    """The check fails; other letters and digits hang on to it; two card numbers are as long as a hash."""
    assert holds_card_number(_iban(PAN)) is False
    for text in (f"KZ00{PAN}", f"KZ{PAN}", PAN + MASTERCARD, f"{'a' * 3}{PAN}{'1' * 13}"):
        assert "639704" not in star_card_numbers(text)


@pytest.mark.parametrize("size", [32, 40, 64, 128])
def test_a_hash_is_no_card_number(size: int) -> None:
    text = (PAN + "deadbeef" * 14)[:size]

    assert not holds_card_number(f"payout-{text}")
    assert star_card_numbers(f"payout-{text}") == f"payout-{text}"


def test_a_uuid_in_a_reference_is_no_card_number() -> None:
    text = "payout-44056397-0401-4096-8405-639704015096"

    assert not holds_card_number(text)
    assert star_card_numbers(text) == text


def test_our_own_key_is_no_card_number() -> None:
    """An invoice id of ours has 12 digits. One that the caller knows may be as long as a card number."""
    assert not holds_card_number("251124000001")
    assert not holds_card_number("kiosk:251124000001")
    assert not holds_card_number(f"kiosk:{AMEX}", AMEX)
    assert holds_card_number(f"kiosk:{AMEX}1 {AMEX}", f"{AMEX}1")


# The corpus.


def test_a_sample_of_the_corpus_is_judged_within_bounds() -> None:
    """None in a dress is missed; of honest texts at most one in a thousand is refused, of what looks alike one in 20.

    In a log it is one in 20 and one in 5. Cards that read as a moment are the price: none is found in a text to keep.
    """
    print(f"seed {SEED}")  # noqa: T201 - a failing test shows it
    seen: Counter[str] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    missed = []
    for case in itertools.islice(cases(SEED), SAMPLE):
        group = next(name for name, kinds in _GROUPS.items() if case.kind in kinds)
        kept, starred = holds_card_number(case.text), star_card_numbers(case.text)
        seen[group] += 1
        wrong[group, "keep"] += kept != case.holds
        wrong[group, "leave"] += (starred != case.text) != case.holds
        if group == "dress" and (not kept or case.pan[6:12] in _digits_of(starred)):
            missed.append(case)

    share = {(group, place): count / seen[group] for (group, place), count in wrong.items()}
    assert missed == []
    assert (share["moment", "keep"], share["moment", "leave"]) == (1, 0)
    assert share["honest", "keep"] <= 0.001
    assert share["honest", "leave"] <= 0.05
    assert share["alike", "keep"] <= 0.05
    assert share["alike", "leave"] <= 0.2
    assert min(seen.values()) > 100


_GROUPS = {"dress": set(DRESSES), "moment": {MOMENT}, "honest": set(HONEST), "alike": set(ALIKE)}


@pytest.mark.parametrize("name", DRESSES)
@settings(FUZZ, max_examples=30)
@given(
    seed=st.integers(0, 2**32), before=st.text("ghk \u043a\n", max_size=9), after=st.text(" ghk\u043a\n", max_size=9)
)
def test_no_dress_hides_a_card_number_among_other_text(name: str, seed: int, before: str, after: str) -> None:
    rng = random.Random(seed)  # noqa: S311 - an example
    number = pan(rng, may_be_a_moment=name in GROUPED)
    text = before + DRESSES[name](rng, number) + after

    assert holds_card_number(text)
    assert number[6:12] not in _digits_of(star_card_numbers(text))


#: Digits of several scripts, what parts them, what is drawn as nothing, escapes, and a character that is two digits.
_PIECES = (
    *(
        PAN,
        AMEX,
        "4405",
        "6397",
        "0401",
        "5096",
        "7",
        "44",
        "\uff14",
        "\u0664",
        "\u200b",
        "\u00a0",
        " ",
        "-",
        "/",
        "%20",
    ),
    *(
        "%34",
        "\\xa0",
        "\\u0034",
        "&nbsp;",
        "%",
        "\\",
        "&#52;",
        "\u00bd",
        "\u246b",
        "a",
        "KZ",
        "f",
        "\ud800",
        "\x00",
        "*",
    ),
)
_MESS = st.lists(
    st.sampled_from(_PIECES),
    max_size=14,
).map("".join)


@settings(FUZZ, max_examples=200)
@given(_MESS)
def test_what_is_found_in_a_text_to_keep_is_starred_in_one_that_leaves(text: str) -> None:
    if holds_card_number(text):
        assert star_card_numbers(text) != text


@settings(FUZZ, max_examples=200)
@given(_MESS)
def test_stars_stand_where_digits_stood_and_the_rest_is_as_it_was(text: str) -> None:
    """An escaped digit is one star, or its own digits are stars."""
    pieces = re.split(r"(%34|\\u0034|&#52;)", text)
    allowed = "".join(rf"(?:\*|{_starred(piece)})" if at % 2 else _starred(piece) for at, piece in enumerate(pieces))

    assert re.fullmatch(allowed, star_card_numbers(text))


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    """No error, whatever it holds; without digits nothing changes."""
    holds_card_number(text)
    if not _digits_of(text):
        assert star_card_numbers(text) == text


def _starred(piece: str) -> str:
    """A pattern: each digit may be a star."""
    return "".join(rf"(?:\*|{re.escape(char)})" if _digits_of(char) else re.escape(char) for char in piece)


def _digits_of(text: str) -> str:
    """Every digit in it, as 0 to 9, and nothing between them."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(char)) for char in plain if unicodedata.digit(char, None) is not None)


def _shows(starred: str) -> bool:
    return any(number[6:12] in _digits_of(starred) for number in (PAN, MASTERCARD))


# How long it takes.


def _steps(function: Callable[[str], object], text: str) -> int:
    """How many lines of the two modules run for this text."""
    ours = {card_numbers.__file__, readings.__file__}
    count = 0

    def local(_frame: FrameType, event: str, _arg: object) -> "TraceFunction":
        nonlocal count
        count += event == "line"
        return local

    def trace(frame: FrameType, _event: str, _arg: object) -> "TraceFunction | None":
        return local if frame.f_code.co_filename in ours else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("function", [holds_card_number, star_card_numbers])
@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_text_takes_four_times_the_steps(name: str, function: Callable[[str], object]) -> None:
    """Or a little more, for the text has an end; it would be sixteen times."""
    small, large = (_steps(function, HOSTILE[name](size)) for size in (1_500, 6_000))

    assert large <= 5 * small + 100


@pytest.mark.parametrize("name", ["twelve digits", "backslashes", "ampersands", "separators", "zero-width"])
def test_a_megabyte_without_a_card_number_is_searched(name: str) -> None:
    """A search that goes back and forth would not end in the time that a test has."""
    text = HOSTILE[name](1_000_000)

    assert not holds_card_number(text)
    assert star_card_numbers(text) == text


# Those who ask.


@pytest.mark.parametrize(
    "text", [f"VISA{PAN}", "44.05.63.97.04.01.50.96", "4405_6397_0401_5096", f"payout-{MASTERCARD}"]
)
def test_a_reference_with_a_card_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="looks like a card number"):
        validators.reference(text)


@pytest.mark.parametrize(
    "text", ["4405  6397  0401  5096", "4405/6397/0401/5096", "4405\uff0b6397\uff0b0401\uff0b5096"]
)
def test_a_description_or_a_reason_with_a_card_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="looks like a card number"):
        validators.description(f"to {text}")
    with pytest.raises(Refusal, match="looks like a card number"):
        checked(f"to {text}", "reason")


def test_a_link_with_a_card_number_in_its_query_is_refused() -> None:
    with pytest.raises(ValueError, match="looks like a card number"):
        validators.link("https://shop.example/back?card=4405%206397%200401%205096")


def test_a_reference_that_is_a_moment_is_taken() -> None:
    """One in ten of these was refused."""
    for count in range(1000):
        for text in (
            f"payout-2511281048450{count % 100:02}",
            f"payout-251128104845{count:04}",
            f"251128-104845-{count:04}",
            f"p.301120251048{count % 60:02}",
        ):
            assert validators.reference(text) == text
