"""The pages: HTML from words and values, every value escaped, under a policy that lets nothing else run or load."""

import logging
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from epay_transfers.ledger.errors import WrongCall
from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.safe_urls import is_safe_url
from epay_transfers.ledger.tracebacks import clear_frames_on_error
from epay_transfers.ledger.transfer import Transfer
from epay_transfers.producers.challenge import Challenge
from epay_transfers.producers.web import words
from epay_transfers.producers.web.exchange import Reply
from epay_transfers.producers.web.look import PLAIN_LOOK, Look

_LOG = logging.getLogger(__name__)

#: How often a page looks again: milliseconds for its script, seconds for a browser without one.
_AGAIN = {"waiting": (700, 2), "unconfirmed": (5000, 30), "doubt": (5000, 10)}

#: Without any referrer a browser sends `Origin: null` with a form, which some banks' servers refuse. By this the bank
#: is told our origin, as it is by TermUrl, and never the handle, which stands in the page's path.
_TO_THE_BANK = "strict-origin"

_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Button:
    """`name` is one of `words.BUTTONS`."""

    name: str
    address: str


@clear_frames_on_error
def redirect_page(
    challenge: Challenge,
    *,
    term_url: str,
    languages: str = "",
    transfer: Transfer | None = None,
    acs_hosts: Collection[str] = (),
    look: Look = PLAIN_LOOK,
    home: str = "",
) -> Reply:
    """The bank's form (contract section 3): it submits itself, and has a button where there is no JavaScript.

    An `action` that is not safe (`is_safe_action`) gets no form: the page says that the bank's page can't be opened,
    and `challenge.action_refused` is logged. `acs_hosts`: the only hosts that a client is sent to, if any are named.
    Raises `WrongCall` for a `term_url` or a host that can't be one.
    """
    if not is_safe_url(term_url):
        raise WrongCall("term_url: must be a whole https:// address in ASCII (http:// only for loopback)")
    plain = urlsplit(term_url).scheme == "http"
    if not is_safe_action(challenge.action, allowed=acs_hosts, plain=plain):
        log_line(
            _LOG.error,
            "challenge.action_refused",
            "The client of %(key)s is not sent to the bank's 3-D Secure page: %(why)s",
            key=transfer.key if transfer else "a transfer",
            why=_why_refused(challenge.action, plain=plain),
            security=True,
        )
        return page("closed", languages=languages, transfer=transfer, look=look, home=home)
    action = urlsplit(challenge.action)
    fields = {"PaReq": challenge.pa_req, "MD": challenge.md, "TermUrl": term_url}
    targets = "https:" if action.scheme == "https" else f"https: {action.scheme}://{action.netloc}"
    values = {"action": challenge.action, "fields": fields}
    return _reply("challenge", 200, languages, transfer, values, form_targets=targets, look=look, home=home)


def page(
    name: str,
    *,
    languages: str = "",
    status: int = 200,
    transfer: Transfer | None = None,
    button: Button | None = None,
    look: Look = PLAIN_LOOK,
    home: str = "",
) -> Reply:
    """One of `words.PAGES`. `home`: where the way home leads, if there is one."""
    values = {"button": button}
    return _reply(name, status, languages, transfer, values, form_targets="'none'", look=look, home=home)


def is_safe_action(action: str, *, allowed: Collection[str], plain: bool) -> bool:
    """Where the client's browser may be sent: https, a host, and no user in it; to `allowed` hosts, if any are named.

    `plain`: the web tier itself is a development one on loopback, and so may be the bank's page.
    """
    hosts = host_names(allowed)
    if not is_safe_url(action, plain_on_loopback=plain):
        return False
    parts = urlsplit(action)
    return parts.scheme == "http" or not hosts or parts.hostname in hosts


def _why_refused(action: str, *, plain: bool) -> str:
    """For the log, without the address: it came from outside."""
    if is_safe_url(action) and not is_safe_url(action, plain_on_loopback=plain):
        return (
            "its address is plain http, and TermUrl is https; against the sandbox let WEB_BASE_URL be plain http, too"
        )
    if is_safe_url(action, plain_on_loopback=plain):
        return "its host is none of acs_hosts"
    return "its address is not https with a host, or has a user in it"


def host_names(given: Collection[object]) -> frozenset[str]:
    """In small letters, as a browser reads them. Raises `WrongCall` for what can be no host's name."""
    names = [] if isinstance(given, str) else [name for name in given if isinstance(name, str)]
    if len(names) != len(given) or not all(map(_HOST.fullmatch, names)):
        raise WrongCall("acs_hosts: must be a list of host names like acs.bank.kz, without https://, port and path")
    return frozenset(name.lower() for name in names)


def _reply(
    name: str,
    status: int,
    languages: str,
    transfer: Transfer | None,
    values: dict[str, Any],
    *,
    form_targets: str,
    look: Look,
    home: str,
) -> Reply:
    order, nonce = words.order_of(languages), secrets.token_urlsafe(16)
    again_ms, again_s = _AGAIN.get(name, (0, 0))
    button = values.get("button")
    html = look.render(
        "challenge.html" if name == "challenge" else "page.html",
        {"button": None}
        | values
        | {
            "name": name,
            "nonce": nonce,
            "order": order,
            "texts": [(language, words.PAGES[name][language]) for language in order],
            "buttons": {key: named[order[0]] for key, named in words.BUTTONS.items()},
            "again_ms": again_ms,
            "again_s": again_s,
            "amount": _amount(transfer.amount) if transfer else "",
            "transfer": transfer,
            "home": "" if button is not None and button.name == "home" else home,
        },
    )
    more = {"Transfer-Page": name}
    if name == "challenge":
        more["Referrer-Policy"] = _TO_THE_BANK
    return Reply.page(status, html, _policy(nonce, form_targets), more)


def _policy(nonce: str, form_targets: str) -> str:
    """A narrower `form-action` than https would break on the redirects of the bank's pages."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        f"connect-src 'self'; form-action {form_targets}; base-uri 'none'; frame-ancestors 'none'"
    )


def _amount(amount: Decimal) -> str:
    """`12 000` or `4 500.50`: blanks that do not break."""
    text = f"{amount:,.2f}".removesuffix(".00")
    return text.replace(",", "\N{NO-BREAK SPACE}")
