"""One request: its person, what that person may see and do, and the page that answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ledger.queue.messages import Where
from epay_transfers.ledger.states import Money, State
from epay_transfers.ops import descriptions, listing, screen
from epay_transfers.ops.console import links
from epay_transfers.ops.console.looks import Look, Looks
from epay_transfers.ops.console.people import Person, Role
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.console.static_files import address_of
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import sentence_of
from epay_transfers.ops.overview.headline import NOTHING_WRONG, concerned
from epay_transfers.ops.overview.judge import level_of
from epay_transfers.ops.overview.judgement import Level

#: What the navigation leads to, in its order: address, words.
NAVIGATION = (
    ("/", "Overview"),
    ("/transfers", "Transfers"),
    ("/doubt", "In doubt and review"),
    ("/dead", "Dead transfers"),
    ("/parked", "Parked"),
    ("/plans", "Plans"),
    ("/pauses", "Terminals and pauses"),
    ("/workers", "Queues and workers"),
    ("/acts", "Operators' acts"),
    ("/servers", "Servers and keys"),
)


@dataclass(frozen=True, slots=True)
class Console:
    """What all requests share. `context` reads for everyone; nothing is asked for by it."""

    settings: ConsoleSettings
    context: Context
    looks: Looks


def console_of(request: Request) -> Console:
    return cast("Console", request.app.state.console)


class Visit:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.console = console_of(request)
        self.person = cast("Person", request.state.person)

    @cached_property
    def look(self) -> Look:
        return self.console.looks.now()

    @property
    def context(self) -> Context:
        return self.console.context

    @property
    def now_ms(self) -> int:
        return self.look.facts.now_ms

    def page(self, template: str, title: str, *, status: int = 200, **values: Any) -> Response:
        """`values`: what this template shows besides what every page has."""
        common = {
            "visit": self,
            "title": title,
            "facts": self.look.facts,
            "judgements": self.look.judgements,
            "level": level_of(self.look.judgements),
            "now_ms": self.now_ms,
            "navigation": NAVIGATION,
            "place": self.request.url.path,
            "csrf": self.request.state.csrf,
        }
        return HTMLResponse(_template(template).render(common | values), status)

    @staticmethod
    def part(template: str, **values: Any) -> Markup:
        """A part of a page, which a page may keep."""
        return Markup(_template(template).render(values))  # noqa: S704 - it is escaped as each page is


def page(show: Callable[[Visit], Response]) -> Callable[[Request], Response]:
    """A route of a page: an error that is for people is one here, too, as a sentence."""

    def endpoint(request: Request) -> Response:
        visit = Visit(request)
        try:
            return show(visit)
        except TransfersError as error:
            return visit.page("refused.html", "Not shown", status=409, sentence=sentence_of(error))

    return endpoint


def sentence_page(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page that asks no server and needs no person: it says why there is no other one."""
    title = {404: "No such page", 500: "Broken"}.get(status, "Refused")
    return HTMLResponse(_template("sentence.html").render(title=title, sentence=sentence), status, headers)


def moment_page(request: Request) -> Response:
    """It asks for the same address anew, as this site's own request; by hand where a browser is told not to."""
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    text = _template("moment.html").render(title="One moment", address=address)
    return HTMLResponse(text, headers={"Refresh": "0"})


_templates = Environment(
    loader=PackageLoader("epay_transfers.ops.console", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def _commands(text: str) -> Markup:
    """A sentence, each command in backticks as code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(text.split("`"))
    )


_templates.filters["commands"] = _commands
_templates.globals |= {
    "Level": Level,
    "Money": Money,
    "Role": Role,
    "State": State,
    "Where": Where,
    "address_of": address_of,
    "concerned": concerned,
    "descriptions": descriptions,
    "links": links,
    "nothing_wrong": NOTHING_WRONG,
    "screen": screen,
    "why_text": listing.why_text,
}


def _template(name: str) -> Template:
    return _templates.get_template(name)
