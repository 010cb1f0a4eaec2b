"""What a person asks for by a form: an entry in that person's own inbox, which a worker checks and does.

The form brings the id of its entry: sent twice, it is one request. It names the transfer as the page showed it, its
state and since when: where it has moved, nothing is done. The answer says what a worker did in time.
"""

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.errors import ServerUnavailable, TransfersError
from epay_transfers.ledger.store.server_problems import ServerReason
from epay_transfers.ops import answers
from epay_transfers.ops.console.guard import TOKEN_FIELD, is_of_this_page
from epay_transfers.ops.console.people import Role
from epay_transfers.ops.console.visit import Visit
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import NotYet, sentence_of
from epay_transfers.runtime.server_addresses import OPERATORS_USER

#: A request waits so long for its answer; it stays asked all the same.
WAIT_S = 8.0

#: So many forms that were sent are remembered: each is of no use after the seconds in which it may be sent twice.
_MOST_FORMS = 1000

_REQUEST_ID = re.compile(r"[0-9a-f]{24}")

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Act:
    """`run` asks under the person's own context, and says what came of it, as a command does."""

    role: Role
    run: Callable[[Context, Form], None]
    back: Callable[[Form], str]  #: the page that the answer leads back to


@dataclass(frozen=True, slots=True)
class _Answer:
    says: list[str]
    status: int

    def again(self, *, is_same: bool) -> "_Answer":
        other = "" if is_same else " Its words were others then: load its page again to ask anew."
        return _Answer(
            [f"This form was sent before, and was one request.{other} What came of it:", *self.says], self.status
        )


@dataclass(slots=True)
class _Form:
    """A form that was sent. `answer`: None until it led to a request; the same form, sent again, waits for it."""

    said: Form = field(default_factory=dict)
    answer: _Answer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Sent:
    """The forms of late, by person and id. A form of another process is refused by its token, so none is missing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: OrderedDict[tuple[str, str], _Form] = OrderedDict()

    def of(self, person: str, request_id: str) -> _Form:
        with self._lock:
            found = self._forms.setdefault((person, request_id), _Form())
            while len(self._forms) > _MOST_FORMS:
                self._forms.popitem(last=False)
            return found


_sent = _Sent()

#: By the last part of the form's address.
ACTS: dict[str, Act] = {}


def new_request_id() -> str:
    return secrets.token_hex(12)


async def act(request: Request) -> Response:
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    return await run_in_threadpool(_act, Visit(request), form)


def _act(visit: Visit, form: Form) -> Response:
    found = ACTS.get(visit.request.path_params["name"])
    if not is_of_this_page(visit.request, form.get(TOKEN_FIELD, "")):
        return _said(
            visit, ["This form is not of a page of yours, or the console was started anew: nothing was done."], 403
        )
    if found is None or not _REQUEST_ID.fullmatch(form.get("request", "")):
        return _said(visit, ["There is no such act: nothing was done."], 404)
    context = visit.person.context
    if context is None or not visit.person.may(found.role):
        return _said(
            visit, [f"Your role is {visit.person.role.word}: this needs {found.role.word}. Nothing was done."], 403
        )
    sent = _sent.of(visit.person.name, form["request"])
    with sent.lock:
        if sent.answer is None:
            answer, is_asked = _run(found, context, form)
            sent.said, sent.answer = form, answer if is_asked else None
        else:
            answer = sent.answer.again(is_same=sent.said == form)
    return _said(visit, answer.says, answer.status, found.back(form))


def _run(found: Act, context: Context, form: Form) -> tuple["_Answer", bool]:
    """What came of it, and whether a worker was asked for anything."""
    with answers.collected() as answer:
        status = 200
        try:
            found.run(context, form)
        except TransfersError as error:
            answer.says.append(_sentence_of(error, context))
            status = 202 if isinstance(error, NotYet) else 409
        return _Answer(answer.says, status), bool(answer.asked)


def _sentence_of(error: TransfersError, context: Context) -> str:
    """As a command says it; but a person can't change the console's settings, and wants to know who refused."""
    problem = error.problem if isinstance(error, ServerUnavailable) else None
    if problem is None or problem.reason != ServerReason.NOT_PERMITTED:
        return sentence_of(error)
    user = f"{OPERATORS_USER}{context.operator}"
    return (
        f"The ledger itself does not permit this to your server user ({user}): what it refused was not done. Ask the "
        "console's administrator: `transfers acl` writes what an operator's user may do."
    )


def _said(visit: Visit, says: list[str], status: int, back: str = "/") -> Response:
    title = {200: "Done", 202: "Asked, and not done yet"}.get(status, "Refused")
    return visit.page("done.html", title, status=status, says=says, back=back, is_refused=status >= 400)


ROUTES = [Route("/acts/{name}", act, methods=["POST"])]
