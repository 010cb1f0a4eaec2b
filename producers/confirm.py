"""Confirm: the client came back from the bank's page with a PaRes.

The PaRes goes into the vault first, under the epoch that a worker is about to take; then an entry into the web tier's
inbox, which is the confirm message. A worker reads it and resumes the transfer: this process changes no record. What if
we die in between? The client's browser sends the same PaRes again, the vault says that it is there, and it goes on.
Another PaRes never takes its place.
"""

import hashlib
import logging
from enum import StrEnum

from epay_transfers.ledger.log_lines import log_line
from epay_transfers.ledger.pa_res import is_same_md
from epay_transfers.ledger.record import Record, RequestedAction
from epay_transfers.ledger.states import State
from epay_transfers.ledger.store.inboxes import WEB, Kind
from epay_transfers.ledger.vault.sealing import Purpose
from epay_transfers.ledger.vault.vault import Content, Put
from epay_transfers.producers.challenge import is_handle
from epay_transfers.producers.context import Context
from epay_transfers.producers.pa_res import read_pa_res

_LOG = logging.getLogger(__name__)

_MD_LENGTH = 4096


class Verdict(StrEnum):
    """What became of a client's 3-D Secure answer."""

    ACCEPTED = "accepted"  #: it is kept, and a worker confirms it now
    DUPLICATE = "duplicate"  #: this very answer was taken before: show the client the transfer's state
    TOO_LATE = "too_late"  #: no answer is expected (any more)
    UNKNOWN = "unknown"  #: no challenge has this MD
    CONFLICTING = "conflicting"  #: another answer was taken before: an error, or an attack


def confirm(context: Context, md: str, pa_res: str, handle: str | None) -> Verdict:
    """Raises `IntentRejected` for a PaRes that is none."""
    answer = read_pa_res(pa_res)
    digest = hashlib.sha256(answer.encode()).hexdigest()[:32]
    record = _by_md(context, md) if handle is None else _by_handle(context, handle, md, digest)
    if record is None:
        return Verdict.UNKNOWN
    if record.pares_digest:
        return _seen(record, digest)
    late = record.state is not State.PARKED or context.ledger.now_ms() >= record.parked_until
    if late or record.requested_action == RequestedAction.CANCEL:
        return Verdict.TOO_LATE
    return _hand_over(context, record, answer, digest)


def _hand_over(context: Context, record: Record, answer: str, digest: str) -> Verdict:
    """The vault keeps the answer, and the inbox says so. The same answer again is handed over again."""
    sealed = context.sealer.seal(answer.encode(), Purpose.PARES, record.key)
    ttl_ms = context.settings.card_ttl * 1000
    if context.vault.put(Purpose.PARES, record.key, record.epoch + 1, sealed, ttl_ms, tag=digest) is Put.PRESENT:
        return _overtaken(context, record, digest)
    fresh = context.ledger.get(record.key) or record
    is_cancelled = fresh.requested_action == RequestedAction.CANCEL
    if fresh.state is not State.PARKED or is_cancelled:  # while the answer was sealed and put
        return _seen(fresh, digest) if fresh.pares_digest else Verdict.TOO_LATE
    fields = {"key": record.key, "epoch": str(record.epoch), "digest": digest}
    context.inboxes.put(WEB, Kind.CONFIRM, fields)
    return Verdict.ACCEPTED


def _overtaken(context: Context, record: Record, digest: str) -> Verdict:
    """Another caller was faster: what does the record say now? A blob in the vault is its answer, about to be taken."""
    there = context.vault.look(Purpose.PARES, record.key)
    fresh = context.ledger.get(record.key) or record
    if fresh.pares_digest:
        return _seen(fresh, digest)
    return _conflicting(fresh) if there is Content.BLOB else Verdict.TOO_LATE


def _seen(record: Record, digest: str) -> Verdict:
    return Verdict.DUPLICATE if record.pares_digest == digest else _conflicting(record)


def _conflicting(record: Record) -> Verdict:
    log_line(
        _LOG.warning,
        "confirm.conflicting",
        "A second, different 3-D Secure answer came for %(key)s (%(state)s): the first one stands",
        key=record.key,
        state=str(record.state),
        security=True,
    )
    return Verdict.CONFLICTING


def _by_handle(context: Context, handle: str, md: str, digest: str) -> Record | None:
    """The handle's own transfer, if its challenge has this MD, but for blanks that a page has added or made of plusses.

    The handle says which transfer is meant. So an MD that two challenges of the bank have in common locks neither out.
    """
    record = context.ledger.by_handle(handle) if is_handle(handle) else None
    if record is not None and record.pares_digest == digest:  # taken before; an ended transfer keeps no challenge
        return record
    if record is not None and (kept := context.ledger.challenge(record)) is not None:
        return record if is_same_md(kept.md, md) else None
    found = _by_md(context, md)  # an MD leads to its transfer for longer than a handle
    return found if found is not None and found.handle == handle else None


def _by_md(context: Context, md: str) -> Record | None:
    """By the MD of its challenge. A page that does not encode its plusses makes blanks of them, in the MD as well."""
    readings = dict.fromkeys((md, md.strip(), md.replace(" ", "+"), md.strip().replace(" ", "+")))
    found = (context.ledger.by_md(reading) for reading in readings if _is_md(reading))
    return next((record for record in found if record is not None), None)


def _is_md(md: str) -> bool:
    """An MD is the bank's; but what no MD can be is not looked for."""
    return 0 < len(md) <= _MD_LENGTH and md.isprintable()
