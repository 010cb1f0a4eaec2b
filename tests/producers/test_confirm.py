"""The challenge goes to the client's browser, and its answer comes back: every verdict."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from epay_transfers.ledger.states import State, Verb
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.change import Change
from epay_transfers.ledger.store.inboxes import Inboxes
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replies import Moved
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Put, Vault
from epay_transfers.producers import (
    Cancel,
    Challenge,
    IntentRejected,
    LedgerUnavailable,
    NotFound,
    Transfers,
    VaultUnavailable,
    Verdict,
)
from epay_transfers.producers.context import Context
from tests.producers.conftest import Hands, build, by_pan
from tests.support.clocks import FakeClock
from tests.support.logged import names_of

Rung = Callable[[], list[tuple[str, str]]]

MD = "270469967-9CA5EC5779A3358E"
PARES = base64.b64encode(b"the client's answer, with + and /: \xfb\xff" * 20).decode()
OTHER = base64.b64encode(b"another one").decode()


class _Dies(Inboxes):
    """A web tier dies before its entry is in the inbox."""

    def put(self, *_: object, **__: object) -> str:
        raise LedgerUnavailable


@pytest.fixture
def key(transfers: Transfers) -> str:
    return transfers.enqueue(by_pan()).key


@pytest.fixture
def handle(hands: Hands, key: str) -> str:
    return hands.park(key, MD)


class TestChallenge:
    def test_a_parked_transfer_has_one(self, transfers: Transfers, handle: str, clock: FakeClock) -> None:
        assert transfers.challenge(handle) == Challenge(
            action="https://acs.bank.kz/pareq",
            pa_req="cGFSZXE=",
            md=MD,
            expires_at=datetime.fromtimestamp(clock.now_ms() / 1000 + 900, UTC),
        )

    @pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.PAID, State.IN_DOUBT, State.CANCELLED])
    def test_any_other_has_none(self, transfers: Transfers, key: str, hands: Hands, state: State) -> None:
        hands.bring(key, state)

        assert transfers.challenge(hands.record(key).handle) is None

    def test_nor_has_one_that_was_answered(self, transfers: Transfers, handle: str) -> None:
        transfers.confirm(md=MD, pa_res=PARES)

        assert transfers.challenge(handle) is None

    @pytest.mark.parametrize("handle", ["", "nobody", "A" * 22, "a b", "\ud800" * 20, "x" * 10_000])
    def test_an_unknown_handle_is_not_found(self, transfers: Transfers, handle: str) -> None:
        with pytest.raises(NotFound):
            transfers.challenge(handle)

    def test_a_key_or_a_reference_is_no_handle(self, transfers: Transfers, key: str) -> None:
        for known in (key, "order-1"):
            with pytest.raises(NotFound):
                transfers.challenge(known)


@pytest.mark.usefixtures("handle")
class TestAccepted:
    def test_the_answer_is_sealed_in_the_vault_and_a_worker_is_called(
        self, transfers: Transfers, key: str, handle: str, hands: Hands, rung: Rung, ledger: Ledger, clock: FakeClock
    ) -> None:
        parked = hands.record(key)

        assert transfers.confirm(md=MD, pa_res=PARES, handle=handle) is Verdict.ACCEPTED

        record = hands.record(key)
        assert (record.state, record.epoch, record.attempts) == (State.RESUMED, parked.epoch + 1, 0)
        assert ("confirms", key) in rung()
        assert int(ledger.client.zscore(redis_keys.DUE, key) or 0) > clock.now_ms()
        assert hands.take(hands.claim(key), Purpose.PARES) == PARES.encode()

    def test_the_confirm_begins_its_own_row_of_tries_at_once(
        self, transfers: Transfers, key: str, hands: Hands, clock: FakeClock
    ) -> None:
        later = clock.now_ms() + 60_000
        hands.move(
            key,
            Verb.INQUIRY_INCONCLUSIVE,
            Change(due_at=later, fields={"next_attempt_at": later, "attempts": 3, "wakeups": 4}),
        )

        transfers.confirm(md=MD, pa_res=PARES)

        record = hands.record(key)
        assert (record.next_attempt_at, record.attempts, record.wakeups) == (0, 0, 0)

    def test_an_answer_whose_plusses_became_blanks_is_the_same_answer(
        self, transfers: Transfers, key: str, handle: str, hands: Hands
    ) -> None:
        """A framework reads `+` as a blank where the bank's page did not encode it: the bank is given the plusses."""
        assert "+" in PARES

        assert transfers.confirm(md=MD, pa_res=PARES.replace("+", " "), handle=handle) is Verdict.ACCEPTED
        assert transfers.confirm(md=MD, pa_res=PARES, handle=handle) is Verdict.DUPLICATE
        assert hands.take(hands.claim(key), Purpose.PARES) == PARES.encode()

    @pytest.mark.parametrize("pa_res", ["", "<xml>", "YWJjZ", "YW=Jj", PARES + "!", PARES + "A"])
    def test_what_cant_be_base64_is_refused_and_the_right_answer_is_taken_afterwards(
        self, transfers: Transfers, key: str, vault: Vault, pa_res: str
    ) -> None:
        """Nothing is stored of it, which the right one would conflict with."""
        with pytest.raises(IntentRejected, match="pa_res"):
            transfers.confirm(md=MD, pa_res=pa_res)
        assert vault.look(Purpose.PARES, key) is Content.NOTHING

        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED

    def test_an_md_whose_plusses_became_blanks_is_found(self, transfers: Transfers, key: str, hands: Hands) -> None:
        """The same page breaks both of its fields."""
        handle = hands.park(transfers.enqueue(by_pan("order-2")).key, "a+b+c=")

        assert transfers.confirm(md="a b c=", pa_res=PARES, handle=handle) is Verdict.ACCEPTED
        assert hands.record(key).state is State.PARKED

    def test_an_md_that_two_challenges_have_in_common_locks_neither_client_out(
        self, transfers: Transfers, key: str, handle: str, hands: Hands
    ) -> None:
        """The index of MDs leads to the later one alone; the handle says which transfer is meant."""
        other = hands.park(transfers.enqueue(by_pan("order-2")).key, MD)

        assert transfers.confirm(md=MD, pa_res=PARES, handle=handle) is Verdict.ACCEPTED
        assert transfers.confirm(md=MD, pa_res=OTHER, handle=other) is Verdict.ACCEPTED
        hands.take(hands.claim(key), Purpose.PARES)
        assert isinstance(hands.ledger.move(hands.record(key), Verb.PAY, actor="worker"), Moved)
        assert transfers.confirm(md=MD, pa_res=PARES, handle=handle) is Verdict.DUPLICATE

    @pytest.mark.parametrize(
        ("kept", "brought"), [("1-B\n", "1-B"), ("1-B", "1-B\r\n"), ("1+B", " 1 B "), ("1-B\n", "1-B\r\n")]
    )
    def test_blanks_and_line_breaks_around_an_md_do_not_matter_with_a_handle(
        self, transfers: Transfers, hands: Hands, kept: str, brought: str
    ) -> None:
        """The bank's JSON or its page may have added them."""
        handle = hands.park(transfers.enqueue(by_pan("order-2")).key, kept)

        assert transfers.confirm(md="1-BC", pa_res=PARES, handle=handle) is Verdict.UNKNOWN
        assert transfers.confirm(md=brought, pa_res=PARES, handle=handle) is Verdict.ACCEPTED

    def test_the_answer_to_an_earlier_challenge_is_no_answer_to_the_next(
        self, transfers: Transfers, key: str, handle: str, ledger: Ledger
    ) -> None:
        """A transfer that was sent again has another challenge; an old page of the client's may still be open."""
        kept = ledger.client.get(redis_keys.challenge(key))
        assert isinstance(kept, str)
        ledger.client.set(redis_keys.challenge(key), kept.replace(MD, "md-2"))

        assert transfers.confirm(md=MD, pa_res=PARES, handle=handle) is Verdict.UNKNOWN
        assert transfers.confirm(md="md-2", pa_res=PARES, handle=handle) is Verdict.ACCEPTED

    def test_the_handle_may_be_left_out(self, transfers: Transfers) -> None:
        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED

    def test_line_breaks_and_blanks_of_the_form_are_taken_out(
        self, transfers: Transfers, key: str, hands: Hands
    ) -> None:
        broken = "\r\n".join(PARES[at : at + 76] for at in range(0, len(PARES), 76)) + " \n"

        assert transfers.confirm(md=MD, pa_res=broken) is Verdict.ACCEPTED
        assert hands.take(hands.claim(key), Purpose.PARES) == PARES.encode()

    def test_it_lives_as_long_as_a_card(self, transfers: Transfers, key: str, vault: Vault) -> None:
        transfers.confirm(md=MD, pa_res=PARES)

        assert 890_000 < int(str(vault.client.pttl(redis_keys.pares(key)))) <= 900_000


@pytest.mark.usefixtures("handle")
class TestDuplicate:
    def test_the_same_answer_again_is_a_duplicate_in_whatever_state(
        self, transfers: Transfers, key: str, hands: Hands
    ) -> None:
        transfers.confirm(md=MD, pa_res=PARES)
        resumed = hands.record(key)

        assert transfers.confirm(md=MD, pa_res=PARES + "\n") is Verdict.DUPLICATE
        assert hands.record(key) == resumed
        hands.take(hands.claim(key), Purpose.PARES)
        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.DUPLICATE
        assert isinstance(hands.ledger.move(hands.record(key), Verb.PAY, actor="worker"), Moved)
        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.DUPLICATE

    def test_who_died_after_the_put_is_helped_by_the_same_answer_again(
        self, parts: Context, transfers: Transfers, key: str, hands: Hands
    ) -> None:
        with pytest.raises(LedgerUnavailable):
            build(parts, inboxes=_Dies(parts.ledger.client, parts.clock)).confirm(md=MD, pa_res=PARES)
        assert hands.record(key).state is State.PARKED

        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED
        assert hands.take(hands.claim(key), Purpose.PARES) == PARES.encode()

    def test_who_loses_the_race_with_the_same_answer_is_a_duplicate(self, parts: Context, transfers: Transfers) -> None:
        class Raced(Vault):
            def put(self, *args: object, **more: object) -> Put:
                assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED
                return super().put(*args, **more)  # type: ignore[arg-type]  # passed on as it came

        assert build(parts, vault=Raced(parts.vault.client)).confirm(md=MD, pa_res=PARES) is Verdict.DUPLICATE


@pytest.mark.usefixtures("handle")
class TestConflicting:
    def test_another_answer_never_takes_the_place_of_the_first(
        self, transfers: Transfers, key: str, hands: Hands, caplog: pytest.LogCaptureFixture
    ) -> None:
        transfers.confirm(md=MD, pa_res=PARES)

        assert transfers.confirm(md=MD, pa_res=OTHER) is Verdict.CONFLICTING

        assert "confirm.conflicting" in names_of(caplog.records)
        assert hands.take(hands.claim(key), Purpose.PARES) == PARES.encode()

    def test_nor_while_the_first_is_only_in_the_vault(self, parts: Context, transfers: Transfers) -> None:
        with pytest.raises(LedgerUnavailable):
            build(parts, inboxes=_Dies(parts.ledger.client, parts.clock)).confirm(md=MD, pa_res=PARES)

        assert transfers.confirm(md=MD, pa_res=OTHER) is Verdict.CONFLICTING
        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED

    def test_who_loses_the_race_with_another_answer_is_told(
        self, parts: Context, transfers: Transfers, key: str, hands: Hands
    ) -> None:
        class Raced(Vault):
            def put(self, *args: object, **more: object) -> Put:
                assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED
                return super().put(*args, **more)  # type: ignore[arg-type]  # passed on as it came

        assert build(parts, vault=Raced(parts.vault.client)).confirm(md=MD, pa_res=OTHER) is Verdict.CONFLICTING
        assert hands.take(hands.claim(key), Purpose.PARES) == PARES.encode()


@pytest.mark.usefixtures("handle")
class TestTooLate:
    def test_at_the_deadline_it_is_too_late(
        self, transfers: Transfers, key: str, clock: FakeClock, vault: Vault
    ) -> None:
        clock.advance(900)

        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.TOO_LATE
        assert vault.look(Purpose.PARES, key) is Content.NOTHING

    @pytest.mark.parametrize("verb", ["expire", "cancel", "decline", "inquiry_paid"])
    def test_so_it_is_when_it_has_ended(self, transfers: Transfers, key: str, hands: Hands, verb: str) -> None:
        hands.move(key, Verb[verb.upper()])

        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.TOO_LATE

    def test_so_it_is_when_the_place_was_closed_meanwhile(
        self, transfers: Transfers, key: str, hands: Hands, vault: Vault
    ) -> None:
        vault.close(Purpose.PARES, key, hands.record(key).epoch)

        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.TOO_LATE
        assert hands.record(key).state is State.PARKED

    def test_so_it_is_when_it_expired_between_the_put_and_the_resume(
        self, parts: Context, key: str, hands: Hands
    ) -> None:
        class Raced(Vault):
            def put(self, *args: object, **more: object) -> Put:
                stored = super().put(*args, **more)  # type: ignore[arg-type]  # passed on as it came
                hands.move(key, Verb.EXPIRE)
                return stored

        assert build(parts, vault=Raced(parts.vault.client)).confirm(md=MD, pa_res=PARES) is Verdict.TOO_LATE
        assert hands.record(key).state is State.EXPIRED

    def test_who_asked_for_a_cancel_does_not_confirm(self, transfers: Transfers, key: str, hands: Hands) -> None:
        transfers.cancel(key, reason="changed her mind")

        assert transfers.confirm(md=MD, pa_res=PARES) is Verdict.TOO_LATE
        assert hands.record(key).state is State.PARKED

    def test_a_cancel_that_comes_before_the_answer_is_put_makes_it_too_late(
        self, parts: Context, transfers: Transfers, key: str, hands: Hands
    ) -> None:
        class Raced(Vault):
            def put(self, *args: object, **more: object) -> Put:
                transfers.cancel(key, reason="changed her mind")
                return super().put(*args, **more)  # type: ignore[arg-type]  # passed on as it came

        assert build(parts, vault=Raced(parts.vault.client)).confirm(md=MD, pa_res=PARES) is Verdict.TOO_LATE
        assert hands.record(key).requested_action == "cancel"

    def test_a_cancel_that_comes_after_the_answer_is_too_late(self, parts: Context, key: str) -> None:
        """The client was told that it is accepted, and no worker has read it yet."""
        unread = build(parts, inboxes=Inboxes(parts.ledger.client, parts.clock))
        assert unread.confirm(md=MD, pa_res=PARES) is Verdict.ACCEPTED

        assert unread.cancel(key, reason="changed her mind") is Cancel.TOO_LATE


@pytest.mark.usefixtures("handle")
class TestUnknown:
    @pytest.mark.parametrize("md", ["", "nobody's", "x" * 5000, "\ud800", "a\nb"])
    def test_an_md_that_nobody_has(self, transfers: Transfers, md: str) -> None:
        assert transfers.confirm(md=md, pa_res=PARES) is Verdict.UNKNOWN

    def test_the_md_of_another_transfer_than_the_handles(self, transfers: Transfers, key: str, hands: Hands) -> None:
        other = transfers.enqueue(by_pan("other"))
        hands.park(other.key, "md-2")

        assert transfers.confirm(md=MD, pa_res=PARES, handle=other.handle) is Verdict.UNKNOWN
        assert transfers.confirm(md=MD, pa_res=PARES, handle="") is Verdict.UNKNOWN
        assert hands.record(key).state is hands.record(other.key).state is State.PARKED


@pytest.mark.usefixtures("handle")
class TestRefused:
    @pytest.mark.parametrize("pa_res", ["", " \n", "not base64!", "YQ==YQ==", "=", "A" * 65_537, " " * 200_000, "é"])
    def test_a_pares_that_is_none_is_refused_and_nothing_is_stored(
        self, transfers: Transfers, key: str, hands: Hands, vault: Vault, pa_res: str
    ) -> None:
        with pytest.raises(IntentRejected) as caught:
            transfers.confirm(md=MD, pa_res=pa_res)

        assert caught.value.field == "pa_res"
        assert vault.look(Purpose.PARES, key) is Content.NOTHING
        assert hands.record(key).state is State.PARKED

    def test_64_kib_are_taken(self, transfers: Transfers) -> None:
        assert transfers.confirm(md=MD, pa_res="A" * 65_536) is Verdict.ACCEPTED

    def test_without_the_vault_nothing_is_resumed(self, without_vault: Transfers, key: str, hands: Hands) -> None:
        with pytest.raises(VaultUnavailable):
            without_vault.confirm(md=MD, pa_res=PARES)

        assert hands.record(key).state is State.PARKED
