"""The vault's rules, as tables: what stands there, the epoch that asks, and what may come of it."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest
import redis

from epay_transfers.ledger.errors import VaultUnavailable, VaultWentBack
from epay_transfers.ledger.store import redis_keys
from epay_transfers.ledger.store.connection import connect
from epay_transfers.ledger.store.replies import Run
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import KEPT, Content, Fenced, Gone, Put, PutBack, Taken, TakeUnanswered, Vault
from tests.support.factories import NONCE
from tests.support.redis_state import snapshot

KEY = "251124000001"
EPOCH = 1_000_005
WEEK_MS = 7 * 86_400_000
TTL_MS = 900_000
PLACES = {Purpose.CARD: redis_keys.card(KEY), Purpose.PARES: redis_keys.pares(KEY)}
SEALED = {Purpose.CARD: redis_keys.sealed_card(KEY), Purpose.PARES: redis_keys.sealed_pares(KEY)}
SEAL = "the-seal:of/it"


@dataclasses.dataclass(frozen=True)
class Row:
    """`stands`: a letter of `_vault.lua`, and how far its epoch is from the asking one. `then`: what stands after.

    S is a blob that another run wrote, N one of the next generation, O another claim's tombstone.
    """

    call: str
    stands: str
    reply: object
    then: str  #: `=`: the same, byte for byte


def table(call: str, text: str, words: dict[str, object]) -> list[Row]:
    """Three columns: what stands there, what is answered, what stands afterwards."""
    lines = (line.split() for line in text.strip().splitlines())
    return [Row(call, stands, words[reply], then) for stands, reply, then in lines]


YES_NO: dict[str, object] = {"yes": True, "no": False}
ROWS = [
    *table(
        "put_card",
        """
        -    STORED   B
        B-2  STORED   B
        B-1  STORED   B
        B    PRESENT  =
        B+1  PRESENT  =
        S-1  STORED   B
        S    STORED   B
        S+1  STORED   B
        X-1  PRESENT  =
        X    PRESENT  =
        X+1  PRESENT  =
        C-1  PRESENT  =
        C    PRESENT  =
        """,
        {word: Put(word) for word in ("STORED", "PRESENT")},
    ),
    *table(
        "put_pares",
        """
        -    STORED   B
        B-1  PRESENT  =
        B    SAME     =
        B+1  PRESENT  =
        S    STORED   B
        X-1  PRESENT  =
        X    PRESENT  =
        X+1  PRESENT  =
        C    PRESENT  =
        """,
        {put.value: put for put in Put},
    ),
    *table(
        "put_another_pares",
        """
        B-1  PRESENT  =
        B    PRESENT  =
        X    PRESENT  =
        """,
        {"PRESENT": Put.PRESENT},
    ),
    *table(
        "take",
        """
        -    nothing    =
        B-1  blob       =
        B    sealed     X
        B+1  later      =
        S    stale      =
        X-1  tombstone  =
        X    unheard    =
        O    tombstone  =
        X+1  tombstone  =
        C-1  closed     =
        C    closed     =
        """,
        {str(there): Gone(there) for there in Content}
        | {"sealed": Taken("the-seal:of/it", NONCE, 0), "later": Fenced(), "unheard": TakeUnanswered()},
    ),
    *table(
        "refence",
        """
        -    no   =
        B-1  no   =
        B    yes  B+1
        B+1  yes  =
        B+2  yes  =
        N    no   =
        S    no   =
        S+1  no   =
        X-1  no   =
        X    no   =
        X+1  no   =
        C    no   =
        """,
        YES_NO,
    ),
    *table(
        "put_back",
        """
        -    NOTHING  =
        B-1  OTHER    =
        B    OTHER    =
        B+1  ALREADY  =
        B+2  OTHER    =
        S    NOTHING  =
        S+1  NOTHING  =
        X-1  OTHER    =
        X    OK       B+1
        O    OTHER    =
        X+1  OTHER    =
        C    OTHER    =
        """,
        {put_back.value: put_back for put_back in PutBack},
    ),
    *table(
        "close",
        """
        -    yes  C
        B-1  yes  =
        B    yes  B+1
        B+1  yes  B+2
        S    yes  C
        X-1  no   =
        X    no   =
        X+1  no   =
        C    yes  =
        """,
        YES_NO,
    ),
]


def stand(client: redis.Redis, purpose: Purpose, what: str) -> None:
    if what == "-":
        return
    epoch = EPOCH + int(what[1:] or 0)
    run = str(client.info("server")["run_id"])[:8]
    value = {
        "B": f"B:{epoch}:{run}:tag",
        "N": f"B:{epoch + 1_000_000}:{run}:tag",
        "S": f"B:{epoch}:{run[::-1]}:tag",
        "X": f"X:{epoch}:{NONCE}",
        "O": f"X:{epoch}:another",
        "C": f"C:{epoch}",
    }[what[0]]
    client.set(PLACES[purpose], value, px=TTL_MS)
    if what[0] in "BNS":
        client.set(SEALED[purpose], SEAL, px=TTL_MS)


def calls(vault: Vault, purpose: Purpose) -> dict[str, Callable[[], Any]]:
    return {
        "put_card": lambda: vault.put(Purpose.CARD, KEY, EPOCH, SEAL, TTL_MS, ""),
        "put_pares": lambda: vault.put(Purpose.PARES, KEY, EPOCH, SEAL, TTL_MS, "tag"),
        "put_another_pares": lambda: vault.put(Purpose.PARES, KEY, EPOCH, SEAL, TTL_MS, "other"),
        "take": lambda: vault.take(purpose, KEY, EPOCH, 1, NONCE),
        "refence": lambda: vault.refence(purpose, KEY, EPOCH),
        "put_back": lambda: vault.put_back(purpose, KEY, EPOCH, Taken(SEAL, NONCE, 0), TTL_MS, "tag"),
        "close": lambda: vault.close(purpose, KEY, EPOCH),
    }


def purposes(row: Row) -> list[Purpose]:
    return [Purpose.CARD] if row.call == "put_card" else [Purpose.PARES] if "pares" in row.call else list(KEPT)


@pytest.mark.parametrize(
    ("row", "purpose"),
    [(row, purpose) for row in ROWS for purpose in purposes(row)],
    ids=lambda value: str(value)[4:40],
)
def test_each_script_does_what_the_rules_say_and_no_more(
    vault: Vault, vault_client: redis.Redis, row: Row, purpose: Purpose
) -> None:
    place = PLACES[purpose]
    stand(vault_client, purpose, row.stands)
    was = snapshot(vault_client)

    reply = calls(vault, purpose)[row.call]()

    assert reply == row.reply
    if row.then == "=":
        assert snapshot(vault_client) == was
        return
    letter, epoch = row.then[0], EPOCH + int(row.then[1:] or 0)
    value = cast("str", vault_client.get(place))
    assert value.split(":")[:2] == [letter, str(epoch)]
    assert vault_client.get(SEALED[purpose]) == (SEAL if letter == "B" else None)
    if letter == "B":  # the sealed text never ends before what stands in its place
        assert vault_client.pexpiretime(SEALED[purpose]) >= vault_client.pexpiretime(place)
    kept = was[0].get(place)
    ttl = vault_client.pttl(place)
    if row.call in {"refence", "close"} and letter == "B":
        assert kept is not None
        assert vault_client.pexpiretime(place) == kept[1]  # a card never lives longer for having been moved
    else:
        assert math.isclose(ttl, TTL_MS if letter == "B" else WEEK_MS, abs_tol=60_000)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.stands.startswith(("X", "C", "O"))], ids=lambda row: str(row)[4:40]
)
def test_nothing_is_ever_put_over_a_tombstone_or_a_closed_mark_but_its_own_unburn(row: Row) -> None:
    assert row.then == "=" or (row.call, row.stands) == ("put_back", "X")


def test_the_tables_are_whole() -> None:
    """Each script meets each kind of content at a lower epoch, the same, and a higher one."""
    for call in ("put_card", "put_pares", "take", "refence", "put_back", "close"):
        met = {row.stands for row in ROWS if row.call == call}
        assert met >= {"-", "B-1", "B", "B+1", "S", "X-1", "X", "X+1", "C"}, call


@pytest.mark.parametrize(
    ("stands", "there"),
    [
        ("-", Content.NOTHING),
        ("S", Content.STALE),
        ("B", Content.BLOB),
        ("X", Content.TOMBSTONE),
        ("C", Content.CLOSED),
    ],
)
def test_a_look_takes_nothing(vault: Vault, vault_client: redis.Redis, stands: str, there: Content) -> None:
    stand(vault_client, Purpose.CARD, stands)
    was = snapshot(vault_client)

    assert vault.look(Purpose.CARD, KEY) is there
    assert vault.look(Purpose.PARES, KEY) is Content.NOTHING
    assert snapshot(vault_client) == was


@pytest.mark.parametrize(
    ("stands", "there"),
    [
        ("B-1", Content.NOTHING),
        ("B", Content.BLOB),
        ("B+1", Content.BLOB),
        ("X-1", Content.TOMBSTONE),
        ("C-1", Content.CLOSED),
        ("-", Content.NOTHING),
    ],
)
def test_who_looks_with_an_epoch_sees_no_blob_of_an_older_one(
    vault: Vault, vault_client: redis.Redis, stands: str, there: Content
) -> None:
    """Nobody can take it, and a new card may be put over it."""
    stand(vault_client, Purpose.CARD, stands)

    assert vault.look(Purpose.CARD, KEY, EPOCH) is there


@pytest.mark.parametrize(("stands", "then"), [("-", None), ("B", "C"), ("S", "C"), ("X", "X"), ("C", "C")])
def test_a_drop_leaves_what_proves_something(
    vault: Vault, vault_client: redis.Redis, stands: str, then: str | None
) -> None:
    for purpose in KEPT:
        stand(vault_client, purpose, stands)

    vault.drop(KEY)

    assert not vault_client.exists(*SEALED.values())

    expected = None if then is None else f"{then}:{EPOCH}" + (f":{NONCE}" if then == "X" else "")
    assert [vault_client.get(place) for place in PLACES.values()] == [expected, expected]


def test_a_burn_is_the_only_reader_and_reads_once(vault: Vault) -> None:
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS)

    assert vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE) == Taken("sealed", NONCE, 0)
    assert vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE) == TakeUnanswered()
    assert vault.take(Purpose.CARD, KEY, EPOCH, 1, "another") == Gone(Content.TOMBSTONE)


def test_a_sealed_text_that_somebody_took_away_burns_as_one_that_does_not_open(
    vault: Vault, vault_client: redis.Redis
) -> None:
    """Not as nothing there: the next refence would call it unsent and send it round again, for ever."""
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS)
    vault_client.delete(SEALED[Purpose.CARD])

    assert vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE) == Taken("", NONCE, 0)


def test_a_put_that_comes_late_can_not_be_burnt_under_a_later_epoch(vault: Vault) -> None:
    """A late put of the old generation proves nothing, and opens nothing."""
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS)

    assert vault.take(Purpose.CARD, KEY, EPOCH + 1_000_000, 1, NONCE) == Gone(Content.BLOB)
    assert not vault.refence(Purpose.CARD, KEY, EPOCH + 1_000_000)


@pytest.mark.parametrize("seal", ["plain", "with:colons", "", "1.abcd.b64-_", "x" * 100_000])
@pytest.mark.parametrize("tag", ["", "deadbeef"])
def test_a_seal_comes_out_as_it_went_in(vault: Vault, seal: str, tag: str) -> None:
    for purpose in KEPT:
        vault.put(purpose, KEY, EPOCH, seal, TTL_MS, tag)
        taken = vault.take(purpose, KEY, EPOCH, 1, NONCE)
        assert isinstance(taken, Taken)
        assert taken.sealed == seal
        assert vault.put_back(purpose, KEY, EPOCH, taken, TTL_MS, tag) is PutBack.DONE
        again = vault.take(purpose, KEY, EPOCH + 1, 1, NONCE)
        assert isinstance(again, Taken)
        assert again.sealed == seal


def test_a_batch_of_cards_is_put_each_on_its_own(vault: Vault) -> None:
    vault.put(Purpose.CARD, "000002", EPOCH, "old", TTL_MS)
    vault.take(Purpose.CARD, "000002", EPOCH, 1, NONCE)

    puts = vault.put_cards([(key, EPOCH, "sealed", TTL_MS) for key in ("000001", "000002", "000003")])

    assert puts == [Put.STORED, Put.PRESENT, Put.STORED]


def test_the_vault_remembers_the_highest_sequence_at_which_something_was_taken(vault: Vault) -> None:
    assert vault.high_water() == 0
    for n, (sequence, highest) in enumerate([(7, 7), (5, 7), (12, 12)]):
        vault.put(Purpose.CARD, f"00000{n}", EPOCH, "sealed", TTL_MS)
        vault.take(Purpose.CARD, f"00000{n}", EPOCH, sequence, NONCE)
        assert vault.high_water() == highest
    vault.take(Purpose.CARD, "000009", EPOCH, 99, NONCE)
    assert vault.high_water() == 12


def test_a_vault_that_is_away_is_one_error() -> None:
    vault = Vault(connect("redis://127.0.0.1:1/0"))

    more: list[Callable[[], Any]] = [vault.high_water, partial(vault.drop, KEY)]
    for call in [*calls(vault, Purpose.CARD).values(), *more]:
        with pytest.raises(VaultUnavailable) as caught:
            call()
        assert caught.value.__suppress_context__


def test_a_mark_that_is_no_number_costs_no_card(vault: Vault, vault_client: redis.Redis) -> None:
    """Somebody wrote there by hand: the take fails before it takes anything out."""
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS)
    vault_client.set(redis_keys.HIGH_WATER, "x")

    with pytest.raises(VaultUnavailable):
        vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE)

    vault_client.delete(redis_keys.HIGH_WATER)
    assert vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE) == Taken("sealed", NONCE, 0)


def test_a_vault_that_has_seen_fewer_writes_than_its_caller_knows_of_refuses_everything(
    vault: Vault, vault_client: redis.Redis
) -> None:
    """Its machine was put back to a copy of its memory: what stands there is no longer so, for any process."""
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS)
    names = [str(name) for name in vault_client.keys("*")]
    copy = {name: str(vault_client.get(name)) for name in names}
    vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE)
    for name, value in copy.items():
        vault_client.set(name, value)

    more: list[Callable[[], Any]] = [vault.count, partial(vault.drop, KEY)]
    for call in [*calls(vault, Purpose.CARD).values(), *more]:
        with pytest.raises(VaultWentBack):
            call()
    assert vault_client.get(PLACES[Purpose.CARD]) == copy[PLACES[Purpose.CARD]]
    another = Vault(vault_client)
    assert another.look(Purpose.CARD, KEY) is Content.BLOB, "it was told nothing yet"
    run = vault.seen
    assert run is not None
    another.know(run)
    with pytest.raises(VaultWentBack):
        another.refence(Purpose.CARD, KEY, EPOCH)


def gone_back(vault: Vault, vault_client: redis.Redis) -> None:
    """A take is undone by a copy of the same run, and the vault knows that there were more writes."""
    vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS)
    copy = {name: str(vault_client.get(name)) for name in map(str, vault_client.keys("*"))}
    vault.take(Purpose.CARD, KEY, EPOCH, 1, NONCE)
    for name, value in copy.items():
        vault_client.set(name, value)
    with pytest.raises(VaultWentBack):
        vault.count()


def test_a_run_that_went_back_is_never_trusted_again(vault: Vault, vault_client: redis.Redis) -> None:
    """Writes of callers that know no count make it level: the process that saw it go back is refused all the same."""
    gone_back(vault, vault_client)
    condemned = vault.seen
    assert condemned is not None
    for n in range(5):
        assert Vault(vault_client).put(Purpose.CARD, f"00010{n}", EPOCH, "sealed", TTL_MS) is Put.STORED

    another = Vault(vault_client)
    another.count()
    another.know(condemned)
    for each in (vault, another):
        for call in calls(each, Purpose.CARD).values():
            with pytest.raises(VaultWentBack):
                call()


@pytest.mark.parametrize("count", ["9" * 15, "9" * 16, "9" * 400])
def test_no_count_that_is_written_there_makes_a_run_trusted_again(
    vault: Vault, vault_client: redis.Redis, count: str
) -> None:
    gone_back(vault, vault_client)
    assert vault.seen is not None
    vault_client.set(redis_keys.WRITES, f"{vault.seen.id}:{count}")

    with pytest.raises(VaultWentBack):
        vault.refence(Purpose.CARD, KEY, EPOCH)


@pytest.mark.parametrize("count", ["9" * 16, "9" * 400, "inf", "-1", "1e3", "", "0x10"])
def test_a_count_that_is_no_number_of_ours_is_none(vault: Vault, vault_client: redis.Redis, count: str) -> None:
    """Else a reply would hold `inf`, which no process can read."""
    run = vault.count()
    vault_client.set(redis_keys.WRITES, f"{run.id}:{count}")

    assert vault.count() == Run(run.id, 0)
    assert vault.put(Purpose.CARD, KEY, EPOCH, "sealed", TTL_MS) is Put.STORED
    assert vault.count() == Run(run.id, 1)


def test_a_pares_that_is_put_is_not_counted_and_all_else_is(vault: Vault) -> None:
    """The web tier, which puts it, may not write the count that guards cards; what it lost proves nothing."""
    counts = [vault.count().writes]
    for purpose in KEPT:
        vault.put(purpose, KEY, EPOCH, "sealed", TTL_MS)
        counts.append(vault.count().writes)
        taken = vault.take(purpose, KEY, EPOCH, 1, NONCE)
        assert isinstance(taken, Taken)
        counts.append(vault.count().writes)
        vault.put_back(purpose, KEY, EPOCH, taken, TTL_MS)
        counts.append(vault.count().writes)

    assert KEPT == (Purpose.CARD, Purpose.PARES)
    assert [count - counts[0] for count in counts] == [0, 1, 2, 3, 3, 4, 5]


NO_VALUES_OF_OURS = [
    "garbage",
    "",
    "B",
    "B:",
    "B:x:y",
    "Q:1000005:n",
    f"X:{'9' * 400}:n",
    f"B:{'9' * 16}:r:t",
    "X:-1:n",
]


@pytest.mark.parametrize("value", NO_VALUES_OF_OURS)
@pytest.mark.parametrize("purpose", KEPT)
def test_what_is_no_value_of_ours_counts_as_nothing(
    vault: Vault, vault_client: redis.Redis, purpose: Purpose, value: str
) -> None:
    """A thief of the password of a producer or the web tier may write it; the transfer ends all the same."""
    vault_client.set(PLACES[purpose], value)

    assert vault.look(purpose, KEY, EPOCH) is Content.NOTHING
    assert vault.tombstone(purpose, KEY) is None
    assert not vault.refence(purpose, KEY, EPOCH)
    taken = vault.take(purpose, KEY, EPOCH, 1, NONCE)
    assert taken == Gone(Content.NOTHING)
    vault.drop(KEY)
    assert vault_client.get(PLACES[purpose]) == value, "nothing is made of it"
    assert vault.close(purpose, KEY, EPOCH)
    assert vault.look(purpose, KEY, EPOCH) is Content.CLOSED
    vault_client.set(PLACES[purpose], value)
    assert vault.put(purpose, KEY, EPOCH, "sealed", TTL_MS) is Put.STORED


@pytest.mark.parametrize("purpose", KEPT)
def test_bytes_that_are_no_text_break_no_call(vault: Vault, vault_client: redis.Redis, purpose: Purpose) -> None:
    """Such a tombstone speaks against sending as another one does, and such a sealed text opens with no key."""
    vault_client.set(PLACES[purpose], f"X:{EPOCH}:".encode() + b"\xff")
    assert vault.tombstone(purpose, KEY) is not None
    vault_client.delete(PLACES[purpose])

    vault.put(purpose, KEY, EPOCH, "sealed", TTL_MS)
    vault_client.set(SEALED[purpose], b"\xff", keepttl=True)
    assert isinstance(vault.take(purpose, KEY, EPOCH, 1, NONCE), Taken)
