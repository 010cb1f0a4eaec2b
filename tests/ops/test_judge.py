"""Facts → judgements: each trouble is found by facts of its own, the gravest stands first; unknown is never well."""

from dataclasses import replace
from typing import Any

import pytest

from epay_transfers.ledger.errors import ServerProblem
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.circuit_breakers import OpenBreaker
from epay_transfers.ledger.store.events import Event
from epay_transfers.ledger.store.heartbeats import ANSWERED, SILENT_MS, UNCLEAR, Calls, Heartbeat, Sight, bucket_of
from epay_transfers.ledger.store.pauses import ALL, Cause, Lane, Pause
from epay_transfers.ledger.store.samples import Sample
from epay_transfers.ops import typed
from epay_transfers.ops.overview.as_json import judgement_json
from epay_transfers.ops.overview.facts import Deadlines, Facts
from epay_transfers.ops.overview.findings import findings_of
from epay_transfers.ops.overview.judge import judge, level_of
from epay_transfers.ops.overview.judgement import Concern, Judgement, Level, Trouble, in_words
from epay_transfers.ops.overview.page import COLUMNS, LINES, page
from epay_transfers.ops.screen import Sum
from epay_transfers.runtime.health import REPLICAS_CURE, Finding
from epay_transfers.runtime.server_look import ServerLook
from epay_transfers.worker.preflight import Cause as Unfit
from tests.support.runbook import is_quoted, name_of, part_of

NOW = 1_795_500_000_000
AWAY = ServerProblem(
    "REDIS_URL", "the server at a:1 refused the connection", "start it", reason="refused", is_passing=True
)
SLOW, QUICK = bucket_of(12_000), bucket_of(100)
HOST = "bank.example"


def worker(**more: Any) -> Heartbeat:
    sees = {name: Sight() for name in ("ledger", "vault", "queue", "bank")}
    plain: dict[str, Any] = {"worker": "worker a 7", "at_ms": NOW - 1000, "host": "a", "pid": 7, "patience_s": 30}
    hosts = {"token": HOST, "transfer": HOST, "confirm": HOST}
    return Heartbeat(**(plain | {"sees": sees, "hosts": hosts, "threads": 16} | more))


def sample(minutes: int = 5, **counts: int) -> Sample:
    return Sample(NOW - minutes * 60_000, counts, {"transfer": 100, "token": 100}, used={"main": 10})


def look(**more: Any) -> ServerLook:
    plain = ServerLook("REDIS_URL", role="master", memory=50, limit=100, uptime_s=999)
    return replace(plain, **more)


def counters(**states: int) -> dict[str, int]:
    counts = {f"n:{state}:main:KZT:": count for state, count in states.items()}
    sums = {f"sum:{state}:main:KZT:": count * 1_500_000 for state, count in states.items()}
    return {"sequence": 10, "used:main": 10} | counts | sums


WELL = Facts(
    now_ms=NOW,
    ledger=look(),
    queue=look(setting="BROKER_URL"),
    vault=look(setting="VAULT_URL"),
    counters=counters(queued=2, paid=5),
    oldest={State.QUEUED: NOW - 1000},
    deadlines={State.QUEUED: Deadlines(NOW + 900_000, 0, is_whole=True)},
    paid_today=5,
    last_paid_ms=NOW - 1000,
    overdue_leases=0,
    lag_ms=0,
    lost_cards=0,
    old_parked=0,
    samples=[sample(minutes) for minutes in (1, 3, 5, 12, 14, 16)],
    workers=[worker(calls={"token": Calls({ANSWERED: 9}, {QUICK: 9}), "transfer": Calls({ANSWERED: 9}, {QUICK: 9})})],
    pauses=[],
    breakers=[],
    mark=9,
    requests={},
    events=[],
    outcomes_aside={},
    contradictions={},
)

SILENT = worker(at_ms=NOW - SILENT_MS - 1000)
TIMEOUTS = Calls({UNCLEAR: 6}, {QUICK: 6}, why="timeout")


def pause(cause: Cause, **more: Any) -> Pause:
    plain: dict[str, Any] = {"id": "k7f3", "lane": Lane.SEND, "terminal": "main", "cause": cause, "reason": "code 487"}
    return Pause(**(plain | {"actor": "worker", "since_ms": NOW - 60_000} | more))


def calling(**calls: Calls) -> list[Heartbeat]:
    return [worker(calls=calls, sees={"bank": Sight("timeout", NOW - 240_000)})]


#: What differs from a system that is well.
CASES: dict[Trouble, dict[str, Any]] = {
    Trouble.LEDGER_AWAY: {"ledger": ServerLook("REDIS_URL", AWAY), "counters": None, "workers": None, "lag_ms": None},
    Trouble.LEDGER_BACK: {"mark": 11},
    Trouble.LEDGER_FULL: {"ledger": look(memory=99)},
    Trouble.VAULT_BACK: {"workers": [worker(sees={"vault": Sight("the vault is an older copy of itself", NOW)})]},
    Trouble.VAULT_AWAY: {"vault": ServerLook("VAULT_URL", AWAY)},
    Trouble.SERVERS_WRONG: {"findings": [Finding("REDIS_URL", "`appendfsync` is not `always`", "set it")]},
    Trouble.NO_WORKER: {"workers": [SILENT]},
    Trouble.WORKERS_UNFIT: {"workers": [worker(unfit=["clock"], clock_ms=5000)]},
    Trouble.CONTRADICTION: {"contradictions": {"251124000001": "paid"}},
    Trouble.ALARM: {
        "events": [Event(f"{NOW}-0", {"verb": "order_changed", "key": "251124000001", "fields": "amount"})]
    },
    Trouble.CARDS_LOST: {"lost_cards": 2},
    Trouble.TERMINAL_REFUSED: {"pauses": [pause(Cause.SETUP_CODE)]},
    Trouble.BANK_DOWN: {"breakers": [OpenBreaker(HOST)], "workers": calling(token=TIMEOUTS)},
    Trouble.TRANSFERS_HANG: {
        "breakers": [OpenBreaker(HOST)],
        "workers": calling(token=Calls({ANSWERED: 9}, {QUICK: 9}), transfer=TIMEOUTS),
    },
    Trouble.QUEUE_AWAY: {"queue": ServerLook("BROKER_URL", AWAY)},
    Trouble.SUFFIXES_OUT: {"counters": counters(queued=1) | {"used:main": 999_000}},
    Trouble.DOUBT_GROWS: {"counters": counters(in_doubt=9)},
    Trouble.WORKER_HANGS: {"workers": [worker(loops={"sweeper": 400.0})]},
    Trouble.OVERDUE: {"lag_ms": 61_000},
    Trouble.PARKED_PILES: {"counters": counters(parked=12), "old_parked": 12},
    Trouble.BANK_SLOW: {"workers": [worker(calls={"transfer": Calls({ANSWERED: 9}, {SLOW: 9})})]},
    Trouble.BANK_FAILS: {"workers": [worker(calls={"status": Calls({ANSWERED: 6, UNCLEAR: 3}, {QUICK: 9})})]},
    Trouble.PAUSED: {"pauses": [pause(Cause.FRAUD, terminal=ALL)]},
    Trouble.WORKER_SILENT: {"workers": [SILENT, worker(worker="worker b 8", host="b", pid=8)]},
    Trouble.NEEDS_REVIEW: {"counters": counters(needs_review=1)},
    Trouble.DEAD: {"counters": counters(dead=1)},
    Trouble.OUTCOMES_ASIDE: {"outcomes_aside": {"payouts": 2}},
    Trouble.LEDGER_FILLS: {"ledger": look(memory=86)},
    Trouble.SUFFIXES_LOW: {"counters": counters() | {"used:main": 800_000}},
    Trouble.REQUESTS_WAIT: {"requests": {"ops:aigul": 6}},
    Trouble.UNKNOWN: {"pauses": None},
}


def facts_of(what: Trouble) -> Facts:
    return replace(WELL, **CASES[what])


def _without(name: str) -> Facts:
    unknown: dict[str, Any] = {name: None}
    return replace(WELL, **unknown)


def test_nothing_is_said_of_a_system_that_is_well() -> None:
    assert judge(WELL) == []
    assert level_of([]) is Level.WELL
    assert page(WELL, [])[0].endswith("WELL: nothing is wrong, as far as can be seen from here")


@pytest.mark.parametrize("what", Trouble)
def test_each_trouble_is_found_and_stands_first(what: Trouble) -> None:
    """It says a cause and what to do; and what concerns an operator at once says what is not safe."""
    found = judge(facts_of(what))

    assert found[0].what is what, found
    assert found[0].says
    assert found[0].next
    assert "`" in found[0].next or found[0].what is Trouble.SERVERS_WRONG
    assert level_of(found) is found[0].level is not Level.WELL
    assert found[0].level is not Level.ACT or found[0].safe


@pytest.mark.parametrize("what", Trouble)
def test_the_runbook_quotes_what_is_said_and_names_the_same_command(what: Trouble) -> None:
    """A section of the runbook has the sentence that the screen shows, and the command that the screen names."""
    first = judge(facts_of(what))[0]

    assert is_quoted(what, first.says), first.says
    assert name_of(first.command) in part_of(what, "Do:")
    assert f"  runbook   deploy/runbook.md#{what}" in page(facts_of(what), [first])
    assert judgement_json(first)["runbook"] == f"deploy/runbook.md#{what}"


@pytest.mark.parametrize("what", Trouble)
def test_doctor_is_never_healthier(what: Trouble) -> None:
    """Whatever is judged is a finding, also where the servers themselves were found well."""
    facts = facts_of(what)
    judgements = judge(facts)

    found = findings_of(judgements, facts.findings)

    assert {judgement.says for judgement in judgements if judgement.what is not Trouble.SERVERS_WRONG} <= {
        finding.problem for finding in found
    }
    assert found


@pytest.fixture
def _by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is found by its name, as on an operator's machine."""
    monkeypatch.setattr(typed, "command", lambda: "transfers")


@pytest.mark.usefixtures("_by_name")
@pytest.mark.parametrize("what", Trouble)
def test_a_page_is_one_screen_and_begins_with_it(what: Trouble) -> None:
    facts = facts_of(what)

    lines = page(facts, judge(facts))

    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert judge(facts)[0].says[:20] in lines[0]
    assert any(line.startswith("  next      ") for line in lines[:5])


@pytest.mark.usefixtures("_by_name")
def test_everything_at_once_is_one_screen_too() -> None:
    """The gravest first, in the order of `Trouble`; what has no room is counted."""
    all_of_them: dict[str, Any] = {}
    for case in CASES.values():
        all_of_them |= case
    facts = replace(WELL, **(all_of_them | {"ledger": look(memory=99), "pauses": [pause(Cause.FRAUD)] * 9}))
    found = judge(facts)

    lines = page(facts, found)

    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert found[0].what is Trouble.LEDGER_BACK
    assert any("more: " in line for line in lines)
    graveness = [(-judgement.level, list(Trouble).index(judgement.what)) for judgement in found]
    assert graveness == sorted(graveness)


@pytest.mark.parametrize(
    "name",
    ["counters", "oldest", "deadlines", "paid_today", "overdue_leases", "lag_ms", "workers", "pauses", "breakers",
     "mark", "requests", "events", "samples"],
)  # fmt: skip
def test_what_is_unknown_is_shown_so(name: str) -> None:
    """`?`, and never 0 or none."""
    shown, unknown = page(WELL, []), page(_without(name), [])

    def marks(lines: list[str]) -> int:
        return sum(line.count("?") for line in lines)

    assert marks(unknown) > marks(shown)


@pytest.mark.parametrize(
    "name", ["counters", "lag_ms", "workers", "pauses", "breakers", "requests", "contradictions", "outcomes_aside"]
)
def test_what_can_not_be_read_is_no_health(name: str) -> None:
    """The ledger answers, and one of its keys can't be read: that is said, with its name in words."""
    assert Trouble.UNKNOWN in {judgement.what for judgement in judge(_without(name))}


def test_a_worker_that_was_replaced_on_its_machine_is_not_missed() -> None:
    """A supervisor starts another one; the one that was killed is named, and is no alarm for a day."""
    killed = worker(at_ms=NOW - 600_000)
    started = worker(worker="worker a 8", pid=8, since_ms=NOW - 590_000)

    assert judge(replace(WELL, workers=[killed, started])) == []
    twice = [worker(at_ms=NOW - 700_000, pid=5), killed, started]
    assert [each.what for each in judge(replace(WELL, workers=twice))] == [Trouble.WORKER_SILENT], "one was started"
    still_there = replace(started, since_ms=NOW - 900_000)
    assert [each.what for each in judge(replace(WELL, workers=[killed, still_there]))] == [Trouble.WORKER_SILENT]


def test_clients_that_come_back_are_no_alarm() -> None:
    facts = facts_of(Trouble.PARKED_PILES)
    confirming = [worker(calls={"confirm": Calls({ANSWERED: 1}, {QUICK: 1})})]

    assert judge(replace(facts, workers=confirming)) == []


def test_doubt_that_was_there_is_not_growing() -> None:
    facts = facts_of(Trouble.DOUBT_GROWS)

    assert judge(replace(facts, samples=[sample(in_doubt=8)])) == []
    assert judge(replace(facts, samples=[])) == [], "without a sample no trend is known"


def _sums(judgement: Judgement) -> list[Sum]:
    assert judgement.concerns is not None
    return list(judgement.concerns.sums)


def test_money_is_that_of_what_is_concerned() -> None:
    (dead,) = judge(facts_of(Trouble.DEAD))

    assert [str(line) for line in _sums(dead)] == ["1 with 15 000.00 KZT"]
    (fraud,) = judge(facts_of(Trouble.PAUSED))
    assert [str(line) for line in _sums(fraud)] == ["2 with 30 000.00 KZT"], "what waits behind the pause"


def test_a_command_is_never_broken_or_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is copied from the screen: with a long path before it, too, when its line is longer than the screen."""
    monkeypatch.setattr(typed, "command", lambda: f"/{'a-long-path/' * 12}transfers")
    facts = facts_of(Trouble.DOUBT_GROWS)

    lines = page(facts, judge(facts))

    assert [line for line in lines if 'transfers pause send --cause bank --reason "doubt grows"`' in line]


def test_nothing_is_cut_where_the_screen_has_room() -> None:
    """A long line goes on in the next one."""
    reason = "the fraud team asked, because of the three transfers of this morning to one and the same card"
    facts = replace(WELL, pauses=[pause(Cause.FRAUD, terminal=ALL, reason=reason)], lost_cards=2)

    text = " ".join(" ".join(page(facts, judge(facts))).split())

    assert reason in text
    assert "…" not in text


def test_what_concerns_no_money_and_what_is_not_known_are_told_apart() -> None:
    """A reader asks first how much money it is."""
    none, unknown = replace(WELL, vault=ServerLook("VAULT_URL", AWAY)), facts_of(Trouble.LEDGER_AWAY)
    none = replace(none, counters=counters())

    assert "  concerns  no transfer now" in page(none, judge(none))
    assert "  concerns  ? (what is recorded can't be seen now)" in page(unknown, judge(unknown))


def test_transfers_that_are_named_have_their_money() -> None:
    """A contradiction says how much money it is; where one of them can't be read, nothing is said."""
    keys = {"251124000001": "paid", "251124000002": "paid"}
    named = {"251124000001": Sum(1, 15_000, "KZT"), "251124000002": Sum(1, 5_000, "KZT")}

    whole = judge(replace(WELL, contradictions=keys, named=named))[0]
    partly = judge(replace(WELL, contradictions=keys, named={"251124000001": named["251124000001"]}))[0]

    assert whole.concerns == Concern([Sum(2, 20_000, "KZT")], keys=list(keys))
    assert partly.concerns is None


def test_a_word_of_the_banks_client_is_told_in_plain_words() -> None:
    facts = replace(facts_of(Trouble.BANK_DOWN), workers=calling(token=replace(TIMEOUTS, why="dropped")))

    assert "(the connection was cut: dropped)" in judge(facts)[0].says
    assert [in_words("http_503"), in_words("unknown_status")] == ["HTTP 503", "unknown_status"]


def test_a_replica_that_took_the_ledgers_place_is_not_said_to_have_lost_moves() -> None:
    """It may have, and nothing is sent until a person has looked; the runbook has both sentences."""
    (replaced,) = judge(replace(WELL, pauses=[pause(Cause.FAILOVER, terminal=ALL)]))

    assert replaced.says.startswith("the ledger may have lost moves: its server was replaced (pause k7f3)")
    assert is_quoted(Trouble.LEDGER_BACK, replaced.says)


def test_workers_that_compare_a_server_that_was_started_are_no_alarm() -> None:
    """It takes seconds. Where something else is wrong beside it, that is said, and an operator has to act."""
    (compares,) = judge(replace(WELL, workers=[worker(unfit=[Unfit.FAILOVER])]))
    (clock,) = judge(replace(WELL, workers=[worker(unfit=[Unfit.CLOCK, Unfit.FAILOVER], clock_ms=5000)]))

    assert (compares.what, compares.level) == (Trouble.WORKERS_UNFIT, Level.ATTENTION)
    assert is_quoted(Trouble.WORKERS_UNFIT, compares.says)
    assert name_of(compares.command) in part_of(Trouble.WORKERS_UNFIT, "Do:")
    assert (clock.what, clock.level) == (Trouble.WORKERS_UNFIT, Level.ACT)


def test_workers_that_wait_for_replicas_say_how_many_are_lacking_and_where_to_look() -> None:
    """An operator's `doctor` asks no replica: what mends it comes with the worker's own word."""
    why = f"0 of 1 replicas of the ledger have what it confirmed; {REPLICAS_CURE}"
    for findings in ([why], []):
        (one,) = judge(replace(WELL, workers=[worker(unfit=[Unfit.REPLICAS], findings=findings)]))

        assert (one.what, one.level) == (Trouble.WORKERS_UNFIT, Level.ACT)
        assert is_quoted(Trouble.WORKERS_UNFIT, one.says)
        assert "replicas of the ledger have what it confirmed" in one.says
        assert ("'A replica is missing'" in one.next) is bool(findings)
        assert name_of(one.command) in part_of(Trouble.WORKERS_UNFIT, "Do:")


def test_a_terminal_whose_credentials_no_worker_holds_is_named() -> None:
    """One that holds them is enough, and so is one of an older version, which does not say what it holds."""
    lacking = worker(terminals=["main"], lacks=["kiosk"])
    found = judge(replace(WELL, workers=[lacking, worker(worker="worker b 8", terminals=["main"])]))

    assert [(one.what, one.level) for one in found] == [(Trouble.WORKERS_UNFIT, Level.ACT)]
    assert "no worker holds the credentials of kiosk" in found[0].says
    assert judge(replace(WELL, workers=[lacking, worker(worker="worker b 8", terminals=["kiosk"])])) == []
    assert judge(replace(WELL, workers=[lacking, worker(worker="worker b 8")])) == []


def test_a_space_that_no_producer_uses_any_more_calls_no_operator_at_once() -> None:
    """Producers moved to another one. Where that is not known, and where one still comes, it is as bad as ever."""
    nearly = counters(queued=1) | {"used:main": 999_000}

    def found(*samples: Sample) -> list[tuple[Trouble, Level]]:
        judged = judge(replace(WELL, counters=nearly, samples=list(samples)))
        return [(one.what, one.level) for one in judged]

    def of(minutes: int, used: int) -> Sample:
        return replace(sample(minutes), used={"main": used})

    out = [(Trouble.SUFFIXES_OUT, Level.ACT)]
    assert found(of(1, 999_000), of(239, 999_000)) == [(Trouble.SUFFIXES_LOW, Level.ATTENTION)]
    assert found(of(1, 999_000), of(239, 998_999)) == out
    assert found(of(1, 999_000), of(30, 999_000)) == out
    assert found() == out
    (quiet,) = judge(replace(WELL, counters=nearly, samples=[of(239, 999_000)]))
    assert is_quoted(Trouble.SUFFIXES_LOW, quiet.says)
    assert name_of(quiet.command) in part_of(Trouble.SUFFIXES_LOW, "Do:")


def test_what_is_in_doubt_is_spoken_of_only_where_something_is() -> None:
    """Else what waits is: paid another way it would be sent as well. What can't be seen may be in doubt."""
    down: dict[str, Any] = {
        "breakers": [OpenBreaker(HOST)],
        "workers": calling(token=Calls({UNCLEAR: 9}, why="refused")),
    }

    def unsafe(**more: Any) -> str:
        return judge(replace(WELL, **(down | more)))[0].unsafe

    assert "do not pay what waits another way: it is sent as well" in unsafe()
    assert "in doubt" not in unsafe()
    assert "do not pay what is in doubt another way" in unsafe(counters=counters(queued=2, in_doubt=1))
    assert "do not pay" not in unsafe(counters=counters(paid=5))
    assert "do not pay what is in doubt another way" in unsafe(counters=None)


def test_the_first_line_and_the_bank_say_the_same_of_a_breaker_that_lets_one_try() -> None:
    """Nothing is sent but one at a time: the screen has no word that only an engineer of this project knows."""
    calls = calling(token=Calls({UNCLEAR: 9}, why="refused"))
    facts = replace(WELL, breakers=[OpenBreaker(HOST, is_half_open=True)], workers=calls)
    (down, *_) = judge(facts)

    assert "nothing is sent, but one transfer at a time, to try whether the bank serves it" in down.says
    assert is_quoted(Trouble.BANK_DOWN, down.says)
    text = "\n".join(page(facts, [down]))
    assert f"breaker   open, one is tried: {HOST}" in text
    assert "half-open" not in text


@pytest.mark.parametrize(
    ("server", "setting"), [("ledger", "REDIS_URL"), ("vault", "VAULT_URL"), ("queue", "BROKER_URL")]
)
def test_of_a_server_that_is_away_the_next_step_tells_its_end_from_a_wrong_address(server: str, setting: str) -> None:
    """To look comes first: a vault that still runs must not be started anew."""
    problem = ServerProblem(setting, AWAY.problem, f"start it, or correct {setting}", reason="refused", is_passing=True)
    away: dict[str, Any] = {server: look(setting=setting, problem=problem)}

    first = judge(replace(WELL, **away))[0]

    assert first.setting == setting
    places = [
        first.next.index(words)
        for words in ("see on its machine whether it runs", "If not, start", f"if it runs, {setting} is wrong")
    ]
    assert places == sorted(places)


def test_the_screen_says_in_plain_words_what_it_counts() -> None:
    """What readers who know nothing of this project asked about."""
    text = "\n".join(page(WELL, []))

    assert "moves 10, the vault knows " in text
    assert "held too long 0" in text
    assert "none wait for a worker" in text
    assert "of its invoice ids used for ever" in text
    for word in ("sequence", "mark ", "leases"):
        assert word not in text
