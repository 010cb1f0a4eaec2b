"""What the wire brings home from one request: an answer, or silence. Values, and nothing of the request in them."""

from dataclasses import dataclass

from epay_transfers.worker.bank.outcome import Evidence


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole HTTP answer. `location` is empty unless there was exactly one.

    `framed` says that the body's end was proved by the protocol (one length, or chunks). Where it was not, a cut body
    looks like a whole one, so only what proves its own end (JSON) may be believed: a JSON object that was cut, or has
    something after it, does not parse.
    """

    status: int
    location: str = ""
    body: bytes = b""
    retry_after_s: float | None = None
    framed: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """No whole answer. `why` is a word of ours, for people; only `evidence` decides anything."""

    evidence: Evidence
    why: str
