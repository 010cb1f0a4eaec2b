"""The pictures of the documents, taken anew: `python -m tests.browser.pictures`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page

from tests.browser.chromium import running_chromium
from tests.support.demo_shop import running_shop
from tests.support.tools import tool

IMAGES = Path(__file__).parents[2] / "docs/images"


def main() -> None:
    binary = tool("chromium", "chromium")
    with TemporaryDirectory() as folder, running_shop(Path(folder)) as shop, running_chromium(binary) as browser:
        _desktop(browser, shop.url)
        _phone(browser, shop.url)
        _console(browser, shop.console_url)


def _desktop(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 700}, locale="en-GB")
    for name in ("A carpet that flies", "A day on a bicycle", "A concert ticket"):
        page.goto(url)
        _buy(page, name)
        if name == "A concert ticket":
            _answer(page)
        page.wait_for_selector("main .button")
    page.goto(url)
    page.screenshot(path=IMAGES / "shop.png", full_page=True)


def _phone(browser: Browser, url: str) -> None:
    page = browser.new_page(
        viewport={"width": 390, "height": 720}, device_scale_factor=2, is_mobile=True, has_touch=True, locale="en-GB"
    )
    page.goto(url)
    _buy(page, "A concert ticket")
    page.wait_for_selector("#password")
    page.screenshot(path=IMAGES / "secure.png")
    _answer(page)
    page.wait_for_selector("main.paid")
    page.screenshot(path=IMAGES / "paid.png")
    page.goto(url)
    _buy(page, "Tea on the steppe")
    _answer(page)
    page.wait_for_selector("main.doubt")
    page.screenshot(path=IMAGES / "doubt.png")


def _console(browser: Browser, url: str) -> None:
    """The first page, once each example is where it will stay, and the page of one in doubt."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, locale="en-GB")
    for state in ("dead", "in_doubt", "parked", "declined"):
        page.goto(f"{url}/transfers?state={state}")
        page.wait_for_selector("tbody a")  # the page follows what happens
    page.goto(url)
    page.screenshot(path=IMAGES / "console.png")


def _buy(page: Page, name: str) -> None:
    page.get_by_text(name, exact=True).first.click()
    page.get_by_role("button", name="Pay").click()


def _answer(page: Page) -> None:
    page.locator("#password").fill("secret")
    page.locator("button.pay").click()


if __name__ == "__main__":
    main()
