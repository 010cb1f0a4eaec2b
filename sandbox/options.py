"""Options of a sandbox bank at its start. What can be changed while it runs is in `faults`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from epay_transfers.sandbox.faults import Rule

#: What "Redirect, Http code 200" may be: a `Location`; a 200 with the address in its body, plain, as JSON `{"url"}`, as
#: a JSON string or in HTML; a redirect with the description in windows-1251; one to the order's own backLink or
#: failureBackLink; one to a host that is not the bank's.
ConfirmAnswer = Literal["redirect", "body", "url", "string", "html", "cp1251", "back-link", "foreign"]


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant as registered at the bank. Order numbers are unique within one merchant."""

    client_id: str
    client_secret: str
    terminals: tuple[str, ...]


#: The bank's public test merchant (contract, first page).
PUBLIC_TEST = Merchant(
    client_id="test",
    client_secret="yF587AV9Ms94qN2QShFzVR3vFnWkhjbAK3sG",  # noqa: S106 - the bank's public test value
    terminals=("40a348cb-68a3-45d5-9002-a4836d79c3b5",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The bank's options. By default it is careless: a second transfer call for the same order executes again."""

    merchants: tuple[Merchant, ...] = (PUBLIC_TEST,)
    currencies: tuple[str, ...] = ("KZT",)
    #: Obey words in brackets in an order's description (see `directives`).
    directives: bool = True
    #: Refuse a second transfer call for the same order, with `duplicate_code`, instead of executing it again.
    refuse_duplicates: bool = False
    #: The answer to a refused duplicate, and to another order with the same last six digits. 100 is a "system error",
    #: which leaves the order in doubt until its status is asked; 475 reads as a final decline.
    duplicate_code: int = 100
    #: `alternate`: `redirect` and `body`, in turn.
    confirm_answer: ConfirmAnswer | Literal["alternate"] = "redirect"
    #: `none`: the confirm's Authorization header is not looked at.
    confirm_auth: Literal["bearer", "none"] = "bearer"
    #: How `expires_in` is written in the token's answer.
    expires_in: Literal["number", "string", "alternate"] = "alternate"
    token_ttl_s: int = 7200
    challenge_ttl_s: float = 900
    #: How long the status inquiry does not know a new order.
    lag_s: float = 0
    #: The number of status answers for each order that wrongly say "not found".
    false_not_found: int = 0
    #: Faults from the start; with `probability`, for load tests.
    faults: tuple[Rule, ...] = ()
    seed: int = 0
    #: Post the bank's notification to postLink and failurePostLink: to loopback addresses only.
    notify: bool = False
    #: Told of each of the bank's four calls: which, the order's number if it is one, and the answer's status.
    on_call: Callable[[str, str, int], None] | None = None
    keep_alive_s: int = 5
    #: Seconds since 1970. A test brings its own.
    clock: Callable[[], float] = time.time
