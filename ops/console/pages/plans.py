"""Plans: the files of CONSOLE_PLANS, made from a form, read by people, and applied by a person.

A plan's address has its digest, and the form to apply it has all of it again: so what is done is what was seen, and no
file that took its place. No person has to type the digest: the form proves more.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.routing import Route

from epay_transfers.ledger.states import State
from epay_transfers.ops import screen
from epay_transfers.ops.console import links
from epay_transfers.ops.console.acts import ACTS, Act, Form, new_request_id
from epay_transfers.ops.console.jobs import JOBS, Job, awaited
from epay_transfers.ops.console.pages.transfers import UNCOUNTED
from epay_transfers.ops.console.people import Role
from epay_transfers.ops.console.settings import ConsoleSettings
from epay_transfers.ops.console.typed_values import as_refusals, page_of, whole_number
from epay_transfers.ops.console.visit import Visit, page
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import checked
from epay_transfers.ops.plans import making
from epay_transfers.ops.plans.applying import Applying, check
from epay_transfers.ops.plans.draft import MOST_MONEY, MOST_TRANSFERS, Caps, Draft
from epay_transfers.ops.plans.folder import FILE_MODE, PlanFile, PlanFolder
from epay_transfers.ops.plans.journal import SENTENCES, Journal, path_of
from epay_transfers.ops.plans.plan import STATES, How, Plan, What, money_text
from epay_transfers.ops.plans.progress import NOT_YET, progress_of

_ROWS = 50

#: With no answer for so long, making and applying give up.
_WAIT_S = 60.0

#: A page waits so long for what is quick.
_SOON_S = 4.0

#: Name, words, a sample, and how long it may be: so short that no card number fits where it may be.
_FILTERS = (
    ("terminal", "Terminal", "", 40),
    ("counted", "Counted as: a group of a list", "", 60),
    ("why", "Why, in any word: token_401 or code_484", "", 60),
    ("older", "In its state for longer than", "30s, 5min, 2h, 3d", 8),
    ("younger", "In its state for less than", "30s, 5min, 2h, 3d, today", 8),
    ("amount", "Amount", "15000 or 4500.50", 15),
    ("last_four", "Last four digits of a card", "", 4),
)

WORDS: Mapping[What, str] = {
    What.REQUEUE: "Queue dead transfers again: a worker asks the bank about each once more before it does.",
    What.DISCARD: "End dead transfers as cancelled.",
    What.CANCEL: "Take queued, parked and dead transfers back, before any money can move.",
    What.SETTLE: "Say how transfers in review, and in doubt, ended. The bank is asked again about each.",
}

RISKS: Mapping[What, str] = {
    What.REQUEUE: "each transfer may be paid: a worker refuses those of which the bank says anything but not found",
    What.DISCARD: "their cards are removed: to pay one all the same needs a new transfer",
    What.CANCEL: "none of them is paid: to pay one all the same needs a new transfer",
    What.SETTLE: "the backend pays again what is settled as not paid: a wrong word here pays twice",
}


@cache
def _folder_at(path: Path) -> PlanFolder:
    return PlanFolder(path)


_NO_FOLDER = (
    "CONSOLE_PLANS is not set, so no plan is made here and none is shown; `transfers plan` makes one without it"
)


def _path(context: Context) -> Path | None:
    return context.settings.console_plans if isinstance(context.settings, ConsoleSettings) else None


def _folder(context: Context) -> PlanFolder:
    if (path := _path(context)) is None:
        raise Refusal(_NO_FOLDER)
    return _folder_at(path)


def plans(visit: Visit) -> Response:
    if _path(visit.context) is None:
        return visit.page("plans_off.html", "Plans", sentence=_NO_FOLDER)
    number = page_of(visit.request.query_params)
    found = _folder(visit.context).newest((number - 1) * _ROWS, _ROWS)
    return visit.page(
        "plans.html", "Plans", found=found, jobs=JOBS.about(""), whats=WORDS,
        earlier=f"/plans?page={number - 1}" if number > 1 else "",
        later=f"/plans?page={number + 1}" if number * _ROWS < found.of else "",
    )  # fmt: skip


def new(visit: Visit) -> Response:
    """The form. What a link gives is filled in: nothing is looked up before it is sent."""
    asked = visit.request.query_params
    what = next((what for what in What if what == asked.get("what")), What.REQUEUE)
    given = {name: asked.get(name, "").strip() for name, *_ in _FILTERS}
    states = [state for state in STATES[what] if state in asked.getlist("state")] or STATES[what]
    return visit.page(
        "plan_new.html", f"A plan to {what}", what=what, whats=WORDS, given=given, states=STATES[what], chosen=states,
        filters=_FILTERS, hows=How, role=Role.OPERATOR, request_id=new_request_id(),
        most_transfers=MOST_TRANSFERS, most_money=MOST_MONEY,
    )  # fmt: skip


def plan(visit: Visit) -> Response:
    folder = _folder(visit.context)
    file, found = folder.find(visit.request.path_params["digest"])
    progress = progress_of(visit.context.ledger, found, folder.outcomes(file))
    asked = _Asked(visit.request.query_params)
    items = progress.items(verdict=asked.verdict, became=asked.became, moved=asked.is_moved)
    number = page_of(visit.request.query_params)
    shown = items[(number - 1) * _ROWS : number * _ROWS]
    records = {record.key: record for record in making.fresh(visit.context, shown)}
    jobs = JOBS.about(_applying(found.digest))
    return visit.page(
        "plan.html", f"Plan to {found.what} {found.count} transfers",
        plan=found, digest=found.digest, file=file.path.name, money=money_text(found), progress=progress,
        verdicts=making.verdicts_of(found), sentences=SENTENCES, not_yet=NOT_YET, asked=asked,
        shown=shown, of=len(items), first=(number - 1) * _ROWS + 1, records=records,
        jobs=jobs, is_running=any(not job.is_over for job in jobs), role=Role.APPROVER, risk=RISKS[found.what],
        request_id=new_request_id(), most_transfers=MOST_TRANSFERS, most_money=MOST_MONEY,
        earlier=links.plan(found.digest, **asked.pairs, page=number - 1) if number > 1 else "",
        later=links.plan(found.digest, **asked.pairs, page=number + 1) if number * _ROWS < len(items) else "",
    )  # fmt: skip


class _Asked:
    """Which of a plan's transfers are to be shown."""

    def __init__(self, given: QueryParams) -> None:
        self.verdict = given.get("verdict", "")
        self.became = given.get("became", "")
        self.is_moved = given.get("moved") == "yes"

    @property
    def pairs(self) -> dict[str, str]:
        return {"verdict": self.verdict, "became": self.became, "moved": "yes" if self.is_moved else ""}

    @property
    def words(self) -> str:
        """Empty for all of them."""
        parts = [f"of which the bank said {self.verdict}"] if self.verdict else []
        parts += [self.became.replace("_", " ")] if self.became else []
        return ", ".join([*parts, *(["moved since"] if self.is_moved else [])])


# Making one.


def _make(context: Context, form: Form) -> None:
    folder = _folder(context)
    with as_refusals():
        draft = _draft(form)

    def work(job: Job) -> None:
        made = making.make(context, draft, wait_s=_WAIT_S, say=job.says.append)
        if not made.count:
            raise Refusal("; ".join([*job.says, "no transfer is like that, so no plan was made"]))
        folder.store(made)
        job.page = links.plan(made.digest)
        job.says.append(f"made: {made.count} transfers, {money_text(made)}")

    title = f"A plan to {draft.what}: {draft.chosen_by}"
    now_ms = context.ledger.now_ms()
    job = JOBS.start(Job(form["request"], context.operator, title, "making a plan", now_ms), work)
    awaited(job, _SOON_S)
    screen.say(f"{job.title}: {job.last}. Nothing is done yet: read it, and then it may be applied")


def _draft(form: Form) -> Draft:
    """Raises `BadParameter`, `Refusal`."""
    what = next((what for what in What if what == form.get("what")), None)
    if what is None:
        raise Refusal(f"what: give one of {', '.join(What)}")
    given = {name: form.get(name, "").strip() or None for name, *_ in _FILTERS}
    given["counted"] = "" if given["counted"] == UNCOUNTED else given["counted"]
    return Draft(
        what=what,
        caps=_caps(form),
        asks=form.get("asks") == "yes",
        states=[state for state in State if form.get(f"state.{state}") == "yes"],
        how=next((how for how in How if how == form.get("how")), None) if what is What.SETTLE else None,
        evidence=form.get("evidence", "") if what is What.SETTLE else "",
        **given,
    )


def _caps(form: Form) -> Caps:
    most = whole_number("--max-count", form.get("max_count", ""), least=1, most=100_000)
    return Caps(most, form.get("max_sum", "").strip())


# Applying one.


def _apply(context: Context, form: Form) -> None:
    folder = _folder(context)
    file, found = folder.find(form.get("digest", ""))
    why = checked(form.get("reason", ""), "reason")
    with as_refusals():
        check(found, _caps(form))
    if JOBS.of(form["request"]) is None:
        _begin(context, form["request"], file, found, why)
    job = _known(form["request"])
    awaited(job, _SOON_S)
    screen.say(f"{job.title}: {job.last}")


def _begin(context: Context, request: str, file: PlanFile, found: Plan, why: str) -> None:
    """The journal's lock is taken here, so that a second one reads at once why it may not."""
    journal = Journal(path_of(file.path), found.digest, context.operator, FILE_MODE)

    def work(job: Job) -> None:
        applying = Applying(context, found, journal, why, _WAIT_S, job.says.append)
        with journal:
            applying.run()
        job.says.append(f"all looked at: {applying.counts()}")

    job = Job(
        request, context.operator, f"To {found.what} {found.count} transfers", _applying(found.digest),
        context.ledger.now_ms(), page=links.plan(found.digest),
    )  # fmt: skip
    try:
        JOBS.start(job, work)
    except BaseException:
        journal.close()
        raise


def _applying(digest: str) -> str:
    return f"applying the plan {digest}"


def _known(request: str) -> Job:
    job = JOBS.of(request)
    if job is None:
        raise Refusal("this form was sent too long ago: load the plan's page again")
    return job


ACTS["plan"] = Act(Role.OPERATOR, _make, lambda form: _page_of_job(form) or "/plans")
ACTS["apply"] = Act(Role.APPROVER, _apply, lambda form: links.plan(form.get("digest", "")))


def _page_of_job(form: Form) -> str:
    job = JOBS.of(form.get("request", ""))
    return job.page if job else ""


ROUTES = [
    Route("/plans", page(plans)),
    Route("/plans/new", page(new)),
    Route("/plans/{digest}", page(plan)),
]
