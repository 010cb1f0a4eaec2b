"""Who seals can't open, and what was changed or moved does not open at all."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger import key_text
from epay_transfers.ledger.key_text import Kind
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.sealing import (
    KeyPair,
    Opener,
    Purpose,
    SealBroken,
    Sealer,
    SealKeyUnknown,
    generate,
)

PAIR, OTHER_PAIR = generate(), generate()
KEY = "251124000001"
CARD = b'{"cred": "4405639704015096"}'


def sealed_body(text: str) -> tuple[str, bytes]:
    head, _, body = text.rpartition(".")
    return head, base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def with_body(head: str, body: bytes) -> str:
    return f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}"


@given(st.binary(max_size=2000), st.sampled_from(Purpose), st.text(max_size=40))
def test_what_was_sealed_opens_again(cleartext: bytes, purpose: Purpose, key: str) -> None:
    sealed = Sealer(PAIR.public).seal(cleartext, purpose, key)

    assert Opener([PAIR.private]).open(sealed, purpose, key) == cleartext
    assert sealed.isascii()


def test_two_seals_of_one_text_differ() -> None:
    sealer = Sealer(PAIR.public)

    assert sealer.seal(CARD, Purpose.CARD, KEY) != sealer.seal(CARD, Purpose.CARD, KEY)


def test_the_sealed_text_shows_nothing() -> None:
    head, body = sealed_body(Sealer(PAIR.public).seal(CARD, Purpose.CARD, KEY))

    assert head == f"1.{Sealer(PAIR.public).key_id}"
    assert CARD not in body


def test_every_flipped_bit_is_refused() -> None:
    opener = Opener([PAIR.private])
    head, body = sealed_body(Sealer(PAIR.public).seal(CARD, Purpose.CARD, KEY))

    for at in range(len(body)):
        for bit in (0x01, 0x80):
            if at == 31 and bit == 0x80:
                continue  # the top bit of an X25519 point is ignored by RFC 7748: it is no other point
            torn = bytearray(body)
            torn[at] ^= bit
            with pytest.raises(SealBroken):
                opener.open(with_body(head, bytes(torn)), Purpose.CARD, KEY)


def test_every_cut_is_refused() -> None:
    opener = Opener([PAIR.private])
    sealed = Sealer(PAIR.public).seal(CARD, Purpose.CARD, KEY)

    for length in range(len(sealed)):
        with pytest.raises((SealBroken, SealKeyUnknown)):
            opener.open(sealed[:length], Purpose.CARD, KEY)


@given(st.text(max_size=80))
def test_what_never_was_a_seal_is_refused(text: str) -> None:
    with pytest.raises((SealBroken, SealKeyUnknown)):
        Opener([PAIR.private]).open(text, Purpose.CARD, KEY)


@pytest.mark.parametrize(
    ("purpose", "key"),
    [
        (Purpose.PARES, KEY),
        (Purpose.CARD, "251124000002"),
        (Purpose.CARD, ""),
        (Purpose.CARD, f"kiosk:{KEY}"),
    ],
)
def test_a_seal_does_not_open_elsewhere(purpose: Purpose, key: str) -> None:
    sealed = Sealer(PAIR.public).seal(CARD, Purpose.CARD, KEY)

    with pytest.raises(SealBroken):
        Opener([PAIR.private]).open(sealed, purpose, key)


def test_an_unknown_key_is_named_and_nothing_else() -> None:
    stranger = Sealer(OTHER_PAIR.public)
    sealed = stranger.seal(CARD, Purpose.CARD, KEY)

    with pytest.raises(SealKeyUnknown, match=f"the key {stranger.key_id} is missing") as caught:
        Opener([PAIR.private]).open(sealed, Purpose.CARD, KEY)
    assert caught.value.key_id == stranger.key_id


def test_a_foreign_key_id_on_a_seal_does_not_make_another_key_open_it() -> None:
    _, body = sealed_body(Sealer(PAIR.public).seal(CARD, Purpose.CARD, KEY))
    renamed = with_body(f"1.{Sealer(OTHER_PAIR.public).key_id}", body)

    with pytest.raises(SealBroken):
        Opener([OTHER_PAIR.private, PAIR.private]).open(renamed, Purpose.CARD, KEY)


@pytest.mark.parametrize("pair", [PAIR, OTHER_PAIR])
def test_a_ring_opens_what_any_of_its_keys_sealed(pair: KeyPair) -> None:
    ring = Opener([PAIR.private, OTHER_PAIR.private])

    assert ring.open(Sealer(pair.public).seal(CARD, Purpose.CARD, KEY), Purpose.CARD, KEY) == CARD
    assert ring.key_ids == [Sealer(PAIR.public).key_id, Sealer(OTHER_PAIR.public).key_id]


@pytest.mark.parametrize(
    "text", ["", "x", "A" * 42, "A" * 44, "*" * 43, "ä" * 43, pytest.param(PAIR.public + "A", id="longer")]
)
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    for refused in (lambda: Sealer(text), lambda: Opener([Secret(text)])):
        with pytest.raises(ValueError, match="is not a key that `transfers keygen` printed") as caught:
            refused()
        assert len(text) < 5 or text not in str(caught.value)


_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def other_texts(text: str) -> list[str]:
    """Those that a lenient decoder reads as the same bytes: other bits where no byte needs them, and padding."""
    last = _LETTERS.index(text[-1])
    spare = {0: 0, 2: 4, 3: 2}[len(text) % 4]
    bits = range(1 << spare)
    return [text[:-1] + _LETTERS[last ^ bit] for bit in bits if bit] + [text + "=" * (-len(text) % 4 or 4)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_seal_opens_as_it_was_written_and_not_as_another_text_of_the_same_bytes(size: int) -> None:
    """The vault and the ledger compare texts: two texts of one seal would be two seals for them."""
    sealed = Sealer(PAIR.public).seal(b"x" * size, Purpose.CARD, KEY)
    head, _, body = sealed.rpartition(".")

    others = other_texts(body)
    assert len(others) > 0
    for other in others:
        with pytest.raises(SealBroken):
            Opener([PAIR.private]).open(f"{head}.{other}", Purpose.CARD, KEY)


def test_a_key_is_read_as_it_was_written_and_not_as_another_text_of_the_same_bytes() -> None:
    def others(text: str) -> list[str]:
        kind, _, body = text.partition(".")
        return [f"{kind}.{other}" for other in other_texts(body)]

    for refused in [lambda text=text: Sealer(text) for text in others(PAIR.public)] + [
        lambda text=text: Opener([Secret(text)]) for text in others(PAIR.private.reveal())
    ]:
        with pytest.raises(ValueError, match="is not a key that `transfers keygen` printed"):
            refused()


def test_an_empty_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="no key that opens anything"):
        Opener([])


def test_the_public_key_opens_nothing() -> None:
    sealed = Sealer(PAIR.public).seal(CARD, Purpose.CARD, KEY)

    with pytest.raises(ValueError, match="is a public key of the vault, which opens nothing"):
        Opener([Secret(PAIR.public)])
    raw, _ = key_text.read(PAIR.public, Kind.VAULT_PUBLIC)
    disguised = Secret(key_text.write(Kind.VAULT_PRIVATE, raw))
    with pytest.raises(SealKeyUnknown):
        Opener([disguised]).open(sealed, Purpose.CARD, KEY)
