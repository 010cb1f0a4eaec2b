"""Every verb against every state: made exactly where the table says, refused elsewhere, and nothing changed then."""

from dataclasses import asdict, replace
from typing import cast

import pytest
import redis

from epay_transfers.ledger.errors import LedgerUnavailable
from epay_transfers.ledger.order import OrderDetails
from epay_transfers.ledger.record import FIRST_EPOCH, KEPT_AS, Lifetime, Record, cleared_with, kept_as
from epay_transfers.ledger.states import Advance, Phase, State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change, RecordFields
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved, Refused
from tests.support.clocks import FakeClock
from tests.support.factories import (
    CHALLENGE,
    HOUR_MS,
    NOW,
    WAYS,
    Place,
    as_before,
    claim,
    create,
    found,
    into,
    make,
    reach,
)
from tests.support.redis_state import assert_agrees, due, events, records, snapshot
from tests.support.state_table import AS_SEEN

MOVED = [verb for verb in Verb if verb is not Verb.CREATE]  #: `create` is a script of its own
CELLS = [(verb, place) for verb in MOVED for place in WAYS]
MADE = [(verb, place) for verb, place in CELLS if place[0] in verb.row.moves and verb.row.phase in {None, place[1]}]


def name_of(value: object) -> str:
    return "-".join(value) if isinstance(value, tuple) else str(value)


def epoch_after(record: Record, verb: Verb) -> int:
    match verb.row.advance:
        case Advance.TRY:
            return record.epoch + 1
        case Advance.GENERATION:
            return 2 * FIRST_EPOCH - 1
        case _:
            return record.epoch


@pytest.mark.parametrize(("verb", "place"), CELLS, ids=name_of)
def test_a_move_is_made_where_the_table_says_and_nowhere_else(
    ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock, verb: Verb, place: Place
) -> None:
    before = into(ledger, place)
    into(ledger, (State.QUEUED, Phase.SEND), "payout-2")
    clock.advance(1)
    was, told, sequence = snapshot(ledger_client), events(ledger_client), ledger.counters()["sequence"]

    reply = make(ledger, before, verb, clock.now_ms())

    if (verb, place) not in MADE:
        assert reply == Refused(before.state, before.epoch)
        assert snapshot(ledger_client) == was
        return
    end = verb.row.moves[place[0]]
    after = found(ledger, before)
    assert reply == Moved(end, after.epoch, after.version, sequence + 1)
    assert isinstance(reply, Moved)
    assert after.state is end
    assert after.epoch == epoch_after(before, verb)
    assert after.version == before.version + 1
    assert after.phase is (verb.row.enters or before.phase)
    assert after.state_since == (before.state_since if end is place[0] else clock.now_ms())
    assert_agrees(ledger_client)
    (event,) = events(ledger_client)[len(told) :]
    said = {"key": after.key, "verb": verb, "from": place[0], "state": end, "actor": "worker", "reference": "payout-1"}
    said |= {"version": str(after.version), "epoch": str(after.epoch), "at": str(clock.now_ms()), "terminal": "main"}
    assert event.items() >= (said | {"amount": "1500000", "currency": "KZT"}).items()


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize(("verb", "place"), MADE, ids=name_of)
def test_another_epoch_is_refused_but_a_later_one_of_a_late_answer_counts(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb, place: Place, step: int
) -> None:
    """A worker's definitive answer is the truth about a try: it counts wherever the record's epoch is not beyond it."""
    record = into(ledger, place)
    was = snapshot(ledger_client)

    reply = make(ledger, replace(record, epoch=record.epoch + step), verb)

    if verb.row.late and step > 0:
        assert isinstance(reply, Moved)
        assert found(ledger, record).epoch == record.epoch + 1
        assert_agrees(ledger_client)
    else:
        assert reply == Refused(record.state, record.epoch)
        assert snapshot(ledger_client) == was


@pytest.mark.parametrize(("verb", "place"), MADE, ids=name_of)
def test_a_decision_on_what_was_read_is_refused_if_anything_has_happened_since(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb, place: Place
) -> None:
    """The state may be the same again: in doubt anew, parked anew. Other verbs hold by the epoch alone."""
    record = into(ledger, place)
    was = snapshot(ledger_client)

    reply = make(ledger, replace(record, version=record.version - 1), verb)

    assert isinstance(reply, Moved) == (verb not in AS_SEEN)
    assert (snapshot(ledger_client) == was) == (verb in AS_SEEN)


@pytest.mark.parametrize("verb", MOVED)
def test_a_transfer_that_is_not_there_is_unknown(ledger: Ledger, ledger_client: redis.Redis, verb: Verb) -> None:
    """Another invoice id with the same last six digits is another transfer, though it would have the same record."""
    record = create(ledger, invoice_id="251124000001")
    was = snapshot(ledger_client)

    for key in ("999999000001", "251124000002", "kiosk:251124000001"):
        assert make(ledger, replace(record, key=key), verb) == Refused()
        assert ledger.get(key) is None
    assert snapshot(ledger_client) == was


def test_the_second_of_two_equal_moves_is_refused(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """So whoever lost the reply may say it again."""
    record = into(ledger, (State.SENDING, Phase.SEND))
    assert isinstance(make(ledger, record, Verb.PAY), Moved)
    was = snapshot(ledger_client)

    assert make(ledger, record, Verb.PAY) == Refused(State.PAID, record.epoch)
    assert make(ledger, record, Verb.DECLINE) == Refused(State.PAID, record.epoch)
    assert snapshot(ledger_client) == was


@pytest.mark.parametrize(
    "verb", [Verb.PAY, Verb.DECLINE, Verb.INQUIRY_PAID, Verb.INQUIRY_DECLINED, Verb.EXPIRE, Verb.CANCEL]
)
def test_a_final_state_forgets_the_challenge_and_lets_the_handle_go(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb
) -> None:
    record = into(ledger, (State.PARKED, Phase.SEND))
    assert ledger.challenge(record) == CHALLENGE
    assert ledger_client.ttl(redis_keys.handle(record.handle)) == -1

    assert isinstance(make(ledger, record, verb), Moved)

    assert ledger.challenge(record) is None
    assert 0 < ledger_client.ttl(redis_keys.handle(record.handle)) <= 86_400
    assert ledger.by_handle(record.handle) == ledger.by_reference("payout-1") == found(ledger, record)
    assert record.key not in due(ledger_client)


HOME = OrderDetails(back_link="https://shop.kz/ok", failure_back_link="https://shop.kz/no")
ORDER = replace(HOME, description="Salary", post_link="https://shop.kz/p").to_json()


@pytest.mark.parametrize(
    "verb", [Verb.PAY, Verb.DECLINE, Verb.INQUIRY_PAID, Verb.INQUIRY_DECLINED, Verb.EXPIRE, Verb.CANCEL]
)
def test_a_final_state_forgets_the_order_and_leaves_the_way_home_to_the_handle(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb
) -> None:
    record = into(ledger, (State.PARKED, Phase.SEND), order_details=ORDER)
    assert ledger.details(record).description == "Salary"

    assert isinstance(make(ledger, record, verb), Moved)

    ended = found(ledger, record)
    assert ended.order_details == ""
    assert ledger.details(ended) == HOME
    assert ledger.by_handle(record.handle) == ended
    assert 0 < ledger_client.ttl(redis_keys.handle(record.handle)) <= 86_400
    ledger_client.delete(redis_keys.handle(record.handle))  # as its server does after a day
    assert ledger.details(ended) == OrderDetails()


def test_a_handle_that_is_gone_does_not_come_back_with_the_end(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.SENDING, Phase.SEND), order_details=ORDER)
    ledger_client.delete(redis_keys.handle(record.handle))

    assert isinstance(make(ledger, record, Verb.PAY), Moved)
    assert ledger.by_handle(record.handle) is None


def test_a_corrected_end_leads_home_as_before(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.DECLINED, Phase.SEND), order_details=ORDER)
    ledger_client.expire(redis_keys.handle(record.handle), 60)

    assert isinstance(make(ledger, record, Verb.CORRECT_PAID), Moved)

    assert ledger.details(found(ledger, record)) == HOME
    assert 60 < ledger_client.ttl(redis_keys.handle(record.handle)) <= 86_400


def test_what_ended_before_the_order_was_forgotten_leads_home_by_its_record(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """A version before this one left the details in the record, and the key alone at the handle."""
    record = into(ledger, (State.DECLINED, Phase.SEND))
    ledger_client.hset(redis_keys.record(record.key), "order_details", ORDER)
    older = found(ledger, record)
    assert ledger.details(older).back_link == HOME.back_link

    assert isinstance(make(ledger, older, Verb.CORRECT_PAID), Moved)

    ended = found(ledger, record)
    assert ended.order_details == ""
    assert ledger.details(ended) == HOME


@pytest.mark.parametrize("text", ["[", '{"back_link":"\\ud800"}', '{"back_link":[1]}'])
def test_details_that_a_hand_has_damaged_keep_no_transfer_from_its_end(
    ledger: Ledger, ledger_client: redis.Redis, text: str
) -> None:
    record = into(ledger, (State.SENDING, Phase.SEND))
    ledger_client.hset(redis_keys.record(record.key), kept_as("order_details"), text)
    damaged = found(ledger, record)

    assert isinstance(make(ledger, damaged, Verb.PAY), Moved)
    assert ledger.details(found(ledger, record)) == OrderDetails()


def test_a_challenge_leads_to_its_transfer_for_a_week(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.PARKED, Phase.SEND))

    assert ledger.by_md(CHALLENGE.md) == record
    assert 0 < ledger_client.ttl(redis_keys.md(CHALLENGE.md)) <= 7 * 86_400
    assert ledger.by_md("another") is None


def test_an_unfinished_transfer_keeps_its_challenge(ledger: Ledger) -> None:
    record = into(ledger, (State.CONFIRMING, Phase.CONFIRM))

    assert ledger.challenge(record) == CHALLENGE


def test_fields_are_set_unset_and_counted(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.IN_DOUBT, Phase.SEND))
    fields: RecordFields = {"code": "455", "agreeing_reads": 2, "requested_action": "inquire"}
    ledger.move(
        record,
        Verb.INQUIRY_INCONCLUSIVE,
        Change(due_at=NOW, increments=("inquiries", "inquiries"), fields=fields),
        actor="w",
    )
    seen = found(ledger, record)
    ledger.move(
        seen,
        Verb.INQUIRY_INCONCLUSIVE,
        Change(due_at=NOW, fields={"requested_action": "", "agreeing_reads": 0, "code": ""}),
        actor="w",
    )

    after = found(ledger, record)
    assert (after.code, after.agreeing_reads, after.requested_action, after.inquiries) == ("", 0, "", 2)
    assert ledger_client.hexists(redis_keys.record(record.key), "requested_action") == 0


def test_an_event_repeats_what_matters_and_says_what_it_is_told(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.SENDING, Phase.SEND))
    told: RecordFields = {"code": "455", "reason": "declined_D", "evidence": "answered", "message": "for people"}

    ledger.move(record, Verb.DECLINE, Change(event={"bank_said": "more"}, fields=told), actor="w")

    event = events(ledger_client)[-1]
    assert event.items() >= {"code": "455", "reason": "declined_D", "evidence": "answered", "bank_said": "more"}.items()
    assert "message" not in event


def test_a_quiet_move_tells_nobody(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    told = events(ledger_client)

    reply = ledger.move(
        record, Verb.SCHEDULE_WAKEUP, Change(due_at=NOW + 5000, increments=("wakeups",), silent=True), actor="sweeper"
    )

    after = found(ledger, record)
    assert isinstance(reply, Moved)
    assert (after.version, after.wakeups) == (record.version, 1)
    assert due(ledger_client) == {record.key: NOW + 5000}
    assert events(ledger_client) == told


def test_many_moves_are_each_on_their_own(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """One that is refused does not hold up its neighbours."""
    one, two, three = (create(ledger, f"payout-{n}") for n in range(3))
    claim(ledger, two)
    reach(ledger, one.deadline_at)

    replies = ledger.move_many(
        [(record, Verb.EXPIRE, Change()) for record in (one, two, three)],
        actor="sweeper",
    )

    assert [isinstance(reply, Moved) for reply in replies] == [True, False, True]
    assert {record.state for record in records(ledger_client)} == {State.EXPIRED, State.SENDING}
    assert_agrees(ledger_client)


def test_a_server_that_forgot_its_scripts_is_told_them_again(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = create(ledger)
    ledger_client.script_flush()

    assert isinstance(make(ledger, record, Verb.CLAIM), Moved)
    ledger_client.script_flush()
    (reply,) = ledger.move_many([(record, Verb.DOUBT, Change(due_at=NOW))], actor="sweeper")
    assert isinstance(reply, Moved)


def test_a_server_that_is_away_is_one_error(clock: FakeClock) -> None:
    ledger = Ledger(connect("redis://127.0.0.1:1/0"), clock)
    record = Record(key="251124000001", state=State.QUEUED)

    for call in (
        lambda: ledger.move(record, Verb.EXPIRE, actor="w"),
        lambda: ledger.get(record.key),
        lambda: ledger.due(1),
        lambda: claim(ledger, record),
        lambda: ledger.by_reference("r"),
        ledger.counters,
    ):
        with pytest.raises(LedgerUnavailable) as caught:
            call()
        assert caught.value.__suppress_context__


def test_who_is_due_is_looked_at_and_never_taken(ledger: Ledger, ledger_client: redis.Redis, clock: FakeClock) -> None:
    late, soon, later = (create(ledger, f"payout-{n}") for n in range(3))
    for record, at in ((late, NOW - 10), (soon, NOW), (later, NOW + 1)):
        ledger.move(record, Verb.SCHEDULE_WAKEUP, Change(due_at=at, silent=True), actor="sweeper")

    for _ in range(2):
        assert [record.key for record in ledger.due(10).records] == [late.key, soon.key]
    assert [record.key for record in ledger.due(1).records] == [late.key]
    clock.advance(0.001)
    assert len(ledger.due(10).records) == len(due(ledger_client)) == 3


def test_lists_by_state_begin_with_who_is_longest_in_it(ledger: Ledger, clock: FakeClock) -> None:
    names = []
    for n in range(3):
        record = create(ledger, f"payout-{n}")
        clock.advance(1)
        claim(ledger, record)
        names.append(record.key)
    create(ledger, "queued")

    assert [record.key for record in ledger.in_state(State.SENDING)] == names
    assert [record.key for record in ledger.in_state(State.SENDING, 2)] == names[:2]
    assert ledger.in_state(State.DEAD) == []


def test_what_is_due_is_never_kept_for_what_has_ended(ledger: Ledger, ledger_client: redis.Redis) -> None:
    """Who says when to look again at a transfer that ends, or does not say it of one that goes on, has a bug."""
    record = create(ledger)
    was = snapshot(ledger_client)

    for verb, wrong in ((Verb.EXPIRE, Change(due_at=NOW + HOUR_MS)), (Verb.DEFER, Change()), (Verb.CREATE, Change())):
        with pytest.raises(AssertionError, match=verb):
            ledger.move(record, verb, wrong, actor="worker")
    assert snapshot(ledger_client) == was


def test_a_transfer_that_ends_keeps_nothing_that_only_an_unfinished_one_has(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """Whatever its caller says: the record declares how long each field is kept."""
    record = into(ledger, (State.IN_DOUBT, Phase.SEND))
    fields: RecordFields = {"requested_action": "inquire", "agreeing_reads": 2, "last_read": "not_yet"}
    ledger.move(record, Verb.INQUIRY_INCONCLUSIVE, Change(look_again_at=NOW, fields=fields), actor="w")

    ledger.move(found(ledger, record), Verb.INQUIRY_PAID, actor="w")

    left = set(ledger_client.hkeys(redis_keys.record(record.key)))
    assert not left & set(cleared_with(Lifetime.STATE, Lifetime.DOUBT, Lifetime.UNFINISHED))
    assert {"state", "schema", "reference", "deadline_at"} <= left


def test_a_sweeper_that_read_before_another_ones_wakeup_does_not_move_its_time(
    ledger: Ledger, ledger_client: redis.Redis
) -> None:
    """Both read it due. The first sends a wake-up, which is silent; the second finds the queue full."""
    record = create(ledger)
    sent = Change(due_at=NOW + 300_000, increments=("wakeups",), silent=True)
    assert isinstance(ledger.move(record, Verb.SCHEDULE_WAKEUP, sent, actor="one"), Moved)

    later = ledger.move(record, Verb.LOOK_LATER, Change(due_at=NOW + 2_000, silent=True), actor="other")

    assert isinstance(later, Refused)
    assert due(ledger_client) == {record.key: NOW + 300_000}


# Names of before.


@pytest.mark.parametrize("key", ["251124000001", "kiosk:251124000001"])
def test_a_record_has_short_names_and_its_space_in_its_key(
    ledger: Ledger, ledger_client: redis.Redis, key: str
) -> None:
    space, _, invoice_id = key.rpartition(":")
    record = create(ledger, invoice_id=invoice_id, space=space or "main")

    raw = cast("dict[str, str]", ledger_client.hgetall(redis_keys.record(key)))

    assert not raw.keys() & {*KEPT_AS, "space"}
    assert raw["ha"] == record.handle
    assert found(ledger, record) == record
    assert record.space == (space or "main")


@pytest.mark.parametrize(("verb", "place"), MADE, ids=name_of)
def test_a_record_of_before_goes_on_as_one_of_now(
    ledger: Ledger, ledger_client: redis.Redis, verb: Verb, place: Place
) -> None:
    """Every move makes the same of both."""
    now, before = into(ledger, place, "now"), into(ledger, place, "before")
    as_before(ledger_client, before)
    assert found(ledger, before) == before
    is_plain = verb in {Verb.CLAIM, Verb.EXPIRE}

    for record in (now, before):
        said: RecordFields = {"evidence": "answered", "bank_id": record.reference, "sender_card": "440563******0000"}
        change = Change(fields=said, due_at=None if verb.row.ends or verb.row.keeps_due else NOW)
        moved = make(ledger, record, verb) if is_plain else ledger.move(record, verb, change, actor="w")
        assert isinstance(moved, Moved)

    after = [found(ledger, record) for record in (now, before)]
    own = {"key", "reference", "handle", "history", "claim_nonce", "bank_id", "created_at", "deadline_at"}
    own |= {"state_since"} if place[0] is State.EXPIRED else set()  # the way there takes time
    same = [{name: value for name, value in asdict(each).items() if name not in own} for each in after]
    assert same[0] == same[1]
    if not is_plain:
        assert [(each.evidence, each.bank_id) for each in after] == [("answered", "now"), ("answered", "before")]
    assert_agrees(ledger_client)


def test_what_a_move_clears_is_cleared_under_both_names(ledger: Ledger, ledger_client: redis.Redis) -> None:
    record = into(ledger, (State.SENDING, Phase.SEND), order_details=ORDER)
    ledger.move(record, Verb.DOUBT, Change(look_again_in=1, fields={"evidence": "maybe_sent"}), actor="w")
    as_before(ledger_client, found(ledger, record))
    assert found(ledger, record).evidence == "maybe_sent"

    ledger.move(found(ledger, record), Verb.INQUIRY_PAID, Change(fields={"evidence": ""}), actor="w")

    ended = found(ledger, record)
    assert (ended.evidence, ended.order_details, ended.urgency) == ("", "", "")


def test_single_fields_are_read_under_either_name(ledger: Ledger, ledger_client: redis.Redis) -> None:
    now, before = create(ledger, "now"), create(ledger, "before")
    as_before(ledger_client, before)
    names = ("amount", "sender_card", "code", "receiver_card", "handle")

    assert ledger.fields([now.key, before.key], names) == [
        ["1500000", "440563******5096", None, "552204******6736", record.handle] for record in (now, before)
    ]
