"""Card data goes into the seal and comes out of it whole, and shows no digit on the way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard, SenderCard

SECRETS = st.text(max_size=40).map(Secret)
KINDS = st.sampled_from(["TYPEPAN", "TYPECARDID"])
SENDERS = st.builds(
    SenderCard,
    transfer_type=KINDS,
    cred=SECRETS,
    month=SECRETS,
    year=SECRETS,
    cvc=SECRETS,
    name=SECRETS,
    address=SECRETS,
    save=st.booleans(),
)
RECEIVERS = st.builds(
    ReceiverCard,
    transfer_type=KINDS,
    cred=SECRETS,
    first_name=SECRETS,
    last_name=SECRETS,
    country_code=SECRETS,
    save=st.booleans(),
)

FULL = CardData(
    sender=SenderCard(
        transfer_type="TYPEPAN",
        cred=Secret("4405639704015096"),
        month=Secret("01"),
        year=Secret("25"),
        cvc=Secret("815"),
        name=Secret("Sergey Frolov"),
        address=Secret("Abay 10"),
    ),
    receiver=ReceiverCard(transfer_type="TYPEPAN", cred=Secret("5522042705066736"), last_name=Secret("Bek")),
    sender_ip=Secret("203.0.113.7"),
    sender_email=Secret("a@example.kz"),
)


@given(SENDERS, RECEIVERS, SECRETS, SECRETS)
def test_card_data_comes_back_as_it_went(sender: SenderCard, receiver: ReceiverCard, ip: Secret, email: Secret) -> None:
    data = CardData(sender, receiver, ip, email)

    assert CardData.from_bytes(data.to_bytes()) == data


@pytest.mark.parametrize("shown", [repr(FULL), str(FULL), f"{FULL}", repr(FULL.sender), repr([FULL.receiver])])
def test_no_part_of_it_is_shown(shown: str) -> None:
    plain = json.loads(FULL.to_bytes())
    parts = [*plain["sender"].values(), *plain["receiver"].values(), plain["ip"], plain["email"]]

    for part in parts:
        if isinstance(part, str) and part not in {"", "TYPEPAN"}:
            assert part not in shown
    assert not any(character.isdigit() for character in shown)


def test_what_was_read_is_secret_again() -> None:
    assert not any(character.isdigit() for character in repr(CardData.from_bytes(FULL.to_bytes())))
