"""The overview for a machine: the same judgements and the same facts; null is unknown."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.heartbeats import Heartbeat, calls_of
from epay_transfers.ops import descriptions, screen, typed
from epay_transfers.ops.overview.facts import Facts
from epay_transfers.ops.overview.judge import level_of
from epay_transfers.ops.overview.judge_bank import usual_ms
from epay_transfers.ops.overview.judge_transfers import lasts
from epay_transfers.ops.overview.judgement import Judgement
from epay_transfers.runtime.server_look import ServerLook


def as_dict(facts: Facts, judgements: Sequence[Judgement]) -> dict[str, Any]:
    return {
        "at": screen.iso(facts.now_ms),
        "level": level_of(judgements).name.lower(),
        "judgements": [judgement_json(each) for each in judgements],
        "money": _money(facts),
        "bank": _bank(facts),
        "workers": None if facts.workers is None else [_worker(facts, each) for each in facts.workers],
        "due_for_ms": facts.lag_ms,
        "overdue_leases": facts.overdue_leases,
        "pauses": None if facts.pauses is None else [pause.id for pause in facts.pauses],
        "servers": {
            "ledger": _server(facts.ledger) | {"sequence": facts.sequence},
            "vault": None if facts.vault is None else _server(facts.vault) | {"mark": facts.mark},
            "queue": _server(facts.queue),
        },
        "suffixes": _suffixes(facts),
        "archived": None if facts.counters is None else facts.counters.get("archived", 0),
        "requests": facts.requests,
        "outcomes_aside": facts.outcomes_aside,
        "last_act": _last_act(facts),
    }


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    return {
        "what": judgement.what,
        "level": judgement.level.name.lower(),
        "says": judgement.says,
        "next": typed.named(judgement.next),
        "command": judgement.command,
        "runbook": judgement.runbook,
        "safe": judgement.safe,
        "unsafe": judgement.unsafe,
        "money": [line.to_json() for line in (judgement.concerns.sums if judgement.concerns else ())],
    }


def _money(facts: Facts) -> dict[str, Any] | None:
    totals = facts.totals
    if totals is None:
        return None
    found = {}
    for state in State:
        earlier = facts.earlier
        deadline = facts.deadlines.get(state) if facts.deadlines is not None else None
        found[str(state)] = {
            "sums": [line.to_json() for line in screen.sums(totals, state)],
            "oldest_since": None if facts.oldest is None else screen.iso(facts.oldest.get(state, 0)),
            "grown_in_5_min": None if earlier is None else totals.of(state).count - earlier.counts.get(state, 0),
            "first_deadline": None if deadline is None else screen.iso(deadline.first_ms),
        }
    return found


def _bank(facts: Facts) -> dict[str, Any] | None:
    if facts.workers is None or not facts.alive:
        return None
    calls = {
        kind: {
            "outcomes": dict(its.outcomes),
            "under_way": its.under_way,
            "p50_ms": its.percentile_ms(0.5),
            "p95_ms": its.percentile_ms(0.95),
            "usual_p95_ms": usual_ms(facts, kind),
            "last_failure": its.why or None,
        }
        for kind, its in calls_of(facts.alive).items()
    }
    breakers = None if facts.breakers is None else [asdict(breaker) for breaker in facts.breakers]
    return {"calls": calls, "breakers": breakers}


def _worker(facts: Facts, worker: Heartbeat) -> dict[str, Any]:
    told = asdict(worker)
    for name in ("calls", "hosts", "worker"):
        told.pop(name)
    silent_ms = worker.silent_ms(facts.now_ms)
    return {"worker": worker.worker, "silent_ms": silent_ms, "hung": worker.hung} | told


def _server(look: ServerLook) -> dict[str, Any]:
    if look.problem is not None:
        return {"setting": look.setting, "problem": look.problem.problem}
    return {
        "setting": look.setting,
        "role": look.role,
        "memory": look.memory,
        "limit": look.limit or None,
        "up_s": look.uptime_s,
    }


def _suffixes(facts: Facts) -> dict[str, Any] | None:
    if facts.counters is None:
        return None
    return {
        space: {"used": facts.counters.get(f"used:{space}", 0), "lasts": lasts(facts, space) or None}
        for space in facts.spaces
    }


def _last_act(facts: Facts) -> dict[str, Any] | None:
    last = facts.last_act
    if last is None:
        return None
    return {
        "at": screen.iso(last.at_ms),
        "actor": last.fields.get("actor"),
        "key": last.fields.get("key"),
        "what": descriptions.happened(last),
    }
