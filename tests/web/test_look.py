"""The look of the pages: the merchant's own name, logo, colour and templates, and a way home from each page."""

import base64
import logging
import re
from pathlib import Path

import pytest

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.producers import Challenge, Receipt
from epay_transfers.producers.testing import FakeTransfers
from epay_transfers.producers.web import Look, Web
from epay_transfers.producers.web.words import BUTTONS, PAGES
from tests.support.logged import names_of
from tests.web.conftest import Visitor

HOME = "https://shop.example/"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>'


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    path = tmp_path / "logo.svg"
    path.write_bytes(SVG)
    return path


def shown(fake: FakeTransfers, web: Web, look: Look, handle: str, home: str = "") -> str:
    return Visitor(Web(fake, web._places, look=look, home=home)).get("pay", handle).body.decode()


def test_a_page_shows_the_merchants_name_logo_and_colour(
    fake: FakeTransfers, web: Web, receipt: Receipt, logo: Path
) -> None:
    html = shown(fake, web, Look(name="Алма & Co", logo=logo, colour="#5b21b6"), receipt.handle)

    assert f"<title>{PAGES['waiting']['en'].title} · Алма &amp; Co</title>" in html
    assert f'<img src="data:image/svg+xml;base64,{base64.b64encode(SVG).decode()}" alt="Алма &amp; Co">' in html
    assert "--main: #5b21b6;" in html


def test_a_page_without_a_logo_shows_the_name_and_without_a_look_neither(
    fake: FakeTransfers, web: Web, receipt: Receipt
) -> None:
    assert '<p class="brand">Shop</p>' in shown(fake, web, Look(name="Shop"), receipt.handle)
    assert 'class="brand"' not in shown(fake, web, Look(), receipt.handle)


@pytest.mark.parametrize("way", ["pay", "park", "doubt", "unknown"])
def test_every_page_has_one_way_home(fake: FakeTransfers, web: Web, receipt: Receipt, way: str) -> None:
    """Where the outcome's button leads there, there is no second link beside it."""
    if way != "unknown":
        getattr(fake, way)(receipt.key)
    visitor = Visitor(Web(fake, web._places, home=HOME))
    handle = "A" * 22 if way == "unknown" else receipt.handle

    html = visitor.get("pay" if way in {"park", "unknown"} else "result", handle).body.decode()

    assert html.count(f'href="{HOME}"') == 1
    assert BUTTONS["home"]["en"] in html


def test_the_page_that_leads_to_the_bank_has_a_way_home_too(
    fake: FakeTransfers, web: Web, receipt: Receipt, challenge: Challenge
) -> None:
    html = shown(fake, web, Look(), receipt.handle, home=HOME)

    assert challenge.action in html
    assert f'<a class="home" href="{HOME}">' in html


def test_the_way_home_leads_to_the_sites_root_if_none_is_given(fake: FakeTransfers, web: Web, receipt: Receipt) -> None:
    page = Visitor(Web(fake, web._places)).get("pay", receipt.handle).body.decode()

    assert '<a class="home" href="/">' in page


def test_with_an_empty_home_no_page_has_a_way_there(fake: FakeTransfers, web: Web, receipt: Receipt) -> None:
    assert 'class="home"' not in shown(fake, web, Look(), receipt.handle)


def test_a_merchants_template_is_taken_and_may_build_on_ours(
    fake: FakeTransfers, web: Web, receipt: Receipt, tmp_path: Path
) -> None:
    (tmp_path / "base.html").write_text(
        '{% extends "transfers/base.html" %}{% block brand %}<nav>Our shop</nav>{% endblock %}', encoding="utf-8"
    )

    html = shown(fake, web, Look(templates=tmp_path), receipt.handle)

    assert "<nav>Our shop</nav>" in html
    assert PAGES["waiting"]["ru"].title in html


@pytest.mark.parametrize("template", ["page.html", "challenge.html"])
def test_a_template_gets_each_name_that_the_document_lists(
    fake: FakeTransfers, web: Web, receipt: Receipt, tmp_path: Path, template: str
) -> None:
    """On the page that leads to the bank, too: a base of both may ask for a button."""
    document = (Path(__file__).parents[2] / "docs/web.md").read_text()
    listed = document.partition("It gets `name`")[2].partition("One that breaks")[0]
    of_all, _, of_challenge = listed.partition("`challenge.html`")
    names = {"name", *re.findall(r"`(\w+)`", of_all), *re.findall(r"`(\w+)`", of_challenge)} - {
        "title", "text", "address", *(("action", "fields") if template == "page.html" else ())
    }  # fmt: skip
    (tmp_path / template).write_text("".join(f"[{{{{ {name} }}}}]" for name in sorted(names)), encoding="utf-8")
    if template == "challenge.html":
        fake.park(receipt.key)

    html = shown(fake, web, Look(templates=tmp_path), receipt.handle)

    assert len(names) >= 12
    assert html.startswith("[")


def test_a_template_that_breaks_is_logged_and_the_client_sees_our_own(
    fake: FakeTransfers, web: Web, receipt: Receipt, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A client has to see how its payment stands. The log names the template, and nothing of what it was given."""
    caplog.set_level(logging.ERROR)
    (tmp_path / "page.html").write_text("{{ no_such_name }}", encoding="utf-8")

    html = shown(fake, web, Look(templates=tmp_path), receipt.handle)

    assert PAGES["waiting"]["ru"].title in html
    assert names_of(caplog.records) == ["web.template_broke"]
    assert "page.html" in caplog.text
    assert receipt.handle not in caplog.text


def test_what_can_not_be_shown_is_refused_at_once_with_its_name(tmp_path: Path, logo: Path) -> None:
    (tmp_path / "logo.txt").write_text("x")
    (tmp_path / "large.png").write_bytes(b"x" * (64 * 1024 + 1))
    (tmp_path / "empty.png").write_bytes(b"")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "page.html").write_text("{% if %}", encoding="utf-8")
    none = tmp_path / "none"
    none.mkdir()
    wrong: list[tuple[dict[str, object], str]] = [
        ({"name": "x" * 61}, "name: must be one line"),
        ({"name": "two\nlines"}, "name: must be one line"),
        ({"logo": tmp_path / "logo.txt"}, "logo: must be a file whose name ends with"),
        ({"logo": tmp_path / "no.png"}, "logo: the file can't be read"),
        ({"logo": tmp_path / "large.png"}, "logo: the file must have 1 to 65536 bytes"),
        ({"logo": tmp_path / "empty.png"}, "logo: the file must have 1 to 65536 bytes"),
        ({"colour": "green"}, "colour: must be like #08703f"),
        ({"colour": "#ffcc00"}, "colour: white words on #ffcc00 are hard to read"),
        ({"colour": "#08703f; } body { display: none"}, "colour: must be like"),
        ({"templates": logo}, "templates: must be a folder"),
        ({"templates": none}, "templates: the folder has none of base.html"),
        ({"templates": broken}, "templates: page.html, line 1"),
    ]
    for given, sentence in wrong:
        with pytest.raises(WrongCall, match=sentence):
            Look(**given)  # type: ignore[arg-type]  # one of them at a time


@pytest.mark.parametrize("colour", ["#08703f", "#000000", "#767676", "#b3261e"])
def test_a_colour_on_which_white_words_can_be_read_is_taken(colour: str) -> None:
    """`#767676` is the lightest grey that the rule of 4.5 to 1 allows."""
    assert Look(colour=colour).colour == colour


@pytest.mark.parametrize("colour", ["#777777", "#ffffff", "#35c37f"])
def test_a_colour_that_is_a_shade_too_light_is_not(colour: str) -> None:
    with pytest.raises(WrongCall, match="hard to read"):
        Look(colour=colour)
