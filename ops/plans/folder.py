"""A folder of plans: each file is there whole or not at all, and is found by the digest of what it says.

What if the console dies while it makes a plan? The file gets its name when all of it is on the disk. A file that was
edited has another digest than it says: it is refused, and shown so.
"""

import os
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from epay_transfers.ops.exit_status import Refusal
from epay_transfers.ops.plans import plan as plans
from epay_transfers.ops.plans.journal import Became, Line, Outcomes, path_of
from epay_transfers.ops.plans.plan import Plan, What

FILE_MODE = 0o600

#: Of the newest so many files the folder is made.
MOST_FILES = 1000

#: A list reads so much of files that it does not know yet; it says which ones it has not read.
_READ_FOR_A_LIST = 2_000_000

#: So many transfers of plans are kept in memory.
_KEPT_ITEMS = 200_000

_LONGEST = 100_000_000
_HEAD = 8192
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CLAIMED = re.compile(rb'^ "digest": "([0-9a-f]{64})"', re.MULTILINE)

_Mark = tuple[str, int, int]


def read_file(path: Path) -> Plan:
    """Raises `Refusal`."""
    try:
        if path.stat().st_size > _LONGEST:
            raise Refusal(f"{path}: is far too long for a plan")
        return plans.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeError:
        raise Refusal(f"{path}: is no plan: it is not in UTF-8") from None


@dataclass(frozen=True, slots=True)
class PlanFile:
    """`claimed`: the digest that it says; empty where it says none. Nothing of it is checked yet."""

    path: Path
    claimed: str
    size: int
    changed_ns: int

    @property
    def mark(self) -> _Mark:
        return str(self.path), self.size, self.changed_ns


@dataclass(frozen=True, slots=True)
class Shown:
    """A file in the list. `refused`: why it is no plan. With neither a refusal nor a plan's values, it is not read yet.

    `finished`: of so many of its transfers the journal has what became of them for good.
    """

    file: PlanFile
    refused: str = ""
    what: What | None = None
    count: int = 0
    money: str = ""
    made_by: str = ""
    made_at: int = 0
    chosen_by: str = ""
    finished: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """`of`: so many files of plans are there; `is_whole`: they are all that the folder has."""

    shown: Sequence[Shown]
    of: int
    is_whole: bool


class PlanFolder:
    """Any number of threads may use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._claims: dict[_Mark, str] = {}
        self._summaries: dict[_Mark, Shown] = {}
        self._plans: OrderedDict[_Mark, Plan] = OrderedDict()
        self._outcomes: dict[tuple[Path, str], Outcomes] = {}

    def store(self, plan: Plan) -> Path:
        """It is on the disk, whole, when this returns. Raises `Refusal`."""
        made = datetime.fromtimestamp(plan.made_at / 1000, UTC)
        path = self.path / f"{made:%Y%m%dT%H%M%S}-{plan.what}-{plan.digest[:12]}.json"
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            try:
                with os.fdopen(number, "w", encoding="utf-8") as file:
                    plans.write(plan, file)
                    file.flush()
                    os.fsync(number)
                unfinished.replace(path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Refusal(f"the plan can't be written into {self.path}: {error.strerror}; none was made") from None
        return path

    def newest(self, start: int, limit: int) -> Listing:
        """Those that were written last come first. Raises `Refusal`."""
        files, is_whole = self._files()
        left, shown = _READ_FOR_A_LIST, list[Shown]()
        for file in files[start : start + limit]:
            known = self._summaries.get(file.mark)
            if known is None and file.size <= left:
                left -= file.size
                known = self._look(file)
            shown.append(self._with_progress(known) if known else Shown(file))
        return Listing(shown, len(files), is_whole)

    def find(self, digest: str) -> tuple[PlanFile, Plan]:
        """The plan with this digest, and with what it says. Raises `Refusal`."""
        files = self._files()[0] if _DIGEST.fullmatch(digest) else []
        refused: Refusal | None = None
        for file in files:
            if file.claimed == digest:
                try:
                    return file, self._read(file)
                except Refusal as error:
                    refused = error
        raise refused or Refusal(f"there is no plan of this digest among the files in {self.path}")

    def outcomes(self, file: PlanFile) -> Mapping[str, Line]:
        """Key → what became of it, by its journal. Raises `Refusal`."""
        with self._lock:
            reader = self._outcomes.setdefault((file.path, file.claimed), Outcomes(path_of(file.path), file.claimed))
            return reader.read()

    def _with_progress(self, known: Shown) -> Shown:
        if known.refused:
            return known
        finished = sum(line.became.is_final for line in self.outcomes(known.file).values())
        return replace(known, finished=finished)

    def _look(self, file: PlanFile) -> Shown:
        try:
            self._read(file)
        except Refusal as error:
            shown = Shown(file, str(error))
        else:
            return self._summaries[file.mark]
        with self._lock:
            self._summaries[file.mark] = shown
        return shown

    def _read(self, file: PlanFile) -> Plan:
        with self._lock:
            plan = self._plans.get(file.mark)
            if plan is not None:
                self._plans.move_to_end(file.mark)
                return plan
        plan = read_file(file.path)
        summary = Shown(
            file, "", plan.what, plan.count, plans.money_text(plan), plan.made_by, plan.made_at, plan.chosen_by
        )
        with self._lock:
            self._summaries[file.mark] = summary
            self._plans[file.mark] = plan
            while len(self._plans) > 1 and sum(each.count for each in self._plans.values()) > _KEPT_ITEMS:
                self._plans.popitem(last=False)
        return plan

    def _files(self) -> tuple[list[PlanFile], bool]:
        try:
            with os.scandir(self.path) as entries:
                found = [
                    (entry.stat(follow_symlinks=False), Path(entry.path))
                    for entry in entries
                    if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False)
                ]
        except OSError as error:
            raise Refusal(f"CONSOLE_PLANS: {self.path} can't be read: {error.strerror}") from None
        found.sort(key=lambda each: (-each[0].st_mtime_ns, each[1]))
        files = [self._file(path, stat) for stat, path in found[:MOST_FILES]]
        marks = {file.mark for file in files}
        with self._lock:
            for known in (self._claims, self._summaries):
                for mark in known.keys() - marks:
                    del known[mark]
            for place in self._outcomes.keys() - {(file.path, file.claimed) for file in files}:
                del self._outcomes[place]
        return files, len(found) <= MOST_FILES

    def _file(self, path: Path, stat: os.stat_result) -> PlanFile:
        mark = str(path), stat.st_size, stat.st_mtime_ns
        claimed = self._claims.get(mark)
        if claimed is None:
            claimed = _claim(path)
            with self._lock:
                self._claims[mark] = claimed
        return PlanFile(path, claimed, stat.st_size, stat.st_mtime_ns)


def _claim(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = _CLAIMED.search(file.read(_HEAD))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def waits_for_second(outcomes: Mapping[str, Line]) -> list[Line]:
    """Of these one operator asked, and another one has to ask for the same."""
    return [line for line in outcomes.values() if line.became is Became.SECOND_NEEDED]
