"""`transfers outcomes`: outcomes that a backend's handler failed at, and the groups that read them. No money moves.

What was set aside is the group's own: a consumer of it does a replay, within a second, and no worker is asked. A group
that comes no more is forgotten under the server user `archive`.
"""

from contextlib import suppress
from typing import Annotated, Any

import typer

from epay_transfers.ledger import metadata
from epay_transfers.ledger.invoice import is_key
from epay_transfers.ledger.store.outcome_groups import QUIET_MS, OutcomeGroup, OutcomeGroups
from epay_transfers.ledger.store.outcomes_aside import AsideOutcome
from epay_transfers.ops import answers, screen, typed
from epay_transfers.ops.aside_rows import why_aside
from epay_transfers.ops.context import Context
from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.options import AsJson, checked

app = typer.Typer(
    help="Outcomes that a backend's handler failed at, and the groups that read outcomes.", no_args_is_help=True
)

_Reference = Annotated[str | None, typer.Option(help="Only this transfer's, by your reference or its key.")]


@app.command("list")
def list_(
    *,
    group: Annotated[str | None, typer.Option(help="Only this group's; all of them if left out.")] = None,
    reference: _Reference = None,
    as_json: AsJson = False,
) -> None:
    """What was set aside, by group, in the order in which the transfers moved."""
    context = Context.connect()
    found, replays = _found(context, group, reference), context.outcomes_aside.replays()
    if as_json:
        kept = _metadata(context, found)
        screen.say_json(
            [_as_dict(aside, (aside.group, aside.key) in replays, kept.get(aside.key, {})) for aside in found]
        )
        return
    if not found:
        screen.say("No outcome is set aside.")
        return
    rows = [
        (
            aside.group,
            aside.key,
            aside.reference,
            aside.version,
            aside.state,
            aside.deliveries,
            screen.when(aside.at_ms),
            why_aside(aside),
            "asked" if (aside.group, aside.key) in replays else "",
        )
        for aside in found
    ]
    columns = ("group", "key", "reference", "version", "state", "deliveries", "set aside", "why", "replay")
    screen.say(screen.table(columns, rows))


@app.command()
def replay(*, group: Annotated[str, typer.Option(help="The consumers' group.")], reference: _Reference = None) -> None:
    """Hand what was set aside to the group's consumers again, in the order of each transfer's versions.

    All of the group, or of one transfer. What fails again is set aside again.
    """
    context = Context.connect()
    found = _found(context, group, reference)
    if not found:
        raise Refusal("nothing of that is set aside; `transfers outcomes list` shows what is")
    keys = list(dict.fromkeys(aside.key for aside in found))
    context.outcomes_aside.ask_replay(group, keys, context.operator)
    answers.heard(None)
    screen.say(
        f"Asked: {len(found)} outcomes of {len(keys)} transfers. The next consumer of group {group} that runs takes "
        f"them, within a second; `{typed.command()} outcomes list` shows what is still set aside."
    )


@app.command()
def groups(*, as_json: AsJson = False) -> None:
    """Which groups of consumers read outcomes, and how far each is: the event log keeps what one of them lacks."""
    found = OutcomeGroups(Context.connect().sound_client).all()
    if as_json:
        screen.say_json([_group_as_dict(group) for group in found])
    elif not found:
        screen.say("No group reads outcomes.")
    else:
        columns = ("group", "read until", "handed out, not done", "set aside", "consumers", "last heard")
        screen.say(screen.table(columns, [_row(group) for group in found]))


@app.command()
def forget(
    group: Annotated[str, typer.Argument(help="The consumers' group, as `outcomes groups` has it.")],
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with your name. Needed for --apply.")] = "",
    as_json: AsJson = False,
) -> None:
    """Forget a group that comes no more, with what it owes and has set aside: the event log is trimmed past it then.

    Without --apply it shows what would be forgotten. One whose consumers were there within the hour is refused.
    """
    if apply and not reason:
        raise typer.BadParameter("--apply needs a --reason, which stands in the events")
    why = checked(reason, "reason") if apply else ""
    context = Context.connect()
    known = OutcomeGroups(context.sound_client)
    found = {each.name: each for each in known.all()}
    if group not in found:
        raise Refusal(f"no such group reads outcomes; these do: {', '.join(found) or 'none'}")
    its = found[group]
    if not its.is_quiet:
        raise Refusal(
            f"a consumer of {its.name} was there within {QUIET_MS // 60_000} minutes: stop them all first. One that "
            "came after it would be handed every outcome that is kept once more"
        )
    if apply:
        known.forget(its, actor=f"operator {context.operator}", why=why)
    if as_json:
        screen.say_json(_group_as_dict(its) | {"applied": apply})
        return
    what = f"{its.owed} outcomes that were handed out and not done, and {its.aside} that were set aside"
    if apply:
        screen.say(f"Forgot the group {its.name}, with {what}.")
    else:
        screen.say(f"The group {its.name} would be forgotten, with {what}. Nothing was changed.")
        screen.say_typed(f"{typed.command()} outcomes forget {its.name} --apply --reason TEXT")


def _row(group: OutcomeGroup) -> tuple[str, str, int, int, int, str]:
    heard = "" if group.quiet_ms is None else f"{group.quiet_ms // 1000} s ago"
    until = screen.when(group.read_until_ms) if group.read_until_ms else "nothing"
    return group.name, until, group.owed, group.aside, group.consumers, heard


def _group_as_dict(group: OutcomeGroup) -> dict[str, Any]:
    return {
        "group": group.name,
        "read_until": screen.iso(group.read_until_ms) if group.read_until_ms else None,
        "owed": group.owed,
        "aside": group.aside,
        "consumers": group.consumers,
        "quiet_s": None if group.quiet_ms is None else group.quiet_ms // 1000,
    }


def _found(context: Context, group: str | None, reference: str | None) -> list[AsideOutcome]:
    return [
        aside
        for aside in context.outcomes_aside.all()
        if group in {None, aside.group} and reference in {None, aside.reference, aside.key}
    ]


def _metadata(context: Context, found: list[AsideOutcome]) -> dict[str, dict[str, str]]:
    """By key, as the records have them. What can't be read of them is empty: an outcome is listed all the same."""
    keys = list(dict.fromkeys(aside.key for aside in found if is_key(aside.key)))
    texts = [(fields or [None])[0] or "" for fields in context.ledger.fields(keys, ["metadata"])]
    read = {}
    for key, text in zip(keys, texts, strict=True):
        with suppress(ValueError):
            read[key] = metadata.read(text)
    return read


def _as_dict(aside: AsideOutcome, is_replayed: bool, kept: dict[str, str]) -> dict[str, Any]:  # noqa: FBT001 - the pair of its outcome
    return {
        "group": aside.group,
        "key": aside.key,
        "reference": aside.reference,
        "version": aside.version,
        "state": aside.state,
        "deliveries": aside.deliveries,
        "error": aside.error,
        "behind": aside.is_behind,
        "set_aside_at": screen.iso(aside.at_ms),
        "replay_asked": is_replayed,
        "metadata": kept,
    }
