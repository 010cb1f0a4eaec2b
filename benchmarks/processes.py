"""The processes that a benchmark measures: how each is started, and what the kernel says of its CPU and its memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from epay_transfers.runtime import embedded_servers

ROOT = Path(__file__).parents[1]

#: So long a benchmark waits for anything, in seconds; then it ends with an error.
LIMIT_S = 600.0

#: Another server program than the embedded one, for both servers.
SERVER = os.environ.get("BENCH_SERVER", "")

_EVERY_S = 0.02
_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class RunningBank:
    url: str
    ca_file: str  #: empty without TLS
    pid: int
    _counts_url: str

    def counts(self) -> dict[str, int]:
        with urlopen(self._counts_url, timeout=60) as answer:  # noqa: S310 - of loopback
            told: dict[str, int] = json.load(answer)
            return told

    def moments(self) -> dict[str, dict[str, float]]:
        """By invoice id: when the last token and the confirm came, of the transfers that needed 3-D Secure."""
        with urlopen(f"{self._counts_url}moments", timeout=60) as answer:  # noqa: S310 - of loopback
            told: dict[str, dict[str, float]] = json.load(answer)
            return told

    def until(self, transfers: int, *, what: str = "transfers") -> dict[str, int]:
        """Wait until it has seen so many, and say what it counts by then."""
        until(lambda: self.counts()[what] >= transfers, f"{transfers} {what} at the bank")
        return self.counts()


@contextmanager
def bank(latency_s: float = 0.0, *, tls: bool = False) -> Iterator[RunningBank]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        words = ["-m", "benchmarks.fast_bank", str(latency_s), *([folder] if tls else [])]
        with python(words, output=subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            port, counts = process.stdout.readline().split()
            scheme, ca_file = ("https", f"{folder}/ca.pem") if tls else ("http", "")
            url = f"{scheme}://127.0.0.1:{int(port)}"
            yield RunningBank(url, ca_file, process.pid, f"http://127.0.0.1:{int(counts)}/")


@contextmanager
def ledger_server(**options: str) -> Iterator[embedded_servers.EmbeddedServer]:
    """A durable server, as a ledger's is."""
    with embedded_servers.running(embedded_servers.LEDGER_OPTIONS | options, binary=SERVER) as server:
        yield server


@contextmanager
def vault_server() -> Iterator[embedded_servers.EmbeddedServer]:
    """A server that keeps nothing, as a vault's is."""
    with embedded_servers.running(embedded_servers.VAULT_OPTIONS, binary=SERVER) as server:
        yield server


@contextmanager
def python(
    words: list[str],
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path = ROOT,
    output: int = subprocess.DEVNULL,
    program: str = sys.executable,
    cores: Collection[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Python for the time of the block. It ends with the block, and at the latest with this process.

    `cores`: on these alone; empty for all.
    """

    def before() -> None:
        embedded_servers.end_with_parent()
        if cores:
            os.sched_setaffinity(0, cores)

    process = subprocess.Popen(  # noqa: S603 - a benchmark's own
        [program, *words],
        env=None if environment is None else dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if os.environ.get("BENCH_SHOW") else subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the benchmark alone, which then stops what it started
        preexec_fn=before,  # noqa: PLW1509 - no lock is held in the child
    )
    try:
        yield process
    finally:
        below = tree(process.pid) if process.poll() is None else []
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in below[1:]:
            _kill(pid)
        if process.stdout is not None:
            process.stdout.close()


def run(words: list[str], environment: Mapping[str, str], *, program: str = sys.executable) -> str:
    """A process of Python that ends by itself: what it prints. What it says on standard error shows if it fails."""
    done = subprocess.run(  # noqa: S603 - a benchmark's own
        [program, *words], env=dict(environment), cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise RuntimeError(f"{words[1]} ended with {done.returncode}")
    return done.stdout


def until(is_so: Callable[[], bool], what: str, *, every_s: float = _EVERY_S) -> None:
    ends = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > ends:
            raise RuntimeError(f"after {LIMIT_S:.0f} s there are not yet {what}")
        time.sleep(every_s)


def cpu_s(pid: int) -> float:
    """CPU that the process has used since its start, its threads' all together, to the microsecond."""
    return time.clock_gettime((~pid << 3) | 2)  # what `clock_getcpuclockid` gives: Linux' clock of another process


def cpu_of_all_s(pid: int) -> float:
    """Its children's too, those that have ended among them: of a queue whose workers are processes below one."""
    while True:
        try:
            return sum(cpu_s(each) + _ended_cpu_s(each) for each in tree(pid))
        except OSError:
            continue  # one ended meanwhile; its CPU is its parent's now


def _ended_cpu_s(pid: int) -> float:
    """CPU of the children that have ended and were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process, and every process below it."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in below for each in tree(int(child)))]


def memory_kb(pid: int) -> int:
    """Resident memory."""
    return _status(pid, "VmRSS")


def threads(pid: int) -> int:
    return _status(pid, "Threads")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names alone


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
