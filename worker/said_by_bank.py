"""What the bank said in an answer that is not believed: kept for an operator's question to the bank.

Pure. It has record fields of its own, and no decision rests on them: the record's `bank_id` is only what was believed.
"""

from epay_transfers.ledger.record import Record
from epay_transfers.ledger.store.change import EventFields, RecordFields
from epay_transfers.worker.bank import StatusReport, StatusWord


def unbelieved(*, bank_id: str, reference: str, message: str = "") -> RecordFields:
    """All three together, so that no word of an older answer stands beside those of a newer one."""
    if not (bank_id or reference or message):
        return {}
    return {"unbelieved_bank_id": bank_id, "unbelieved_reference": reference, "unbelieved_message": message}


def unbelieved_report(record: Record, report: StatusReport) -> RecordFields:
    """Of an inquiry's answer; the answer to the transfer or the confirm, if one was kept, says more."""
    is_kept = record.unbelieved_bank_id or record.unbelieved_reference or record.unbelieved_message
    if is_kept or report.word is not StatusWord.NOT_YET or not report.why:
        return {}
    return unbelieved(bank_id=report.bank_id, reference=report.reference)


def event_of_unbelieved(said: RecordFields) -> EventFields:
    """The message stays in the record alone: it is for people, and an event is kept for long."""
    names = {"id": said.get("unbelieved_bank_id"), "reference": said.get("unbelieved_reference")}
    told = ", ".join(f"{name} {value}" for name, value in names.items() if value)
    return {"bank_said": f"not believed: {told}"} if told else {}


def event_of_report(report: StatusReport) -> EventFields:
    """The bank's word as it wrote it, and why it was read so."""
    result = f"result {report.result_code}" if report.why == "unknown_result" and report.result_code else ""
    words = (report.word, report.said or report.status_name, report.why, result)
    return {"bank_said": " ".join(filter(None, words))}
