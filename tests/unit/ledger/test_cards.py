"""Card data and its order go into the seal and come out of it whole, and show no digit on the way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.secret import Secret
from epay_transfers.ledger.vault.card_data import CardData, ReceiverCard, SenderCard
from epay_transfers.ledger.vault.sealed_card import PaymentOrder, SealedCard

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

ORDER = PaymentOrder(
    reference="payout-1",
    handle="h",
    terminal="main",
    amount=1_500_000,
    currency="KZT",
    deadline_at=1_795_500_900_000,
    details=OrderDetails(description="Зарплата", back_link="https://shop.kz/back", foreign=True),
)


@given(SENDERS, RECEIVERS, SECRETS, SECRETS)
def test_card_data_comes_back_as_it_went(sender: SenderCard, receiver: ReceiverCard, ip: Secret, email: Secret) -> None:
    data = CardData(sender, receiver, ip, email)

    assert SealedCard.from_bytes(SealedCard(ORDER, data).to_bytes()) == SealedCard(ORDER, data)


@pytest.mark.parametrize("shown", [repr(FULL), str(FULL), f"{FULL}", repr(FULL.sender), repr([FULL.receiver])])
def test_no_part_of_it_is_shown(shown: str) -> None:
    plain = json.loads(SealedCard(ORDER, FULL).to_bytes())["cards"]
    parts = [*plain["sender"].values(), *plain["receiver"].values(), plain["ip"], plain["email"]]

    for part in parts:
        if isinstance(part, str) and part not in {"", "TYPEPAN"}:
            assert part not in shown
    assert not any(character.isdigit() for character in shown)


def test_what_was_read_is_secret_again() -> None:
    assert not any(
        character.isdigit() for character in repr(SealedCard.from_bytes(SealedCard(ORDER, FULL).to_bytes()).cards)
    )
