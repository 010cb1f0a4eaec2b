"""Archiving beside `LEDGER_REPLICAS=1`, and a replica in the ledger's place that lacks what was archived.

A reduction waits for no replica: no money rests on it, and what it took out of the ledger lies in a file that was read
back. So a promoted replica may have transfers whole again. Their references are answered, and the next run ends it.
"""

from pathlib import Path

import pytest

from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.archived import Archived
from epay_transfers.ledger.store.ledger import Ledger
from epay_transfers.ledger.store.replicas import Replicas
from epay_transfers.ops.archive.archiving import Archiving
from epay_transfers.ops.archive.files import Folder, read
from tests.journey.test_replicas import Pair, pair
from tests.support.stage import Stage

__all__ = ["pair"]

LATER_S = 60


class Killed(BaseException):
    """The run ends here."""


def paid(stage: Stage, count: int) -> list[str]:
    keys = [stage.new() for _ in range(count)]
    for key in keys:
        stage.journey.execute(key)
        assert stage.state(key) is State.PAID
    stage.ledger.client.zremrangebyscore("transfers:{t}:watched", "-inf", "+inf")
    stage.clock.advance(LATER_S)
    return keys


def archive(stage: Stage, folder: Path) -> int:
    run = Archiving(
        stage.ledger, before_ms=stage.clock.now_ms(), actor="operator aigul", progress=lambda _done, _of: None
    )
    return run.run(Folder(folder)).archived


def archived(ledger: Ledger, keys: list[str]) -> list[bool]:
    return [bool(record and record.archived_at) for record in map(ledger.get, keys)]


def is_answered(stage: Stage, references: list[str]) -> bool:
    """Each reference leads to the transfer that was paid under it, so a producer that repeats it pays nothing."""
    found = [stage.ledger.by_reference(reference) for reference in references]
    return all(record is not None and record.state is State.PAID for record in found)


def test_a_promoted_replica_that_lacks_reductions_answers_each_reference_and_the_next_run_reduces_it(
    pair: Pair, tmp_path: Path
) -> None:
    """The replica is stopped while transfers are archived: with too few replicas no money is sent, and this goes on."""
    keys = paid(pair.stage, 3)
    references = [pair.stage.record(key).reference for key in keys]
    assert archive(pair.stage, tmp_path / "files") == 3
    whole = [dict(each.record) for path in (tmp_path / "files").glob("*.jsonl") for each in read(path)]
    with_replica = Ledger(pair.stage.ledger.client, pair.stage.clock)
    assert archived(with_replica, keys) == [True] * 3

    late = paid(pair.stage, 2)
    references += [pair.stage.record(key).reference for key in late]
    pair.cut_off()
    assert archive(pair.stage, tmp_path / "files") == 2
    pair.take_its_place()
    stage = pair.starts_anew(Replicas(0))

    assert archived(stage.ledger, keys + late) == [True] * 3 + [False] * 2
    assert is_answered(stage, references)
    stage.clock.advance(LATER_S)
    assert archive(stage, tmp_path / "files") == 2
    assert archived(stage.ledger, keys + late) == [True] * 5
    assert is_answered(stage, references)
    exported = [dict(each.record) for path in (tmp_path / "files").glob("*.jsonl") for each in read(path)]
    assert all(record in exported for record in whole)


def test_a_run_that_died_before_its_last_step_goes_on_at_the_promoted_replica(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the file and the second reduction, and then the ledger's server is lost too."""
    keys = paid(pair.stage, 3)
    references = [pair.stage.record(key).reference for key in keys]
    reduce = Archived.reduce
    calls: list[int] = []

    def once(*args: object, **words: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            pair.cut_off()
            raise Killed
        return reduce(*args, **words)  # type: ignore[arg-type]  # as it came

    with monkeypatch.context() as patch:
        patch.setattr(Archived, "reduce", once)
        with pytest.raises(Killed):
            archive(pair.stage, tmp_path / "files")
    pair.take_its_place()
    stage = pair.starts_anew(Replicas(0))
    assert is_answered(stage, references)
    assert [path.suffix for path in (tmp_path / "files").iterdir() if path.suffix in {".exported", ".jsonl"}] == [
        ".exported"
    ]

    archive(stage, tmp_path / "files")

    assert archived(stage.ledger, keys) == [True] * 3
    assert is_answered(stage, references)
