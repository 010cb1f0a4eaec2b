"""A real browser pays in the demo shop. Whatever a client does, money moves once at most, and it is told the truth."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import PATIENCE_MS, Open

expect.set_options(timeout=PATIENCE_MS)

Books = Callable[[], dict[str, Any]]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def buys(page: Page, name: str = "A concert ticket") -> None:
    page.get_by_text(name, exact=True).first.click()
    page.get_by_role("button", name="Pay").click()


def answers(page: Page, password: str = "secret") -> None:
    """At the bank's own page."""
    page.locator("#password").fill(password)
    page.locator("button.pay").click()


def sees(page: Page, name: str) -> None:
    expect(page.locator(f"main.{name}")).to_be_visible()


def order_of(page: Page) -> str:
    """The invoice id that the page shows."""
    return "".join(sign for sign in page.locator("main .soft").first.inner_text().partition("·")[0] if sign.isdigit())


def executions(books: Books, invoice_id: str) -> int:
    count: int = books()["orders"][invoice_id]["executions"]
    return count


@pytest.mark.parametrize("device", [{"viewport": {"width": 1180, "height": 800}}, PHONE], ids=["desktop", "phone"])
def test_pays_with_3d_secure_and_comes_back(open_shop: Open, books: Books, device: dict[str, Any]) -> None:
    page = open_shop(**device)
    buys(page)
    expect(page.get_by_text("12000 KZT")).to_be_visible()  # the bank's page
    answers(page)

    sees(page, "paid")
    assert executions(books, order_of(page)) == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Back to the shop").click()
    expect(page.locator("li").first).to_contain_text("paid")


def test_a_wrong_password_is_not_paid(open_shop: Open, books: Books) -> None:
    page = open_shop()
    buys(page)
    answers(page, "wrong")

    sees(page, "declined")
    assert executions(books, order_of(page)) == 0


def test_who_cancels_at_the_bank_is_not_paid(open_shop: Open) -> None:
    page = open_shop()
    buys(page)
    page.locator("button.cancel").click()

    sees(page, "declined")


def test_who_closes_the_tab_may_return_and_go_on(open_shop: Open, books: Books) -> None:
    page = open_shop()
    buys(page)
    expect(page.locator("#password")).to_be_visible()
    page.close()

    again = page.context.new_page()
    again.goto(open_shop().url)
    again.locator("li a").first.click()
    answers(again)

    sees(again, "paid")
    assert executions(books, order_of(again)) == 1


def test_a_double_click_buys_once(open_shop: Open, books: Books) -> None:
    page = open_shop()
    before = len(books()["orders"])
    page.get_by_role("button", name="Pay").dblclick()
    page.locator("#password").fill("secret")
    page.locator("button.pay").dblclick()

    sees(page, "paid")
    assert executions(books, order_of(page)) == 1
    assert len(books()["orders"]) == before + 1


def test_the_back_button_never_pays_again_and_never_traps(open_shop: Open, books: Books) -> None:
    page = open_shop()
    shop = page.url
    buys(page)
    expect(page.locator("#password")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(shop)  # not the page between, which would only send the client off again

    page.reload()
    page.locator("li a").first.click()
    answers(page)
    sees(page, "paid")
    paid = order_of(page)
    with suppress(Error):  # to the bank's page, which was posted to: a person is asked whether to post again
        page.go_back()

    again = page.context.new_page()
    again.goto(shop)
    again.locator("li a").first.click()
    sees(again, "paid")
    assert order_of(again) == paid
    assert executions(books, paid) == 1


def test_two_tabs_pay_once_and_both_are_told_the_truth(open_shop: Open, books: Books) -> None:
    one = open_shop()
    buys(one)
    expect(one.locator("#password")).to_be_visible()
    two = one.context.new_page()
    two.goto(open_shop().url)
    two.locator("li a").first.click()
    expect(two.locator("#password")).to_be_visible()

    answers(one)
    sees(one, "paid")
    answers(two, "wrong")

    sees(two, "paid")
    assert order_of(one) == order_of(two)
    assert executions(books, order_of(one)) == 1


def test_without_javascript_there_are_buttons_and_pages_that_renew_themselves(open_shop: Open, books: Books) -> None:
    page = open_shop(java_script_enabled=False)
    buys(page)
    sees(page, "challenge")
    page.get_by_role("button", name="Continue").click()
    answers(page)
    page.get_by_role("button", name="Continue").click()  # the sandbox's own form

    sees(page, "paid")
    assert executions(books, order_of(page)) == 1


def test_in_doubt_the_client_is_told_not_to_pay_again(open_shop: Open, books: Books) -> None:
    """The bank has moved the money, and its answer was lost."""
    page = open_shop()
    buys(page, "Tea on the steppe")
    answers(page)

    sees(page, "doubt")
    expect(page.get_by_role("heading")).to_have_text("Do not pay again")
    assert executions(books, order_of(page)) == 1


def test_a_decline_and_a_payment_without_questions(open_shop: Open) -> None:
    page = open_shop()
    buys(page, "A carpet that flies")
    sees(page, "declined")
    page.get_by_role("link", name="Back to the shop").click()
    buys(page, "A day on a bicycle")
    sees(page, "paid")


def test_what_the_client_typed_wrong_is_said_and_not_repeated(open_shop: Open) -> None:
    page = open_shop()
    page.locator("input[name=number]").fill("4405 6397 0401 5097")
    page.locator("input[name=name]").fill("<b>no</b>")
    page.get_by_role("button", name="Pay").click()

    expect(page.get_by_role("alert")).to_contain_text("number: is not a card number")
    assert "5097" not in page.content()
    assert "<b>no</b>" not in page.content()


def test_nobody_else_s_page_is_found(open_shop: Open) -> None:
    page = open_shop()
    response = page.request.get(f"{page.url}transfers/pay/{'A' * 22}")

    assert response.status == 404
