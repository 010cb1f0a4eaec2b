"""What takes long and was asked for by a form: it runs on in a thread, and pages show how far it is.

It is in this process' memory alone. What if the console dies? A plan that was being made is not there; one that was
being applied goes on where its journal ends, when it is applied again.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import typer

from epay_transfers.ledger.errors import TransfersError
from epay_transfers.ops.exit_status import NotYet, Refusal, sentence_of

_LOG = logging.getLogger(__name__)

#: So many run at a time, and so many that have ended are remembered.
_MOST_RUNNING = 8
_REMEMBERED = 50

Say = Callable[[str], None]


@dataclass(slots=True)
class Job:
    """`about`: what no two jobs of one person may do at once. `page`: where what came of it is shown, once there is."""

    id: str
    person: str
    title: str
    about: str
    started_ms: int
    says: list[str] = field(default_factory=list)
    page: str = ""
    error: TransfersError | None = None
    is_broken: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        return self.ended.is_set()

    @property
    def last(self) -> str:
        """How far it is, or how it ended."""
        if self.is_broken:
            return "the console broke on it: its log says where"
        if self.error is not None:
            return sentence_of(self.error)
        return self.says[-1] if self.says else "it has begun"


class Jobs:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: list[Job] = []

    def start(self, job: Job, work: Callable[[Job], None]) -> Job:
        """The job that runs. A form that was sent before has its own already. Raises `Refusal`."""
        with self._lock:
            if known := next((each for each in self._jobs if each.id == job.id), None):
                return known
            running = [each for each in self._jobs if not each.is_over]
            if any((each.person, each.about) == (job.person, job.about) for each in running):
                raise Refusal(f"{job.about} is under way for you already: wait for its end")
            if len(running) >= _MOST_RUNNING:
                raise Refusal(f"{_MOST_RUNNING} plans are being made or applied now: wait until one has ended")
            over = [each for each in self._jobs if each.is_over]
            self._jobs = [each for each in self._jobs if each not in over[:-_REMEMBERED]] + [job]
        threading.Thread(target=_run, args=(job, work), name=f"job {job.id}", daemon=True).start()
        return job

    def is_known(self, job_id: str) -> bool:
        return self.of(job_id) is not None

    def of(self, job_id: str) -> Job | None:
        with self._lock:
            return next((each for each in self._jobs if each.id == job_id), None)

    def about(self, prefix: str) -> Sequence[Job]:
        """Those about this, the newest first; of those that have ended, the last few."""
        with self._lock:
            return [job for job in reversed(self._jobs) if job.about.startswith(prefix)]


JOBS = Jobs()


def awaited(job: Job, within_s: float) -> None:
    """Where it ends in time, what came of it; else that it goes on. Raises what it raised, and `NotYet`."""
    if not job.ended.wait(within_s):
        raise NotYet(f"{job.title}: it goes on, also when you leave. The page shows how far it is")
    if job.is_broken:
        raise Refusal(job.last)
    if job.error is not None:
        raise job.error


def _run(job: Job, work: Callable[[Job], None]) -> None:
    try:
        work(job)
    except TransfersError as error:
        job.error = error
    except typer.BadParameter as error:
        job.error = Refusal(error.message)
    except Exception:  # noqa: BLE001 - whatever it is, the page says that it ended
        _LOG.exception("job.broken", extra={"title": job.title})
        job.is_broken = True
    finally:
        job.ended.set()
