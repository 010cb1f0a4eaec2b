"""A browser without a screen: the forms of a page as they were shown, filled in and sent."""

import re
from html.parser import HTMLParser

import requests

from tests.console.conftest import RunningConsole

Form = dict[str, str]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Form]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((told.get("action", ""), {}))
        elif tag == "input" and told.get("type") == "hidden" and self.found:
            self.found[-1][1][told["name"]] = told.get("value", "")


class Person:
    """A person at a console. `page` is the last one that was shown."""

    def __init__(self, console: RunningConsole, name: str) -> None:
        self.url, self.session, self.page = console.url, console.session(name), ""

    def get(self, path: str) -> requests.Response:
        answer = self.session.get(f"{self.url}{path}", timeout=30)
        self.page = answer.text
        return answer

    def forms(self, act: str) -> list[Form]:
        """Those for this act on the page that was shown last, as they were shown."""
        reader = _Forms()
        reader.feed(self.page)
        return [dict(form) for action, form in reader.found if action == f"/acts/{act}"]

    def send(self, act: str, form: Form, **typed: str) -> requests.Response:
        return self.session.post(f"{self.url}/acts/{act}", data=form | typed, timeout=60)

    def does(self, act: str, path: str, **typed: str) -> requests.Response:
        """Opens the page, and sends its only form for this act."""
        self.get(path)
        (form,) = self.forms(act)
        return self.send(act, form, **typed)

    def searches(self, text: str) -> requests.Response:
        return self.session.post(f"{self.url}/search", data={"q": text}, timeout=30, allow_redirects=False)


def said(answer: requests.Response) -> str:
    """The text of a page, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
