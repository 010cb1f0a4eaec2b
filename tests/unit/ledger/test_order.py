"""The details of an order, as the record keeps them; and what is left of them when the transfer has ended."""

import json

import pytest

from epay_transfers.ledger.order import OrderDetails, way_home

LINKS = {"back_link": "https://shop.kz/ok", "failure_back_link": "https://shop.kz/no"}


def test_what_was_not_given_is_not_written_and_reads_as_not_given() -> None:
    details = OrderDetails(description="Зарплата", back_link="https://shop.kz/ok")

    assert json.loads(details.to_json()) == {"description": "Зарплата", "back_link": "https://shop.kz/ok"}
    assert OrderDetails.from_json(details.to_json()) == details
    assert OrderDetails.from_json(OrderDetails().to_json()) == OrderDetails.from_json("") == OrderDetails()
    assert OrderDetails.from_json(OrderDetails(foreign=True).to_json()).foreign is True


def test_details_as_they_were_written_before_read_the_same() -> None:
    text = '{"description":"a","back_link":"","failure_back_link":"","post_link":"","failure_post_link":"",'

    assert OrderDetails.from_json(text + '"foreign":false,"merchant_id_for_saving_cards":""}') == OrderDetails(
        description="a"
    )


@pytest.mark.parametrize("links", [LINKS, {"back_link": LINKS["back_link"]}, {"failure_back_link": "https://a.kz"}])
def test_the_way_home_is_the_two_links_that_lead_there(links: dict[str, str]) -> None:
    details = OrderDetails(description="a", post_link="https://shop.kz/p", foreign=True, **links)

    assert json.loads(way_home(details.to_json())) == links


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "5",
        "null",
        "[" * 100_000,
        "{}",
        '{"description":"a","post_link":"https://shop.kz/p"}',
        '{"back_link":5}',
        '{"back_link":["https://shop.kz"]}',
        '{"back_link":"javascript:alert(1)"}',
        '{"back_link":"https://shop.kz/\\ud800"}',
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_link_is_no_way_home_and_no_error(text: str) -> None:
    """A transfer ends whatever a hand has done to its details: the text goes into the script that ends it."""
    assert way_home(text) == ""
