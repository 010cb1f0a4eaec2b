"""The table of states, written down a second time from the design. It knows nothing of `ledger.states`."""

UNFINISHED_NAMES = ["queued", "sending", "parked", "resumed", "confirming", "in_doubt", "needs_review", "dead"]
FINAL_NAMES = ["paid", "reversed", "declined", "expired", "cancelled"]
EVERYWHERE = " ".join(UNFINISHED_NAMES)
ENDED = " ".join(FINAL_NAMES)

#: Verb → where it may start and where it leads: `a b > c`, or `= a b` where it stays.
TABLE: dict[str, list[str]] = {
    "create": [],
    "replace_card": ["= queued"],
    "defer": ["= queued resumed"],
    "claim": ["queued > sending", "resumed > confirming"],
    "pay": [f"{EVERYWHERE} > paid"],
    "decline": [f"{EVERYWHERE} > declined"],
    "park": ["sending in_doubt > parked"],
    "doubt": ["sending confirming resumed > in_doubt"],
    "requeue": ["sending in_doubt > queued"],
    "requeue_confirm": ["confirming in_doubt > resumed"],
    "fail_queued": ["queued > dead"],
    "fail_claimed": ["sending in_doubt > dead"],
    "lose_card": ["in_doubt > dead"],
    "add_evidence": ["= in_doubt needs_review"],
    "resume": ["parked > resumed"],
    "found_taken": ["queued dead > in_doubt"],
    "found_taken_confirm": ["parked > in_doubt"],
    "inquiry_paid": ["parked in_doubt needs_review dead > paid"],
    "inquiry_declined": ["parked in_doubt needs_review dead > declined"],
    "inquiry_reversed": ["parked in_doubt needs_review dead paid > reversed"],
    "notification_paid": ["parked in_doubt needs_review > paid"],
    "inquiry_inconclusive": ["= parked in_doubt needs_review"],
    "send_to_review": ["in_doubt > needs_review"],
    "expire": ["queued parked > expired"],
    "challenge_expired": ["in_doubt > expired"],
    "cancel": ["queued parked dead > cancelled"],
    "requeue_dead": ["dead > queued"],
    "request": ["= parked in_doubt needs_review dead"],
    "refuse_request": ["= parked in_doubt needs_review dead"],
    "schedule_wakeup": [f"= {EVERYWHERE}"],
    "look_later": [f"= {EVERYWHERE}"],
    "keep_notification": [f"= {EVERYWHERE}"],
    "operator_paid": ["needs_review > paid"],
    "operator_not_paid": ["needs_review > declined"],
    "operator_reversed": ["needs_review paid > reversed"],
    "correct_paid": ["reversed declined expired cancelled > paid"],
    "correct_not_paid": ["paid reversed > declined"],
    "correct_reversed": ["declined expired cancelled > reversed"],
    "ask": [f"= {EVERYWHERE} {ENDED}"],
    "answer": [f"= {EVERYWHERE} {ENDED}"],
    "decide": [f"= needs_review queued parked dead {ENDED}"],
    "take_back": [f"= needs_review {ENDED}"],
}

#: What else must hold, and what else changes. What is not named keeps the epoch, and asks for the very same one.
LATE = {"pay", "decline"}
#: Nothing happened since it was read.
AS_SEEN = {
    "inquiry_inconclusive", "send_to_review", "expire", "cancel", "requeue_dead", "request", "refuse_request",
    "schedule_wakeup", "look_later", "lose_card", "add_evidence", "keep_notification",
    "ask", "answer", "decide", "take_back",
}  # fmt: skip

#: Not while the bank's proved notification that it paid is kept: what sends it, and what says that no money moved.
UNLESS_PAID = {
    "claim", "decline", "fail_queued", "fail_claimed", "lose_card", "inquiry_declined", "expire",
    "challenge_expired", "cancel", "requeue_dead",
}  # fmt: skip
KEEPS_DUE = {"keep_notification", "ask", "answer", "decide", "take_back"}  #: when to look again stays as it is
#: Verb → by from-state, which of the record's times must have come by the ledger's own clock; and which must not.
AFTER = {"expire": {"queued": "deadline_at", "parked": "parked_until"}}
BEFORE = {"claim": {"queued": "deadline_at"}}
PHASE = {"park": "send", "requeue": "send", "fail_claimed": "send", "lose_card": "send", "requeue_confirm": "confirm"}
ENTERS = {"resume": "confirm", "found_taken_confirm": "confirm"}
ADVANCE = {
    "replace_card": "generation",
    "pay": "given",
    "decline": "given",
    "requeue": "try",
    "requeue_confirm": "try",
    "resume": "try",
    "requeue_dead": "try",
}


def cells(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        starts, _, end = line.partition(">")
        found |= {start: end.strip() or start for start in starts.replace("=", "").split()}
    return found
